//! `lullaby cancel ID…`

use lullaby::Lullaby;
use lullaby::store::Canceled;

use crate::print::Out;

/// Withdraws jobs that wait and asks those that run to stop.
#[derive(clap::Args, Debug)]
pub(crate) struct Cancel {
    /// Their ids
    #[arg(required = true)]
    ids: Vec<String>,
    /// Let in the jobs that wait for one of them alone
    #[arg(long)]
    enqueue_dependents: bool,
}

impl Cancel {
    pub(crate) async fn run(&self, lullaby: &Lullaby, out: Out) -> anyhow::Result<bool> {
        let ids = super::ids(&self.ids)?;
        let answers = lullaby
            .store()
            .cancel(&ids, self.enqueue_dependents)
            .await?;
        let lines: Vec<_> = ids
            .iter()
            .zip(answers)
            .map(|(id, answer)| match answer {
                Canceled::Canceled => (id, "canceled".to_owned(), true),
                Canceled::Stopping => (id, "it runs, and was asked to stop".to_owned(), true),
                Canceled::Ended { status } => (id, format!("it is {status} already"), false),
                Canceled::NotFound => (id, "there is no such job".to_owned(), false),
            })
            .collect();
        out.show_each("canceled", &lines)
    }
}
