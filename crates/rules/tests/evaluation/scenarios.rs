//! Each condition as a small timeline.

use crate::support::{SeriesFixture, above, absent, rule};
use event_model::alert::TransitionKind::{self, Firing, Resolved};
use jiff::SignedDuration;
use rules::{Condition, Direction};

/// Readings that come in order, each evaluated when it comes, then heartbeats.
fn play(
    condition: Condition,
    hold: i64,
    readings: &[(i64, f64)],
    heartbeats: &[i64],
) -> Vec<(TransitionKind, i64)> {
    let mut series = SeriesFixture::new(rule(condition, hold), 900);
    let mut heartbeats = heartbeats.iter().copied().peekable();
    for (second, value) in readings {
        while let Some(heartbeat) = heartbeats.next_if(|heartbeat| heartbeat <= second) {
            series.heartbeat(heartbeat);
        }
        series.store(*second, *value);
        series.look(*second);
    }
    heartbeats.for_each(|heartbeat| series.heartbeat(heartbeat));
    series.effective()
}

#[test]
fn a_value_condition_begins_at_its_threshold_and_ends_at_its_clear_threshold() {
    let below = Condition::Below { threshold: 5.0, clear: 7.0 };
    let outside = Condition::Outside { low: 0.0, high: 10.0, clear_low: 1.0, clear_high: 9.0 };
    type Scenario<'a> = (&'a str, Condition, &'a [(i64, f64)], &'a [(TransitionKind, i64)]);
    let scenarios: [Scenario<'_>; 9] = [
        ("equal to the threshold is no breach", above(30.0, 28.0), &[(0, 30.0)], &[]),
        ("above it is", above(30.0, 28.0), &[(0, 30.1)], &[(Firing, 0)]),
        ("between the two it goes on", above(30.0, 28.0), &[(0, 31.0), (60, 29.0)], &[(Firing, 0)]),
        (
            "at the clear threshold it ends, and between the two it does not begin again",
            above(30.0, 28.0),
            &[(0, 31.0), (60, 28.0), (120, 29.0)],
            &[(Firing, 0), (Resolved, 60)],
        ),
        ("below", below, &[(0, 5.0), (1, 4.9), (2, 6.9), (3, 7.0)], &[(Firing, 1), (Resolved, 3)]),
        (
            "above the range",
            outside.clone(),
            &[(0, 10.0), (1, 10.1), (2, 9.0)],
            &[(Firing, 1), (Resolved, 2)],
        ),
        ("below the range", outside.clone(), &[(1, -0.1), (2, 0.5), (3, 1.0)], &[(Firing, 1), (Resolved, 3)]),
        ("from one side to the other is one breach", outside, &[(1, -1.0), (2, 11.0)], &[(Firing, 1)]),
        ("no number is no value", above(30.0, 28.0), &[(0, 31.0), (1, f64::NAN)], &[(Firing, 0)]),
    ];
    for (name, condition, readings, expected) in scenarios {
        assert_eq!(play(condition, 0, readings, &[]), expected, "{name}");
    }
}

#[test]
fn a_rate_of_change_is_scaled_and_has_a_direction() {
    let rate = |direction| Condition::RateOfChange {
        threshold: 5.0,
        clear: 5.0,
        per: SignedDuration::from_mins(10),
        direction,
        window: SignedDuration::ZERO,
    };
    let falling_then_flat = [(0, 20.0), (60, 19.0), (120, 19.0)];
    assert_eq!(play(rate(Direction::Either), 0, &falling_then_flat, &[]), [(Firing, 60), (Resolved, 120)]);
    assert_eq!(play(rate(Direction::Falling), 0, &falling_then_flat, &[]), [(Firing, 60), (Resolved, 120)]);
    assert_eq!(play(rate(Direction::Rising), 0, &falling_then_flat, &[]), []);
    assert_eq!(play(rate(Direction::Either), 0, &[(0, 1e9)], &[]), [], "a first reading has no rate");
    assert_eq!(play(rate(Direction::Either), 0, &[(0, 20.0), (600, 25.0)], &[]), [], "exactly the threshold");
    let over_a_gap = [(0, 20.0), (60, f64::INFINITY), (600, 20.0)];
    assert_eq!(play(rate(Direction::Either), 0, &over_a_gap, &[]), [], "infinity is no value to change from");
}

