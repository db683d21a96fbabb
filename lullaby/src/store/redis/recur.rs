//! Moving what is due, and schedules.
//!
//! A schedule is its record as JSON in one hash, as somebody last put it, and in another one what slots change of it, behind the mark
//! `<id> <version>` that compare-and-set compares; and an index by next slot. `scripts/schedule_record.lua` has the layout.

use std::borrow::Cow;
use std::collections::BTreeMap;

use redis::Value;
use serde::{Deserialize, Serialize};

use super::Core;
use super::answer::{array, count, instant, number, optional_text, text, texts, tuple};
use super::scripts::{self, BATCH, Call};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{JobId, Status};
use crate::schedule::{
    Buffered, Decision, LedgerLine, Pause, ScheduleId, ScheduleRecord, Verdict, is_alive,
};
use crate::store::{Advanced, DueSchedules, Moved, Page};

impl Core {
    pub(super) async fn move_all_due(&self, limit: usize) -> Result<Moved> {
        let mut moved = 0;
        loop {
            let batch = (limit - moved).min(BATCH);
            let mut call = self.script(&scripts::MOVE_DUE).arg(batch).arg(&self.owner);
            for queue in &self.options.moves {
                call = call.arg(queue.as_str());
            }
            let [count, next, again] = tuple(self.link.call(call).await?)?;
            let count = usize::try_from(number(count)?).unwrap_or(0);
            moved += count;
            let is_done = count < batch && number(again)? == 0;
            if is_done || moved >= limit || batch == 0 {
                let next_due = instant(next)?;
                return Ok(Moved { moved, next_due });
            }
        }
    }

    pub(super) async fn read_due_schedules(&self, limit: usize) -> Result<DueSchedules> {
        let now = self.clock.now();
        let Looked {
            names,
            next_due,
            behind,
        } = self.look_at_schedules(now, limit.min(BATCH)).await?;
        let mut due = self.read_schedules(&names).await?;
        let buffered = !behind.is_empty();
        if buffered {
            due.extend(self.buffered_turns(&behind, now, limit).await?);
        }
        let watched = due.iter().flat_map(|record| record.watched.clone());
        let jobs = self.statuses(watched.collect()).await?;
        Ok(DueSchedules {
            due,
            jobs,
            buffered,
            next_due,
        })
    }

    /// Up to `limit` schedules whose next slot is due, the longest overdue first. All in one round trip: a job that is due at the same moment
    /// waits for this.
    async fn look_at_schedules(&self, now: Timestamp, limit: usize) -> Result<Looked> {
        let now = now.as_millis();
        let mut pipe = redis::pipe();
        for (low, high, most) in [
            ("-inf".to_owned(), now.to_string(), limit + 1),
            (format!("({now}"), "+inf".to_owned(), 1),
        ] {
            pipe.cmd("ZRANGEBYSCORE").arg(self.keys.schedules_next());
            pipe.arg(low).arg(high).arg("WITHSCORES");
            pipe.arg("LIMIT").arg(0).arg(most);
        }
        pipe.cmd("HGETALL").arg(self.keys.schedules_behind());
        let [due, later, behind] = tuple(Value::Array(self.link.pipeline(&pipe).await?))?;
        let (mut due, mut later) = (slots(due)?, slots(later)?);
        let next = if due.len() > limit {
            due.pop()
        } else {
            later.pop()
        };
        Ok(Looked {
            names: due.into_iter().map(|(name, _)| name).collect(),
            next_due: next.map(|(_, next)| next),
            behind: texts(behind)?,
        })
    }

