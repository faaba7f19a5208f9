#![doc = include_str!("../README.md")]

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// However long a job's period is, a slot of the last 24 hours is made up for.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);
/// Slots that are made at once: those of each minute of a day.
pub const MAX_SLOTS: usize = 1440;
/// The longest pattern that is read, in bytes.
const MAX_PATTERN: usize = 100;

/// When a job is due: at the times of a cron pattern, by the clock of a time zone.
#[derive(Clone)]
pub struct Schedule {
    cron: Cron,
    pattern: String,
    zone: TimeZone,
    zone_name: String,
}

/// Which of the slots that were missed are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// The latest: it does the work of all.
    Latest,
    /// Each.
    All,
}

/// Since when slots may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// When the schedule was known first.
    pub known_since: Timestamp,
    /// The newest slot that was made.
    pub newest: Option<Timestamp>,
}

/// Why something is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// It is no pattern of five fields.
    #[error("expected a cron pattern of five fields, such as `10 3 * * *`: {0}")]
    Pattern(String),
    /// No time is one of it: 30 February.
    #[error("no time fits the pattern `{0}`")]
    Never(String),
    /// No such zone is in the tz database.
    #[error("no time zone is called `{0}`; names are as `Europe/Berlin`")]
    Zone(String),
}

impl Schedule {
    /// The schedule of `pattern` in `zone`, by its name in the tz database.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn new(pattern: &str, zone: &str) -> Result<Self, ScheduleError> {
        let refused = |reason: String| ScheduleError::Pattern(reason);
        if pattern.len() > MAX_PATTERN {
            return Err(refused(format!("this one has more than {MAX_PATTERN} bytes")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|error| refused(error.to_string()))?;
        let time_zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone(zone.to_owned()))?;
        let (pattern, zone_name) = (pattern.to_owned(), zone.to_owned());
        let schedule = Self { cron, pattern, zone: time_zone, zone_name };
        match schedule.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(schedule.pattern)),
        }
    }

    /// The pattern, as it was written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The zone's name in the tz database.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The first slot after `at`.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let at = at.to_zoned(self.zone.clone());
        self.cron.find_next_occurrence(&at, false).ok().map(|slot| slot.timestamp())
    }

    /// The last slot at `at` or before it.
    pub fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let at = at.to_zoned(self.zone.clone());
        self.cron.find_previous_occurrence(&at, true).ok().map(|slot| slot.timestamp())
    }

    /// The slots that are to be made at `now`, in order, at most [`MAX_SLOTS`]: the newest.
    pub fn due(&self, made: Made, catch_up: CatchUp, now: Timestamp) -> Vec<Timestamp> {
        let since = made.newest.map_or(made.known_since, |newest| newest.max(made.known_since));
        let Some(latest) = self.until(now).filter(|latest| *latest > since) else { return Vec::new() };
        let looked_back = now.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
        let mut due = vec![latest];
        while catch_up == CatchUp::All && due.len() < MAX_SLOTS {
            let before = due.last().and_then(|slot| self.before(*slot));
            match before.filter(|slot| *slot > since && *slot > looked_back) {
                Some(slot) => due.push(slot),
                None => break,
            }
        }
        due.reverse();
        due
    }

    fn before(&self, slot: Timestamp) -> Option<Timestamp> {
        let slot = slot.to_zoned(self.zone.clone());
        self.cron.find_previous_occurrence(&slot, false).ok().map(|slot| slot.timestamp())
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, &self.zone_name) == (&other.pattern, &other.zone_name)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({} {})", self.pattern, self.zone_name)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use super::{CatchUp, MAX_SLOTS, Made, Schedule, ScheduleError};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(pattern: &str, zone: &str) -> Schedule {
        Schedule::new(pattern, zone).unwrap()
    }

    /// The slots from one instant to another, as the zone's clock shows them.
    fn slots((pattern, zone): (&str, &str), from: &str, to: &str) -> Vec<String> {
        let (schedule, to) = (schedule(pattern, zone), at(to));
        let slots = std::iter::successors(schedule.after(at(from)), |slot| schedule.after(*slot));
        let shown =
            |slot: Timestamp| slot.to_zoned(schedule.zone.clone()).strftime("%d %H:%M %z").to_string();
        slots.take_while(|slot| *slot < to).map(shown).collect()
    }

    #[test]
    fn a_fixed_time_comes_once_a_day_whatever_the_clock_does() {
        // From winter to summer time and back: (zone, pattern, from, to, slots).
        for (zone, pattern, from, to, expected) in [
            (
                "Europe/Berlin",
                "30 2 * * *",
                "2026-03-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
                ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"],
            ),
            (
                "Europe/Berlin",
                "30 2 * * *",
                "2026-10-24T00:00:00Z",
                "2026-10-27T00:00:00Z",
                ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"],
            ),
            (
                "Europe/London",
                "30 1 * * *",
                "2026-03-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
                ["28 01:30 +0000", "29 02:00 +0100", "30 01:30 +0100"],
            ),
            (
                "Asia/Kolkata",
                "10 3 * * *",
                "2026-03-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
                ["29 03:10 +0530", "30 03:10 +0530", "31 03:10 +0530"],
            ),
            (
                "Australia/Lord_Howe",
                "15 2 * * *",
                "2026-10-02T12:00:00Z",
                "2026-10-05T12:00:00Z",
                ["03 02:15 +1030", "04 02:30 +1100", "05 02:15 +1100"],
            ),
            (
                "America/St_Johns",
                "30 2 * * *",
                "2026-03-07T00:00:00Z",
                "2026-03-10T00:00:00Z",
                ["07 02:30 -0330", "08 03:00 -0230", "09 02:30 -0230"],
            ),
        ] {
            assert_eq!(slots((pattern, zone), from, to), expected, "{zone} {pattern} from {from}");
        }
    }

    #[test]
    fn a_day_that_a_zone_leaves_out_has_one_slot_less_and_an_hour_that_comes_twice_two() {
        let apia = slots(("10 3 * * *", "Pacific/Apia"), "2011-12-28T20:00:00Z", "2012-01-01T00:00:00Z");
        assert_eq!(apia.iter().filter(|slot| slot.starts_with("30")).count(), 0, "{apia:?}");
        let berlin = slots(("*/30 * * * *", "Europe/Berlin"), "2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z");
        assert_eq!(berlin, ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100"]);
    }

    #[test]
    fn a_new_schedule_makes_up_for_nothing_and_a_missed_slot_is_made_once() {
        let daily = schedule("10 3 * * *", "UTC");
        let known = Made { known_since: at("2026-11-30T03:10:00Z"), newest: None };
        assert_eq!(daily.due(known, CatchUp::All, at("2026-11-30T23:00:00Z")), []);
        let now = at("2026-12-03T12:00:00Z");
        assert_eq!(daily.due(known, CatchUp::All, now), [at("2026-12-03T03:10:00Z")]);
        let made = Made { newest: Some(at("2026-12-03T03:10:00Z")), ..known };
        assert_eq!(daily.due(made, CatchUp::All, now), []);
    }

    #[test]
    fn a_month_is_looked_back_for_a_slot_a_month_and_a_day_for_many() {
        let known = Made { known_since: at("2026-01-01T00:00:00Z"), newest: None };
        let monthly = schedule("0 6 1 * *", "Europe/Berlin");
        assert_eq!(
            monthly.due(known, CatchUp::All, at("2026-11-28T00:00:00Z")),
            [at("2026-11-01T05:00:00Z")]
        );
        let often = schedule("*/5 * * * *", "UTC");
        let now = at("2026-11-28T00:01:00Z");
        let all = often.due(known, CatchUp::All, now);
        assert_eq!((all.len(), all[0]), (288, at("2026-11-27T00:05:00Z")));
        assert_eq!(often.due(known, CatchUp::Latest, now), [at("2026-11-28T00:00:00Z")]);
        assert_eq!(schedule("* * * * *", "UTC").due(known, CatchUp::All, now).len(), MAX_SLOTS);
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for pattern in ["", "3 10", "0 10 3 * * *", "10 3 * * * 2030", "61 * * * *", "x", &"* ".repeat(200)] {
            let error = Schedule::new(pattern, "UTC").unwrap_err();
            assert!(matches!(error, ScheduleError::Pattern(_)), "{pattern}: {error}");
        }
        assert!(matches!(Schedule::new("0 0 30 2 *", "UTC"), Err(ScheduleError::Never(_))));
        assert!(matches!(Schedule::new("0 0 * * *", "Mars/Olympus"), Err(ScheduleError::Zone(_))));
    }

    proptest! {
        /// However the ticks fall, each slot is made once and in order.
        #[test]
        fn slots_are_those_of_a_clock_that_never_stops(
            zone in prop::sample::select(vec!["Europe/Berlin", "Europe/London", "Australia/Lord_Howe", "UTC"]),
            minutes in prop::collection::vec(1i64..700, 1..60),
        ) {
            let daily = schedule("30 2,14 * * *", zone);
            let start = at("2026-10-20T00:00:00Z");
            let mut made = Made { known_since: start, newest: None };
            let (mut now, mut seen) = (start, Vec::new());
            for minute in minutes {
                now += SignedDuration::from_mins(minute);
                let due = daily.due(made, CatchUp::All, now);
                made.newest = due.last().copied().or(made.newest);
                seen.extend(due);
            }
            let all = std::iter::successors(daily.after(start), |slot| daily.after(*slot));
            prop_assert_eq!(seen, all.take_while(|slot| *slot <= now).collect::<Vec<_>>());
        }
    }
}
