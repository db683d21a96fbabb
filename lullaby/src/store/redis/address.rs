//! Where a server is, and as whom to speak to it: what redis-rs reads of a URL, and what Python's client reads besides.
//!
//! redis-py takes `?db=2` on every kind of URL, and `unix://user:password@/path`. redis-rs passes both over in silence, and jobs would land
//! in another database; so what is not understood is refused here.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisError};

use crate::error::{Error, Result};

/// Reads a URL.
///
/// # Errors
/// If it is none of `redis://`, `rediss://`, `unix://`. No text of it repeats a password.
pub(super) fn read(url: &str) -> Result<ConnectionInfo> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut login = None;
    let unix = ["unix://", "redis+unix://"];
    let info = match unix.iter().find_map(|scheme| address.strip_prefix(scheme)) {
        Some(rest) => {
            let path = match rest.split_once('@') {
                Some((user, path)) if !user.contains('/') => {
                    login = Some(user);
                    path
                }
                _ => rest,
            };
            format!("unix://{path}").into_connection_info()
        }
        None => address.into_connection_info(),
    };
    let info = info.map_err(|error| malformed(&error))?;
    let mut settings = info.redis_settings().clone();
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        if !user.is_empty() {
            settings = settings.set_username(plain(user)?);
        }
        if !password.is_empty() {
            settings = settings.set_password(plain(password)?);
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        settings = match name {
            "db" => settings.set_db(value.parse().map_err(|_| {
                Error::invalid(format!(
                    "expected the number of a database as ?db=2, got {value:?}"
                ))
            })?),
            "user" | "username" => settings.set_username(plain(value)?),
            "pass" | "password" => settings.set_password(plain(value)?),
            other => {
                return Err(Error::invalid(format!(
                    "expected db, user or password behind the ? of a store's URL, got {other:?}"
                )));
            }
        };
    }
    Ok(info.set_redis_settings(settings))
}

/// Its own text may repeat the URL, and with it a password.
fn malformed(error: &RedisError) -> Error {
    // redis-rs has no other word for it.
    if error.to_string().contains("TLS") {
        return Error::invalid(
            "this program was built without TLS for rediss://: switch on the feature `redis-tls` of lullaby",
        );
    }
    let detail = error.detail().unwrap_or(
        "got what does not read as one; its port is a number up to 65535, its db one from 0",
    );
    Error::invalid(format!(
        "expected a store as redis://[user:password@]host[:port][/db], rediss://… or unix:///path: {detail}"
    ))
}

/// Without the `%40` of URLs.
fn plain(text: &str) -> Result<String> {
    let refused = || {
        Error::invalid(
            "expected a user and password in a URL with % and two digits for what is no letter or digit",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = digit(rest.next())
            .zip(digit(rest.next()))
            .ok_or_else(refused)?;
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_pythons_client_reads_it() {
        for (url, user, password, db) in [
            ("redis://h", None, None, 0),
            ("redis://h:7000/3", None, None, 3),
            ("redis://h?db=2", None, None, 2),
            ("redis://h/1?db=2", None, None, 2),
            ("redis://ann:p%40ss@h/1", Some("ann"), Some("p@ss"), 1),
            ("redis://:secret@h", None, Some("secret"), 0),
            (
                "unix:///run/redis.sock?db=2&pass=a%2Fb",
                None,
                Some("a/b"),
                2,
            ),
            (
                "unix:///run/redis.sock?username=ann&password=x",
                Some("ann"),
                Some("x"),
                0,
            ),
            (
                "unix://ann:p%40ss@/run/redis.sock?db=4",
                Some("ann"),
                Some("p@ss"),
                4,
            ),
            ("redis+unix:///run/a@b.sock", None, None, 0),
        ] {
            let info = read(url).expect(url);
            let settings = info.redis_settings();
            assert_eq!(
                (settings.username(), settings.password(), settings.db()),
                (user, password, db),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_without_repeating_a_password() {
        for url in [
            "redis://:secret@",
            "http://secret",
            "redis://h/secret",
            "redis:",
            "redis://h?database=2",
            "redis://h?db=two",
            "unix://ann:secret%4@/run/redis.sock",
        ] {
            let error = read(url).expect_err(url);
            assert!(
                error.is_invalid() && !error.to_string().contains("secret"),
                "{error}"
            );
        }
    }
}
