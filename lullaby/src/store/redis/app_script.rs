//! Scripts of an application that keeps data beside its jobs.

use std::fmt;
use std::sync::Arc;

use redis::Script;

use super::connection::Link;
use super::intake::{Intake, Items};
use super::scripts::Call;
use crate::error::{Error, Result};

/// A script of the application's own. What many callers ask of it at once goes to the server in one call, as jobs do: an atomic step for all of
/// them.
///
/// The script's `ARGV[1]` says how many callers there are, at most 1,000; behind it stands what each [`run`](Self::run) gave, one after the
/// other. It answers with a list of one text for each.
pub struct AppScript(Arc<Intake>);

impl AppScript {
    pub(super) fn new(link: Arc<Link>, script: &'static Script, keys: Vec<String>) -> Self {
        Self(Intake::new(link, move || Call::foreign(script, &keys)))
    }

    /// Asks one thing of the script. The server is given its text only when it does not know it. Cancel safe: the script saw it, or did not.
    ///
    /// # Errors
    /// A store error: the server cannot be reached, or the script failed, for all who were in that call.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        let mut strings = redis::Cmd::new();
        strings.arg(args);
        let items = Items {
            count: 1,
            strings: vec![strings],
        };
        let mut answers = self.0.take_in(items).await?;
        answers.pop().ok_or_else(|| {
            Error::store("expected an answer of the script for each caller, got fewer")
        })
    }
}

impl fmt::Debug for AppScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppScript")
    }
}
