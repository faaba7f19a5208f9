//! Hours of UTC and days of a zone.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rollups::{Day, Span, day_of, days, hour_of, hours};

fn at(text: &str) -> Timestamp {
    text.parse().expect("the text is a time")
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("the zone is known")
}

/// The days of a zone: date, beginning, length in minutes.
fn shown(name: &str, from: &str, to: &str) -> Vec<String> {
    let day = |day: Day| {
        let length = day.span.to.duration_since(day.span.from).as_mins();
        format!("{} {} {length}", day.date, day.span.from)
    };
    days(&zone(name), at(from), at(to)).map(day).collect()
}

#[test]
fn an_hour_that_is_touched_is_whole() {
    let hours = |from, to| hours(at(from), at(to)).map(|hour| hour.from.to_string()).collect::<Vec<_>>();
    assert_eq!(
        hours("2026-03-01T00:59:59.999999Z", "2026-03-01T02:00:00.000001Z"),
        ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"]
    );
    assert_eq!(hours("2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"), ["2026-03-01T01:00:00Z"]);
    assert_eq!(hours("1969-12-31T23:30:00Z", "1969-12-31T23:30:01Z"), ["1969-12-31T23:00:00Z"]);
    assert_eq!(hours("2026-03-01T01:30:00Z", "2026-03-01T01:30:00Z"), [""; 0]);
    assert_eq!(hours("2026-03-01T03:00:00Z", "2026-03-01T01:00:00Z"), [""; 0]);
}

#[test]
fn a_day_is_its_whole_hours_and_what_lies_before_and_behind_them() {
    for (from, first, last, to) in [
        ("2026-03-01T18:30:00Z", "2026-03-01T19:00:00Z", "2026-03-02T18:00:00Z", "2026-03-02T18:30:00Z"),
        ("2026-03-01T18:00:00Z", "2026-03-01T18:00:00Z", "2026-03-02T18:00:00Z", "2026-03-02T18:15:00Z"),
        ("2026-03-01T18:45:00Z", "2026-03-01T19:00:00Z", "2026-03-02T18:00:00Z", "2026-03-02T18:00:00Z"),
        ("2026-03-01T18:00:00Z", "2026-03-01T18:00:00Z", "2026-03-02T18:00:00Z", "2026-03-02T18:00:00Z"),
        // None has an hour.
        ("2026-03-01T18:10:00Z", "2026-03-01T19:00:00Z", "2026-03-01T19:00:00Z", "2026-03-01T19:20:00Z"),
        ("2026-03-01T18:10:00Z", "2026-03-01T18:20:00Z", "2026-03-01T18:20:00Z", "2026-03-01T18:20:00Z"),
    ] {
        let cut = Span { from: at(from), to: at(to) }.cut_by_hours();
        let expected = [(from, first), (first, last), (last, to)];
        assert_eq!(cut, expected.map(|(from, to)| Span { from: at(from), to: at(to) }), "{from}");
    }
}

#[test]
fn days_are_as_long_as_the_zones_clock_makes_them() {
    for (name, from, to, expected) in [
        (
            "Europe/Berlin",
            "2026-03-28T23:00:00Z",
            "2026-03-30T22:00:00Z",
            vec!["2026-03-29 2026-03-28T23:00:00Z 1380", "2026-03-30 2026-03-29T22:00:00Z 1440"],
        ),
        (
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:00:01Z",
            vec!["2026-10-25 2026-10-24T22:00:00Z 1500"],
        ),
        (
            "Asia/Kolkata",
            "2026-03-01T00:00:00Z",
            "2026-03-01T12:00:00Z",
            vec!["2026-03-01 2026-02-28T18:30:00Z 1440"],
        ),
        (
            "Asia/Kathmandu",
            "2026-03-01T00:00:00Z",
            "2026-03-01T18:15:00Z",
            vec!["2026-03-01 2026-02-28T18:15:00Z 1440"],
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-03T14:00:00Z",
            "2026-10-04T14:00:00Z",
            vec!["2026-10-04 2026-10-03T13:30:00Z 1410", "2026-10-05 2026-10-04T13:00:00Z 1440"],
        ),
        // Midnight is left out.
        (
            "America/Sao_Paulo",
            "2017-10-15T00:00:00Z",
            "2017-10-15T12:00:00Z",
            vec!["2017-10-14 2017-10-14T03:00:00Z 1440", "2017-10-15 2017-10-15T03:00:00Z 1380"],
        ),
        // The clock leaps from 23:30 to 00:30.
        (
            "America/Toronto",
            "1919-03-31T04:00:00Z",
            "1919-03-31T05:00:00Z",
            vec!["1919-03-30 1919-03-30T05:00:00Z 1410", "1919-03-31 1919-03-31T04:30:00Z 1410"],
        ),
        // The clock goes back from 00:01 to 23:01.
        (
            "America/St_Johns",
            "2006-10-29T02:32:00Z",
            "2006-10-29T03:00:00Z",
            vec!["2006-10-29 2006-10-29T02:30:00Z 1500"],
        ),
        // A date is left out.
        (
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            "2011-12-30T12:00:00Z",
            vec!["2011-12-29 2011-12-29T10:00:00Z 1440", "2011-12-31 2011-12-30T10:00:00Z 1440"],
        ),
        ("UTC", "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z", vec![]),
    ] {
        assert_eq!(shown(name, from, to), expected, "{name} from {from}");
    }
}

