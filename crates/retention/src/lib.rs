#![doc = include_str!("../README.md")]

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use rollups::hour_of;
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

/// How long after its end an hour is rolled up at the earliest.
pub const LATENESS: SignedDuration = SignedDuration::from_mins(15);

/// Readings are kept for so long at least, however much room they take.
pub const READINGS_AT_LEAST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The name under which the floor of all sources stands.
pub const ALL: &str = "";

/// How long things are kept; `None` is for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Readings, from when they were observed.
    pub readings: Option<SignedDuration>,
    /// The same by source, where that differs.
    pub readings_of: BTreeMap<String, Option<SignedDuration>>,
    /// Bytes on disk that the readings of all sources may take.
    pub readings_size: Option<u64>,
    /// Requests, from when the payload was received.
    pub requests: Option<SignedDuration>,
    /// Receipts, from then on too.
    pub receipts: Option<SignedDuration>,
    /// Keys, from when they expired.
    pub keys: SignedDuration,
    /// Dead letters, from when they were resolved.
    pub dead_letters: Option<SignedDuration>,
    /// Transitions, from when they were recorded, with their notifications.
    pub transitions: Option<SignedDuration>,
    /// Notifications, from when they were made.
    pub notifications: Option<SignedDuration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            readings: None,
            readings_of: BTreeMap::new(),
            readings_size: None,
            requests: Some(REQUESTS),
            receipts: None,
            keys: KEYS,
            dead_letters: None,
            transitions: None,
            notifications: None,
        }
    }
}

impl Retention {
    /// How long the readings of a source are kept.
    pub fn readings_of(&self, source: &str) -> Option<SignedDuration> {
        self.readings_of.get(source).copied().unwrap_or(self.readings)
    }

    /// How long the readings of every source are kept, whatever its name.
    fn readings_of_all(&self) -> Option<SignedDuration> {
        self.readings_of
            .values()
            .copied()
            .chain([self.readings])
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .max()
    }
}

/// In one line: `readings for ever (yard 90 days), requests 30 days, ...`.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = |kept: Option<SignedDuration>| match kept.map(|kept| kept.as_hours()) {
            None => "for ever".to_owned(),
            Some(hours) if hours % 24 == 0 => format!("{} days", hours / 24),
            Some(hours) => format!("{hours} hours"),
        };
        write!(f, "readings {}", days(self.readings))?;
        if let Some(bytes) = self.readings_size {
            write!(f, " in {} MiB", bytes >> 20)?;
        }
        let of_sources: Vec<_> =
            self.readings_of.iter().map(|(source, kept)| format!("{source} {}", days(*kept))).collect();
        if !of_sources.is_empty() {
            write!(f, " ({})", of_sources.join(", "))?;
        }
        write!(
            f,
            ", requests {}, receipts {}, keys {} after their end, dead letters {} after they are resolved, \
             transitions {}, notifications {}",
            days(self.requests),
            days(self.receipts),
            days(Some(self.keys)),
            days(self.dead_letters),
            days(self.transitions),
            days(self.notifications)
        )
    }
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The months of readings that have a partition of their own, by their first days, and the bytes that each takes on disk.
    pub reading_months: BTreeMap<Date, u64>,
    /// Sources that have devices.
    pub sources: Vec<String>,
    /// The floors by source; the empty one is of all.
    pub floors: BTreeMap<String, Floor>,
    /// The days of requests that have a partition of their own.
    pub request_days: Vec<Date>,
    /// The first days of the months of receipts that have one.
    pub receipt_months: Vec<Date>,
    /// Since when the oldest open dead letter, or held payload, is there.
    pub oldest_open_event: Option<Timestamp>,
}

