//! A delay that spreads schedules of one time, and is always the same for one schedule.

use std::time::Duration;

use crate::clock::millis_up;

/// A share of `limit`, limits included, that depends on the name alone: FNV-1a, then a mix of its bits. Written out here because it must
/// stay the same in every release and on every machine.
pub(super) fn delay_of(name: &str, limit: Duration) -> Duration {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    Duration::from_millis(hash % millis_up(limit).unsigned_abs().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_same_delay_for_ever() {
        let minute = Duration::from_secs(60);
        assert_eq!(delay_of("hunger of Mochi", minute).as_millis(), 43_949);
        assert_eq!(delay_of("hunger of Mochi", Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn names_spread_over_the_whole_limit() {
        let mut tenths = [0; 10];
        for n in 0..1000 {
            let delay = delay_of(&format!("pet-{n}"), Duration::from_millis(999));
            tenths[usize::try_from(delay.as_millis() / 100).expect("small")] += 1;
        }
        assert!(tenths.iter().all(|n| (60..140).contains(n)), "{tenths:?}");
    }
}
