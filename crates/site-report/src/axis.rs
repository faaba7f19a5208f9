//! The axes of a chart: which ticks they have, and what stands at them.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};

use crate::content::{Period, PeriodKind};
use crate::wording::Wording;

/// The steps between ticks, times a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 2.5, 5.0];

/// Hours between ticks of a day.
const HOURS: i8 = 3;

/// Days between ticks of a month.
const DAYS: usize = 5;

/// An axis of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValueAxis {
    /// From the least to the greatest: three to five.
    pub(crate) ticks: Vec<f64>,
    /// How many decimals they need.
    pub(crate) decimals: usize,
}

/// A tick of an axis of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeTick {
    /// Where it stands.
    pub(crate) at: Timestamp,
    /// What stands at it.
    pub(crate) label: String,
}

impl ValueAxis {
    /// With round ticks around the values, whose sizes are at most 1e15.
    pub(crate) fn around(low: f64, high: f64) -> Self {
        let size = low.abs().max(high.abs());
        // So little that doubles, or people, could not tell the ticks apart.
        let least = (size * 1e-6).max(1e-12);
        let (low, high) = if high - low < least {
            let pad = if size == 0.0 { 1.0 } else { (size * 0.02).max(least) };
            (low - pad, high + pad)
        } else {
            (low, high)
        };
        let first = exponent(high - low) - 1;
        let steps = (first..=first + 2).flat_map(|power| STEPS.map(move |step| (step, power)));
        let axis = |(step, power): (f64, i32)| {
            let unit = step * ten_to(power);
            let (from, to) = ((low / unit).floor(), (high / unit).ceil());
            let count = to - from;
            (count <= 4.0).then(|| Self {
                // From 0 to 4 ticks above the first.
                ticks: (0..=4_u8).map(f64::from).filter(|n| *n <= count).map(|n| (from + n) * unit).collect(),
                decimals: usize::try_from(-power).unwrap_or(0) + usize::from(step == 2.5 && power <= 0),
            })
        };
        steps.map(axis).find_map(|axis| axis).unwrap_or_else(|| Self { ticks: vec![low, high], decimals: 0 })
    }

    /// With these ticks, which are whole numbers.
    pub(crate) fn fixed(ticks: [f64; 5]) -> Self {
        Self { ticks: ticks.to_vec(), decimals: 0 }
    }

    /// The least and the greatest value that it shows.
    pub(crate) fn ends(&self) -> (f64, f64) {
        let end = |tick: Option<&f64>| tick.copied().unwrap_or_default();
        (end(self.ticks.first()), end(self.ticks.last()))
    }
}

/// The exponent of ten of a number above 0, rounded down.
fn exponent(number: f64) -> i32 {
    format!("{number:e}").split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// A power of ten, to the last bit the same everywhere.
fn ten_to(power: i32) -> f64 {
    format!("1e{power}").parse().unwrap_or(1.0)
}

/// The ticks of a period: of a day every third hour that the clock shows, of a month every fifth date at its noon.
pub(crate) fn time_ticks(wording: Wording<'_>) -> Vec<TimeTick> {
    match wording.period.kind {
        PeriodKind::Day => hours(wording.period),
        PeriodKind::Month => dates(wording),
    }
}

fn hours(period: &Period) -> Vec<TimeTick> {
    let Period { from, to, zone, .. } = period;
    // The clock shows whole hours at quarters of an hour of UTC in every zone. No day has more than 50 hours.
    let quarters =
        (0..200).map_while(|quarter| from.checked_add(SignedDuration::from_mins(15 * quarter)).ok());
    let shown = quarters.take_while(|at| at < to).filter_map(|at| {
        let time = at.to_zoned(zone.clone()).time();
        let is_tick = time.minute() == 0 && time.second() == 0 && time.hour() % HOURS == 0;
        is_tick.then(|| TimeTick { at, label: format!("{:02}:00", time.hour()) })
    });
    let mut ticks: Vec<TimeTick> = shown.collect();
    // An hour that the clock shows twice has one tick.
    ticks.dedup_by(|later, earlier| later.label == earlier.label);
    if to.to_zoned(zone.clone()).time() == Time::midnight() {
        ticks.push(TimeTick { at: *to, label: "24:00".to_owned() });
    }
    ticks
}

fn dates(wording: Wording<'_>) -> Vec<TimeTick> {
    let Period { first_day, to, zone, .. } = wording.period;
    let noon = |date: Date| Some(date.at(12, 0, 0, 0).to_zoned(zone.clone()).ok()?.timestamp());
    // No month has more than 31 days.
    let dates = first_day.series(jiff::Span::new().days(1)).take(31).step_by(DAYS);
    dates
        .filter_map(|date| {
            let label = wording.date(wording.words.short_date, date);
            noon(date).filter(|at| at < to).map(|at| TimeTick { at, label })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::ValueAxis;

    #[test]
    fn ticks_are_round_and_around_the_values() {
        for (low, high, ticks, decimals) in [
            (17.2, 31.4, vec![15.0, 20.0, 25.0, 30.0, 35.0], 0),
            (0.0, 1.0, vec![0.0, 0.25, 0.5, 0.75, 1.0], 2),
            (-3.0, 4.0, vec![-4.0, -2.0, 0.0, 2.0, 4.0], 0),
            (0.0, 0.0, vec![-1.0, -0.5, 0.0, 0.5, 1.0], 1),
            (1e-300, 1e-300, vec![-1e-12, -5e-13, 0.0, 5e-13, 1e-12], 13),
        ] {
            let axis = ValueAxis::around(low, high);
            assert_eq!(axis.decimals, decimals, "{axis:?}");
            assert_eq!(axis.ticks.len(), ticks.len(), "{axis:?}");
            assert!(axis.ticks.iter().zip(&ticks).all(|(is, be)| (is - be).abs() < 1e-9), "{axis:?}");
        }
    }

    proptest! {
        #[test]
        fn an_axis_has_three_to_five_ticks(low in -1e15_f64..1e15, above in 0.0_f64..1e15, shrink in 0_i32..28) {
            let scale = 10_f64.powi(-shrink);
            let (low, high) = (low * scale, ((low + above) * scale).min(1e15));
            let axis = ValueAxis::around(low, high);
            prop_assert!((3..=5).contains(&axis.ticks.len()), "{axis:?}");
            prop_assert!(axis.ends().0 <= low && high <= axis.ends().1, "{axis:?}");
            prop_assert!(axis.ticks.is_sorted(), "{axis:?}");
        }
    }
}
