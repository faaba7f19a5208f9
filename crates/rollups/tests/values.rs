//! What each aggregate makes of a part.

use event_model::{Aggregate, Quality};
use jiff::{SignedDuration, Timestamp};
use rollups::{Observation, Part, Point};

const GAP: SignedDuration = SignedDuration::from_mins(30);

/// Values at minutes.
fn observed(values: &[(i64, f64)]) -> Vec<Observation> {
    let reading =
        |&(minute, value): &(i64, f64)| Observation { at: at(minute), value, quality: Quality::Good };
    values.iter().map(reading).collect()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_772_323_200 + minute * 60).expect("the minute is within time")
}

fn part(values: &[(i64, f64)]) -> Part {
    Part::of(observed(values), GAP)
}

fn value(values: &[(i64, f64)], aggregate: Aggregate) -> Option<f64> {
    part(values).value(aggregate)
}

#[test]
fn without_values_there_is_none() {
    for aggregate in Aggregate::ALL {
        assert_eq!(Part::default().value(*aggregate), None);
        let before = Some(Point { at: at(0), value: 1.0 });
        assert_eq!(Part::default().value_after(before, *aggregate, GAP), None);
    }
}

#[test]
fn what_is_bad_is_counted_and_in_nothing_else() {
    let mut readings = observed(&[(0, 1.0), (10, 900.0), (20, 3.0), (25, f64::NAN), (26, f64::INFINITY)]);
    readings[1].quality = Quality::Bad;
    readings[2].quality = Quality::Uncertain;
    let with = Part::of(readings, GAP);
    assert_eq!((with.bad, with.values), (3, part(&[(0, 1.0), (20, 3.0)]).values));
}

#[test]
fn a_mean_is_of_all_values_whatever_spans_they_came_in() {
    let whole = part(&[(0, 10.0)]).merge(part(&[(60, 1.0), (61, 2.0), (62, 3.0)]), GAP);
    assert_eq!(whole.value(Aggregate::Mean), Some(4.0));
    assert_eq!(value(&[(0, 0.1), (1, 0.1), (2, 0.1)], Aggregate::Mean), Some(0.1));
}

#[test]
fn a_value_holds_until_the_next_that_is_no_further_than_the_gap() {
    let values = [(0, 10.0), (10, 40.0), (40, 0.0), (71, 5.0)];
    let part = part(&values);
    assert_eq!(part.values.map(|values| values.covered), Some(SignedDuration::from_mins(40)));
    assert_eq!(part.value(Aggregate::TimeWeighted), Some((10.0 * 10.0 + 30.0 * 40.0) / 40.0));
    assert_eq!(value(&[(0, 1.0), (60, 3.0)], Aggregate::TimeWeighted), Some(2.0));
}

#[test]
fn a_counter_rises_over_resets_and_gaps() {
    for (values, rise) in [
        (vec![(0, 100.0), (10, 103.0), (20, 103.5)], Some(3.5)),
        (vec![(0, 100.0), (10, 2.0), (20, 5.0)], Some(5.0)),
        (vec![(0, 100.0), (10, 99.5)], Some(99.5)),
        (vec![(0, 100.0), (10, 0.0)], Some(0.0)),
        (vec![(0, 1.0), (10, -4.0), (20, -1.0)], Some(3.0)),
        (vec![(0, 7.0), (10_000, 9.0)], Some(2.0)),
        (vec![(0, 7.0), (1, 7.0)], Some(0.0)),
        (vec![(0, 7.0)], None),
    ] {
        assert_eq!(value(&values, Aggregate::Counter), rise, "{values:?}");
    }
}

