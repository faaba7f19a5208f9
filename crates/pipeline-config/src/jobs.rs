//! Timed work, and how long things are kept.

use jiff::{SignedDuration, Timestamp};
use retention::Retention;
use schedule::{CatchUp, Schedule};
use settings::yaml::Entry;
use settings::{Entries, Fields, Object, Parsed, Report, Shape, parse_duration, refuse_unnamed};

use crate::reference;

/// Where nothing else is said.
const CLEANUP_AT: &str = "10 3 * * *";
const REPORT_AT: &str = "30 6 * * *";
const CANARY_AT: &str = "7 * * * *";
const UTC: &str = "UTC";
/// A canary that is sent more often keeps the chain awake.
const OFTEN: SignedDuration = SignedDuration::from_mins(15);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Kept at least: what `freshet status` and `drain` look at, and what may still come a second time.
const RECEIPTS: SignedDuration = SignedDuration::from_hours(92 * 24);
/// Readings are kept at least for so long: rules look back at them.
const READINGS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Keys are kept at least for so long after they expired.
const KEYS: SignedDuration = DAY;
/// How a size is written, and within which bounds.
const SIZE: &str = "^[0-9]+(MiB|GiB|TiB)$";
const LEAST_SIZE: u64 = 64 << 20;
const MOST_SIZE: u64 = 1 << 50;
/// The longest that is written.
const LONGEST: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);

/// The jobs of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Jobs {
    /// Rolls up readings, and takes away what need not be kept any more.
    pub cleanup: Schedule,
    /// Makes the reports of sites, where there are `reports`.
    pub report: Option<Schedule>,
    /// Sends the payload of `canary`, where that says where to.
    pub canary: Option<Schedule>,
}

/// A job and when it is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job<'p> {
    /// Its name: the key below `jobs`, and the service that does it.
    pub name: &'p str,
    /// When it is due.
    pub schedule: &'p Schedule,
    /// Which of the slots that were missed are made up for.
    pub catch_up: CatchUp,
}

impl Jobs {
    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = Job<'_>> {
        let job = |name, schedule| Job { name, schedule, catch_up: CatchUp::Latest };
        let report = self.report.as_ref().map(|schedule| job("report", schedule));
        let canary = self.canary.as_ref().map(|schedule| job("canary", schedule));
        [job("cleanup", &self.cleanup)].into_iter().chain(report).chain(canary)
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { cleanup: default_times(CLEANUP_AT), report: None, canary: None }
    }
}

fn default_times(pattern: &str) -> Schedule {
    Schedule::new(pattern, UTC).expect("the default is a pattern, and UTC a zone")
}

/// `jobs`, of files that have `reports` or not, and a `canary` that is sent or not.
pub(crate) fn jobs(fields: &Fields<'_>, has_reports: bool, has_canary: bool) -> Jobs {
    let jobs = fields.optional(
        "jobs",
        "When timed work is done.",
        Object::new("Jobs", "When timed work is done, by job.", |fields: &Fields<'_>| {
            let text = "Rolls up readings, and takes away what need not be kept any more; every day at 03:10 UTC where absent.";
            let cleanup = fields.optional("cleanup", text, times("Cleanup", CLEANUP_AT));
            let text = "Makes the reports of sites on their days and months, where there are `reports`; every day at 06:30 UTC where absent.";
            let report = fields.optional("report", text, times("ReportTimes", REPORT_AT));
            if report.is_some() && !has_reports {
                let text = "there are no `reports`: nothing says where pages are kept, and the job does nothing";
                fields.report.warn(fields.place_of("report"), text);
            }
            let text = "Sends the payload of `canary`, where that has a `url`; every hour where absent.";
            let canary = fields.optional("canary", text, times("CanaryTimes", CANARY_AT));
            if canary.is_some() && !has_canary {
                let text = "there is no `canary.url`: nothing says where to, and the job does nothing";
                fields.report.warn(fields.place_of("canary"), text);
            }
            if canary.as_ref().is_some_and(is_often) {
                let text = "a canary more often than every 15 minutes keeps most stages from zero all the time";
                fields.report.warn(fields.place_of("canary"), text);
            }
            Some((cleanup, report, canary))
        }),
    );
    let (cleanup, report, canary) = jobs.unwrap_or_default();
    let or = |schedule: Option<Schedule>, usual| schedule.unwrap_or_else(|| default_times(usual));
    Jobs {
        cleanup: or(cleanup, CLEANUP_AT),
        report: has_reports.then(|| or(report, REPORT_AT)),
        canary: has_canary.then(|| or(canary, CANARY_AT)),
    }
}

/// Whether two of the first hundred slots from the beginning of time on lie close together.
fn is_often(schedule: &Schedule) -> bool {
    let mut at = schedule.after(Timestamp::UNIX_EPOCH);
    for _ in 0..100 {
        let Some(this) = at else { return false };
        at = schedule.after(this);
        if at.is_some_and(|next| next.duration_since(this) < OFTEN) {
            return true;
        }
    }
    false
}

