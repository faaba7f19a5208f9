//! An oracle that looks at every second by itself, knows all readings and heartbeats at once, and nothing of arrival, checkpoints or
//! deadlines. Whatever the order of arrival within the lateness window, the effective transitions must be the oracle's.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{SeriesFixture, TICK, above, absent, at, rule};
use event_model::alert::TransitionKind::{self, Firing, Resolved};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rules::{Checkpoint, Condition, Direction, Point, Rule, State, evaluate};

/// The transitions, second by second.
fn oracle(
    rule: &Rule,
    readings: &BTreeMap<i64, f64>,
    heartbeats: &BTreeSet<i64>,
) -> Vec<(TransitionKind, i64)> {
    let (Some(first), Some(newest)) = (readings.keys().next(), readings.keys().last()) else { return vec![] };
    let end = heartbeats.last().map_or(*newest, |heartbeat| *heartbeat.max(newest));
    let mut transitions = vec![];
    let mut firing = false;
    // Seconds of unbroken breach or of counted silence that led up to now; `None` is neither.
    let mut lasted: Option<i64> = None;
    let mut before: Option<(i64, f64)> = None;
    for now in *first..=end {
        let reading = readings.get(&now).copied();
        lasted = match &rule.condition {
            Condition::Absent { .. } if reading.is_some() => Some(0),
            Condition::Absent { .. } if !pipeline_was_up(heartbeats, now) => Some(0),
            _ => lasted.map(|seconds| seconds + 1),
        };
        if let Some(value) = reading {
            let is_passed_over = match (&rule.condition, before) {
                (Condition::RateOfChange { window, .. }, Some((then, _))) => now - then < window.as_secs(),
                _ => false,
            };
            match &rule.condition {
                _ if is_passed_over => {}
                Condition::Absent { .. } => {
                    if std::mem::take(&mut firing) {
                        transitions.push((Resolved, now));
                    }
                }
                condition => {
                    if let Some(breach) = in_breach(condition, lasted.is_some(), (now, value), before) {
                        if !breach && std::mem::take(&mut firing) {
                            transitions.push((Resolved, now));
                        }
                        lasted = breach.then(|| lasted.unwrap_or(0));
                    }
                }
            }
            before = before.filter(|_| is_passed_over).or(Some((now, value)));
        }
        let limit = match &rule.condition {
            Condition::Absent { after } => after.as_secs(),
            _ => rule.hold.as_secs(),
        };
        if !firing && lasted.is_some_and(|seconds| seconds >= limit) {
            firing = true;
            transitions.push((Firing, now));
        }
    }
    transitions
}

/// Whether the second that ends at `now` lies between two heartbeats no more than 2.5 ticks apart.
fn pipeline_was_up(heartbeats: &BTreeSet<i64>, now: i64) -> bool {
    let left = heartbeats.range(..now).next_back();
    let right = heartbeats.range(now..).next();
    left.zip(right).is_some_and(|(left, right)| 2 * (right - left) <= 5 * TICK.as_secs())
}

