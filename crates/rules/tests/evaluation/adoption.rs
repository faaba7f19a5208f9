//! A rule that was changed, or was not there before.

use crate::support::{SeriesFixture, TICK, above, absent, at, rule};
use event_model::alert::{TransitionCause, TransitionKind};
use jiff::Timestamp;
use rules::{Adoption, Heartbeats, Point, Status, adopt, evaluate, first_checkpoint, reconcile};

fn points(readings: &[(i64, f64)]) -> Vec<Point> {
    readings.iter().map(|(second, value)| Point { at: at(*second), value: *value }).collect()
}

fn adopted(
    condition: rules::Condition,
    was: Status,
    recorded: Option<i64>,
    readings: &[(i64, f64)],
) -> Adoption {
    let series = SeriesFixture::new(rule(condition, 0), 900);
    let heartbeats = Heartbeats::new((0..20).map(|tick| at(tick * 300)), TICK, at(5_700));
    adopt(&series.rule, was, recorded.map(at), &points(readings), series.horizon(&heartbeats))
}

#[test]
fn an_alert_that_fires_under_both_rules_is_not_notified_again() {
    let was = Status::Firing { since: at(100) };
    let adoption = adopted(above(30.0, 28.0), was, Some(100), &[(100, 50.0), (200, 35.0)]);
    assert_eq!(adoption.transition, None);
    assert_eq!(adoption.checkpoint.state.status, was);
    assert_eq!(adoption.checkpoint.at, at(200));
}

#[test]
fn an_alert_that_no_longer_fires_is_resolved_because_the_rule_changed() {
    let adoption =
        adopted(above(40.0, 40.0), Status::Firing { since: at(100) }, Some(100), &[(100, 50.0), (200, 35.0)]);
    let resolved = adoption.transition.unwrap();
    assert_eq!(
        (resolved.kind, resolved.at, resolved.cause),
        (TransitionKind::Resolved, at(200), TransitionCause::RuleChanged)
    );
    assert_eq!(adoption.checkpoint.state.status, Status::Ok);
}

#[test]
fn an_alert_that_fires_only_under_the_changed_rule_fires_once() {
    let adoption = adopted(above(30.0, 28.0), Status::Ok, None, &[(100, 35.0), (200, 20.0), (300, 35.0)]);
    let firing = adoption.transition.unwrap();
    assert_eq!(
        (firing.kind, firing.at, firing.cause),
        (TransitionKind::Firing, at(300), TransitionCause::Breach)
    );
}

#[test]
fn a_silence_under_the_changed_rule_is_counted_from_the_last_reading() {
    let adoption = adopted(absent(3_600), Status::Ok, None, &[(100, 1.0)]);
    assert_eq!(adoption.transition.unwrap().at, at(3_700));
    let longer = adopted(absent(7_200), Status::Firing { since: at(3_700) }, Some(3_700), &[(100, 1.0)]);
    assert_eq!(longer.transition.unwrap().cause, TransitionCause::RuleChanged);
    assert_eq!(longer.deadline, Some(at(7_300)));
}

#[test]
fn what_was_recorded_before_an_adoption_is_never_retracted_after_it() {
    let series = SeriesFixture::new(rule(above(40.0, 40.0), 0), 900);
    let heartbeats = Heartbeats::new([], TICK, at(5_000));
    let mut readings = points(&[(100, 50.0), (200, 35.0)]);
    let adoption = adopt(
        &series.rule,
        Status::Firing { since: at(100) },
        Some(at(100)),
        &readings,
        series.horizon(&heartbeats),
    );
    readings.push(Point { at: at(300), value: 45.0 });
    let next = evaluate(&series.rule, &adoption.checkpoint, &readings, series.horizon(&heartbeats));
    // Both recorded rows, firing at 100 and resolved at 200, are at or before the checkpoint.
    assert!(adoption.checkpoint.at >= at(200));
    assert_eq!(reconcile(&[], &next.transitions).len(), 1);
}

#[test]
fn a_series_adopted_without_a_reading_starts_at_the_beginning_of_time() {
    let adoption = adopted(above(40.0, 40.0), Status::Ok, None, &[]);
    assert_eq!((adoption.transition, adoption.checkpoint.at), (None, Timestamp::MIN));
}

#[test]
fn a_first_checkpoint_is_before_the_first_reading_and_after_what_is_recorded() {
    let lateness = jiff::SignedDuration::from_secs(900);
    let micro = jiff::SignedDuration::from_micros(1);
    assert_eq!(first_checkpoint(at(0), at(5_000), None, lateness).at, at(0) - micro);
    assert_eq!(first_checkpoint(at(0), at(100), None, lateness).at, at(-800));
    assert_eq!(first_checkpoint(at(0), at(100), Some(at(50)), lateness).at, at(50));
}
