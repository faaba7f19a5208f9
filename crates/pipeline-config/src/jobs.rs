//! Timed work, and how long things are kept.

use jiff::SignedDuration;
use retention::Retention;
use schedule::{CatchUp, Schedule};
use settings::{Fields, Object, Parsed, Shape, parse_duration};

/// Where nothing else is said.
const CLEANUP_AT: &str = "10 3 * * *";
const UTC: &str = "UTC";
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Kept at least: what `freshet status` and `drain` look at, and what may still come a second time.
const RECEIPTS: SignedDuration = SignedDuration::from_hours(92 * 24);
/// The longest that is written.
const LONGEST: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);

/// The jobs of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Jobs {
    /// Takes away what need not be kept any more.
    pub cleanup: Schedule,
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
        [Job { name: "cleanup", schedule: &self.cleanup, catch_up: CatchUp::Latest }].into_iter()
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { cleanup: Schedule::new(CLEANUP_AT, UTC).expect("the default is a pattern, and UTC a zone") }
    }
}

/// `jobs`.
pub(crate) fn jobs(fields: &Fields<'_>) -> Jobs {
    let jobs = fields.optional(
        "jobs",
        "When timed work is done.",
        Object::new("Jobs", "When timed work is done, by job.", |fields: &Fields<'_>| {
            let text = "Takes away what need not be kept any more; every day at 03:10 UTC where absent.";
            let cleanup = fields.optional("cleanup", text, times("Cleanup", CLEANUP_AT));
            Some(cleanup.map_or_else(Jobs::default, |cleanup| Jobs { cleanup }))
        }),
    );
    jobs.unwrap_or_default()
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
    let read = |fields: &Fields<'_>| {
        let unless_said = Retention::default();
        let kept = |name, text, least, written, unless_said| {
            fields.optional(name, text, kept(least, written)).unwrap_or(unless_said)
        };
        let transitions = "Alerts that are over, with their notifications, from when they were recorded.";
        let requests =
            "Requests as they came, from when they were received; whole days go; `30d` where absent.";
        let receipts = "Receipts, from when the payload was received; whole months go.";
        let dead_letters = "Dead letters, from when they were resolved.";
        Some(Retention {
            requests: kept("requests", requests, DAY, "1d", unless_said.requests),
            receipts: kept("receipts", receipts, RECEIPTS, "92d", unless_said.receipts),
            dead_letters: kept("dead_letters", dead_letters, DAY, "1d", unless_said.dead_letters),
            transitions: kept("transitions", transitions, DAY * 30, "30d", unless_said.transitions),
        })
    };
    let text = "How long things are kept; for ever what is not named, but for requests, and keys, which go 14 days after they have expired.";
    fields
        .optional("retention", text, Object::new("Retention", "How long things are kept.", read))
        .unwrap_or_default()
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
