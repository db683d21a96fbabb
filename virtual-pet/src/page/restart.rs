//! What is said after the server was started again: how many of the pet's jobs came back, and how many were late.

use std::collections::HashSet;

use lullaby::event::Event;
use lullaby::{JobId, Timestamp};

use super::View;

/// What the events tell of the time since a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comeback {
    boot: Timestamp,
    made_before: HashSet<JobId>,
    /// Jobs that were made since; all others that wait came back.
    made_since: HashSet<JobId>,
    /// Jobs that came back and have been moved on since. A slot's job is none of them: its schedule came back, and still waits.
    moved: HashSet<JobId>,
    /// Jobs that came due while nobody was there and have been moved on since, slots' jobs too.
    late: HashSet<JobId>,
}

impl Comeback {
    /// From a pet's events, for a server that was started at `boot`.
    pub(crate) fn new(events: &[Event], boot: Timestamp) -> Self {
        let mut comeback = Self {
            boot,
            made_before: HashSet::new(),
            made_since: HashSet::new(),
            moved: HashSet::new(),
            late: HashSet::new(),
        };
        for event in events {
            comeback.take(event);
        }
        comeback
    }

    /// What happened after that; twice does no harm.
    pub(crate) fn take(&mut self, event: &Event) {
        let Some(job) = event.job.clone() else { return };
        let is_since = event.at >= self.boot;
        match event.kind.as_str() {
            "job.scheduled" if is_since => drop(self.made_since.insert(job)),
            "job.scheduled" => drop(self.made_before.insert(job)),
            "job.queued" if is_since => {
                let due = event.data["due"].as_i64().map(Timestamp::from_millis);
                if due.is_some_and(|due| due < self.boot) {
                    self.late.insert(job.clone());
                }
                if self.made_before.contains(&job) {
                    self.moved.insert(job);
                }
            }
            _ => {}
        }
    }
}

impl View {
    /// The sentence.
    pub(crate) fn restarted(&self, comeback: &Comeback) -> String {
        let waiting = self.agenda.scheduled.iter();
        let waiting = waiting.filter(|entry| {
            let made_since = comeback.made_since.iter();
            !made_since.map(JobId::as_str).any(|id| id == entry.id)
        });
        let back = waiting.count() + comeback.moved.len();
        told(back, comeback.late.len(), self.overdue(comeback))
    }

    /// How many jobs came due before the start and still wait: nobody has moved them yet.
    pub(crate) fn overdue(&self, comeback: &Comeback) -> usize {
        let waiting = self.agenda.scheduled.iter();
        waiting.filter(|entry| entry.due_at < comeback.boot).count()
    }
}

/// Of jobs that came back, that were late and have been moved on, and that are late and wait.
fn told(back: usize, late: usize, overdue: usize) -> String {
    let back = match back {
        0 => return "The server restarted.".to_owned(),
        1 => "The server restarted. 1 scheduled job came back from disk".to_owned(),
        n => format!("The server restarted. {n} scheduled jobs came back from disk"),
    };
    match (late, overdue) {
        (0, 0) => format!("{back}."),
        (1, 0) => format!("{back}; 1 was late and ran at once."),
        (n, 0) => format!("{back}; {n} were late and ran at once."),
        (_, 1) => format!("{back}; 1 is late."),
        (_, n) => format!("{back}; {n} are late."),
    }
}

#[cfg(test)]
mod tests {
    use lullaby::event::EventId;
    use serde_json::json;

    use super::*;

    fn event(id: u64, kind: &str, job: &str, at: i64, due: i64) -> Event {
        Event {
            id: EventId(id),
            subject: "pet".into(),
            job: Some(JobId::new(job).expect("an id")),
            kind: kind.into(),
            at: Timestamp::from_millis(at),
            data: json!({ "due": due }),
        }
    }

    #[test]
    fn jobs_made_since_the_start_did_not_come_back_and_late_ones_are_counted() {
        let boot = Timestamp::from_millis(1000);
        let comeback = Comeback::new(
            &[
                event(1, "job.scheduled", "old", 10, 900),
                event(2, "job.scheduled", "new", 1100, 5000),
                event(3, "job.queued", "old", 1001, 900),
                event(4, "job.queued", "slot", 1001, 950),
            ],
            boot,
        );
        let ids = |ids: &[&str]| {
            ids.iter()
                .map(|id| JobId::new(id).expect("an id"))
                .collect()
        };
        assert_eq!(comeback.moved, ids(&["old"]));
        assert_eq!(comeback.late, ids(&["old", "slot"]));
        assert_eq!(comeback.made_since, ids(&["new"]));
    }

    #[test]
    fn a_late_job_that_is_moved_after_the_first_look_is_counted_then() {
        let boot = Timestamp::from_millis(1000);
        let before = event(1, "job.scheduled", "old", 10, 900);
        let moved = event(2, "job.queued", "old", 1001, 900);
        let mut comeback = Comeback::new(std::slice::from_ref(&before), boot);
        assert!(comeback.late.is_empty());
        comeback.take(&moved);
        comeback.take(&moved);
        assert_eq!(comeback, Comeback::new(&[before, moved], boot));
        assert_eq!(comeback.late.len(), 1);
    }

    #[test]
    fn a_restart_is_told_in_a_sentence() {
        assert_eq!(told(0, 0, 0), "The server restarted.");
        assert_eq!(
            told(1, 0, 0),
            "The server restarted. 1 scheduled job came back from disk."
        );
        assert_eq!(
            told(3, 1, 0),
            "The server restarted. 3 scheduled jobs came back from disk; 1 was late and ran at once."
        );
        assert_eq!(
            told(3, 1, 1),
            "The server restarted. 3 scheduled jobs came back from disk; 1 is late."
        );
    }
}
