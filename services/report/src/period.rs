//! Which days and months are reported on.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use rollups::{day_of, days};
use site_report::{Period, PeriodKind};
use store::reports::Reported;

/// How long after its end a day is reported on at the earliest: as long as an hour waits to be rolled up.
const LATENESS: SignedDuration = retention::LATENESS;
/// Days that are made up for, and months.
const MOST_DAYS: usize = 31;
const MOST_MONTHS: i64 = 2;

/// The periods of a site that are reported on in a slot: the days that were over by then and come after the newest that has a report, and the months that
/// have ended since the first day that has one and come after the newest. Where there is no report yet, the last day that was over. The oldest first.
pub(crate) fn due(zone: &TimeZone, slot: Timestamp, reported: &Reported) -> Vec<Period> {
    let over_by = slot.saturating_sub(LATENESS).unwrap_or(slot);
    let Some(today) = day_of(zone, over_by).map(|day| day.date) else { return Vec::new() };
    let next = reported.days.and_then(|(_, newest)| newest.tomorrow().ok());
    let first = next.or_else(|| today.yesterday().ok()).unwrap_or(today);
    let mut days: Vec<Date> = first.series(1.day()).take_while(|date| *date < today).collect();
    let late = days.len().saturating_sub(MOST_DAYS);
    days.drain(..late);
    let since = reported.days.map_or(first, |(first, _)| first);
    let months =
        (1..=MOST_MONTHS).rev().filter_map(|ago| today.first_of_month().checked_sub(ago.months()).ok());
    let is_due =
        |month: &Date| month.last_of_month() >= since && reported.month.is_none_or(|newest| *month > newest);
    let day = |date: Date| period(zone, PeriodKind::Day, date, date.tomorrow().ok()?);
    let month = |first: Date| period(zone, PeriodKind::Month, first, first.last_of_month().tomorrow().ok()?);
    let mut periods: Vec<Period> =
        days.into_iter().filter_map(day).chain(months.filter(is_due).filter_map(month)).collect();
    periods.sort_by_key(|period| (period.to, period.kind));
    periods
}

/// The period before one, of the same kind.
pub(crate) fn before(period_of: &Period) -> Option<Period> {
    let first = match period_of.kind {
        PeriodKind::Day => period_of.first_day.yesterday().ok()?,
        PeriodKind::Month => period_of.first_day.yesterday().ok()?.first_of_month(),
    };
    period(&period_of.zone, period_of.kind, first, period_of.first_day)
}

/// From the first moment of a date to that of another; none where the zone leaves them out.
fn period(zone: &TimeZone, kind: PeriodKind, first_day: Date, behind: Date) -> Option<Period> {
    let (from, to) = (first_moment(zone, first_day)?, first_moment(zone, behind)?);
    (from < to).then(|| Period { kind, first_day, from, to, zone: zone.clone() })
}