/// A floor as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Below which nothing is stored any more.
    pub at: Timestamp,
    /// Below which nothing is left of the source alone.
    pub cleared: Option<Timestamp>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// The floor of a source moves: below it no reading is stored any more.
    Floor {
        /// The source; the empty one is all.
        source: String,
        /// To where.
        to: Timestamp,
    },
    /// Keys go that expired before this.
    Keys {
        /// The time.
        before: Timestamp,
    },
    /// Dead letters that were resolved before this.
    DeadLetters {
        /// The time.
        before: Timestamp,
    },
    /// Notifications that were made before this.
    Notifications {
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
    /// Hours that ended by then, and their days, are rolled up; and what has changed of those that are.
    Roll {
        /// The time.
        to: Timestamp,
    },
    /// Nothing goes before nobody can write below the floors any more.
    Settle,
    /// Hours below the floors are rolled up for the last time.
    Freeze,
    /// A month of readings.
    Readings {
        /// Its first day.
        month: Date,
    },
    /// Readings that were observed before this and have no month of their own.
    StrayReadings {
        /// The time.
        before: Timestamp,
    },
    /// Readings of one source that were observed before this.
    ReadingsOf {
        /// The source.
        source: String,
        /// None are left that were observed before this.
        from: Option<Timestamp>,
        /// The time.
        before: Timestamp,
    },
}

/// What is done at `at`, in this order.
pub fn plan(retention: &Retention, facts: &Facts, at: Timestamp) -> Vec<Step> {
    let oldest = facts.oldest_open_event;
    let floors = floors(retention, facts, at);
    let is_moved =
        |(source, to): &(&String, &Timestamp)| facts.floors.get(*source).is_none_or(|known| known.at < **to);
    let moved = floors.iter().filter(is_moved);
    let mut steps: Vec<Step> =
        moved.map(|(source, to)| Step::Floor { source: source.clone(), to: *to }).collect();
    steps.push(Step::Keys { before: before(retention.keys, oldest.map_or(at, |oldest| oldest.min(at))) });
    steps.extend(retention.dead_letters.map(|kept| Step::DeadLetters { before: before(kept, at) }));
    steps.extend(retention.notifications.map(|kept| Step::Notifications { before: before(kept, at) }));
    steps.extend(retention.transitions.map(|kept| Step::Transitions { before: before(kept, at) }));
    steps.push(Step::Slots { before: before(SLOTS, at) });
    if let Some(kept) = retention.requests {
        let end = before(kept, at);
        let days = over(facts.request_days.iter(), Span::new().days(1), end);
        steps.extend(days.map(|day| Step::Requests { day }));
        steps.push(Step::StrayRequests { before: end });
    }
    if let Some(kept) = retention.receipts {
        let spared = oldest.map_or(Timestamp::MAX, |oldest| before(FIRST_DELIVERY, oldest));
        let end = before(kept, at).min(spared);
        let months = over(facts.receipt_months.iter(), Span::new().months(1), end);
        steps.extend(months.map(|month| Step::Receipts { month }));
        steps.push(Step::StrayReceipts { before: end });
    }
    steps.push(Step::Roll { to: hour_of(before(LATENESS, at)).from });
    let readings = readings(facts, &floors);
    if !readings.is_empty() {
        steps.extend([Step::Settle, Step::Freeze]);
        steps.extend(readings);
    }
    steps
}

/// Where the floors stand once they are moved. The one of all sources is where the longest policy ends, so that a source which is
/// not there yet loses nothing; a month below it goes whole.
fn floors(retention: &Retention, facts: &Facts, at: Timestamp) -> BTreeMap<String, Timestamp> {
    let of_all = retention.readings_of_all();
    let by_age = of_all.map(|kept| before(kept, at));
    let mut floors: BTreeMap<String, Timestamp> =
        facts.floors.iter().map(|(source, floor)| (source.clone(), floor.at)).collect();
    let mut raise = |source: &str, to: Option<Timestamp>| {
        if let Some(to) = to {
            // What is rolled up is rolled up from all of its readings.
            let to = hour_of(to).from;
            let floor = floors.entry(source.to_owned()).or_insert(to);
            *floor = to.max(*floor);
        }
    };
    raise(ALL, by_age.max(by_size(retention, facts, at)));
    for source in facts.sources.iter().chain(retention.readings_of.keys()) {
        let kept = retention.readings_of(source).filter(|kept| of_all.is_none_or(|of_all| *kept < of_all));
        raise(source, kept.map(|kept| before(kept, at)));
    }
    floors
}