/// `{at: "10 3 * * *", zone: Europe/Berlin}`.
fn times(name: &'static str, default: &'static str) -> impl Shape<Value = Schedule> {
    Object::new(name, "Times of a job.", move |fields: &Fields<'_>| {
        let at = fields.optional("at", "A cron pattern of five fields.", Parsed::new(pattern));
        let zone =
            fields.optional("zone", "The time zone whose clock counts; UTC where absent.", Parsed::new(zone));
        Schedule::new(at.as_deref().unwrap_or(default), zone.as_deref().unwrap_or(UTC)).ok()
    })
}

fn pattern(text: &str) -> Result<String, schedule::ScheduleError> {
    Schedule::new(text, UTC).map(|_| text.to_owned())
}

fn zone(text: &str) -> Result<String, schedule::ScheduleError> {
    Schedule::new(CLEANUP_AT, text).map(|_| text.to_owned())
}

/// `retention`.
pub(crate) fn retention(fields: &Fields<'_>) -> Retention {
    let declared = fields.names_in("sources");
    let read = |fields: &Fields<'_>| {
        let unless_said = Retention::default();
        let time = |name, text, least, written, unless_said| {
            fields.optional(name, text, kept(least, written)).unwrap_or(unless_said)
        };
        let readings = "Readings, from when they were observed; whole months go where all sources keep them for no longer.";
        let size = "Bytes on disk that the readings of all sources may take: `40GiB`. Beyond, the oldest months go, but none of the last 30 days.";
        let sources = "What is kept for another time of single sources, by name.";
        let requests =
            "Requests as they came, from when they were received; whole days go; `30d` where absent.";
        let receipts = "Receipts, from when the payload was received; whole months go.";
        let keys = "Keys, from when they expired; `14d` where absent.";
        let dead_letters = "Dead letters, from when they were resolved.";
        let transitions = "Alerts that are over, with their notifications, from when they were recorded.";
        let notifications = "Notifications of alerts that are over, from when they were made.";
        let check = |entry: &Entry, report: &Report| {
            refuse_unnamed(entry, report);
            // One that is not in the file any more may have readings still.
            if let Err(reason) = reference::find("source", &entry.key, &declared) {
                report.warn(entry.place, reason);
            }
        };
        let of_source = Entries::new(check, |_: &str| {
            Object::new("SourceRetention", "How long things of a source are kept.", |fields: &Fields<'_>| {
                let text = "Its readings, from when they were observed.";
                Some(fields.optional("readings", text, kept(READINGS, "7d")))
            })
        });
        let of_sources = fields.optional("sources", sources, of_source).unwrap_or_default();
        Some(Retention {
            readings: time("readings", readings, READINGS, "7d", unless_said.readings),
            readings_of: of_sources.into_iter().filter_map(|(source, kept)| Some((source, kept?))).collect(),
            readings_size: fields.optional("size", size, Parsed::like(SIZE, size_of)),
            requests: time("requests", requests, DAY, "1d", unless_said.requests),
            receipts: time("receipts", receipts, RECEIPTS, "92d", unless_said.receipts),
            // A key that is kept for ever makes no second delivery of a new payload: it has expired.
            keys: time("keys", keys, KEYS, "1d", Some(unless_said.keys)).unwrap_or(LONGEST),
            dead_letters: time("dead_letters", dead_letters, DAY, "1d", unless_said.dead_letters),
            transitions: time("transitions", transitions, DAY * 30, "30d", unless_said.transitions),
            notifications: time("notifications", notifications, DAY * 30, "30d", unless_said.notifications),
        })
    };
    let text = "How long things are kept; for ever what is not named, but for requests and keys.";
    fields
        .optional("retention", text, Object::new("Retention", "How long things are kept.", read))
        .unwrap_or_default()
}

/// `40GiB` in bytes.
fn size_of(text: &str) -> Result<u64, String> {
    let units = [("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let read = |(unit, power): (&str, u32)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(1 << power)
    };
    let size = units.into_iter().find_map(read).filter(|size| (LEAST_SIZE..=MOST_SIZE).contains(size));
    size.ok_or_else(|| "expected a size of at least `64MiB`, such as `40GiB`".to_owned())
}

/// A time that is at least `least`: `90d`, `2y`; none is for ever.
fn kept(least: SignedDuration, written: &'static str) -> impl Shape<Value = Option<SignedDuration>> {
    Parsed::like(r"^(forever|([0-9]+(y|d|h|ms|m|s))+)$", move |text| {
        if text == "forever" {
            return Ok(None);
        }
        let years = text.strip_suffix('y').and_then(|years| years.parse::<u32>().ok());
        let kept = match years {
            Some(years) => i32::try_from(years).ok().and_then(|years| (DAY * 365).checked_mul(years)),
            None => parse_duration(text).and_then(|kept| SignedDuration::try_from(kept).ok()),
        };
        match kept {
            Some(kept) if (least..=LONGEST).contains(&kept) => Ok(Some(kept)),
            _ => Err(format!("expected a time of at least `{written}`, such as `90d` or `2y`, or `forever`")),
        }
    })
}
