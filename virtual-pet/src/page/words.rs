//! What tasks and events are called on the page.

use std::collections::HashMap;

use lullaby::event::Event;
use lullaby::{JobId, Timestamp};
use serde_json::Value;

use super::when::Zone;
use crate::game::{By, PET_CHANGED, What};
use crate::lab::{DID, LEARNED};
use crate::pet::PetName;

/// How a task is shown, wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskWords {
    pub(crate) title: &'static str,
    pub(crate) icon: &'static str,
}

/// The words of a task. One that is not the game's own keeps its place without a word of ours.
pub(crate) fn task_words(task: &str) -> TaskWords {
    let (title, icon) = match task {
        "increase_hunger" => ("Get hungry", "bone"),
        "wake_pet" => ("Wake up", "sun"),
        "hatch_egg" => ("Hatch", "egg"),
        "grow_up" => ("Grow up", "flower"),
        "say_hello" => ("Say hello", "hand"),
        "wobble" => ("Wobbly job", "bug"),
        "broken" => ("Broken job", "bug"),
        "long_job" => ("Long job", "hourglass"),
        "small_job" => ("Small job", "paw"),
        "chime" => ("Chime", "bell"),
        _ => ("Job", "paw"),
    };
    TaskWords { title, icon }
}

/// Something that happened, in a friendly line and a technical one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: u64,
    pub(crate) job: Option<JobId>,
    pub(crate) icon: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) at: Timestamp,
}

/// Who reads the lines.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) name: &'a PetName,
    pub(crate) standing: By,
    pub(crate) zone: Zone,
}

/// Events as lines, in their order. How long a job waited and ran is told from the events before.
pub(crate) fn lines<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    reader: &Reader<'_>,
) -> Vec<Line> {
    let mut last_move: HashMap<&JobId, Timestamp> = HashMap::new();
    let mut lines = Vec::new();
    for event in events {
        if is_quiet(event) {
            continue;
        }
        let passed = event
            .job
            .as_ref()
            .filter(|_| event.kind.starts_with("job."))
            .and_then(|job| last_move.insert(job, event.at))
            .map(|before| event.at.since(before).as_millis());
        let (icon, tone, title, detail) = match event.kind.as_str() {
            PET_CHANGED => changed(event, reader),
            DID => did(event),
            LEARNED => learned(event),
            _ => moved(event, passed, reader),
        };
        lines.push(Line {
            id: event.id.0,
            job: event.job.clone(),
            icon,
            tone,
            title,
            detail,
            at: event.at,
        });
    }
    lines
}

type Told = (&'static str, &'static str, String, String);

