//! Instants as RQ writes them.

use crate::clock::Timestamp;

/// `2026-11-23T12:00:00.000000Z`: six digits and a literal Z, the one form that every version of RQ reads.
pub(super) fn rq_text(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_always() {
        for (at, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_796_083_200_120, "2026-12-01T00:00:00.120000Z"),
        ] {
            assert_eq!(rq_text(Timestamp::from_millis(at)), expected);
        }
    }
}
