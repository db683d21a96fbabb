//! Why an action is refused.

use std::fmt;
use std::time::Duration;

use lullaby::Timestamp;

/// Why, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// It has not hatched.
    NotHatched,
    /// It sleeps, and so can neither eat nor play.
    Asleep,
    /// It sleeps, and so cannot be put to sleep.
    AlreadyAsleep,
    /// It is awake, and so cannot be woken.
    AlreadyAwake,
    /// It has too little energy to play.
    TooTired,
}

impl RefusalCode {
    /// The code as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotHatched => "not_hatched",
            Self::Asleep => "asleep",
            Self::AlreadyAsleep => "already_asleep",
            Self::AlreadyAwake => "already_awake",
            Self::TooTired => "too_tired",
        }
    }
}

/// An action that the rules do not allow now. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for programs.
    pub code: RefusalCode,
    /// Why and for how long, in one sentence.
    pub message: String,
    /// Until when, if time alone will change it.
    pub until: Option<Timestamp>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// A span of time for people: `12 min 43 s`, `2 h 5 min`, `3 d 4 h`. Rounded up to the second, so that it never promises too much.
#[must_use]
pub fn in_words(span: Duration) -> String {
    let seconds = span.as_millis().div_ceil(1000);
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let words: Vec<_> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if words.is_empty() {
        "0 s".into()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_two_largest_units() {
        for (ms, words) in [
            (0, "0 s"),
            (1, "1 s"),
            (5000, "5 s"),
            (763_000, "12 min 43 s"),
            (1_200_000, "20 min"),
            (7_500_000, "2 h 5 min"),
            (3_600_000, "1 h"),
            (3_601_000, "1 h"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(in_words(Duration::from_millis(ms)), words);
        }
    }
}
