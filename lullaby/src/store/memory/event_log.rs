//! The events, in order, within their limits.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use crate::clock::Timestamp;
use crate::event::{Event, EventId, EventLimits, NewEvent};

/// The events, in order, within their limits.
#[derive(Debug)]
pub(super) struct EventLog {
    limits: EventLimits,
    last: EventId,
    all: BTreeMap<EventId, Event>,
    /// The ids of each subject's events, oldest first.
    by_subject: HashMap<String, VecDeque<EventId>>,
}

impl EventLog {
    pub(super) fn new(limits: EventLimits) -> Self {
        Self {
            limits,
            last: EventId::default(),
            all: BTreeMap::new(),
            by_subject: HashMap::new(),
        }
    }

    /// Appends an event and drops the oldest ones above the limits.
    pub(super) fn append(&mut self, event: NewEvent, now: Timestamp) -> EventId {
        let id = EventId(self.last.0 + 1);
        self.last = id;
        let ids = self.by_subject.entry(event.subject.clone()).or_default();
        ids.push_back(id);
        let event = Event {
            id,
            at: now,
            subject: event.subject,
            job: event.job,
            kind: event.kind,
            data: event.data,
        };
        self.all.insert(id, event);
        if ids.len() as u64 > self.limits.per_subject
            && let Some(oldest) = ids.front().copied()
        {
            self.drop_event(oldest);
        }
        if self.all.len() as u64 > self.limits.total
            && let Some((oldest, _)) = self.all.first_key_value()
        {
            self.drop_event(*oldest);
        }
        id
    }

    /// Drops an event; it is the oldest of its subject.
    fn drop_event(&mut self, id: EventId) {
        let Some(event) = self.all.remove(&id) else {
            return;
        };
        if let Some(ids) = self.by_subject.get_mut(&event.subject) {
            ids.pop_front();
            if ids.is_empty() {
                self.by_subject.remove(&event.subject);
            }
        }
    }

    pub(super) fn last(&self) -> EventId {
        self.last
    }

    pub(super) fn after(&self, subject: Option<&str>, after: EventId, limit: usize) -> Vec<Event> {
        let Some(subject) = subject else {
            let later = (Bound::Excluded(after), Bound::Unbounded);
            let events = self.all.range(later).map(|(_, event)| event);
            return events.take(limit).cloned().collect();
        };
        let Some(ids) = self.by_subject.get(subject) else {
            return Vec::new();
        };
        let start = ids.partition_point(|id| *id <= after);
        let events = ids.range(start..).filter_map(|id| self.all.get(id));
        events.take(limit).cloned().collect()
    }
}
