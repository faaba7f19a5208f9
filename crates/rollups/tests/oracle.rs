//! Parts against an oracle that looks at all readings at once: whichever way they are cut into spans, in whichever order they
//! arrive, and in whichever order neighbours are merged.

use std::collections::BTreeMap;

use event_model::{Aggregate, Quality};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rollups::{Observation, Part, Point, Span, Values, hours};

/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200;
const GAP: SignedDuration = SignedDuration::from_mins(20);

/// What there is to say of readings in the order of their times, each said of all of them.
fn oracle(readings: &[Observation], gap: SignedDuration) -> Part {
    let counted: Vec<Point> = readings
        .iter()
        .filter(|reading| reading.quality != Quality::Bad)
        .map(|reading| Point { at: reading.at, value: reading.value })
        .collect();
    let bad = (readings.len() - counted.len()) as u64;
    let (Some(first), Some(last)) = (counted.first(), counted.last()) else {
        return Part { bad, values: None };
    };
    let all = || counted.iter().map(|point| point.value);
    let pairs = || counted.windows(2).map(|pair| (pair[0], pair[1]));
    let held = || {
        let distances = pairs().map(|(before, after)| (before.value, after.at.duration_since(before.at)));
        distances.filter(|(_, distance)| *distance <= gap)
    };
    let rises = pairs().map(|(before, after)| {
        if after.value >= before.value { after.value - before.value } else { after.value.max(0.0) }
    });
    let values = Values {
        n: counted.len() as u64,
        sum: Some(all().sum()),
        min: all().fold(f64::INFINITY, f64::min),
        max: all().fold(f64::NEG_INFINITY, f64::max),
        first: *first,
        last: *last,
        rise: Some(rises.sum()),
        changes: pairs().filter(|(before, after)| before.value != after.value).count() as u64,
        covered: held().map(|(_, distance)| distance).sum(),
        integral: Some(held().map(|(value, distance)| value * distance.as_secs_f64()).sum()),
        sin_sum: all().map(|value| value.to_radians().sin()).sum(),
        cos_sum: all().map(|value| value.to_radians().cos()).sum(),
    };
    Part { bad, values: Some(values) }
}

/// A reading at a quarter of a second, so that sums and products are exact, with values that fall as often as they rise.
fn readings() -> impl Strategy<Value = Vec<Observation>> {
    let quality = prop_oneof![
        6 => Just(Quality::Good),
        1 => Just(Quality::Uncertain),
        2 => Just(Quality::Bad),
    ];
    let value = prop_oneof![(-400..4000).prop_map(|eighths| f64::from(eighths) / 8.0), Just(0.0), Just(1.0)];
    // Mostly some minutes apart, at times exactly the gap, a little more, or hours.
    let distance = prop_oneof![6 => 1..5000i64, 1 => Just(4800i64), 1 => Just(4801i64), 2 => 5000..60_000i64];
    prop::collection::vec((distance, value, quality), 0..60).prop_map(|drawn| {
        let mut quarters = 0;
        let reading = |(distance, value, quality)| {
            quarters += distance;
            let at = Timestamp::from_millisecond(START * 1000 + quarters * 250)
                .expect("the time is within bounds");
            Observation { at, value, quality }
        };
        drawn.into_iter().map(reading).collect()
    })
}

fn parts_of(spans: &[Span], readings: &[Observation], gap: SignedDuration) -> Vec<Part> {
    let within = |span: &Span, at: Timestamp| (span.from..span.to).contains(&at);
    let part =
        |span: &Span| Part::of(readings.iter().copied().filter(|reading| within(span, reading.at)), gap);
    spans.iter().map(part).collect()
}

/// Merges neighbours until one part is left; `choices` say which.
fn merged(mut parts: Vec<Part>, choices: &[prop::sample::Index], gap: SignedDuration) -> Part {
    let mut choices = choices.iter().cycle();
    while parts.len() > 1 {
        let at = choices.next().map_or(0, |choice| choice.index(parts.len() - 1));
        let later = parts.remove(at + 1);
        parts[at] = parts[at].merge(later, gap);
    }
    parts.pop().unwrap_or_default()
}

/// All that is exact for values in eighths, and the unit vectors to their last digits.
#[track_caller]
fn assert_same(found: Part, expected: Part) {
    let Some((mut own, other)) = found.values.zip(expected.values) else {
        assert_eq!(found, expected);
        return;
    };
    let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
    assert!(near(own.sin_sum, other.sin_sum) && near(own.cos_sum, other.cos_sum), "{own:?} is not {other:?}");
    (own.sin_sum, own.cos_sum) = (other.sin_sum, other.cos_sum);
    assert_eq!(Part { values: Some(own), ..found }, expected);
}

