//! What a visitor can do in a world.

/// The speeds of the clock.
const SPEEDS: [u32; 3] = [1, 60, 600];

/// What a visitor can do in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Turn the clock's speed to 1, 60 or 600.
    Speed(u32),
    /// Go on to the moment at which the next job is due.
    Skip,
    /// Enqueue a job.
    Hello,
    /// Enqueue a job that fails twice.
    Wobble,
    /// Enqueue a job that always fails.
    Broken,
    /// Put what failed for good back into the queue.
    Requeue,
    /// Enqueue a job that takes a while.
    LongJob,
    /// Unplug a worker that runs a long job; without one a long job comes first.
    Unplug,
    /// Plug all workers in again.
    PlugIn,
    /// Let workers take no more jobs.
    Pause,
    /// Let them take jobs again.
    Resume,
    /// Enqueue five jobs at once.
    Five,
    /// Stop every scheduler, and let a day pass.
    Outage,
    /// Run so many schedulers: 0, 1 or 2.
    Schedulers(usize),
    /// Open a lesson, from 1.
    Lesson(usize),
}

/// Why a word and a value are no deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDeed {
    /// There is none of this word.
    Unknown,
    /// The deed takes another value: what it expects.
    Value(&'static str),
}

impl Deed {
    /// From a path's word and a form's value.
    ///
    /// # Errors
    /// If there is no such deed, or it does not take this value.
    pub fn read(word: &str, value: Option<&str>) -> Result<Self, NoDeed> {
        let number = |fits: fn(u32) -> bool, expected| {
            let number = value.and_then(|value| value.parse().ok());
            number
                .filter(|number| fits(*number))
                .ok_or(NoDeed::Value(expected))
        };
        Ok(match word {
            "speed" => Self::Speed(number(
                |speed| SPEEDS.contains(&speed),
                "Expected a speed of 1, 60 or 600.",
            )?),
            "skip" => Self::Skip,
            "hello" => Self::Hello,
            "wobble" => Self::Wobble,
            "broken" => Self::Broken,
            "requeue" => Self::Requeue,
            "long" => Self::LongJob,
            "unplug" => Self::Unplug,
            "plug-in" => Self::PlugIn,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "five" => Self::Five,
            "outage" => Self::Outage,
            "schedulers" => {
                let count = number(|count| count <= 2, "Expected 0, 1 or 2 schedulers.")?;
                Self::Schedulers(count as usize)
            }
            "lesson" => {
                let number = number(
                    |number| (1..=6).contains(&number),
                    "Expected a lesson from 1 to 6.",
                )?;
                Self::Lesson(number as usize)
            }
            _ => return Err(NoDeed::Unknown),
        })
    }

    /// Whether it puts jobs into the queue.
    #[must_use]
    pub(super) fn enqueues(&self) -> bool {
        matches!(
            self,
            Self::Hello | Self::Wobble | Self::Broken | Self::LongJob | Self::Five
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_that_is_none_is_not_done() {
        assert_eq!(Deed::read("speed", Some("60")), Ok(Deed::Speed(60)));
        assert_eq!(Deed::read("skip", None), Ok(Deed::Skip));
        assert_eq!(Deed::read("explode", None), Err(NoDeed::Unknown));
        for (word, value) in [
            ("speed", Some("61")),
            ("speed", None),
            ("schedulers", Some("3")),
            ("schedulers", Some("-1")),
            ("lesson", Some("0")),
            ("lesson", Some("7")),
        ] {
            let read = Deed::read(word, value);
            assert!(
                matches!(read, Err(NoDeed::Value(_))),
                "{word} {value:?}: {read:?}"
            );
        }
    }
}