/// What a change of the pet is told as; also what a screen reader says.
pub(crate) fn changed(event: &Event, reader: &Reader<'_>) -> Told {
    let word = |key: &str| serde_json::from_value(event.data[key].clone()).ok();
    let what: Option<What> = word("what");
    let by: Option<By> = serde_json::from_value(event.data["by"].clone()).ok();
    let pet = &event.data["pet"];
    let (hunger, energy) = (&pet["hunger"], &pet["energy"]);
    let was = |key: &str| event.data["was"][key].as_i64().unwrap_or_default();
    let who = match by {
        Some(By::Keeper) if reader.standing == By::Keeper => "You",
        Some(By::Keeper) => "Its keeper",
        _ => "A visitor",
    };
    let name = reader.name;
    let at_once = "no job needed";
    match what {
        Some(What::Adopted) => (
            "egg",
            "pet",
            format!("{name} moved in"),
            "its jobs are on the schedule".into(),
        ),
        Some(What::Hatched) => ("egg", "pet", format!("{name} hatched"), "by its job".into()),
        Some(What::Fed) => (
            "bowl",
            "hunger",
            format!("{who} fed {name}"),
            format!("hunger {} to {hunger}; {at_once}", was("hunger")),
        ),
        Some(What::Played) => (
            "ball",
            "play",
            format!("{who} played with {name}"),
            format!("energy {} to {energy}; {at_once}", was("energy")),
        ),
        Some(What::Slept) => (
            "moon",
            "sleep",
            format!("{who} put {name} to sleep"),
            format!("energy {} to {energy}", was("energy")),
        ),
        Some(What::Woke) if matches!(by, Some(By::Keeper | By::Visitor)) => (
            "sun",
            "sleep",
            format!("{who} woke {name}"),
            "its wake-up job is canceled".into(),
        ),
        Some(What::Woke) => (
            "sun",
            "sleep",
            format!("{name} woke up"),
            format!("energy is {energy}"),
        ),
        Some(What::Ticked) => {
            let hours = event.data["hours"].as_u64().unwrap_or(1);
            let detail = if hours > 1 {
                format!(
                    "hunger {} to {hunger}: {hours} hours in one catch-up run",
                    was("hunger")
                )
            } else if was("hunger") == hunger.as_i64().unwrap_or_default() {
                format!("hunger is {hunger} already")
            } else {
                format!("hunger {} to {hunger}", was("hunger"))
            };
            (
                "bone",
                "hunger",
                format!("An hour passed for {name}"),
                detail,
            )
        }
        Some(What::Grew) => (
            "flower",
            "pet",
            format!("{name} grew up a bit"),
            format!("a {} now", pet["stage"].as_str().unwrap_or("bigger one")),
        ),
        Some(What::Renamed) => (
            "pen",
            "pet",
            format!(
                "{} is called {} now",
                event.data["was"]["name"].as_str().unwrap_or("It"),
                pet["name"].as_str().unwrap_or_default()
            ),
            "its link has changed".into(),
        ),
        Some(What::Opened) if pet["visitors"] == "look" => (
            "hand",
            "pet",
            format!("Visitors may look at {name}"),
            "and nothing more".into(),
        ),
        Some(What::Opened) => (
            "hand",
            "pet",
            format!("Visitors may look after {name}"),
            "feed, play, put to sleep".into(),
        ),
        Some(What::Moved) => (
            "key",
            "pet",
            format!("{name} is kept on another device"),
            "the key of the old one is void".into(),
        ),
        Some(What::Returned) => (
            "paw",
            "pet",
            format!("{name} came back from the meadow"),
            "its jobs are scheduled again".into(),
        ),
        None => ("paw", "pet", format!("{name} changed"), String::new()),
    }
}

/// Whether an event is told of without a line: which lesson is open is to be seen.
fn is_quiet(event: &Event) -> bool {
    event.kind == DID && event.data["did"] == "lesson"
}

/// What a visitor did in the lab.
fn did(event: &Event) -> Told {
    let data = &event.data;
    let number = |key: &str| data[key].as_u64().unwrap_or_default();
    let worker = data["worker"].as_str().unwrap_or_default();
    let (icon, title, detail): (_, String, &str) = match data["did"].as_str().unwrap_or_default() {
        "speed" => (
            "clock",
            format!("The clock runs {}x now", number("speed")),
            "you turned it",
        ),
        "skipped" => (
            "skip",
            "You skipped ahead".into(),
            "every moment in between was lived",
        ),
        "unplugged" => (
            "plug",
            format!("You unplugged {worker}"),
            "it tells nobody; its lease of 5 s runs out",
        ),
        "plugged_in" => (
            "plug",
            "You plugged the worker in".into(),
            "it takes jobs again",
        ),
        "paused" => (
            "pause",
            "You paused the workers".into(),
            "jobs wait in the queue",
        ),
        "resumed" => (
            "right",
            "You started the workers".into(),
            "they take what waits",
        ),
        "requeued" => (
            "loop",
            "You put it back into the queue".into(),
            "with its failures forgotten",
        ),
        "outage" => (
            "pause",
            "You stopped the scheduler".into(),
            "for a day nobody moves what is due",
        ),
        "day_passed" => (
            "clock",
            "A day has passed".into(),
            "no scheduler ran; nothing due was moved",
        ),
        "schedulers" => match number("count") {
            0 => (
                "pause",
                "You stopped the scheduler".into(),
                "nobody moves what is due",
            ),
            1 => ("clock", "One scheduler runs".into(), "it moves what is due"),
            _ => (
                "clock",
                "Two schedulers run".into(),
                "no leader: whoever is first writes the slot",
            ),
        },
        other => ("flask", other.to_owned(), ""),
    };
    (icon, "pet", title, detail.to_owned())
}

