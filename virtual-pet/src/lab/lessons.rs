//! Six lessons, and whether their goals were reached: told from the store's own events.

use std::collections::HashMap;
use std::time::Duration;

use lullaby::event::Event;
use lullaby::{JobId, Timestamp};

/// What there is to learn, in the article's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lesson {
    /// A job that runs now.
    Now,
    /// A job that runs later.
    Later,
    /// A job every hour.
    EveryHour,
    /// A job that fails and is tried again.
    Retry,
    /// A job whose worker vanishes.
    Crash,
    /// What becomes of slots that were missed.
    CatchUp,
}

impl Lesson {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::Now,
        Self::Later,
        Self::EveryHour,
        Self::Retry,
        Self::Crash,
        Self::CatchUp,
    ];

    /// Its number, from 1.
    #[must_use]
    pub fn number(self) -> usize {
        self as usize + 1
    }
}

/// What happened that reached a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A worker ran the job.
    Ran {
        /// Which worker.
        worker: String,
        /// How long it waited.
        waited: Duration,
        /// How long it took.
        took: Duration,
    },
    /// A job was scheduled, and ran at its time.
    RanLater {
        /// When it was scheduled.
        scheduled: Timestamp,
        /// When it was due.
        due: Timestamp,
        /// When it came into the queue.
        queued: Timestamp,
    },
    /// Two slots of a schedule became jobs.
    Recurred {
        /// When the first one's job came into the queue.
        first: Timestamp,
        /// The second one's.
        second: Timestamp,
    },
    /// A job failed, was tried again, and worked.
    Retried {
        /// The pauses before the tries after the first.
        pauses: Vec<Duration>,
    },
    /// A job's worker vanished, and another one ran it.
    Rescued {
        /// Who vanished.
        lost: String,
        /// Who ran it.
        by: String,
        /// How long after its first start it was given back.
        after: Duration,
    },
    /// A scheduler came back, and each schedule made up for what was missed as its policy says.
    CaughtUp {
        /// How many slots each had missed.
        slots: u64,
        /// How many runs `Latest` made.
        latest: u64,
        /// How many `All` made.
        all: u64,
        /// How many `Skip` made.
        skip: u64,
    },
}

/// A goal that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Which.
    pub lesson: Lesson,
    /// How.
    pub fact: Fact,
}

/// How far a visitor has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The lesson that is open.
    pub open: Lesson,
    done: HashMap<Lesson, Fact>,
    jobs: HashMap<JobId, Track>,
    /// When the last slot of the hourly schedule became a job.
    slot: Option<(JobId, Timestamp)>,
}

/// What was seen of a job that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Track {
    scheduled: Option<(Timestamp, Timestamp)>,
    queued: Option<Timestamp>,
    started: Option<(String, Timestamp)>,
    first_start: Option<Timestamp>,
    pauses: Vec<Duration>,
    lost: Option<(String, Timestamp)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            open: Lesson::Now,
            done: HashMap::new(),
            jobs: HashMap::new(),
            slot: None,
        }
    }
}

impl Progress {
    /// How the goal of a lesson was reached, if it was.
    #[must_use]
    pub fn fact(&self, lesson: Lesson) -> Option<&Fact> {
        self.done.get(&lesson)
    }

    /// How many goals were reached.
    #[must_use]
    pub fn count(&self) -> usize {
        self.done.len()
    }

    /// Notes a goal that was reached; `None` if it was before.
    pub fn learn(&mut self, lesson: Lesson, fact: Fact) -> Option<Learned> {
        if self.done.contains_key(&lesson) {
            return None;
        }
        self.done.insert(lesson, fact.clone());
        Some(Learned { lesson, fact })
    }

    /// Takes note of an event; answers the goal that it reached, if it did.
    pub fn witness(&mut self, event: &Event) -> Option<Learned> {
        let job = event.job.as_ref()?;
        let text = |key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
        let due = event.data["due"].as_i64().map(Timestamp::from_millis);
        let track = self.jobs.entry(job.clone()).or_default();
        match event.kind.as_str() {
            "job.scheduled" => track.scheduled = due.map(|due| (event.at, due)),
            "job.queued" => {
                track.queued = Some(event.at);
                if text("task") == "increase_hunger" {
                    let before = self.slot.replace((job.clone(), event.at));
                    let (other, first) = before?;
                    let second = event.at;
                    return (other != *job)
                        .then(|| self.learn(Lesson::EveryHour, Fact::Recurred { first, second }))
                        .flatten();
                }
            }
            "job.started" => {
                track.first_start = track.first_start.or(Some(event.at));
                track.started = Some((text("worker"), event.at));
            }
            "job.retrying" => track.pauses.extend(due.map(|due| due.since(event.at))),
            "job.lost" => {
                let worker = track.started.take().map(|(worker, _)| worker);
                track.lost = Some((worker.unwrap_or_default(), event.at));
            }
            "job.finished" => {
                let track = self.jobs.remove(job).unwrap_or_default();
                let (lesson, fact) = finished(&text("task"), &track, event.at)?;
                return self.learn(lesson, fact);
            }
            "job.failed" | "job.canceled" | "job.stopped" | "job.expired" => {
                self.jobs.remove(job);
            }
            _ => {}
        }
        None
    }
}