    /// Of the pairs of a schedule and the job that its buffered slot waits for: the schedules whose turn has come, and that are not due.
    async fn buffered_turns(
        &self,
        behind: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ScheduleRecord>> {
        let pairs: Vec<_> = behind
            .chunks_exact(2)
            .filter_map(|pair| Some((&pair[0], JobId::new(&pair[1]).ok()?)))
            .collect();
        let jobs = pairs.iter().map(|(_, job)| job.clone());
        let jobs = self.statuses(jobs.collect()).await?;
        let names: Vec<_> = pairs
            .into_iter()
            .filter(|(_, job)| !is_alive(jobs.get(job).copied()))
            .map(|(name, _)| name.clone())
            .collect();
        let mut turns = self.read_schedules(&names).await?;
        turns.retain(|record| record.next.is_none_or(|next| next > now));
        turns.truncate(limit);
        Ok(turns)
    }

    async fn statuses(&self, jobs: Vec<JobId>) -> Result<BTreeMap<JobId, Status>> {
        if jobs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let read = self.read_jobs(&jobs).await?;
        let found = jobs.into_iter().zip(read);
        Ok(found
            .filter_map(|(id, job)| Some((id, job?.status)))
            .collect())
    }

    async fn read_schedules(&self, names: &[String]) -> Result<Vec<ScheduleRecord>> {
        let mut records = Vec::with_capacity(names.len());
        for batch in names.chunks(BATCH) {
            let mut pipe = redis::pipe();
            // What somebody put and what slots made of it since then belong together.
            pipe.atomic();
            for key in [self.keys.schedules(), self.keys.schedules_state()] {
                pipe.cmd("HMGET").arg(key).arg(batch);
            }
            let [put, states] = tuple(Value::Array(self.link.pipeline(&pipe).await?))?;
            for (put, state) in array(put)?.into_iter().zip(array(states)?) {
                // Removed meanwhile.
                if let (Some(put), Some(state)) = (optional_text(put)?, optional_text(state)?) {
                    records.push(read_record(&put, &state)?);
                }
            }
        }
        Ok(records)
    }

    pub(super) async fn advance_all(&self, decisions: &[Decision]) -> Result<Vec<Advanced>> {
        let mut outcomes = Vec::with_capacity(decisions.len());
        let mut rest = decisions.iter().peekable();
        while rest.peek().is_some() {
            let mut jobs = 0;
            let mut batch = Vec::new();
            while let Some(decision) =
                rest.next_if(|next| jobs == 0 || jobs + next.jobs.len().max(1) <= BATCH)
            {
                jobs += decision.jobs.len().max(1);
                batch.push(decision);
            }
            let mut call = self.script(&scripts::ADVANCE).arg(batch.len());
            for decision in &batch {
                call = call.arg(&decision.record.name);
            }
            for decision in batch {
                call = self.add_decision(call, decision)?;
            }
            for told in texts(self.link.call(call).await?)? {
                outcomes.push(advanced(&told));
            }
        }
        Ok(outcomes)
    }

    fn add_decision(&self, call: Call, decision: &Decision) -> Result<Call> {
        let record = &decision.record;
        let before = record
            .version
            .checked_sub(1)
            .map(|version| mark(record, version));
        let mut call = call
            // No version is before the first: a mark that nothing has.
            .arg(before.unwrap_or_else(|| "-".to_owned()))
            .arg(mark(record, record.version))
            .arg(write_json(&State::of(record))?)
            .arg(next_slot(record))
            .arg(behind(record))
            .arg(decision.given.len());
        for given in &decision.given {
            call = call.arg(given.job.as_str()).arg(u8::from(given.alive));
        }
        call = call.arg(decision.cancel.len());
        for job in &decision.cancel {
            call = call.arg(job.as_str());
        }
        call = call.arg(decision.ledger.len());
        for line in &decision.ledger {
            let [first, last] = [line.first, line.last].map(Timestamp::as_millis);
            call = call.arg(folds_with(line)).arg(first).arg(last);
            call = call.arg(line.slots).arg(decided(line)?);
        }
        let mut jobs = Call::strings(call.script);
        let mut strings = 0;
        for job in &decision.jobs {
            let (added, count) = self.add_job(jobs, job)?;
            jobs = added;
            strings += count;
        }
        let call = call.arg(decision.jobs.len()).arg(strings);
        Ok(call.append(&jobs.command))
    }

    pub(super) async fn put(
        &self,
        record: &ScheduleRecord,
        expected: Option<u64>,
    ) -> Result<Advanced> {
        let expected = expected.map(|version| mark(record, version));
        let call = self
            .script(&scripts::PUT_SCHEDULE)
            .arg(&record.name)
            .arg(expected.unwrap_or_default())
            .arg(mark(record, record.version))
            .arg(write_json(record)?)
            .arg(write_json(&State::of(record))?)
            .arg(next_slot(record))
            .arg(behind(record));
        Ok(advanced(&text(self.link.call(call).await?)?))
    }

    pub(super) async fn remove_by_name(&self, name: &str, id: Option<&ScheduleId>) -> Result<bool> {
        let call = self.script(&scripts::REMOVE_SCHEDULE).arg(name);
        let call = call.arg(id.map_or("", ScheduleId::as_str));
        Ok(number(self.link.call(call).await?)? == 1)
    }

    pub(super) async fn find_schedule(&self, name: &str) -> Result<Option<ScheduleRecord>> {
        let records = self.read_schedules(&[name.to_owned()]).await?;
        Ok(records.into_iter().next())
    }

    /// Those with a next slot until then, by it; for `None` also those that ended, by name.
    pub(super) async fn page_of_schedules(
        &self,
        until: Option<Timestamp>,
        page: Page,
    ) -> Result<Vec<ScheduleRecord>> {
        let last = until.unwrap_or(Timestamp::MAX);
        let (offset, length) = (bounded(page.offset), bounded(page.length));
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command
            .arg(self.keys.schedules_next())
            .arg("-inf")
            .arg(last.as_millis())
            .arg("LIMIT")
            .arg(offset)
            .arg(length);
        let mut names = texts(self.link.command(&command).await?)?;
        if until.is_none() && names.len() < page.length {
            let coming = self.how_many_schedules(Some(Timestamp::MAX)).await?;
            let passed = page
                .offset
                .saturating_sub(usize::try_from(coming).unwrap_or(usize::MAX));
            let left = page.length - names.len();
            let ended = self.ended_schedules(coming).await?;
            names.extend(ended.into_iter().skip(passed).take(left));
        }
        self.read_schedules(&names).await
    }

    /// The names of those without a next slot, of which there are so many with one.
    async fn ended_schedules(&self, coming: u64) -> Result<Vec<String>> {
        // Nothing tells them but their absence in the index; where there is none of them, that is not asked for.
        if self.how_many_schedules(None).await? == coming {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("ZRANGE");
        command.arg(self.keys.schedules_next()).arg(0).arg(-1);
        let names = texts(self.link.command(&command).await?)?;
        let waiting: std::collections::HashSet<String> = names.into_iter().collect();
        let mut all = redis::cmd("HKEYS");
        all.arg(self.keys.schedules());
        let mut ended = texts(self.link.command(&all).await?)?;
        ended.retain(|name| !waiting.contains(name));
        ended.sort_unstable();
        Ok(ended)
    }

    pub(super) async fn how_many_schedules(&self, until: Option<Timestamp>) -> Result<u64> {
        let mut command;
        match until {
            Some(until) => {
                command = redis::cmd("ZCOUNT");
                command
                    .arg(self.keys.schedules_next())
                    .arg("-inf")
                    .arg(until.as_millis());
            }
            None => {
                command = redis::cmd("HLEN");
                command.arg(self.keys.schedules());
            }
        }
        count(self.link.command(&command).await?)
    }

    pub(super) async fn read_ledger(
        &self,
        record: &ScheduleRecord,
        limit: usize,
    ) -> Result<Vec<LedgerLine>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("HGET");
        pipe.arg(self.keys.schedules_state()).arg(&record.name);
        pipe.cmd("LRANGE");
        let first = -i64::try_from(limit.min(BATCH)).unwrap_or(i64::MAX);
        pipe.arg(self.keys.ledger(record.id.as_str()));
        pipe.arg(first).arg(-1);
        let [state, older] = tuple(Value::Array(self.link.pipeline(&pipe).await?))?;
        // Another one of its name may stand there by now.
        let state = optional_text(state)?.filter(|state| {
            let mark = state.strip_prefix(record.id.as_str());
            mark.is_some_and(|mark| mark.starts_with(' '))
        });
        let newest = state.as_deref().and_then(|state| state.split_once('\n'));
        let newest = newest.map(|(_, line)| line).filter(|line| !line.is_empty());
        let older = texts(older)?;
        let lines = newest
            .into_iter()
            .chain(older.iter().rev().map(String::as_str));
        lines.take(limit).map(read_line).collect()
    }
}

/// As Redis takes a count.
fn bounded(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn mark(record: &ScheduleRecord, version: u64) -> String {
    format!("{} {version}", record.id)
}

fn next_slot(record: &ScheduleRecord) -> String {
    record
        .next
        .map(|next| next.as_millis().to_string())
        .unwrap_or_default()
}

/// The job that its buffered slot waits for.
fn behind(record: &ScheduleRecord) -> &str {
    let buffered = record.buffered.as_ref();
    buffered.map_or("", |buffered| buffered.behind.as_str())
}

/// What a look at the schedules finds.
struct Looked {
    names: Vec<String>,
    /// The next slot of the first that is not among them.
    next_due: Option<Timestamp>,
    /// Schedules with a buffered slot, each followed by the job that it waits for.
    behind: Vec<String>,
}

/// Names and next slots, in their order.
fn slots(flat: Value) -> Result<Vec<(String, Timestamp)>> {
    let mut flat = texts(flat)?.into_iter();
    let mut slots = Vec::new();
    while let (Some(name), Some(next)) = (flat.next(), flat.next()) {
        let next = instant(Value::SimpleString(next))?.unwrap_or_default();
        slots.push((name, next));
    }
    Ok(slots)
}

fn advanced(told: &str) -> Advanced {
    match told {
        "done" => Advanced::Done,
        "conflict" => Advanced::Conflict,
        _ => Advanced::Gone,
    }
}

fn write_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::store_because("writing a schedule", error))
}

