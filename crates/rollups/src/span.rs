//! Hours and days.

use std::iter;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An hour in nanoseconds.
const HOUR: i128 = 3_600_000_000_000;

/// A span of time, from an instant to another that is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant behind it.
    pub to: Timestamp,
}

/// A civil day of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day {
    /// Its date.
    pub date: Date,
    /// From the first moment of the date to that of the next.
    pub span: Span,
}

impl Span {
    /// Whether it is made of whole hours of UTC.
    pub fn is_whole_hours(&self) -> bool {
        [self.from, self.to].iter().all(|end| end.as_nanosecond().rem_euclid(HOUR) == 0)
    }

    /// What lies before the whole hours of UTC within it, these hours, and what lies behind them: neighbours, some of which are empty.
    pub fn cut_by_hours(&self) -> [Self; 3] {
        let hour = hour_of(self.from);
        let first = if hour.from == self.from { self.from } else { hour.to.min(self.to) };
        let last = hour_of(self.to).from.max(first);
        [(self.from, first), (first, last), (last, self.to)].map(|(from, to)| Self { from, to })
    }
}

/// The hour of UTC that an instant lies in. The first and the last hour that a [`Timestamp`] can be in are cut.
pub fn hour_of(at: Timestamp) -> Span {
    let hour = at.as_nanosecond().div_euclid(HOUR);
    Span { from: beginning(hour), to: beginning(hour + 1) }
}

/// The day of a zone that an instant lies in ([`days`]); none at the end of time.
pub fn day_of(zone: &TimeZone, at: Timestamp) -> Option<Day> {
    days(zone, at, at.checked_add(SignedDuration::from_nanos(1)).ok()?).next()
}

/// The hours of UTC that have an instant at `from` or later and before `to`, whole, in their order. The first and the last hour that a
/// [`Timestamp`] can be in are cut.
pub fn hours(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Span> {
    let hour = |instant: Timestamp| instant.as_nanosecond().div_euclid(HOUR);
    let first = hour(from);
    // An hour that begins at `to` has no instant before it.
    let behind = if from < to { (to.as_nanosecond() - 1).div_euclid(HOUR) + 1 } else { first };
    (first..behind).map(|hour| Span { from: beginning(hour), to: beginning(hour + 1) })
}

/// The beginning of an hour since 1970.
fn beginning(hour: i128) -> Timestamp {
    Timestamp::from_nanosecond(hour * HOUR).unwrap_or_else(|_| nearest(hour < 0))
}

/// The days of a zone that have an instant at `from` or later and before `to`, whole, in their order. Each begins where the one before ends.
///
/// A day begins when the zone's clock first shows midnight of its date, or leaps over it. Where the clock goes back over midnight, what it shows again of
/// the date before belongs to the day that has begun.
pub fn days(zone: &TimeZone, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Day> + use<> {
    let shown = from.to_zoned(zone.clone()).date();
    let zone = zone.clone();
    let dates = iter::successors(Some(shown), |date| date.tomorrow().ok());
    let days = dates.map(move |date| {
        let next = date.tomorrow().ok().map_or(Timestamp::MAX, |next| midnight(next, &zone));
        Day { date, span: Span { from: midnight(date, &zone), to: next } }
    });
    // Where the clock shows the date before again, the day of `from` is the next.
    days.skip_while(move |day| day.span.to <= from)
        .take_while(move |day| from < to && day.span.from < to)
        .filter(|day| day.span.from < day.span.to)
}

/// The first moment of a date.
fn midnight(date: Date, zone: &TimeZone) -> Timestamp {
    let shown = zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0));
    let is_left_out = matches!(shown.offset(), AmbiguousOffset::Gap { .. });
    let Ok(midnight) = shown.compatible() else { return nearest(date.year() < 0) };
    // Of a leap that began before midnight this is some time after the leap.
    let leap = |at: Timestamp| Some(zone.preceding(at).next()?.timestamp());
    let after = midnight.checked_add(SignedDuration::from_nanos(1)).ok();
    after.filter(|_| is_left_out).and_then(leap).unwrap_or(midnight)
}

/// The first instant that there is, or the last.
fn nearest(is_early: bool) -> Timestamp {
    if is_early { Timestamp::MIN } else { Timestamp::MAX }
}
