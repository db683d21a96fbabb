//! How schedules look.

use lullaby::Timestamp;
use lullaby::schedule::{LedgerLine, ScheduleRecord, Trigger, Verdict};
use lullaby::store::redis::entries::ForeignEntry;
use serde_json::{Value, json};

use crate::print::{relative, span, table};

/// A schedule as programs read it: times in RFC 3339, durations in seconds.
pub(super) fn record_json(record: &ScheduleRecord, ledger: &[LedgerLine]) -> Value {
    let (spec, template) = (&record.spec, &record.spec.template);
    let (args, kwargs) = template.payload.parts().unwrap_or_default();
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let seconds = |duration: Option<std::time::Duration>| duration.map(|d| d.as_secs_f64());
    let lines = ledger.iter().map(|line| {
        json!({
            "first": line.first.to_string(),
            "last": line.last.to_string(),
            "slots": line.slots,
            "decided_at": line.decided_at.to_string(),
            "cause": line.cause,
            "verdict": verdict(&line.verdict),
        })
    });
    json!({
        "name": record.name,
        "id": record.id.as_str(),
        "when": when(&spec.trigger),
        "task": template.task,
        "args": args,
        "kwargs": kwargs,
        "queue": template.queue,
        "next": time(record.next),
        "paused": record.paused.as_ref().map(|pause| json!({ "since": pause.since.to_string(), "note": pause.note })),
        "slots": record.slots,
        "fired": record.fired,
        "failures": record.failures,
        "end": time(spec.end),
        "repeat": spec.repeat,
        "missed": spec.missed,
        "grace": seconds(spec.grace),
        "overlap": spec.overlap,
        "jitter": seconds(spec.jitter),
        "pause_after": spec.pause_after,
        "owner": spec.owner.to_string(),
        "created_at": record.created_at.to_string(),
        "ledger": lines.collect::<Vec<_>>(),
    })
}

pub(super) fn record_text(
    record: &ScheduleRecord,
    ledger: &[LedgerLine],
    now: Timestamp,
) -> String {
    let (spec, template) = (&record.spec, &record.spec.template);
    let mut lines = vec![
        ("name", record.name.clone()),
        (
            "runs",
            format!(
                "{}{} on {}",
                template.task, template.payload, template.queue
            ),
        ),
        ("when", when(&spec.trigger)),
        ("next", next(record, now)),
        (
            "slots",
            format!("{} decided, {} fired", record.slots, record.fired),
        ),
        ("policies", policies(record)),
        ("owner", spec.owner.to_string()),
    ];
    if let Some(pause) = &record.paused {
        let note = pause.note.as_deref().unwrap_or("no note");
        lines.push(("paused", format!("since {}: {note}", pause.since)));
    }
    let mut text: String = lines
        .iter()
        .map(|(name, value)| format!("{name:10}  {value}\n"))
        .collect();
    if !ledger.is_empty() {
        let rows: Vec<_> = ledger.iter().map(ledger_row).collect();
        text += "\n";
        text += &table(&["slots", "first", "last", "decided", "outcome"], &rows);
    }
    text
}

/// Ours, and behind them rq-scheduler's entries, whose name is the id of their job.
pub(super) fn schedule_table(
    schedules: &[ScheduleRecord],
    entries: &[ForeignEntry],
    now: Timestamp,
) -> String {
    let ours = schedules.iter().map(|record| {
        vec![
            record.name.clone(),
            next(record, now),
            when(&record.spec.trigger),
            record.fired.to_string(),
            record.spec.owner.to_string(),
            record.spec.template.task.clone(),
        ]
    });
    let foreign = entries.iter().map(|entry| {
        let call = match (&entry.unread, entry.description.as_str()) {
            (Some(reason), _) => format!("left as it is: {reason}"),
            (None, "") => entry.function.clone(),
            (None, description) => description.to_owned(),
        };
        let left = entry.left.map(|left| format!(", {left} left"));
        vec![
            entry.id.clone(),
            format!("{} ({})", entry.due, relative(entry.due, now)),
            format!("{}{}", entry.recurs, left.unwrap_or_default()),
            "-".to_owned(),
            "rq-scheduler".to_owned(),
            call,
        ]
    });
    let rows: Vec<_> = ours.chain(foreign).collect();
    table(&["name", "next", "when", "fired", "owner", "task"], &rows)
}

/// An entry of rq-scheduler's as programs read it.
pub(super) fn entry_json(entry: &ForeignEntry) -> Value {
    json!({
        "id": entry.id,
        "owner": "rq-scheduler",
        "next": entry.due.to_string(),
        "when": entry.recurs,
        "left": entry.left,
        "queue": entry.queue,
        "function": entry.function,
        "description": entry.description,
        "unread": entry.unread,
    })
}

fn next(record: &ScheduleRecord, now: Timestamp) -> String {
    match (record.next, &record.paused) {
        (None, _) => "ended".to_owned(),
        (Some(_), Some(_)) => "paused".to_owned(),
        (Some(next), None) => format!("{next} ({})", relative(next, now)),
    }
}

fn when(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Every { every, start } => format!("every {} from {start}", span(*every)),
        Trigger::Cron(cron) => format!("{} in {}", cron.lines().join(" and "), cron.zone()),
        Trigger::At { times } if times.len() == 1 => format!("once, at {}", trigger.first()),
        Trigger::At { times } => format!("at {} times", times.len()),
        _ => "otherwise".to_owned(),
    }
}

/// Those that are not the default, and the two that matter always.
fn policies(record: &ScheduleRecord) -> String {
    let spec = &record.spec;
    let mut all = vec![
        format!("missed {:?}", spec.missed).to_lowercase(),
        format!("overlap {:?}", spec.overlap).to_lowercase(),
    ];
    let times = [("grace", spec.grace), ("jitter", spec.jitter)];
    let times = times
        .into_iter()
        .filter_map(|(name, time)| Some((name, time?)));
    all.extend(times.map(|(name, time)| format!("{name} {}", span(time))));
    all.extend(spec.end.map(|end| format!("end {end}")));
    all.extend(spec.repeat.map(|runs| format!("repeat {runs}")));
    all.extend(
        spec.pause_after
            .map(|n| format!("pauses after {n} failures in a row")),
    );
    all.join(", ")
}

fn ledger_row(line: &LedgerLine) -> Vec<String> {
    let slots = if line.cause.is_slot() {
        line.slots.to_string()
    } else {
        format!("{:?}", line.cause).to_lowercase()
    };
    vec![
        slots,
        line.first.to_string(),
        line.last.to_string(),
        line.decided_at.to_string(),
        verdict(&line.verdict),
    ]
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Fired { job } => format!("fired {job}"),
        Verdict::Coalesced { into } => format!("coalesced into {into}"),
        Verdict::Missed => "missed beyond grace".to_owned(),
        Verdict::Skipped { by } => format!("skipped: {by} had not ended"),
        Verdict::Buffered { job, behind } => format!("buffered {job} behind {behind}"),
        Verdict::Paused => "paused".to_owned(),
        _ => "otherwise".to_owned(),
    }
}
