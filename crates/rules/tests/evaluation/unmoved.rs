//! Readings that need no walk.

use crate::support::{TICK, above, absent, at, rule};
use event_model::alert::TransitionKind;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rules::{
    Checkpoint, Condition, Evaluation, Heartbeats, Horizon, Point, Rule, State, Status, Transition, evaluate,
    leaves_unmoved,
};

fn points(readings: &[(i64, f64)]) -> Vec<Point> {
    readings.iter().map(|(second, value)| Point { at: at(*second), value: *value }).collect()
}

#[test]
fn a_value_on_the_side_where_the_alert_stands_needs_no_walk() {
    let firing = Status::Firing { since: at(0) };
    let pending = Status::Pending { since: at(0) };
    for (status, values, expected) in [
        (Status::Ok, &[29.0, 30.0][..], true),
        (Status::Ok, &[29.0, 30.1], false),
        (Status::Ok, &[f64::NAN], true),
        (Status::Ok, &[], true),
        (firing, &[28.1, 31.0], true),
        (firing, &[31.0, 28.0], false),
        (pending, &[31.0], false),
        (pending, &[], true),
    ] {
        let readings: Vec<_> = values.iter().map(|value| (100, *value)).collect();
        let found = leaves_unmoved(&rule(above(30.0, 28.0), 600), status, None, &points(&readings));
        assert_eq!(found, expected, "{status:?} {values:?}");
    }
}

#[test]
fn a_sign_of_life_before_the_silence_could_end_needs_no_walk() {
    let silent = rule(absent(600), 0);
    let needs_none =
        |status, deadline, second| leaves_unmoved(&silent, status, deadline, &points(&[(second, 1.0)]));
    assert!(needs_none(Status::Ok, Some(at(600)), 599));
    assert!(!needs_none(Status::Ok, Some(at(600)), 600));
    assert!(!needs_none(Status::Ok, None, 100));
    assert!(!needs_none(Status::Firing { since: at(600) }, None, 700));
}

#[test]
fn a_rate_of_change_always_needs_one() {
    let condition = Condition::RateOfChange {
        threshold: 10.0,
        clear: 10.0,
        per: SignedDuration::from_secs(60),
        direction: rules::Direction::Either,
        window: SignedDuration::ZERO,
    };
    assert!(!leaves_unmoved(&rule(condition, 0), Status::Ok, None, &points(&[(100, 1.0)])));
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let outside = Condition::Outside { low: 10.0, high: 30.0, clear_low: 12.0, clear_high: 28.0 };
    let below = Condition::Below { threshold: 25.0, clear: 29.0 };
    let condition = prop_oneof![Just(above(30.0, 28.0)), Just(below), Just(outside), Just(absent(400))];
    (condition, prop_oneof![Just(0), Just(150)]).prop_map(|(condition, hold)| rule(condition, hold))
}

/// Readings after `begin`, each some time after the one before.
fn readings(most: usize) -> impl Strategy<Value = Vec<(i64, f64)>> {
    let value = prop_oneof![Just(5.0), Just(11.0), Just(20.0), Just(29.0), Just(31.0), Just(f64::NAN)];
    proptest::collection::vec((1_i64..300, value), 1..most)
}

fn placed(begin: i64, readings: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut second = begin;
    let place = |(gap, value): &(i64, f64)| {
        second += gap;
        (second, *value)
    };
    readings.iter().map(place).collect()
}

/// What makes two transitions the same.
fn identities(transitions: &[Transition]) -> Vec<(TransitionKind, Timestamp)> {
    transitions.iter().map(|transition| (transition.kind, transition.at)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_needs_no_walk_adds_no_transition_and_moves_no_status(
        rule in any_rule(), seen in readings(8), unseen in readings(4), ticks in 0_i64..8, kept in 0_u8..16,
    ) {
        let heartbeats = Heartbeats::new((0..ticks).map(|tick| at(tick * 300)), TICK, at(ticks * 300));
        let horizon = Horizon { heartbeats: &heartbeats, lateness: SignedDuration::from_secs(900) };
        let start = Checkpoint { at: at(0), state: State::default() };
        let walk = |readings: &[(i64, f64)]| evaluate(&rule, &start, &points(readings), horizon);
        let seen = placed(0, &seen);
        let unseen = placed(seen.last().map_or(0, |(second, _)| *second), &unseen);
        let Evaluation { transitions, state, deadline, .. } = walk(&seen);
        if leaves_unmoved(&rule, state.status, deadline, &points(&unseen)) {
            // All of them, and any choice of them.
            for kept in [u8::MAX, kept] {
                let chosen = unseen.iter().enumerate().filter(|(index, _)| kept >> index & 1 == 1);
                let all: Vec<_> = seen.iter().chain(chosen.map(|(_, reading)| reading)).copied().collect();
                let walked = walk(&all);
                prop_assert_eq!(identities(&walked.transitions), identities(&transitions));
                prop_assert_eq!(walked.state.status, state.status);
                prop_assert!(walked.deadline >= deadline, "{:?} < {:?}", walked.deadline, deadline);
            }
        }
    }
}