#[test]
fn the_last_digit_of_a_sensor_is_a_rate_by_itself_and_none_over_a_window() {
    let falls_fast = |window| Condition::RateOfChange {
        threshold: 3.0,
        clear: 1.0,
        per: SignedDuration::from_hours(3),
        direction: Direction::Falling,
        window: SignedDuration::from_mins(window),
    };
    // A minute apart, one step of 0.1 hPa; then a fall of 6 hPa in 3 hours.
    let step: Vec<_> =
        (0..30).map(|minute| (minute * 60, if minute < 7 { 1011.3 } else { 1011.2 })).collect();
    assert_eq!(play(falls_fast(0), 0, &step, &[]), [(Firing, 420), (Resolved, 480)]);
    assert_eq!(play(falls_fast(30), 0, &step, &[]), []);
    assert_eq!(play(falls_fast(10), 0, &step, &[]), [], "0.1 in 10 minutes is 1.8 in 3 hours");
    let fall: Vec<_> =
        (0..90_u32).map(|minute| (i64::from(minute) * 60, 1011.0 - f64::from(minute) / 30.0)).collect();
    assert_eq!(play(falls_fast(30), 0, &fall, &[]), [(Firing, 1800)]);
}

#[test]
fn for_fires_at_its_end_when_a_reading_or_a_heartbeat_gets_there() {
    let hot = above(30.0, 28.0);
    type Scenario<'a> = (&'a str, &'a [(i64, f64)], &'a [i64], &'a [(TransitionKind, i64)]);
    let scenarios: [Scenario<'_>; 7] = [
        ("a reading after the end", &[(0, 31.0), (700, 31.0)], &[], &[(Firing, 600)]),
        ("a reading at the end", &[(0, 31.0), (600, 31.0)], &[], &[(Firing, 600)]),
        ("a clearing reading at the end prevents it", &[(0, 31.0), (600, 20.0)], &[], &[]),
        (
            "a clearing reading just after the end resolves it",
            &[(0, 31.0), (601, 20.0)],
            &[],
            &[(Firing, 600), (Resolved, 601)],
        ),
        ("a heartbeat before the end does not fire", &[(0, 31.0)], &[300, 599], &[]),
        ("a heartbeat at the end does", &[(0, 31.0)], &[300, 600], &[(Firing, 600)]),
        ("a heartbeat long after does too, at the end", &[(0, 31.0)], &[300, 90_000], &[(Firing, 600)]),
    ];
    for (name, readings, heartbeats, expected) in scenarios {
        assert_eq!(play(hot.clone(), 600, readings, heartbeats), expected, "{name}");
    }
}

#[test]
fn a_breach_between_the_thresholds_still_counts_towards_for() {
    let readings = [(0, 31.0), (300, 29.0), (600, 29.0)];
    assert_eq!(play(above(30.0, 28.0), 600, &readings, &[]), [(Firing, 600)]);
}

#[test]
fn silence_counts_only_while_heartbeats_come() {
    type Scenario<'a> = (&'a str, &'a [(i64, f64)], &'a [i64], &'a [(TransitionKind, i64)]);
    let scenarios: [Scenario<'_>; 9] = [
        ("no reading ever", &[], &[0, 300, 600, 900], &[]),
        ("too long", &[(10, 1.0)], &[0, 300, 600, 900], &[(Firing, 610)]),
        ("not yet", &[(10, 1.0)], &[0, 300, 600], &[]),
        ("exactly", &[(0, 1.0)], &[0, 300, 600], &[(Firing, 600)]),
        ("a reading at the very end prevents it", &[(0, 1.0), (600, 1.0)], &[0, 300, 600, 900], &[]),
        (
            "resolved by the next",
            &[(0, 1.0), (700, 1.0)],
            &[0, 300, 600, 900],
            &[(Firing, 600), (Resolved, 700)],
        ),
        ("an outage gives the whole time anew", &[(0, 1.0)], &[0, 300, 9_000, 9_300], &[]),
        ("and then it counts", &[(0, 1.0)], &[0, 300, 9_000, 9_300, 9_600], &[(Firing, 9_600)]),
        ("no heartbeats, no silence", &[(0, 1.0), (90_000, 1.0)], &[], &[]),
    ];
    for (name, readings, heartbeats, expected) in scenarios {
        assert_eq!(play(absent(600), 0, readings, heartbeats), expected, "{name}");
    }
}