fn in_breach(
    condition: &Condition,
    was: bool,
    (now, value): (i64, f64),
    before: Option<(i64, f64)>,
) -> Option<bool> {
    match *condition {
        Condition::Above { threshold, clear } => Some(value > if was { clear } else { threshold }),
        Condition::Below { threshold, clear } => Some(value < if was { clear } else { threshold }),
        Condition::Outside { low, high, clear_low, clear_high } if was => {
            let _ = (low, high);
            Some(value < clear_low || value > clear_high)
        }
        Condition::Outside { low, high, .. } => Some(value < low || value > high),
        Condition::RateOfChange { threshold, clear, per, direction, .. } => {
            let (then, old) = before?;
            #[allow(clippy::cast_precision_loss, reason = "small numbers of seconds")]
            let rate = (value - old) / (now - then) as f64 * per.as_secs_f64();
            let rate = match direction {
                Direction::Either => rate.abs(),
                Direction::Rising => rate,
                Direction::Falling => -rate,
            };
            Some(rate > if was { clear } else { threshold })
        }
        Condition::Absent { .. } => None,
    }
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let hold = prop_oneof![Just(0), 1_i64..1_500];
    let direction = prop_oneof![Just(Direction::Either), Just(Direction::Rising), Just(Direction::Falling)];
    let condition = prop_oneof![
        (4..7_i32, 0..3_i32).prop_map(|(threshold, gap)| above(threshold.into(), (threshold - gap).into())),
        (3..6_i32, 0..3_i32).prop_map(|(threshold, gap)| Condition::Below {
            threshold: threshold.into(),
            clear: (threshold + gap).into(),
        }),
        Just(Condition::Outside { low: 2.0, high: 7.0, clear_low: 3.0, clear_high: 6.0 }),
        (direction, prop_oneof![Just(0), 1_i64..900]).prop_map(|(direction, window)| {
            Condition::RateOfChange {
                threshold: 4.0,
                clear: 1.0,
                per: SignedDuration::from_mins(5),
                direction,
                window: SignedDuration::from_secs(window),
            }
        }),
    ];
    prop_oneof![
        2 => (condition, hold).prop_map(|(condition, hold)| rule(condition, hold)),
        1 => (1_i64..2_500).prop_map(|after| rule(absent(after), 0)),
    ]
}

/// One thing that happens, and when by the pipeline's clock.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Arrives(i64, f64),
    Looks,
    Heartbeats(i64),
}

#[derive(Debug)]
struct Story {
    rule: Rule,
    lateness: i64,
    happenings: Vec<(i64, Happening)>,
}

impl Story {
    fn readings(&self) -> BTreeMap<i64, f64> {
        let stored = self.happenings.iter().filter_map(|(_, happening)| match happening {
            Happening::Arrives(second, value) => Some((*second, *value)),
            _ => None,
        });
        stored.collect()
    }

    fn heartbeats(&self) -> BTreeSet<i64> {
        let heartbeats = self.happenings.iter().filter_map(|(_, happening)| match happening {
            Happening::Heartbeats(second) => Some(*second),
            _ => None,
        });
        heartbeats.collect()
    }

    fn play(&self) -> SeriesFixture {
        let mut series = SeriesFixture::new(self.rule.clone(), self.lateness);
        for (now, happening) in &self.happenings {
            match *happening {
                Happening::Arrives(second, value) => series.store(second, value),
                Happening::Looks => series.look(*now),
                Happening::Heartbeats(second) => series.heartbeat(second),
            }
        }
        series.look(self.happenings.last().map_or(0, |(now, _)| *now));
        series
    }
}