/// Where the oldest months end that have no room.
fn by_size(retention: &Retention, facts: &Facts, at: Timestamp) -> Option<Timestamp> {
    let most = retention.readings_size?;
    let mut left: u64 = facts.reading_months.values().sum();
    let mut floor = None;
    for month in over(facts.reading_months.keys(), Span::new().months(1), before(READINGS_AT_LEAST, at)) {
        if left <= most {
            break;
        }
        left -= facts.reading_months[&month];
        floor = end_of(month, Span::new().months(1));
    }
    floor
}

/// The readings that go once the floors are where they are to be.
fn readings(facts: &Facts, floors: &BTreeMap<String, Timestamp>) -> Vec<Step> {
    let mut steps = Vec::new();
    let of_all = floors.get(ALL).copied();
    if let Some(before) = of_all {
        let months = over(facts.reading_months.keys(), Span::new().months(1), before);
        steps.extend(months.map(|month| Step::Readings { month }));
        steps.push(Step::StrayReadings { before });
    }
    for (source, before) in floors.iter().filter(|(source, _)| *source != ALL) {
        let cleared = facts.floors.get(source).and_then(|floor| floor.cleared);
        if cleared.is_none_or(|cleared| cleared < *before) {
            steps.push(Step::ReadingsOf { source: source.clone(), from: cleared, before: *before });
        }
    }
    steps
}

fn before(kept: SignedDuration, from: Timestamp) -> Timestamp {
    from.checked_sub(kept).unwrap_or(Timestamp::MIN)
}

/// The partitions that are over at `end`, of those that begin on these days and are so long; the oldest first.
fn over<'a>(
    first_days: impl Iterator<Item = &'a Date>,
    length: Span,
    end: Timestamp,
) -> impl Iterator<Item = Date> {
    let is_over = |first_day: &&Date| end_of(**first_day, length).is_some_and(|ends| ends <= end);
    let mut over: Vec<_> = first_days.filter(is_over).copied().collect();
    over.sort();
    over.into_iter()
}