/// What slots change of a schedule's record.
#[derive(Serialize, Deserialize)]
struct State<'a> {
    next: Option<Timestamp>,
    slots: u64,
    fired: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<Cow<'a, Pause>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    watched: Cow<'a, [JobId]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    buffered: Option<Cow<'a, Buffered>>,
}

impl<'a> State<'a> {
    fn of(record: &'a ScheduleRecord) -> Self {
        Self {
            next: record.next,
            slots: record.slots,
            fired: record.fired,
            paused: record.paused.as_ref().map(Cow::Borrowed),
            failures: record.failures,
            watched: Cow::Borrowed(&record.watched),
            buffered: record.buffered.as_ref().map(Cow::Borrowed),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A record as somebody put it, with what slots made of it since then: `<id> <version> <JSON>`, and a line of the ledger behind it.
fn read_record(put: &str, state: &str) -> Result<ScheduleRecord> {
    let broken = |error| Error::store_because("reading a schedule", error);
    let record: ScheduleRecord = serde_json::from_str(put).map_err(broken)?;
    let mut head = state.lines().next().unwrap_or_default().splitn(3, ' ');
    let version = head.nth(1).and_then(|version| version.parse().ok());
    let version = version.ok_or_else(|| {
        Error::store(format!(
            "expected a schedule's state in Redis, got {state:?}"
        ))
    })?;
    let state: State<'_> = serde_json::from_str(head.next().unwrap_or_default()).map_err(broken)?;
    Ok(ScheduleRecord {
        version,
        next: state.next,
        slots: state.slots,
        fired: state.fired,
        paused: state.paused.map(Cow::into_owned),
        failures: state.failures,
        watched: state.watched.into_owned(),
        buffered: state.buffered.map(Cow::into_owned),
        ..record
    })
}

/// What kind of lines a line folds with, in one word.
fn folds_with(line: &LedgerLine) -> String {
    match &line.verdict {
        _ if !line.cause.is_slot() => "-".to_owned(),
        Verdict::Fired { .. } => "fired".to_owned(),
        Verdict::Paused => "paused".to_owned(),
        Verdict::Skipped { by } => format!("skipped:{}", hex(by.as_str())),
        _ => "-".to_owned(),
    }
}

/// What the script does not look at: when a line was decided, and cause and verdict as JSON.
fn decided(line: &LedgerLine) -> Result<String> {
    let rest = write_json(&(line.cause, &line.verdict))?;
    Ok(format!("{} {rest}", line.decided_at.as_millis()))
}

/// A job's id may hold anything, and a kind must be one word.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_line(text: &str) -> Result<LedgerLine> {
    let broken = || {
        Error::store(format!(
            "expected a line of a ledger in Redis, got {text:?}"
        ))
    };
    let mut parts = text.splitn(6, ' ').skip(1);
    let mut number = || {
        parts
            .next()
            .and_then(|part| part.parse::<u64>().ok())
            .ok_or_else(broken)
    };
    let (first, last, slots, decided) = (number()?, number()?, number()?, number()?);
    let instant = |ms: u64| Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let rest = parts.next().ok_or_else(broken)?;
    let (cause, verdict) = serde_json::from_str(rest).map_err(|_| broken())?;
    Ok(LedgerLine {
        first: instant(first),
        last: instant(last),
        slots,
        decided_at: instant(decided),
        verdict,
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Cause;

    #[test]
    fn a_line_of_the_ledger_reads_back() {
        let line = LedgerLine {
            first: Timestamp::from_millis(1),
            last: Timestamp::MAX,
            slots: 3,
            decided_at: Timestamp::from_millis(7),
            verdict: Verdict::Missed,
            cause: Cause::Backfill,
        };
        // As advance.lua puts it together.
        let (kind, decided) = (folds_with(&line), decided(&line).expect("JSON"));
        let [first, last] = [line.first, line.last].map(Timestamp::as_millis);
        let text = format!("{kind} {first} {last} {} {decided}", line.slots);
        assert_eq!(read_line(&text).expect("a line"), line);
        for broken in ["", "-", "- 1 2 x", "- 1 2 3 4"] {
            assert!(read_line(broken).is_err(), "{broken:?}");
        }
    }
}
