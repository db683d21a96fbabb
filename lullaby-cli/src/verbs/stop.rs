//! `lullaby stop ID…`

use lullaby::store::Canceled;
use lullaby::{Lullaby, Status};

use crate::print::Out;

/// Asks jobs that run to stop; those that wait are left alone (`lullaby cancel` withdraws them).
///
/// A job that stops is kept as `stopped` and not tried again. Its handler is asked, and given up after its time; a Python worker kills its
/// process.
#[derive(clap::Args, Debug)]
pub(crate) struct Stop {
    /// Their ids
    #[arg(required = true)]
    ids: Vec<String>,
}

impl Stop {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let store = lullaby.store();
        let mut lines = Vec::new();
        for id in super::ids(&self.ids)? {
            let job = store.jobs(std::slice::from_ref(&id)).await?;
            let status = job.into_iter().flatten().next().map(|job| job.status);
            let (what, done) = match status {
                None => ("there is no such job".to_owned(), false),
                Some(Status::Started) => {
                    // It may end, or go back to its queue, before it hears of this.
                    match store
                        .cancel(std::slice::from_ref(&id), false)
                        .await?
                        .first()
                    {
                        Some(Canceled::Stopping) => ("it was asked to stop".to_owned(), true),
                        Some(Canceled::Canceled) => (
                            "it had gone back to its queue, and is canceled".to_owned(),
                            true,
                        ),
                        Some(Canceled::Ended { status }) => {
                            (format!("it is {status} already"), false)
                        }
                        Some(Canceled::NotFound) | None => {
                            ("there is no such job any more".to_owned(), false)
                        }
                    }
                }
                Some(status) if status.is_ended() => (format!("it is {status} already"), false),
                Some(status) => (
                    format!("it does not run, it is {status}; `lullaby cancel {id}` withdraws it"),
                    false,
                ),
            };
            lines.push((id, what, done));
        }
        out.show_each("stopping", &lines)
    }
}