/// When a partition that begins on this day and is so long ends.
fn end_of(first_day: Date, length: Span) -> Option<Timestamp> {
    let next = first_day.checked_add(length).ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::{Date, date};
    use jiff::{SignedDuration, Timestamp};

    use super::{Facts, Floor, Retention, Step, plan};

    const DAY: SignedDuration = SignedDuration::from_hours(24);
    const NOW: &str = "2026-11-30T03:10:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn facts(months: &[Date], oldest: Option<&str>) -> Facts {
        Facts { receipt_months: months.to_vec(), oldest_open_event: oldest.map(at), ..Facts::default() }
    }

    fn months(retention: &Retention, facts: &Facts, now: &str) -> Vec<Date> {
        let steps = plan(retention, facts, at(now)).into_iter();
        steps
            .filter_map(|step| if let Step::Receipts { month } = step { Some(month) } else { None })
            .collect()
    }

    #[test]
    fn by_default_readings_are_rolled_up_and_expired_keys_old_slots_and_requests_go_and_nothing_else() {
        let days = [date(2026, 10, 31), date(2026, 10, 30), date(2026, 1, 1)];
        let facts = Facts {
            request_days: days.to_vec(),
            sources: vec!["yard".into()],
            reading_months: readings(&[(1, 1)]),
            ..facts(&[date(2020, 1, 1)], None)
        };
        let steps = plan(&Retention::default(), &facts, at(NOW));
        let expected = [
            Step::Keys { before: at("2026-11-16T03:10:00Z") },
            Step::Slots { before: at("2026-09-01T03:10:00Z") },
            Step::Requests { day: days[2] },
            Step::Requests { day: days[1] },
            Step::StrayRequests { before: at("2026-10-31T03:10:00Z") },
            Step::Roll { to: at("2026-11-30T02:00:00Z") },
        ];
        assert_eq!(steps, expected);
        let forever = plan(&Retention { requests: None, ..Retention::default() }, &facts, at(NOW));
        assert_eq!(forever, [&expected[..2], &expected[5..]].concat());
    }

    #[test]
    fn an_open_dead_letter_keeps_the_keys_and_receipts_of_its_time() {
        let kept = Retention { receipts: Some(DAY * 92), ..Retention::default() };
        let all = [date(2026, 3, 1), date(2026, 1, 1), date(2026, 2, 1)];
        assert_eq!(months(&kept, &facts(&all, None), NOW), [all[1], all[2], all[0]]);
        // 44 days before it is 18 February.
        let held = facts(&all, Some("2026-04-03T12:00:00Z"));
        assert_eq!(months(&kept, &held, NOW), [date(2026, 1, 1)]);
        assert_eq!(plan(&kept, &held, at(NOW))[0], Step::Keys { before: at("2026-03-20T12:00:00Z") });
    }

    #[test]
    fn a_month_goes_once_its_last_moment_has_been_kept_for_long_enough() {
        let kept = Retention { receipts: Some(DAY * 100), ..Retention::default() };
        let month = facts(&[date(2026, 1, 1)], None);
        assert_eq!(months(&kept, &month, "2026-05-11T23:59:59Z"), []);
        assert_eq!(months(&kept, &month, "2026-05-12T00:00:00Z"), [date(2026, 1, 1)]);
    }

    /// Months of 2026 and their bytes.
    fn readings(months: &[(i8, u64)]) -> BTreeMap<Date, u64> {
        months.iter().map(|(month, bytes)| (date(2026, *month, 1), *bytes)).collect()
    }

    /// What a plan does to readings.
    fn of_readings(retention: &Retention, facts: &Facts) -> Vec<Step> {
        let is_other = |step: &Step| {
            matches!(
                step,
                Step::Keys { .. }
                    | Step::Slots { .. }
                    | Step::Requests { .. }
                    | Step::StrayRequests { .. }
                    | Step::Roll { .. }
            )
        };
        plan(retention, facts, at(NOW)).into_iter().filter(|step| !is_other(step)).collect()
    }

    fn floor(source: &str, to: &str) -> Step {
        Step::Floor { source: source.to_owned(), to: at(to) }
    }

    #[test]
    fn a_month_of_readings_goes_below_the_floor_of_all_sources_once_nobody_writes_there() {
        let kept = Retention { readings: Some(DAY * 273), ..Retention::default() };
        let months = readings(&[(1, 1), (2, 1), (3, 1)]);
        let facts = Facts { reading_months: months, sources: vec!["yard".into()], ..Facts::default() };
        let moved_to = at("2026-03-02T03:00:00Z");
        let expected = [
            floor("", "2026-03-02T03:00:00Z"),
            Step::Settle,
            Step::Freeze,
            Step::Readings { month: date(2026, 1, 1) },
            Step::Readings { month: date(2026, 2, 1) },
            Step::StrayReadings { before: moved_to },
        ];
        assert_eq!(of_readings(&kept, &facts), expected);
        // A longer time later brings nothing back, and what failed to go goes.
        let moved = [(String::new(), Floor { at: moved_to, cleared: None })];
        let facts = Facts { floors: moved.into_iter().collect(), ..facts };
        assert_eq!(of_readings(&Retention::default(), &facts), expected[1..]);
    }

    #[test]
    fn a_source_that_is_kept_for_less_has_a_floor_of_its_own_and_one_that_is_kept_for_more_keeps_the_months()
    {
        let of = |days: i32| Some(DAY * days);
        let kept = Retention {
            readings: of(90),
            readings_of: [("attic".to_owned(), of(30)), ("meter".to_owned(), of(365))].into_iter().collect(),
            ..Retention::default()
        };
        let facts = Facts {
            reading_months: readings(&[(1, 1)]),
            sources: vec!["yard".into(), "meter".into()],
            ..Facts::default()
        };
        let steps = of_readings(&kept, &facts);
        let to = [
            ("", "2025-11-30T03:00:00Z"),
            ("attic", "2026-10-31T03:00:00Z"),
            ("yard", "2026-09-01T03:00:00Z"),
        ];
        assert_eq!(steps[..3], to.map(|(source, to)| floor(source, to)));
        let of_source = |source: &str, from: Option<&str>, before: &str| Step::ReadingsOf {
            source: source.to_owned(),
            from: from.map(at),
            before: at(before),
        };
        assert_eq!(
            steps[3..],
            [
                Step::Settle,
                Step::Freeze,
                Step::StrayReadings { before: at(to[0].1) },
                of_source("attic", None, to[1].1),
                of_source("yard", None, to[2].1),
            ]
        );
        // The next day only that day goes.
        let cleared = |floor: &str| Floor { at: at(floor), cleared: Some(at(floor)) };
        let known = [("attic".to_owned(), cleared("2026-10-30T03:00:00Z"))].into_iter().collect();
        let steps = of_readings(&kept, &Facts { floors: known, ..facts });
        assert!(steps.contains(&of_source("attic", Some("2026-10-30T03:00:00Z"), to[1].1)), "{steps:?}");
        // Where one is kept for ever, no month goes.
        let kept = Retention { readings_of: [("meter".to_owned(), None)].into_iter().collect(), ..kept };
        let facts =
            Facts { reading_months: readings(&[(1, 1)]), sources: vec!["yard".into()], ..Facts::default() };
        let to = floor("yard", "2026-09-01T03:00:00Z");
        assert_eq!(
            of_readings(&kept, &facts),
            [to, Step::Settle, Step::Freeze, of_source("yard", None, "2026-09-01T03:00:00Z")]
        );
    }

    #[test]
    fn the_oldest_months_go_that_have_no_room_but_none_of_the_last_30_days() {
        let months = readings(&[(8, 50), (9, 40), (10, 30), (11, 20)]);
        let facts = Facts { reading_months: months, ..Facts::default() };
        let floor = |most: u64| {
            let kept = Retention { readings_size: Some(most), ..Retention::default() };
            match of_readings(&kept, &facts).first() {
                Some(Step::Floor { to, .. }) => Some(*to),
                _ => None,
            }
        };
        assert_eq!(floor(140), None);
        assert_eq!(floor(139), Some(at("2026-09-01T00:00:00Z")));
        assert_eq!(floor(50), Some(at("2026-10-01T00:00:00Z")));
        assert_eq!(floor(0), Some(at("2026-10-01T00:00:00Z")), "October ended 29 days ago");
    }

    #[test]
    fn what_is_kept_is_said_in_a_line() {
        let kept = Retention {
            readings: Some(DAY * 730),
            readings_of: BTreeMap::from([("yard".to_owned(), Some(DAY * 90)), ("meter".to_owned(), None)]),
            readings_size: Some(40 << 30),
            ..Retention::default()
        };
        let line = "readings 730 days in 40960 MiB (meter for ever, yard 90 days), requests 30 days, receipts for ever, \
            keys 14 days after their end, dead letters for ever after they are resolved, transitions for ever, \
            notifications for ever";
        assert_eq!(kept.to_string(), line);
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let kept = Retention {
            readings: Some(DAY * 92),
            readings_of: [("yard".to_owned(), Some(DAY * 30))].into_iter().collect(),
            receipts: Some(DAY * 92),
            dead_letters: Some(DAY),
            transitions: Some(DAY * 365),
            notifications: Some(DAY * 90),
            ..Retention::default()
        };
        let facts = Facts { reading_months: readings(&[(1, 1)]), ..facts(&[date(2026, 1, 1)], None) };
        let steps = plan(&kept, &facts, at(NOW));
        assert_eq!(steps.len(), 16);
        let text = serde_json::to_string(&steps).unwrap();
        assert!(text.contains(r#"{"step":"receipts","month":"2026-01-01"}"#), "{text}");
        assert!(text.contains(r#"{"step":"readings_of","source":"yard","from":null,"#), "{text}");
        assert_eq!(serde_json::from_str::<Vec<Step>>(&text).unwrap(), steps);
    }
}
