//! What is said after the server was started again: how many of the pet's jobs came back, and how many were late.

use std::collections::HashSet;

use lullaby::Timestamp;
use lullaby::event::Event;

use super::View;

/// What the events tell of the time since a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comeback {
    /// Jobs that were made since; all others that wait came back.
    made_since: HashSet<String>,
    /// Jobs that came back and have been moved on since. A slot's job is none of them: its schedule came back, and still waits.
    moved: usize,
    /// Jobs that came due while nobody was there, slots' jobs too.
    late: usize,
}

impl Comeback {
    /// From a pet's events, for a server that was started at `boot`.
    pub(crate) fn new(events: &[Event], boot: Timestamp) -> Self {
        let (mut made, mut made_since) = (HashSet::new(), HashSet::new());
        let (mut moved, mut late) = (HashSet::new(), HashSet::new());
        for event in events {
            let Some(job) = &event.job else { continue };
            let due = event.data["due"].as_i64().map(Timestamp::from_millis);
            let is_since = event.at >= boot;
            match event.kind.as_str() {
                "job.scheduled" if is_since => drop(made_since.insert(job.to_string())),
                "job.scheduled" => drop(made.insert(job)),
                "job.queued" if is_since => {
                    if made.contains(job) {
                        moved.insert(job);
                    }
                    if due.is_some_and(|due| due < boot) {
                        late.insert(job);
                    }
                }
                _ => {}
            }
        }
        Self {
            made_since,
            moved: moved.len(),
            late: late.len(),
        }
    }
}

impl View {
    /// The sentence.
    pub(crate) fn restarted(&self, comeback: &Comeback) -> String {
        let waiting = self.agenda.scheduled.iter();
        let waiting = waiting.filter(|entry| !comeback.made_since.contains(&entry.id));
        told(waiting.count() + comeback.moved, comeback.late)
    }
}

fn told(back: usize, late: usize) -> String {
    let back = match back {
        0 => return "The server restarted.".to_owned(),
        1 => "The server restarted. 1 scheduled job came back from disk".to_owned(),
        n => format!("The server restarted. {n} scheduled jobs came back from disk"),
    };
    match late {
        0 => format!("{back}."),
        1 => format!("{back}; 1 was late and ran at once."),
        n => format!("{back}; {n} were late and ran at once."),
    }
}

#[cfg(test)]
mod tests {
    use lullaby::JobId;
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
        assert_eq!((comeback.moved, comeback.late), (1, 2));
        assert_eq!(comeback.made_since, HashSet::from(["new".to_owned()]));
    }

    #[test]
    fn a_restart_is_told_in_a_sentence() {
        assert_eq!(told(0, 0), "The server restarted.");
        assert_eq!(
            told(1, 0),
            "The server restarted. 1 scheduled job came back from disk."
        );
        assert_eq!(
            told(3, 1),
            "The server restarted. 3 scheduled jobs came back from disk; 1 was late and ran at once."
        );
    }
}
