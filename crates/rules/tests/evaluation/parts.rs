//! A long history that is evaluated in parts.

use crate::support::{TICK, above, absent, at, rule};
use jiff::SignedDuration;
use proptest::prelude::*;
use rules::{Checkpoint, Evaluation, Heartbeats, Horizon, Point, State, evaluate};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_say_what_the_whole_says_and_nothing_that_it_takes_back(
        is_silence in any::<bool>(), hold in prop_oneof![Just(0), Just(250)],
        gaps in proptest::collection::vec((1_i64..900, prop_oneof![Just(20.0), Just(29.0), Just(31.0)]), 2..16),
        ticks in proptest::collection::vec(any::<bool>(), 1..30), cut in 0_usize..16, now in 0_i64..3_000,
    ) {
        let rule = rule(if is_silence { absent(500) } else { above(30.0, 28.0) }, hold);
        let mut second = 0;
        let place = |(gap, value): &(i64, f64)| {
            second += gap;
            Point { at: at(second), value: *value }
        };
        let points: Vec<Point> = gaps.iter().map(place).collect();
        let came = (0_i64..).zip(&ticks).filter(|(_, came)| **came).map(|(tick, _)| at(tick * 300));
        let last = i64::try_from(ticks.len()).unwrap() * 300;
        let known = Heartbeats::new(came, TICK, at(last + now));
        let lateness = SignedDuration::from_secs(900);
        let start = Checkpoint { at: at(0), state: State::default() };
        let whole = evaluate(&rule, &start, &points, Horizon { heartbeats: &known, lateness }).transitions;

        let until = points[cut % points.len()].at;
        let part = &points[..=cut % points.len()];
        let then = known.as_of(until);
        let Evaluation { transitions: first, checkpoint, .. } =
            evaluate(&rule, &start, part, Horizon { heartbeats: &then, lateness });
        let up_to = |at| whole.iter().copied().filter(move |one| one.at <= at).collect::<Vec<_>>();
        prop_assert_eq!(&first, &up_to(until));

        let rest = evaluate(&rule, &checkpoint, &points, Horizon { heartbeats: &known, lateness }).transitions;
        let mut both = up_to(checkpoint.at);
        both.extend(rest);
        prop_assert_eq!(both, whole);
    }
}