/// Readings that come late by less than the lateness window, from a device whose clock is off, with ticks that fail now and
/// then, seen by `alert` one by one or several at once.
fn any_story() -> impl Strategy<Value = Story> {
    let reading = (1_i64..900, 0..10_i32, 0.0..1.0_f64, any::<bool>());
    let tick = prop_oneof![9 => Just(300_i64), 1 => 301_i64..4_000];
    let readings = prop::collection::vec(reading, 1..25);
    let ticks = prop::collection::vec((tick, 0_i64..20), 0..30);
    (any_rule(), prop_oneof![Just(0_i64), 1_i64..3_000], readings, ticks, -250_i64..250).prop_map(
        |(rule, lateness, readings, ticks, skew)| {
            let mut happenings = vec![];
            let mut second = 0;
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
            for (gap, value, late, looks) in readings {
                second += gap;
                let arrives = second - skew + (late * lateness as f64) as i64;
                happenings.push((arrives, Happening::Arrives(second, f64::from(value))));
                if looks {
                    happenings.push((arrives, Happening::Looks));
                }
            }
            let mut now = 0;
            for (gap, jitter) in ticks {
                now += gap;
                happenings.push((now + jitter, Happening::Heartbeats(now + jitter)));
            }
            happenings.sort_by_key(|(now, _)| *now);
            Story { rule, lateness, happenings }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_within_the_lateness_window_ends_in_the_oracles_transitions(story in any_story()) {
        let expected = oracle(&story.rule, &story.readings(), &story.heartbeats());
        prop_assert_eq!(story.play().effective(), expected);
    }

    #[test]
    fn readings_in_order_give_the_same_transitions_in_any_batches(mut story in any_story()) {
        // The clock stands at the end, with all heartbeats known: only the batches differ.
        let expected = oracle(&story.rule, &story.readings(), &story.heartbeats());
        story.happenings.sort_by_key(|(_, happening)| match happening {
            Happening::Heartbeats(_) => i64::MIN,
            Happening::Arrives(second, _) => *second,
            Happening::Looks => 0,
        });
        let mut series = SeriesFixture::new(story.rule.clone(), story.lateness);
        for (index, (_, happening)) in story.happenings.iter().enumerate() {
            match *happening {
                Happening::Heartbeats(second) => series.heartbeat(second),
                Happening::Arrives(second, value) => {
                    series.store(second, value);
                    if index % 3 != 1 {
                        series.look(100_000);
                    }
                }
                Happening::Looks => {}
            }
        }
        series.look(100_000);
        let time_alone_decides =
            matches!(story.rule.condition, Condition::Absent { .. }) || story.rule.hold > SignedDuration::ZERO;
        prop_assert!(time_alone_decides || series.retracted() == 0);
        prop_assert_eq!(series.effective(), expected);
    }

    #[test]
    fn a_checkpoint_gives_the_same_transitions_as_the_one_before_it(story in any_story()) {
        let series = SeriesFixture::new(story.rule.clone(), story.lateness);
        let points: Vec<_> =
            story.readings().iter().map(|(second, value)| Point { at: at(*second), value: *value }).collect();
        let heartbeats = rules::Heartbeats::new(story.heartbeats().into_iter().map(at), TICK, at(1_000));
        let start = Checkpoint { at: Timestamp::MIN, state: State::default() };
        let whole = evaluate(&story.rule, &start, &points, series.horizon(&heartbeats));
        let rest = evaluate(&story.rule, &whole.checkpoint, &points, series.horizon(&heartbeats));
        let later: Vec<_> =
            whole.transitions.iter().filter(|transition| transition.at > whole.checkpoint.at).copied().collect();
        prop_assert_eq!(rest.transitions, later);
        prop_assert_eq!(rest.state, whole.state);
        prop_assert_eq!(rest.checkpoint, whole.checkpoint);
        prop_assert_eq!(rest.deadline, whole.deadline);
    }

    #[test]
    fn nothing_makes_an_evaluation_panic(
        rule in any_rule(),
        hold in any::<i64>(),
        after in any::<i64>(),
        lateness in any::<i64>(),
        readings in prop::collection::btree_map(-377_000_000_000_i64..253_000_000_000, any::<f64>(), 0..20),
        heartbeats in prop::collection::btree_set(-377_000_000_000_i64..253_000_000_000, 0..20),
        threshold in any::<f64>(),
    ) {
        let instant = |second| Timestamp::from_second(second).unwrap();
        let points: Vec<_> =
            readings.iter().map(|(second, value)| Point { at: instant(*second), value: *value }).collect();
        let silent = Condition::Absent { after: SignedDuration::from_secs(after) };
        for condition in [rule.condition.clone(), above(threshold, threshold), silent] {
            let rule = Rule { condition, hold: SignedDuration::from_secs(hold), ..rule.clone() };
            for tick in [SignedDuration::MAX, SignedDuration::ZERO, TICK] {
                let known = rules::Heartbeats::new(heartbeats.iter().copied().map(instant), tick, Timestamp::MAX);
                let horizon = rules::Horizon { heartbeats: &known, lateness: SignedDuration::from_secs(lateness) };
                let start = Checkpoint { at: Timestamp::MIN, state: State::default() };
                let evaluation = evaluate(&rule, &start, &points, horizon);
                let json = serde_json::to_string(&evaluation.checkpoint.state).unwrap();
                prop_assert_eq!(serde_json::from_str::<State>(&json).unwrap(), evaluation.checkpoint.state);
                rules::adopt(&rule, evaluation.state.status, None, &points, horizon);
            }
        }
    }
}