#[test]
fn directions_are_added_as_vectors() {
    for (degrees, expected) in [
        (vec![350.0, 10.0], Some(0.0)),
        (vec![340.0, 350.0], Some(345.0)),
        (vec![90.0], Some(90.0)),
        (vec![-90.0], Some(270.0)),
        (vec![360.0], Some(0.0)),
        (vec![3600.0 * 1e9 + 45.0], Some(45.0)),
        (vec![0.0, 180.0], None),
        (vec![0.0, 120.0, 240.0], None),
        (vec![17.0, 107.0, 197.0, 287.0], None),
        (vec![0.0, 180.0, 90.0], Some(90.0)),
    ] {
        let values: Vec<_> = (0..).zip(degrees).collect();
        let found = value(&values, Aggregate::Direction);
        let turn = |one: f64, other: f64| ((one - other).abs() + 180.0) % 360.0 - 180.0;
        let is_near = found.zip(expected).is_some_and(|(found, expected)| turn(found, expected).abs() < 1e-6);
        assert!(is_near || found == expected, "{values:?}: {found:?}");
        assert!(found.is_none_or(|found| (0.0..360.0).contains(&found)), "{values:?}: {found:?}");
    }
    let due_north = value(&[(0, -0.0)], Aggregate::Direction).unwrap();
    assert!(due_north == 0.0 && due_north.is_sign_positive());
    assert_eq!(value(&[(0, -1e-30)], Aggregate::Direction), Some(0.0));
}

#[test]
fn a_flag_is_the_share_of_covered_time_with_1() {
    let values = [(0, 1.0), (10, 0.0), (40, 1.0), (100, 0.0)];
    assert_eq!(value(&values, Aggregate::Flag), Some(0.25));
    let values = part(&values).values.unwrap();
    assert_eq!((values.integral, values.changes), (Some(600.0), 3));
    assert_eq!(value(&[(0, 1.0)], Aggregate::Flag), None);
}

#[test]
fn a_step_counts_in_the_span_in_which_it_ends() {
    let before = Some(Point { at: at(-20), value: 4.0 });
    let hour = part(&[(0, 10.0)]);
    for (aggregate, alone, after) in [
        (Aggregate::Mean, Some(10.0), Some(10.0)),
        (Aggregate::TimeWeighted, Some(10.0), Some(4.0)),
        (Aggregate::Counter, None, Some(6.0)),
        (Aggregate::Direction, Some(10.0), Some(10.0)),
        (Aggregate::Flag, None, Some(4.0)),
    ] {
        assert_eq!(hour.value_after(None, aggregate, GAP), alone, "{aggregate}");
        let found = hour.value_after(before, aggregate, GAP);
        let is_near = found.zip(after).is_some_and(|(found, after)| (found - after).abs() < 1e-9);
        assert!(is_near, "{aggregate}: {found:?}");
    }
    // Further away than the gap: only a count is known to have gone on.
    let before = Some(Point { at: at(-31), value: 4.0 });
    assert_eq!(hour.value_after(before, Aggregate::TimeWeighted, GAP), Some(10.0));
    assert_eq!(hour.value_after(before, Aggregate::Flag, GAP), None);
    assert_eq!(hour.value_after(before, Aggregate::Counter, GAP), Some(6.0));
}

#[test]
fn what_no_double_can_hold_is_none_and_stays_so() {
    let large = part(&[(0, f64::MIN), (10, f64::MAX), (20, f64::MAX)]);
    let whole = large.merge(part(&[(30, 1.0)]), GAP);
    for part in [large, whole] {
        let values = part.values.unwrap();
        assert_eq!((values.rise, values.integral), (None, None));
        assert_eq!(part.value(Aggregate::TimeWeighted), None);
        assert_eq!(part.value(Aggregate::Counter), None);
    }
    let sum = part(&[(0, f64::MAX), (10, f64::MAX)]).merge(part(&[(20, f64::MIN)]), GAP);
    assert_eq!((sum.values.unwrap().sum, sum.value(Aggregate::Mean)), (None, None));
    assert_eq!(value(&[(0, f64::MAX)], Aggregate::Mean), Some(f64::MAX));
}