/// When a date begins in a zone, or the next where the zone leaves it out.
fn first_moment(zone: &TimeZone, date: Date) -> Option<Timestamp> {
    // Noon is on the date, whatever clocks do at night.
    let noon = date.at(12, 0, 0, 0).to_zoned(zone.clone()).ok()?.timestamp();
    let from = noon.checked_sub(SignedDuration::from_hours(36)).ok()?;
    let to = noon.checked_add(SignedDuration::from_hours(36)).ok()?;
    days(zone, from, to).find(|day| day.date >= date).map(|day| day.span.from)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::{Date, date};
    use jiff::tz::TimeZone;
    use site_report::PeriodKind;

    use super::{Reported, before, due};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shown(zone: &str, slot: &str, newest: Option<Date>) -> Vec<(PeriodKind, String, String, String)> {
        let reported = Reported { days: newest.map(|newest| (newest, newest)), ..Reported::default() };
        let periods = due(&TimeZone::get(zone).unwrap(), at(slot), &reported);
        let shown = |period: &site_report::Period| {
            (period.kind, period.first_day.to_string(), period.from.to_string(), period.to.to_string())
        };
        periods.iter().map(shown).collect()
    }

    #[test]
    fn a_day_is_from_local_midnight_to_the_next_and_reported_on_once_it_is_over() {
        let of = |slot| shown("Europe/Berlin", slot, None);
        let day = |first: &str, from: &str, to: &str| {
            vec![(PeriodKind::Day, first.to_owned(), from.to_owned(), to.to_owned())]
        };
        // The day on which summer time begins has 23 hours.
        let short = day("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        assert_eq!(of("2026-03-30T04:30:00Z"), short);
        assert_eq!(of("2026-03-29T22:15:00Z"), short);
        assert_eq!(of("2026-03-29T22:14:59Z")[0].1, "2026-03-28");
        assert_eq!(shown("Asia/Kathmandu", "2026-03-29T18:30:00Z", None)[0].3, "2026-03-29T18:15:00Z");
    }

    #[test]
    fn a_month_is_reported_on_with_its_last_day_and_what_was_missed_is_made_up_for() {
        let due_then = shown("America/New_York", "2026-12-02T12:00:00Z", Some(date(2026, 11, 28)));
        let kinds: Vec<(PeriodKind, &str)> =
            due_then.iter().map(|(kind, first, ..)| (*kind, first.as_str())).collect();
        let expected = [
            (PeriodKind::Day, "2026-11-29"),
            (PeriodKind::Day, "2026-11-30"),
            (PeriodKind::Month, "2026-11-01"),
            (PeriodKind::Day, "2026-12-01"),
        ];
        assert_eq!(kinds, expected);
        // Summer time ended on the 1st: the month is an hour longer than its days.
        assert_eq!(
            (due_then[2].2.as_str(), due_then[2].3.as_str()),
            ("2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z")
        );
        assert_eq!(shown("UTC", "2026-12-02T12:00:00Z", Some(date(2026, 12, 1))), []);
        assert_eq!(shown("UTC", "2026-12-02T12:00:00Z", Some(date(2020, 1, 1))).len(), 31 + 2);
    }

    #[test]
    fn a_date_that_a_zone_leaves_out_is_not_reported_on() {
        // Samoa had no 30 December 2011.
        let due_then = shown("Pacific/Apia", "2012-01-01T09:00:00Z", Some(date(2011, 12, 28)));
        let days: Vec<&str> = due_then.iter().map(|(_, first, ..)| first.as_str()).collect();
        assert_eq!(days, ["2011-12-29", "2011-12-31", "2011-12-01"]);
    }

    fn since(newest: Date, month: Option<Date>) -> Reported {
        Reported { days: Some((date(2026, 1, 15), newest)), month, ..Reported::default() }
    }

    #[test]
    fn a_month_is_reported_on_that_failed_when_its_days_did_not() {
        let months = |month: Option<Date>| {
            let due = due(&TimeZone::UTC, at("2026-04-07T08:00:00Z"), &since(date(2026, 4, 6), month));
            due.iter().map(|period| (period.kind, period.first_day)).collect::<Vec<_>>()
        };
        assert_eq!(months(Some(date(2026, 3, 1))), []);
        assert_eq!(months(Some(date(2026, 2, 1))), [(PeriodKind::Month, date(2026, 3, 1))]);
        // No more than two are made up for.
        assert_eq!(
            months(None),
            [(PeriodKind::Month, date(2026, 2, 1)), (PeriodKind::Month, date(2026, 3, 1))]
        );
    }

    #[test]
    fn before_a_month_is_the_month_before() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let months: Vec<_> =
            due(&zone, at("2026-04-01T08:00:00Z"), &since(date(2026, 3, 30), Some(date(2026, 2, 1))));
        let earlier = before(&months[1]).unwrap();
        assert_eq!((earlier.kind, earlier.first_day), (PeriodKind::Month, date(2026, 2, 1)));
        assert_eq!((earlier.from, earlier.to), (at("2026-01-31T23:00:00Z"), at("2026-02-28T23:00:00Z")));
    }
}
