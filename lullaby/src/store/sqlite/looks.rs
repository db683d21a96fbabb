//! When to look for another process's commit.
//!
//! The log is written to first; the commit shows only after its sync, some milliseconds later, and nothing tells of that. So one look is
//! not enough. Each further one waits twice as long as the one before: however slow the disk is, a commit is heard of after at most
//! twice its sync, and each burst of writing costs ten looks at most.

use std::time::Duration;

use crate::store::POLL;

/// A sync takes about a millisecond on a good disk.
const FIRST: Duration = Duration::from_millis(1);

/// Looks to come. Times are monotonic.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// When the next one is, and how long that is after the one before.
    next: Option<(Duration, Duration)>,
}

impl Looks {
    /// The log was written to: looks begin anew.
    pub(super) fn touched(&mut self, now: Duration) {
        self.next = Some((now + FIRST, FIRST));
    }

    /// A look is taken now. After [`POLL`] it is the tick that looks.
    pub(super) fn taken(&mut self, now: Duration) {
        if let Some((at, step)) = self.next
            && now >= at
        {
            let step = 2 * step;
            self.next = (step < POLL).then_some((now + step, step));
        }
    }

    /// When the next one is.
    pub(super) fn next(&self) -> Option<Duration> {
        self.next.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of all looks, in milliseconds, if each is taken when it is due.
    fn all(looks: &mut Looks) -> Vec<u128> {
        let mut all = Vec::new();
        while let Some(next) = looks.next() {
            all.push(next.as_millis());
            looks.taken(next);
        }
        all
    }

    #[test]
    fn looks_come_ever_further_apart_and_end() {
        let mut looks = Looks::default();
        assert_eq!(all(&mut looks), []);
        looks.touched(Duration::ZERO);
        assert_eq!(all(&mut looks), [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023]);
    }

    #[test]
    fn another_write_begins_anew_and_a_look_before_its_time_changes_nothing() {
        let mut looks = Looks::default();
        looks.touched(Duration::ZERO);
        looks.taken(Duration::from_millis(1));
        looks.taken(Duration::from_millis(2));
        assert_eq!(looks.next(), Some(Duration::from_millis(3)));
        looks.touched(Duration::from_millis(2));
        assert_eq!(looks.next(), Some(Duration::from_millis(3)));
        looks.taken(Duration::from_millis(3));
        assert_eq!(looks.next(), Some(Duration::from_millis(5)));
    }
}
