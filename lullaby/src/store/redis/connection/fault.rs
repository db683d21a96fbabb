//! The server's errors, in words that say what to do.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::Error;

/// A store error that names the server and what may help.
pub(super) fn told(location: &str, error: RedisError) -> Error {
    let message = match advice(&error) {
        Some(advice) => format!("Redis at {location}: {advice}"),
        None => format!("Redis at {location}"),
    };
    Error::store_because(message, error)
}

fn advice(error: &RedisError) -> Option<&'static str> {
    if error.is_connection_refusal() {
        return Some("no server listens there: start one, or give another URL");
    }
    if error.is_timeout() {
        return Some("it did not answer in time: see whether it is busy, or out of reach");
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            return Some(
                "it refused the user or password: give them as redis://[user]:password@host",
            );
        }
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            return Some(
                "its access rules forbid this user a command or a key: `ACL LOG` on the server names it",
            );
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            return Some("it is a replica and takes no writes: give the URL of the primary");
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => {
            return Some("it still loads its data: try again soon");
        }
        _ => {}
    }
    match (error.code(), error.detail()) {
        (Some("NOAUTH"), _) => Some("it wants a password: give it as redis://[user]:password@host"),
        (Some("OOM"), _) => Some(
            "it is full (`maxmemory`) and nothing was written: give it more memory, or delete what is not needed",
        ),
        (Some("MISCONF"), _) => Some("it cannot save to its disk and takes no writes: see its log"),
        (_, Some("DB index is out of range")) => {
            Some("it has no database of this number: see its `databases`, 16 unless set otherwise")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn server(reply: &str) -> RedisError {
        let line = format!("-{reply}\r\n");
        let value = redis::parse_redis_value(line.as_bytes()).expect("a reply");
        value.extract_error().expect_err("an error")
    }

    #[test]
    fn an_error_names_the_server_what_to_do_and_what_it_said() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for (error, advice, said) in [
            (refused.into(), "start one", "connection refused"),
            (
                io::Error::from(io::ErrorKind::TimedOut).into(),
                "did not answer",
                "timed out",
            ),
            (
                server("NOAUTH Authentication required."),
                "wants a password",
                "Authentication required",
            ),
            (
                server("OOM command not allowed when used memory > 'maxmemory'."),
                "is full",
                "maxmemory",
            ),
            (
                server("MISCONF Redis is configured to save RDB snapshots"),
                "takes no writes",
                "RDB snapshots",
            ),
            (
                server("READONLY You can't write against a read only replica."),
                "the primary",
                "read only replica",
            ),
            (
                server("LOADING Redis is loading the dataset in memory"),
                "try again",
                "loading",
            ),
            (
                server("NOPERM this user has no permissions to run the 'eval' command"),
                "ACL LOG",
                "'eval'",
            ),
            (
                server("ERR DB index is out of range"),
                "`databases`",
                "out of range",
            ),
            (server("ERR what"), "", "what"),
        ] {
            let text = told("redis://h:6379/0", error).to_string();
            assert!(text.starts_with("Redis at redis://h:6379/0: "), "{text}");
            assert!(text.contains(advice) && text.contains(said), "{text}");
        }
    }
}