#[test]
fn a_silence_shorter_than_a_tick_is_found_by_the_heartbeat_that_follows_it() {
    let mut series = SeriesFixture::new(rule(absent(60), 0), 900);
    series.heartbeat(0);
    series.store(10, 1.0);
    series.look(10);
    series.store(200, 1.0);
    series.look(200);
    assert_eq!((series.effective(), series.deadline()), (vec![], Some(70)));
    series.heartbeat(300);
    assert_eq!(series.effective(), [(Firing, 70), (Resolved, 200), (Firing, 260)]);
    assert_eq!(series.deadline(), None, "what fires waits for a reading, not for time");
}

#[test]
fn a_run_that_grows_over_readings_already_seen_counts_their_silence() {
    let mut series = SeriesFixture::new(rule(absent(1_200), 0), 60);
    series.heartbeat(0);
    series.store(10, 1.0);
    series.look(10);
    // The tick is late: two readings 25 minutes apart are seen before any heartbeat says that the pipeline was up.
    series.store(700, 1.0);
    series.look(700);
    series.heartbeat(600);
    series.store(2_200, 1.0);
    series.look(2_200);
    assert_eq!(series.effective(), []);
    series.heartbeat(1_300);
    series.heartbeat(2_000);
    assert_eq!(series.effective(), [(Firing, 1_900), (Resolved, 2_200)]);
}

#[test]
fn a_late_reading_retracts_what_it_makes_untrue() {
    let mut series = SeriesFixture::new(rule(above(30.0, 28.0), 600), 900);
    series.store(0, 31.0);
    series.store(700, 31.0);
    series.look(700);
    assert_eq!(series.effective(), [(Firing, 600)]);
    series.store(300, 20.0);
    series.look(800);
    assert_eq!((series.effective(), series.retracted()), (vec![], 1));
    assert_eq!(series.deadline(), Some(1_300));
    series.heartbeat(1_300);
    assert_eq!(series.effective(), [(Firing, 1_300)]);
}

#[test]
fn a_late_reading_ends_a_silence_that_never_was() {
    let mut series = SeriesFixture::new(rule(absent(600), 0), 900);
    series.store(0, 1.0);
    series.look(0);
    for heartbeat in [0, 300, 600] {
        series.heartbeat(heartbeat);
    }
    assert_eq!(series.effective(), [(Firing, 600)]);
    series.store(400, 1.0);
    series.look(650);
    assert_eq!((series.effective(), series.deadline()), (vec![], Some(1_000)));
}

#[test]
fn what_is_older_than_the_lateness_window_changes_nothing() {
    let mut series = SeriesFixture::new(rule(above(30.0, 28.0), 0), 900);
    series.store(1_000, 20.0);
    series.look(1_000);
    series.store(100, 31.0);
    series.look(1_001);
    assert_eq!(series.effective(), [], "exactly at the checkpoint");
    series.store(101, 31.0);
    series.look(1_002);
    assert_eq!(series.effective(), [(Firing, 101), (Resolved, 1_000)], "just after it");
}

#[test]
fn a_first_batch_of_history_is_evaluated_whole() {
    let mut series = SeriesFixture::new(rule(above(30.0, 28.0), 0), 900);
    for (second, value) in [(0, 31.0), (10_000, 20.0), (20_000, 31.0), (90_000, 20.0)] {
        series.store(second, value);
    }
    series.look(90_000);
    assert_eq!(series.effective(), [(Firing, 0), (Resolved, 10_000), (Firing, 20_000), (Resolved, 90_000)]);
}
