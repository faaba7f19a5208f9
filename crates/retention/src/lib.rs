#![doc = include_str!("../README.md")]

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a key is kept after it has expired.
pub const KEYS: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long before a dead letter its payload may have come first: as long as a key is kept after that, and the 30 days in which it does not
/// expire.
const FIRST_DELIVERY: SignedDuration = SignedDuration::from_hours(44 * 24);
/// How long slots are kept after they are over.
const SLOTS: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How long things are kept; for ever where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Receipts and requests, from when the payload was received.
    pub receipts: Option<SignedDuration>,
    /// Dead letters, from when they were resolved.
    pub dead_letters: Option<SignedDuration>,
    /// Transitions and notifications, from when the transition was recorded.
    pub transitions: Option<SignedDuration>,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The first days of the months of receipts that have a partition of their own.
    pub receipt_months: Vec<Date>,
    /// Since when the oldest open dead letter is there.
    pub oldest_open_dead_letter: Option<Timestamp>,
}

/// One thing that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Keys that expired before this.
    Keys {
        /// The time.
        before: Timestamp,
    },
    /// Dead letters that were resolved before this.
    DeadLetters {
        /// The time.
        before: Timestamp,
    },
    /// Transitions that were recorded before this, and what was notified of them.
    Transitions {
        /// The time.
        before: Timestamp,
    },
    /// Slots of jobs that were over before this.
    Slots {
        /// The time.
        before: Timestamp,
    },
    /// A month of receipts, with its requests.
    Receipts {
        /// Its first day.
        month: Date,
    },
}

/// What goes at `at`, in the order in which it does.
pub fn plan(retention: Retention, facts: &Facts, at: Timestamp) -> Vec<Step> {
    let oldest = facts.oldest_open_dead_letter;
    let before = |kept: SignedDuration, from: Timestamp| from.checked_sub(kept).unwrap_or(Timestamp::MIN);
    let mut steps = vec![Step::Keys { before: before(KEYS, oldest.map_or(at, |oldest| oldest.min(at))) }];
    steps.extend(retention.dead_letters.map(|kept| Step::DeadLetters { before: before(kept, at) }));
    steps.extend(retention.transitions.map(|kept| Step::Transitions { before: before(kept, at) }));
    steps.push(Step::Slots { before: before(SLOTS, at) });
    if let Some(kept) = retention.receipts {
        let spared = oldest.map_or(Timestamp::MAX, |oldest| before(FIRST_DELIVERY, oldest));
        let end = before(kept, at).min(spared);
        let mut months: Vec<_> = facts.receipt_months.iter().filter(|month| ends_by(**month, end)).collect();
        months.sort();
        steps.extend(months.into_iter().map(|month| Step::Receipts { month: *month }));
    }
    steps
}

/// Whether the month is over at `end`.
fn ends_by(month: Date, end: Timestamp) -> bool {
    let next = month.checked_add(Span::new().months(1)).ok();
    let begins = next.and_then(|next| next.to_zoned(TimeZone::UTC).ok());
    begins.is_some_and(|begins| begins.timestamp() <= end)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};
    use jiff::{SignedDuration, Timestamp};

    use super::{Facts, Retention, Step, plan};

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn facts(months: &[Date], oldest: Option<&str>) -> Facts {
        Facts { receipt_months: months.to_vec(), oldest_open_dead_letter: oldest.map(at) }
    }

    fn months(retention: Retention, facts: &Facts, now: &str) -> Vec<Date> {
        let steps = plan(retention, facts, at(now)).into_iter();
        steps
            .filter_map(|step| if let Step::Receipts { month } = step { Some(month) } else { None })
            .collect()
    }

    #[test]
    fn by_default_expired_keys_and_old_slots_go_and_nothing_else() {
        let steps = plan(Retention::default(), &facts(&[date(2020, 1, 1)], None), at("2026-11-30T03:10:00Z"));
        let keys = Step::Keys { before: at("2026-11-16T03:10:00Z") };
        assert_eq!(steps, [keys, Step::Slots { before: at("2026-09-01T03:10:00Z") }]);
    }

    #[test]
    fn an_open_dead_letter_keeps_the_keys_and_receipts_of_its_time() {
        let kept = Retention { receipts: Some(DAY * 92), ..Retention::default() };
        let all = [date(2026, 3, 1), date(2026, 1, 1), date(2026, 2, 1)];
        let now = "2026-11-30T03:10:00Z";
        assert_eq!(months(kept, &facts(&all, None), now), [all[1], all[2], all[0]]);
        // 44 days before it is 18 February.
        let held = facts(&all, Some("2026-04-03T12:00:00Z"));
        assert_eq!(months(kept, &held, now), [date(2026, 1, 1)]);
        assert_eq!(plan(kept, &held, at(now))[0], Step::Keys { before: at("2026-03-20T12:00:00Z") });
    }

    #[test]
    fn a_month_goes_once_its_last_moment_has_been_kept_for_long_enough() {
        let kept = Retention { receipts: Some(DAY * 100), ..Retention::default() };
        let month = facts(&[date(2026, 1, 1)], None);
        assert_eq!(months(kept, &month, "2026-05-11T23:59:59Z"), []);
        assert_eq!(months(kept, &month, "2026-05-12T00:00:00Z"), [date(2026, 1, 1)]);
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let kept =
            Retention { receipts: Some(DAY * 92), dead_letters: Some(DAY), transitions: Some(DAY * 365) };
        let steps = plan(kept, &facts(&[date(2026, 1, 1)], None), at("2026-11-30T03:10:00Z"));
        assert_eq!(steps.len(), 5);
        let text = serde_json::to_string(&steps).unwrap();
        assert!(text.contains(r#"{"step":"receipts","month":"2026-01-01"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Vec<Step>>(&text).unwrap(), steps);
    }
}