/// What a job that has finished shows.
fn finished(task: &str, track: &Track, at: Timestamp) -> Option<(Lesson, Fact)> {
    let (worker, started) = track.started.clone()?;
    if let Some((lost, returned)) = track.lost.clone() {
        let after = returned.since(track.first_start?);
        let by = worker;
        return Some((Lesson::Crash, Fact::Rescued { lost, by, after }));
    }
    if !track.pauses.is_empty() {
        let pauses = track.pauses.clone();
        return Some((Lesson::Retry, Fact::Retried { pauses }));
    }
    match (task, track.scheduled) {
        ("wake_pet", Some((scheduled, due))) => {
            let fact = Fact::RanLater {
                scheduled,
                due,
                queued: track.queued?,
            };
            Some((Lesson::Later, fact))
        }
        ("say_hello", _) => {
            let fact = Fact::Ran {
                worker,
                waited: started.since(track.queued?),
                took: at.since(started),
            };
            Some((Lesson::Now, fact))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lullaby::event::EventId;
    use serde_json::{Value, json};

    use super::*;

    fn event(id: u64, second: i64, job: &str, kind: &str, data: Value) -> Event {
        Event {
            id: EventId(id),
            at: Timestamp::from_millis(second * 1000),
            subject: "mochi".into(),
            job: Some(JobId::new(job).expect("an id")),
            kind: kind.into(),
            data,
        }
    }

    fn learned(events: &[(i64, &str, &str, Value)]) -> Vec<Learned> {
        let mut progress = Progress::default();
        let numbered = events.iter().enumerate();
        numbered
            .filter_map(|(n, (second, job, kind, data))| {
                progress.witness(&event(n as u64, *second, job, kind, data.clone()))
            })
            .collect()
    }

    #[test]
    fn a_job_that_failed_teaches_only_once_it_has_worked() {
        let wobble = || json!({ "task": "wobble", "worker": "worker-1" });
        let later = |due: i64| json!({ "task": "wobble", "due": due * 1000 });
        let mut events = vec![
            (0, "a", "job.queued", wobble()),
            (0, "a", "job.started", wobble()),
            (1, "a", "job.retrying", later(6)),
            (6, "a", "job.started", wobble()),
            (7, "a", "job.retrying", later(17)),
            (17, "a", "job.started", wobble()),
        ];
        assert_eq!(learned(&events), []);
        events.push((18, "a", "job.finished", wobble()));
        let pauses = vec![Duration::from_secs(5), Duration::from_secs(10)];
        let expected = Learned {
            lesson: Lesson::Retry,
            fact: Fact::Retried { pauses },
        };
        assert_eq!(learned(&events), [expected]);
    }

    #[test]
    fn a_rescue_names_who_vanished_and_who_came() {
        let by = |worker: &str| json!({ "task": "long_job", "worker": worker });
        let events = [
            (0, "a", "job.queued", by("")),
            (0, "a", "job.started", by("worker-2")),
            (6, "a", "job.lost", by("worker-2")),
            (6, "a", "job.started", by("worker-1")),
            (9, "a", "job.finished", by("worker-1")),
        ];
        let expected = Fact::Rescued {
            lost: "worker-2".into(),
            by: "worker-1".into(),
            after: Duration::from_secs(6),
        };
        assert_eq!(learned(&events)[0].fact, expected);
    }

    #[test]
    fn one_slot_is_not_yet_every_hour_and_a_goal_is_reached_once() {
        let tick = || json!({ "task": "increase_hunger" });
        let events = [
            (3600, "a", "job.queued", tick()),
            (7200, "b", "job.queued", tick()),
            (10800, "c", "job.queued", tick()),
        ];
        assert_eq!(learned(&events[..1]), []);
        assert_eq!(learned(&events).len(), 1);
    }
}
