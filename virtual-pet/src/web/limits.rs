//! How often one address may act.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Anything that changes a pet: 30 a minute.
    Action,
    /// Adopting: 5 an hour.
    Adoption,
    /// A new world of the lab: 20 an hour.
    World,
    /// Anything that is pressed in a world: 120 a minute.
    Experiment,
}

impl Deed {
    fn allowance(self) -> (usize, Duration) {
        match self {
            Self::Action => (30, Duration::from_secs(60)),
            Self::Adoption => (5, Duration::from_secs(3600)),
            Self::World => (20, Duration::from_secs(3600)),
            Self::Experiment => (120, Duration::from_secs(60)),
        }
    }
}

/// When limits apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Limits {
    /// To all but this machine's own clients.
    Auto,
    /// To everybody.
    On,
    /// To nobody.
    Off,
}

/// This many addresses are remembered: about 10 MB at most. Past it, those that have nothing to remember are forgotten first, then all.
const MOST_ADDRESSES: usize = 20_000;

/// Counts deeds by address.
#[derive(Debug)]
pub struct Limiter {
    limits: Limits,
    counts: Mutex<HashMap<(IpAddr, Deed), VecDeque<Duration>>>,
}

impl Limiter {
    /// One that has counted nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            counts: Mutex::default(),
        }
    }

    /// Counts a deed at the monotonic time `now`.
    ///
    /// # Errors
    /// How long to wait, if there were too many lately; this one is not counted then.
    pub fn count(&self, client: IpAddr, deed: Deed, now: Duration) -> Result<(), Duration> {
        let spared = match self.limits {
            Limits::Auto => client.is_loopback(),
            Limits::On => false,
            Limits::Off => true,
        };
        if spared {
            return Ok(());
        }
        let (most, span) = deed.allowance();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST_ADDRESSES {
            counts.retain(|(_, deed), times| {
                let (_, span) = deed.allowance();
                times.back().is_some_and(|last| now < *last + span)
            });
            if counts.len() >= MOST_ADDRESSES {
                counts.clear();
            }
        }
        let times = counts.entry((network(client), deed)).or_default();
        while times.front().is_some_and(|first| now >= *first + span) {
            times.pop_front();
        }
        if let Some(first) = times.front().filter(|_| times.len() >= most) {
            return Err(*first + span - now);
        }
        times.push_back(now);
        Ok(())
    }
}

/// What one client can choose from: a single IPv4 address, but a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = v6.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(prefix).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_31st_action_in_a_minute_has_to_wait() {
        let limiter = Limiter::new(Limits::Auto);
        let client = ip("192.0.2.7");
        for n in 0..30 {
            assert_eq!(limiter.count(client, Deed::Action, n * SECOND), Ok(()));
        }
        let now = 30 * SECOND;
        assert_eq!(limiter.count(client, Deed::Action, now), Err(30 * SECOND));
        assert_eq!(limiter.count(ip("192.0.2.8"), Deed::Action, now), Ok(()));
        assert_eq!(limiter.count(client, Deed::Adoption, now), Ok(()));
        assert_eq!(limiter.count(client, Deed::Action, 60 * SECOND), Ok(()));
        assert_eq!(
            limiter.count(client, Deed::Action, 60 * SECOND),
            Err(SECOND)
        );
    }

    #[test]
    fn loopback_is_spared_unless_limits_are_on() {
        for (limits, spared) in [
            (Limits::Auto, true),
            (Limits::On, false),
            (Limits::Off, true),
        ] {
            let limiter = Limiter::new(limits);
            let answers = (0..6).map(|_| limiter.count(ip("127.0.0.1"), Deed::Adoption, SECOND));
            assert_eq!(answers.last().expect("six").is_ok(), spared, "{limits:?}");
        }
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_client() {
        let limiter = Limiter::new(Limits::On);
        for n in 0..5 {
            let client = ip(&format!("2001:db8::{n}"));
            assert_eq!(limiter.count(client, Deed::Adoption, SECOND), Ok(()));
        }
        let sixth = limiter.count(ip("2001:db8::ffff"), Deed::Adoption, SECOND);
        assert!(sixth.is_err());
        let mapped = limiter.count(ip("::ffff:192.0.2.7"), Deed::Adoption, SECOND);
        assert_eq!(mapped, Ok(()));
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory() {
        let limiter = Limiter::new(Limits::On);
        for n in 0..50_000u32 {
            let client = IpAddr::V4(n.into());
            assert_eq!(limiter.count(client, Deed::Action, SECOND), Ok(()));
        }
        assert!(limiter.counts.lock().expect("no panic").len() <= MOST_ADDRESSES);
    }
}
