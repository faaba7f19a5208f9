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

/// How long requests are kept where nothing else is said.
pub const REQUESTS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long things are kept; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Requests, from when the payload was received.
    pub requests: Option<SignedDuration>,
    /// Receipts, from then on too.
    pub receipts: Option<SignedDuration>,
    /// Dead letters, from when they were resolved.
    pub dead_letters: Option<SignedDuration>,
    /// Transitions and notifications, from when the transition was recorded.
    pub transitions: Option<SignedDuration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { requests: Some(REQUESTS), receipts: None, dead_letters: None, transitions: None }
    }
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The days of requests that have a partition of their own.
    pub request_days: Vec<Date>,
    /// The first days of the months of receipts that have one.
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
    /// A day of requests.
    Requests {
        /// The day.
        day: Date,
    },
    /// Requests that were received before this and have no day of their own.
    StrayRequests {
        /// The time.
        before: Timestamp,
    },
    /// A month of receipts.
    Receipts {
        /// Its first day.
        month: Date,
    },
    /// Receipts of payloads that were received before this and have no month of their own.
    StrayReceipts {
        /// The time.
        before: Timestamp,
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
    if let Some(kept) = retention.requests {
        let end = before(kept, at);
        let days = over(&facts.request_days, Span::new().days(1), end);
        steps.extend(days.into_iter().map(|day| Step::Requests { day }));
        steps.push(Step::StrayRequests { before: end });
    }
    if let Some(kept) = retention.receipts {
        let spared = oldest.map_or(Timestamp::MAX, |oldest| before(FIRST_DELIVERY, oldest));
        let end = before(kept, at).min(spared);
        let months = over(&facts.receipt_months, Span::new().months(1), end);
        steps.extend(months.into_iter().map(|month| Step::Receipts { month }));
        steps.push(Step::StrayReceipts { before: end });
    }
    steps
}

/// The partitions that are over at `end`, of those that begin on these days and are so long; the oldest first.
fn over(first_days: &[Date], length: Span, end: Timestamp) -> Vec<Date> {
    let is_over = |first_day: &Date| {
        let next = first_day.checked_add(length).ok();
        let begins = next.and_then(|next| next.to_zoned(TimeZone::UTC).ok());
        begins.is_some_and(|begins| begins.timestamp() <= end)
    };
    let mut over: Vec<_> = first_days.iter().copied().filter(is_over).collect();
    over.sort();
    over
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
        Facts { receipt_months: months.to_vec(), oldest_open_dead_letter: oldest.map(at), ..Facts::default() }
    }

    fn months(retention: Retention, facts: &Facts, now: &str) -> Vec<Date> {
        let steps = plan(retention, facts, at(now)).into_iter();
        steps
            .filter_map(|step| if let Step::Receipts { month } = step { Some(month) } else { None })
            .collect()
    }

    #[test]
    fn by_default_expired_keys_old_slots_and_requests_go_and_nothing_else() {
        let days = [date(2026, 10, 31), date(2026, 10, 30), date(2026, 1, 1)];
        let facts = Facts { request_days: days.to_vec(), ..facts(&[date(2020, 1, 1)], None) };
        let steps = plan(Retention::default(), &facts, at("2026-11-30T03:10:00Z"));
        let expected = [
            Step::Keys { before: at("2026-11-16T03:10:00Z") },
            Step::Slots { before: at("2026-09-01T03:10:00Z") },
            Step::Requests { day: days[2] },
            Step::Requests { day: days[1] },
            Step::StrayRequests { before: at("2026-10-31T03:10:00Z") },
        ];
        assert_eq!(steps, expected);
        let forever =
            plan(Retention { requests: None, ..Retention::default() }, &facts, at("2026-11-30T03:10:00Z"));
        assert_eq!(forever, expected[..2]);
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
        let kept = Retention {
            receipts: Some(DAY * 92),
            dead_letters: Some(DAY),
            transitions: Some(DAY * 365),
            ..Retention::default()
        };
        let steps = plan(kept, &facts(&[date(2026, 1, 1)], None), at("2026-11-30T03:10:00Z"));
        assert_eq!(steps.len(), 7);
        let text = serde_json::to_string(&steps).unwrap();
        assert!(text.contains(r#"{"step":"receipts","month":"2026-01-01"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Vec<Step>>(&text).unwrap(), steps);
    }
}
