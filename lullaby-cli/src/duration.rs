//! How people write durations.

use std::time::Duration;

/// `500ms`, `90s`, `10m`, `1h30m` or `1h 30m`, `7d`, `2w`; above zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a time as 500ms, 90s, 10m, 1h30m or 7d, got {text:?}");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (count, unit) = rest.split_at(digits);
        let end = unit
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        let (unit, after) = unit.split_at(end);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(wrong()),
        };
        let count: u64 = count.parse().map_err(|_| wrong())?;
        let part = count.checked_mul(millis).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        rest = after.trim_start();
    }
    if total.is_zero() {
        Err(wrong())
    } else {
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        let fine = |text| duration(text).expect("fine").as_millis();
        assert_eq!(fine("500ms"), 500);
        assert_eq!(fine("10m"), 600_000);
        assert_eq!(fine("1h30m"), 5_400_000);
        assert_eq!(fine(" 1h 30m "), 5_400_000);
        for wrong in [
            "",
            "10",
            "m",
            "-5s",
            "0s",
            "1y",
            "99999999999999999999s",
            "99999999999999w",
            "1.5h",
            "soon",
            "5 s",
            "1h,30m",
            "٣s",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
