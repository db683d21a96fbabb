//! What a cron line means, by examples; the daylight-saving rule itself is tested in `tests/daylight_saving`.

use super::*;

fn slots(line: &str, zone: &str, after: &str, many: usize) -> Vec<String> {
    let cron = Cron::new(line).and_then(|cron| cron.in_zone(zone));
    let trigger = crate::schedule::Trigger::from(cron.expect("a line"));
    let slots = trigger.upcoming(after.parse().expect("a time")).take(many);
    slots.map(|slot| slot.to_string()).collect()
}

/// The days of the next slots after 2026-01-01 UTC, as `MM-DD`.
fn days(line: &str, many: usize) -> Vec<String> {
    let slots = slots(line, "UTC", "2026-01-01T00:00:00Z", many);
    slots.iter().map(|slot| slot[5..10].to_owned()).collect()
}

#[test]
fn days_are_named_as_in_every_cron() {
    assert_eq!(days("0 1 L * *", 3), ["01-31", "02-28", "03-31"]);
    assert_eq!(days("0 1 L-2 * *", 2), ["01-29", "02-26"]);
    // 15 March and 15 February 2026 are Sundays, 15 August is a Saturday.
    assert_eq!(days("0 1 15W * *", 3), ["01-15", "02-16", "03-16"]);
    assert_eq!(days("0 1 15W 8 *", 1), ["08-14"]);
    // 1 August is a Saturday, 31 May a Sunday: the weekday stays in its month.
    assert_eq!(days("0 1 1W 8 *", 1), ["08-03"]);
    assert_eq!(days("0 1 LW 5 *", 1), ["05-29"]);
    assert_eq!(days("0 1 * * 5L", 2), ["01-30", "02-27"]);
    assert_eq!(days("0 1 ? * mon#2", 2), ["01-12", "02-09"]);
    assert_eq!(days("0 1 * * 1#5", 2), ["03-30", "06-29"]);
    assert_eq!(
        days("0 1 * * fri-sun", 4),
        ["01-02", "01-03", "01-04", "01-09"]
    );
    assert_eq!(days("0 1 * * 7", 2), days("0 1 * * SUN", 2));
}

#[test]
fn the_two_day_fields_are_combined_as_vixie_does() {
    assert_eq!(
        days("0 1 13 * fri", 4),
        ["01-02", "01-09", "01-13", "01-16"]
    );
    assert_eq!(days("0 1 13 * *", 2), ["01-13", "02-13"]);
    // It begins with a star, so both must match.
    assert_eq!(days("0 1 */12 * fri", 2), ["02-13", "03-13"]);
}

#[test]
fn seconds_come_first_if_there_are_six_fields() {
    assert_eq!(
        slots("*/30 59 23 31 12 *", "UTC", "2026-01-01T00:00:00Z", 3),
        [
            "2026-12-31T23:59:00Z",
            "2026-12-31T23:59:30Z",
            "2027-12-31T23:59:00Z"
        ]
    );
    assert_eq!(
        slots("5/20 * * * *", "UTC", "2026-01-01T00:00:00Z", 4),
        [
            "2026-01-01T00:05:00Z",
            "2026-01-01T00:25:00Z",
            "2026-01-01T00:45:00Z",
            "2026-01-01T01:05:00Z"
        ]
    );
}

#[test]
fn words_stand_for_lines() {
    for (word, line) in [
        ("@hourly", "0 * * * *"),
        ("@Daily", "0 0 * * *"),
        ("@weekly", "0 0 * * sun"),
        ("@yearly", "0 0 1 jan ?"),
    ] {
        let of = |line| slots(line, "Europe/Berlin", "2026-03-28T00:00:00Z", 30);
        assert_eq!(of(word), of(line));
    }
}

