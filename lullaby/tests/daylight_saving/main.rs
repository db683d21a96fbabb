//! The daylight-saving rule, against an oracle that goes minute by minute.
//!
//! The oracle shares no code with the library: it reads the machine's TZif files itself, and its calendar and its reading of cron
//! fields are its own. It shares the data (`/usr/share/zoneinfo`), for two editions of the time zone database would differ.
//!
//! Around each change of a zone's clock from 2000 to 2040 it compares the slots of each expression for 26 hours before and after. A
//! run takes some zones by name and a seeded choice of the others; with `LULLABY_SOAK` it takes all.

mod oracle;
mod tzif;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use lullaby::clock::Timestamp;
use lullaby::schedule::{Cron, Trigger};

use self::oracle::Window;
use self::tzif::Zone;

const EXPRESSIONS: [&str; 44] = [
    // Rhythmic.
    "* * * * *",
    "*/5 * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "15,45 * * * *",
    "59 * * * *",
    "0 */2 * * *",
    "30 */3 * * *",
    "0 0-5 * * *",
    "*/20 22-23 * * *",
    "30 2-2 * * *",
    "0 1-3 * * *",
    "10 0/4 * * *",
    "0 9-17 * * 1-5",
    "*/15 0-3 * * 0",
    "45 23-23 L * *",
    "0 */6 1,15 * *",
    "5 1,2-3 * * *",
    "0 * * 3,4,9,10,11 *",
    "30 * ? * 7",
    "0 0 * * * *",
    // Fixed.
    "0 0 * * *",
    "30 0 * * *",
    "0 1 * * *",
    "30 1 * * *",
    "59 1 * * *",
    "0 2 * * *",
    "15 2 * * *",
    "30 2 * * *",
    "0 3 * * *",
    "30 2,3 * * *",
    "0,30 0,1,2,3 * * *",
    "*/10 2 * * *",
    "* 0 * * *",
    "59 23 * * *",
    "0 12 * * *",
    "30 2 * * 0",
    "0 0 1 * *",
    "0 0 30 12 *",
    "0 2 L * *",
    "30 1 * * 0L",
    "30 2 29W * *",
    "0 3 * * 0#2",
    "0 0 13,31 * 5",
];

/// What no run leaves out: gaps at midnight, half an hour, a missing day, two hours, a summer time that pauses.
const ALWAYS: [&str; 9] = [
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Europe/Berlin",
    "America/St_Johns",
    "America/Havana",
    "Asia/Gaza",
];

#[test]
fn every_slot_around_every_change_of_the_clocks_is_as_the_rule_says() {
    let soak = std::env::var_os("LULLABY_SOAK").is_some();
    let names = tzif::names();
    assert!(
        names.len() > 400,
        "expected the time zone files of tzdata in {}",
        tzif::ROOT
    );
    let chosen = choose(names, soak);
    let changes: usize = chosen.iter().map(|(_, changes)| changes.len()).sum();
    assert!(changes > 50, "only {changes} changes were looked at");
    // A zone at a time on each core: all zones take hours of one.
    let (next, slots) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some((name, changes)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            slots.fetch_add(compare(name, changes), Ordering::Relaxed);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    println!(
        "{} zones, {changes} changes, {} expressions, {} slots",
        chosen.len(),
        EXPRESSIONS.len(),
        slots.into_inner()
    );
}

/// The zones to look at, each with the changes of its clock to look at.
fn choose(names: Vec<String>, soak: bool) -> Vec<(String, Vec<i64>)> {
    let mut draw = Draw::new(soak);
    let mut chosen = Vec::new();
    for name in names {
        let always = ALWAYS.contains(&name.as_str());
        if !(soak || always || draw.one_in(20)) {
            continue;
        }
        let zone = Zone::read(&name);
        let mut changes = zone.changes(2000, 2040);
        // Of the named zones an eighth of the changes; Apia's missing day and its like are always among them.
        changes.retain(|change| {
            let odd = zone.jump(*change).abs() > 2 * 3600;
            soak || odd || draw.one_in(if always { 8 } else { 12 })
        });
        chosen.push((name, changes));
    }
    chosen
}

/// Compares every expression's slots around these changes; answers how many slots there were.
fn compare(name: &str, changes: &[i64]) -> usize {
    let zone = Zone::read(name);
    let triggers = EXPRESSIONS.map(|line| {
        let cron = Cron::new(line).and_then(|cron| cron.in_zone(name));
        Trigger::from(cron.expect("a good line"))
    });
    let mut slots = 0;
    for change in changes {
        let window = Window::around(&zone, *change);
        for (line, trigger) in EXPRESSIONS.iter().zip(&triggers) {
            let expected = window.slots(line);
            slots += expected.len();
            let (from, until) = (second(window.first - 1), second(window.last));
            let forward: Vec<_> = trigger
                .upcoming(from)
                .take_while(|at| *at <= until)
                .collect();
            let seconds: Vec<_> = forward.iter().map(|at| at.as_millis() / 1000).collect();
            assert_eq!(
                seconds,
                expected,
                "{line} in {name} around {}",
                second(*change)
            );
            // From slot to slot backwards: the same.
            let before =
                |at: Timestamp| trigger.latest_until(Timestamp::from_millis(at.as_millis() - 1));
            let mut back = trigger.latest_until(until);
            for at in forward.iter().rev() {
                assert_eq!(back, Some(*at), "{line} in {name}, backwards");
                back = before(*at);
            }
            assert!(
                back.is_none_or(|at| at <= from),
                "{line} in {name}, backwards"
            );
        }
    }
    slots
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// A choice that the seed decides.
struct Draw(u64);

impl Draw {
    /// The same choice at each run, unless `LULLABY_SEED` or a soak says otherwise.
    fn new(soak: bool) -> Self {
        let seed = match std::env::var("LULLABY_SEED") {
            Ok(seed) => seed.parse().expect("a number in LULLABY_SEED"),
            Err(_) if soak => RandomState::new().build_hasher().finish(),
            Err(_) => 7,
        };
        println!("LULLABY_SEED={seed}");
        Self(seed)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(many)
    }
}