#[test]
fn whole_hours_of_utc_make_the_days_of_some_zones() {
    for (name, at_noon, expected) in [
        ("UTC", "2026-01-01T12:00:00Z", true),
        ("Europe/Berlin", "2026-03-29T12:00:00Z", true),
        ("Asia/Kolkata", "2026-01-01T12:00:00Z", false),
        ("Asia/Kathmandu", "2026-01-01T12:00:00Z", false),
        // In winter 10 hours and a half ahead of UTC, in summer 11.
        ("Australia/Lord_Howe", "2026-12-01T12:00:00Z", true),
        ("Australia/Lord_Howe", "2026-07-01T12:00:00Z", false),
    ] {
        let day = day_of(&zone(name), at(at_noon)).unwrap();
        assert!(day.span.from <= at(at_noon) && at(at_noon) < day.span.to);
        assert_eq!(day.span.is_whole_hours(), expected, "{name} at {at_noon}");
    }
}

#[test]
fn an_instant_lies_in_one_hour() {
    for (text, from) in [
        ("2026-11-01T12:59:59.999999Z", "2026-11-01T12:00:00Z"),
        ("1969-12-31T23:30:00Z", "1969-12-31T23:00:00Z"),
    ] {
        let hour = hour_of(at(text));
        assert_eq!((hour.from, hour.to), (at(from), at(from) + SignedDuration::from_hours(1)));
        assert_eq!(hours(at(text), at(text) + SignedDuration::from_nanos(1)).collect::<Vec<_>>(), [hour]);
    }
}

#[test]
fn the_ends_of_time_are_days_and_hours_too() {
    let moment = SignedDuration::from_millis(1);
    for name in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"] {
        for from in [Timestamp::MIN, Timestamp::MAX - moment] {
            let to = from + moment;
            let holds = |span: Span| span.from <= from && span.to >= to;
            assert!(hours(from, to).any(holds), "{from}");
            assert!(days(&zone(name), from, to).any(|day| holds(day.span)), "{name} {from}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn days_and_hours_follow_each_other_without_a_gap(
        name in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/St_Johns", "America/Sao_Paulo", "America/Havana", "Asia/Kathmandu",
            "Australia/Lord_Howe", "Pacific/Apia", "Atlantic/Azores", "Africa/Casablanca", "America/Juneau",
        ]),
        // From 1850 to 2100.
        from in -3_786_825_600..4_102_444_800i64,
        seconds in 1..2_000_000i64,
    ) {
        let (zone, [from, to]) = (zone(name), [from, from + seconds].map(|at| Timestamp::from_second(at).unwrap()));
        let days: Vec<_> = days(&zone, from, to).collect();
        let of_days: Vec<_> = days.iter().map(|day| day.span).collect();
        for spans in [of_days, hours(from, to).collect()] {
            prop_assert!(spans[0].from <= from && from < spans[0].to, "{:?}", spans);
            prop_assert!(spans[spans.len() - 1].from < to && to <= spans[spans.len() - 1].to, "{:?}", spans);
            prop_assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from), "{:?}", spans);
        }
        for day in days {
            let date = |at: Timestamp| at.to_zoned(zone.clone()).date();
            prop_assert!(date(day.span.from) == day.date, "{:?} begins on {}", day, date(day.span.from));
            prop_assert!(date(day.span.from - SignedDuration::from_nanos(1)) < day.date, "{:?} begins late", day);
        }
    }
}