#[test]
fn the_books_examples_of_daylight_saving_hold() {
    let berlin = |line, after| slots(line, "Europe/Berlin", after, 2);
    let (march, october) = ("2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z");
    assert_eq!(
        berlin("30 2 * * *", march),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        berlin("30 2 * * *", october),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    assert_eq!(
        berlin("30 2-2 * * *", march),
        ["2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]
    );
    assert_eq!(
        berlin("30 2-2 * * *", october),
        ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]
    );
    // The whole of 30 December 2011 is missing in Apia.
    assert_eq!(
        slots("0 12 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z", 1),
        ["2012-12-29T22:00:00Z"]
    );
}

#[test]
fn several_lines_that_name_one_instant_make_one_slot() {
    let cron = Cron::new("0 * * * *")
        .and_then(|cron| cron.and("0 */2 * * *"))
        .expect("fine");
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let until: Timestamp = "2026-01-02T00:00:00Z".parse().expect("a time");
    assert_eq!(cron.count_after(from, until), 24);
}

#[test]
fn nothing_comes_before_the_start() {
    let start: Timestamp = "2026-01-01T12:00:00.001Z".parse().expect("a time");
    let cron = Cron::new("0 0,12 * * *").expect("fine").starting(start);
    let first = cron.next_after(Timestamp::default()).expect("a slot");
    assert_eq!(first.to_string(), "2026-01-02T00:00:00Z");
    assert_eq!(cron.latest_until(start), None);
}

#[test]
fn a_year_of_seconds_is_counted_without_visiting_each() {
    let cron = Cron::new("* * * * * *")
        .and_then(|cron| cron.in_zone("Europe/Berlin"))
        .expect("fine");
    let from: Timestamp = "2000-01-01T00:00:00Z".parse().expect("a time");
    let until: Timestamp = "2040-01-01T00:00:00Z".parse().expect("a time");
    let seconds = until.since(from).as_secs();
    assert_eq!(cron.count_after(from, until), seconds);
    let back = cron
        .step_back(until, 31_000_000, from)
        .expect("long enough");
    assert_eq!(until.since(back).as_secs(), 31_000_000);
}

#[test]
fn a_wrong_line_is_refused_with_its_field_column_and_what_is_allowed() {
    for (line, parts) in [
        (
            "61 * * * *",
            ["minute field, column 1", "0 to 59", "\"61\""],
        ),
        ("0 25 * * *", ["hour field, column 3", "0 to 23", "\"25\""]),
        (
            "0 0 0 * *",
            ["day-of-month field, column 5", "1 to 31", "\"0\""],
        ),
        (
            "0 0 1 13 *",
            ["month field, column 7", "jan to dec", "\"13\""],
        ),
        (
            "0 0 * * mon,funday",
            ["day-of-week field, column 13", "sun to sat", "\"funday\""],
        ),
        (
            "*/0 * * * *",
            ["minute field, column 3", "step from 1 to 60", "\"0\""],
        ),
        (
            "*/90 * * * *",
            ["minute field, column 3", "each hour", "\"90\""],
        ),
        (
            "0-100000000 * * * *",
            ["minute field, column 3", "0 to 59", "\"100000000\""],
        ),
        (
            "0 22-2 * * *",
            ["hour field, column 3", "22-23,0-2", "\"22-2\""],
        ),
        (
            "0 0 * * 1#6",
            ["day-of-week field, column 11", "1 to 5", "\"6\""],
        ),
        ("0 0 * * L", ["day-of-week field", "5L", "\"L\""]),
        (
            "1,,2 * * * *",
            ["minute field, column 3", "0 to 59", "nothing"],
        ),
        (
            "  ? * * * *",
            ["minute field, column 3", "0 to 59", "\"?\""],
        ),
        ("* * * *", ["column 8", "5 fields", "got 4"]),
        ("0 0 0 1 1 * 2026", ["column 13", "6 with seconds", "got 7"]),
        ("", ["column 1", "5 fields", "got 0"]),
        ("@reboot", ["column 1", "@hourly", "@reboot"]),
        ("0 0 30 2 *", ["0 0 30 2 *", "never comes", "February"]),
        ("0 0 31W 4,6 *", ["31W", "never comes", ""]),
        (
            "0 0 -1 * *",
            ["day-of-month field, column 5", "1 to 31", "nothing"],
        ),
        ("+1 * * * *", ["minute field, column 1", "0 to 59", "+1"]),
    ] {
        let error = Cron::new(line).expect_err(line);
        assert!(error.is_invalid());
        for part in parts {
            assert!(error.to_string().contains(part), "{line:?} gave: {error}");
        }
    }
    assert!(Cron::new(&"1,".repeat(1 << 20)).is_err());
    let many = (0..MOST_CRON_LINES).try_fold(Cron::new("0 0 * * *").expect("fine"), |cron, _| {
        cron.and("@hourly")
    });
    assert!(many.is_err());
}

proptest::proptest! {
    // The nearest names of a zone cost some milliseconds in a debug build.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_at_all_makes_a_reader_panic(text in proptest::prelude::any::<String>()) {
        let _ = Cron::new(&text);
        let _ = Cron::new("@daily").and_then(|cron| cron.in_zone(&text));
        let _ = text.parse::<Timestamp>();
        let _ = serde_json::from_str::<crate::schedule::Trigger>(&text);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[-0-9a-zA-Z*/,#?@LW äß\t]{0,40}") {
        let _ = Cron::new(&text);
    }

    #[test]
    fn no_text_of_fields_makes_the_search_panic(
        fields in proptest::collection::vec("(\\*|[0-9]{1,2}|[0-9]-[0-9]{1,2}|\\*/[1-9]|L|LW|[1-9]W|[0-6]#[1-5]|[0-6]L)(,[0-9]{1,2})?", 5..7),
        ms in 0i64..=Timestamp::MAX.as_millis(),
    ) {
        if let Ok(cron) = Cron::new(&fields.join(" ")) {
            let time = Timestamp::from_millis(ms);
            let next = cron.next_after(time);
            proptest::prop_assert!(next.is_none_or(|next| next > time));
            proptest::prop_assert!(cron.latest_until(time).is_none_or(|last| last <= time));
        }
    }
}