fn span_of(readings: &[Observation]) -> Vec<Span> {
    let ends = readings.first().zip(readings.last());
    let (from, to) =
        ends.map_or((START, START), |(first, last)| (first.at.as_second(), last.at.as_second() + 1));
    let at = |second| Timestamp::from_second(second).expect("the time is within bounds");
    // An hour without readings on both sides.
    hours(at(from - 3600), at(to + 3600)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn hours_merged_in_any_order_of_neighbours_are_the_whole(
        readings in readings(),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
    ) {
        let parts = parts_of(&span_of(&readings), &readings, GAP);
        assert_same(merged(parts, &choices, GAP), oracle(&readings, GAP));
    }

    #[test]
    fn spans_of_any_length_merged_are_the_whole(
        readings in readings(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(readings.len() + 1)).collect();
        cuts.extend([0, readings.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &readings[cut[0]..cut[1]]);
        let parts = pieces.map(|piece| Part::of(piece.iter().copied(), GAP)).collect();
        assert_same(merged(parts, &choices, GAP), oracle(&readings, GAP));
    }

    /// Page by page, each laid down as JSON before the next is read, as if all had been read at once: to the last digit, whatever the values.
    #[test]
    fn a_part_that_is_laid_down_between_pages_is_that_of_one_fold(
        drawn in prop::collection::vec((1..3_000_000_000i64, any::<f64>(), 0..3i16), 0..40),
        page in 1..8usize,
    ) {
        let mut micros = START * 1_000_000;
        let reading = |(distance, value, code): (i64, f64, i16)| {
            micros += distance;
            let at = Timestamp::from_microsecond(micros).expect("the time is within bounds");
            Observation { at, value, quality: Quality::from_code(code) }
        };
        let readings: Vec<Observation> = drawn.into_iter().map(reading).collect();
        let mut laid_down = serde_json::to_value(Part::default()).unwrap();
        for page in readings.chunks(page) {
            let begun: Part = serde_json::from_value(laid_down).unwrap();
            let part = page.iter().fold(begun, |part, reading| part.merge(Part::of([*reading], GAP), GAP));
            laid_down = serde_json::to_string(&part).and_then(|text| serde_json::from_str(&text)).unwrap();
        }
        let part: Part = serde_json::from_value(laid_down).unwrap();
        prop_assert_eq!(part, Part::of(readings, GAP));
    }

    /// Each arrival makes the part of its own hour anew, and touches no other.
    #[test]
    fn readings_in_any_order_of_arrival_come_to_the_whole(
        (readings, arrivals) in readings().prop_flat_map(|readings| {
            (Just(readings.clone()), Just(readings).prop_shuffle())
        }),
    ) {
        let mut raw: BTreeMap<Timestamp, Observation> = BTreeMap::new();
        let mut stored: BTreeMap<Timestamp, Part> = BTreeMap::new();
        for reading in arrivals {
            raw.insert(reading.at, reading);
            let hour = hours(reading.at, reading.at + SignedDuration::from_nanos(1)).next().unwrap();
            let part = Part::of(raw.range(hour.from..hour.to).map(|(_, reading)| *reading), GAP);
            stored.insert(hour.from, part);
        }
        let whole = stored.into_values().fold(Part::default(), |whole, part| whole.merge(part, GAP));
        assert_same(whole, oracle(&readings, GAP));
    }

    #[test]
    fn rises_of_hours_each_after_the_one_before_add_up_to_that_of_the_whole(readings in readings()) {
        let parts = parts_of(&span_of(&readings), &readings, GAP);
        let (mut before, mut rises) = (None, 0.0);
        for part in &parts {
            rises += part.value_after(before, Aggregate::Counter, GAP).unwrap_or_default();
            before = part.values.map(|values| values.last).or(before);
        }
        let whole = oracle(&readings, GAP).value(Aggregate::Counter);
        prop_assert_eq!(rises, whole.unwrap_or_default());
    }

    #[test]
    fn means_lie_between_the_least_and_the_greatest(readings in readings()) {
        let part = Part::of(readings.iter().copied(), GAP);
        let Some(values) = part.values else { return Ok(()) };
        let least_to_greatest = values.min..=values.max;
        for aggregate in [Aggregate::Mean, Aggregate::TimeWeighted] {
            let mean = part.value(aggregate).unwrap();
            prop_assert!(least_to_greatest.contains(&mean), "{} of {:?}", aggregate, values);
        }
    }

    /// Values of any size, and no order or distance that is promised.
    #[test]
    fn nothing_that_comes_out_is_infinite_or_no_number(
        drawn in prop::collection::vec((any::<i32>(), any::<f64>()), 0..20),
        at in any::<prop::sample::Index>(),
        gap in 0..i64::from(u32::MAX),
    ) {
        let reading = |&(second, value): &(i32, f64)| Observation {
            at: Timestamp::from_second(second.into()).unwrap(),
            value,
            quality: Quality::Good,
        };
        let readings: Vec<_> = drawn.iter().map(reading).collect();
        let gap = SignedDuration::from_secs(gap);
        let (earlier, later) = readings.split_at(at.index(readings.len() + 1));
        let [earlier, later] = [earlier, later].map(|half| Part::of(half.iter().copied(), gap));
        let whole = earlier.merge(later, gap);
        let before = earlier.values.map(|values| values.last);
        for aggregate in Aggregate::ALL {
            for value in [whole.value(*aggregate), later.value_after(before, *aggregate, gap)] {
                prop_assert!(value.is_none_or(f64::is_finite), "{}: {:?} of {:?}", aggregate, value, whole);
            }
        }
        let sums = whole.values.map(|values| [values.sum, values.rise, values.integral]);
        prop_assert!(sums.into_iter().flatten().flatten().all(f64::is_finite), "{:?}", whole);
        prop_assert!(whole.values.is_none_or(|values| !values.covered.is_negative()), "{:?}", whole);
    }
}
