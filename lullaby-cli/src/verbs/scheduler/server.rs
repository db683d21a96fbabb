//! Which Redis: by the flags and variables that `rqscheduler` has, or by ours.

use super::AS_BEFORE;

/// Where nothing says otherwise, as `rqscheduler` has it.
const HOST: &str = "localhost";
const PORT: u16 = 6379;

#[derive(clap::Args, Debug, Default)]
pub(super) struct Server {
    /// The server: redis://[user:password@]host[:port][/db]; goes before the other ways to name it
    #[arg(long, short, env = "RQ_REDIS_URL", hide_env_values = true, help_heading = AS_BEFORE)]
    url: Option<String>,
    /// The server's host; localhost when not given
    #[arg(long, short = 'H', env = "RQ_REDIS_HOST", help_heading = AS_BEFORE)]
    host: Option<String>,
    /// Its port; 6379 when not given
    #[arg(long, short, env = "RQ_REDIS_PORT", help_heading = AS_BEFORE)]
    port: Option<u16>,
    /// The number of the database; 0 when not given
    #[arg(long, short, env = "RQ_REDIS_DB", help_heading = AS_BEFORE)]
    db: Option<u32>,
    /// The server's password
    #[arg(long, short = 'P', env = "RQ_REDIS_PASSWORD", hide_env_values = true, help_heading = AS_BEFORE)]
    password: Option<String>,
}

impl Server {
    /// The server's URL. What names it most directly goes first: --redis, a URL, host and port, --store.
    ///
    /// # Errors
    /// If what names it is no Redis.
    pub(super) fn url(&self, redis: Option<&str>, store: Option<&str>) -> anyhow::Result<String> {
        let url = match (redis, &self.url) {
            (Some(url), _) => url.to_owned(),
            (None, Some(url)) => url.clone(),
            (None, None) if self.is_named() => self.parts(),
            (None, None) => store.map_or_else(|| self.parts(), str::to_owned),
        };
        let known = ["redis://", "rediss://", "unix://", "redis+unix://"];
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        anyhow::ensure!(
            known.iter().any(|start| url.starts_with(start)),
            "expected Redis, as --redis redis://localhost:6379, got a store of the kind {scheme:?}"
        );
        Ok(url)
    }

    fn is_named(&self) -> bool {
        self.host.is_some() || self.port.is_some() || self.db.is_some() || self.password.is_some()
    }

    fn parts(&self) -> String {
        let mut host = self.host.as_deref().unwrap_or(HOST).to_owned();
        if host.contains(':') && !host.starts_with('[') {
            host = format!("[{host}]");
        }
        let password = self.password.as_deref().unwrap_or_default();
        let login = match password {
            "" => String::new(),
            password => format!(":{}@", escaped(password)),
        };
        let (port, db) = (self.port.unwrap_or(PORT), self.db.unwrap_or(0));
        format!("redis://{login}{host}:{port}/{db}")
    }
}

/// As a password stands in a URL.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_server_most_directly_goes_first() {
        let none = Server::default();
        let url = |server: &Server, redis, store| server.url(redis, store).expect("Redis");
        assert_eq!(url(&none, None, None), "redis://localhost:6379/0");
        assert_eq!(url(&none, None, Some("unix:///s")), "unix:///s");
        let parts = Server {
            host: Some("::1".to_owned()),
            port: Some(7000),
            db: Some(2),
            password: Some("p@ss/ö".to_owned()),
            url: None,
        };
        let named = "redis://:p%40ss%2F%C3%B6@[::1]:7000/2";
        assert_eq!(url(&parts, None, Some("redis://other")), named);
        let by_url = Server {
            url: Some("redis://u".to_owned()),
            ..parts
        };
        assert_eq!(url(&by_url, None, None), "redis://u");
        assert_eq!(url(&by_url, Some("redis://r"), None), "redis://r");
    }

    #[test]
    fn another_store_is_refused_without_repeating_a_password() {
        let error = Server::default().url(None, Some("sqlite:secret.db"));
        let text = error.expect_err("no Redis").to_string();
        assert!(
            text.contains("\"sqlite\"") && !text.contains("secret"),
            "{text}"
        );
    }
}