/// A goal that was reached.
fn learned(event: &Event) -> Told {
    let lesson = event.data["lesson"].as_u64().unwrap_or_default();
    let title = format!("Lesson {lesson}: you did it");
    ("check", "finished", title, "the page saw it happen".into())
}

fn moved(event: &Event, passed: Option<u128>, reader: &Reader<'_>) -> Told {
    let text = |key: &str| event.data[key].as_str().unwrap_or_default();
    let title = task_words(text("task")).title;
    let worker = text("worker");
    let due = event.data["due"].as_i64().map(Timestamp::from_millis);
    let due_at = due.map_or_else(String::new, |due| reader.zone.due(due, event.at));
    let took = |verb: &str| passed.map_or_else(String::new, |ms| format!("{verb} {ms} ms"));
    let error: String = text("error")
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(80)
        .collect();
    match event.kind.as_str() {
        "job.scheduled" => ("clock", "scheduled", format!("{title}: scheduled"), due_at),
        "job.queued" if due.is_none() => (
            "down",
            "queued",
            format!("{title}: put into the queue"),
            text("queue").to_owned(),
        ),
        "job.queued" => {
            let late = due.map_or(0, |due| event.at.since(due).as_millis());
            let detail = if late >= 1000 {
                format!(
                    "{}, late by {}",
                    text("queue"),
                    crate::pet::in_words(event.at.since(due.unwrap_or(event.at)))
                )
            } else {
                format!("{}, {late} ms after it was due", text("queue"))
            };
            (
                "down",
                "queued",
                format!("{title}: due, moved to the queue"),
                detail,
            )
        }
        "job.started" => (
            "right",
            "started",
            format!("{title}: {} took it", worker_name(worker)),
            took("waited"),
        ),
        "job.finished" => (
            "check",
            "finished",
            format!("{title}: finished"),
            took("ran"),
        ),
        "job.retrying" => (
            "loop",
            "retry",
            format!("{title}: failed, tries again"),
            format!("{due_at}: {error}"),
        ),
        "job.snoozed" => ("clock", "scheduled", format!("{title}: put off"), due_at),
        "job.failed" => (
            "cross",
            "failed",
            format!("{title}: failed for good"),
            error,
        ),
        "job.canceled" => (
            "cross",
            "canceled",
            format!("{title}: canceled"),
            "it will not run".into(),
        ),
        "job.stopped" => (
            "cross",
            "canceled",
            format!("{title}: stopped"),
            String::new(),
        ),
        "job.returned" => (
            "loop",
            "queued",
            format!("{title}: given back"),
            format!("{} stops", worker_name(worker)),
        ),
        "job.lost" => (
            "loop",
            "failed",
            format!("{title}: its worker vanished"),
            "back at the front of the queue".into(),
        ),
        "job.expired" => (
            "cross",
            "canceled",
            format!("{title}: too old to run"),
            String::new(),
        ),
        _ => ("paw", "pet", title.to_owned(), event.kind.clone()),
    }
}

/// A worker's name without host and process, if it is one that a worker gave itself: `host-pid-random`.
pub(crate) fn worker_name(name: &str) -> String {
    let mut parts = name.rsplit('-');
    match (parts.next(), parts.next().map(str::parse::<u32>)) {
        (Some(random), Some(Ok(_))) => format!("worker-{random}"),
        _ => name.to_owned(),
    }
}

/// A value's text, for people.
pub(crate) fn plain(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(Value::String(text)) => text,
        _ => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::worker_name;

    #[test]
    fn workers_that_named_themselves_have_short_names() {
        assert_eq!(worker_name("some-host-4711-93557a"), "worker-93557a");
        assert_eq!(worker_name("kitchen"), "kitchen");
        assert_eq!(worker_name("night-shift"), "night-shift");
    }
}
