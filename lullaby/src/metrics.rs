//! Figures of a store and of this process, for Prometheus and whatever else reads its text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::audit;
use crate::client::Lullaby;
use crate::error::Result;

impl Lullaby {
    /// What a Prometheus server scrapes: jobs by queue and status, workers, schedules, slots that nobody has decided in time, and what
    /// this process complains of, the audit's findings among it. Serve it as `text/plain; version=0.0.4`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lullaby::Result<()> {
    /// # use lullaby::{Lullaby, NewJob};
    /// # let lullaby = Lullaby::open("memory:").await?;
    /// # let job = NewJob::named("greet", &[], &serde_json::Map::new())?;
    /// lullaby.queue("default")?.enqueue(job).await?;
    /// let text = lullaby.metrics().await?;
    /// assert!(text.contains(r#"lullaby_jobs{queue="default",status="queued"} 1"#));
    /// assert!(text.contains("lullaby_schedules_overdue 0"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A store error.
    pub async fn metrics(&self) -> Result<String> {
        let store = self.store();
        let mut jobs = Vec::new();
        for queue in store.queues().await? {
            let name = escaped(queue.name.as_str());
            for (status, count) in queue.counts {
                jobs.push((format!(r#"{{queue="{name}",status="{status}"}}"#), count));
            }
        }
        let one = |value: u64| vec![(String::new(), value)];
        let workers = store.workers().await?.len() as u64;
        let schedules = store.count_schedules(None).await?;
        let late = self.now() - audit::PATIENCE;
        let overdue = store.count_schedules(Some(late)).await?;
        let mut by_duty = BTreeMap::new();
        for complaint in self.health().complaints(self.clock().as_ref()) {
            let duty = complaint.split(':').next().unwrap_or_default();
            *by_duty
                .entry(format!(r#"{{duty="{}"}}"#, escaped(duty)))
                .or_insert(0) += 1;
        }
        // Always there, so that an alarm can be set on it.
        by_duty
            .entry(r#"{duty="audit"}"#.to_owned())
            .or_insert(0_u64);
        Ok([
            gauge("jobs", "Jobs by queue and status.", jobs),
            gauge("workers", "Workers that said lately that they are there.", one(workers)),
            gauge("schedules", "Schedules, ended ones too.", one(schedules)),
            gauge(
                "schedules_overdue",
                "Schedules whose next slot has been due for a minute, and nobody decided it.",
                one(overdue),
            ),
            gauge(
                "complaints",
                "What this process complains of: slots that are not accounted for (audit), a store that does not answer.",
                by_duty.into_iter().collect(),
            ),
        ]
        .concat())
    }
}

fn gauge(name: &str, help: &str, values: Vec<(String, u64)>) -> String {
    let mut text = format!("# HELP lullaby_{name} {help}\n# TYPE lullaby_{name} gauge\n");
    for (labels, value) in values {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "lullaby_{name}{labels} {value}");
    }
    text
}

/// A label's value, as the format wants it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        assert_eq!(escaped("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }

    #[tokio::test]
    async fn what_the_audit_found_is_counted() {
        let lullaby = Lullaby::open("memory:").await.expect("opens");
        let text = lullaby.metrics().await.expect("read");
        assert!(text.contains("lullaby_complaints{duty=\"audit\"} 0\n"));
        let found = vec!["one".to_owned(), "two".to_owned()];
        lullaby.health().find("audit", found);
        let text = lullaby.metrics().await.expect("read");
        assert!(text.contains("lullaby_complaints{duty=\"audit\"} 2\n"));
    }
}
