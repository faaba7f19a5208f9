//! When a reading was taken: what platforms write as a time, and what we make of it.

use event_model::reading::truncate_to_micros;
use event_model::{CLOCK_SKEW, Quality};
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::decode::Context;
use crate::json::Node;

/// The flag of a reading whose time cannot be right and was replaced by the receive time.
pub const IMPLAUSIBLE: &str = "time_implausible";

/// The flag of a reading whose payload has no time of its own; it carries the receive time.
pub const RECEIVED: &str = "time_received";

/// The flag of a reading whose time has no offset and is ahead of the receive time: its clock, or the zone it is read in,
/// is wrong.
pub const AHEAD_OF_US: &str = "time_ahead";

/// The flag of a reading whose time without an offset is one of an hour that the end of summer time repeats, and may be
/// of either pass.
pub const REPEATED: &str = "time_repeated";

/// No sensor of this kind measured before: a clock that says so was never set.
const EARLIEST: Timestamp = Timestamp::constant(946_684_800, 0);

/// How far a sensor's clock may go ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// How long a gateway may keep a frame before the network server has it.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The longest text that is read as a time.
const MAX_TEXT_BYTES: usize = 128;

/// A reading's time, and how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time, in microseconds.
    pub at: Timestamp,
    /// Whether it is the sensor's own time.
    pub quality: Quality,
    /// [`IMPLAUSIBLE`], [`AHEAD_OF_US`], [`REPEATED`], [`RECEIVED`], or nothing to say.
    pub flag: Option<&'static str>,
}

/// Reads the times of one payload.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    received_at: Timestamp,
}

impl Clock {
    /// For a payload of `context`. A zone that the tz database does not have is taken as UTC: the check of
    /// `freshet.yaml` refuses it before.
    pub fn new(context: Context<'_>) -> Self {
        let zone = context.profile.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        Self { zone: zone.unwrap_or(TimeZone::UTC), received_at: context.received_at }
    }

    /// For a payload without a time.
    pub fn received(&self) -> Moment {
        Moment { at: truncate_to_micros(self.received_at), quality: Quality::Good, flag: Some(RECEIVED) }
    }

    /// For a time that was read; what is implausible is replaced by the receive time.
    pub fn moment(&self, at: Option<Timestamp>) -> Moment {
        match at.filter(|at| is_plausible(*at, self.received_at)) {
            Some(at) => Moment { at: truncate_to_micros(at), quality: Quality::Good, flag: None },
            None => Moment {
                at: truncate_to_micros(self.received_at),
                quality: Quality::Uncertain,
                flag: Some(IMPLAUSIBLE),
            },
        }
    }

    /// For a text: RFC 3339, the same without a zone, or an epoch in digits.
    pub fn of_text(&self, text: &str) -> Moment {
        match Written::read(text) {
            Some(Written::Local(time)) => self.local(time),
            Some(Written::At(at)) => self.moment(Some(at)),
            None => self.moment(None),
        }
    }

    /// For a time in the source's zone. Of an hour that comes twice the later is meant, unless that is still to come.
    fn local(&self, time: DateTime) -> Moment {
        let is_ahead = |at: Timestamp| at.duration_since(self.received_at) > CLOCK_SKEW;
        let local = self.zone.to_ambiguous_timestamp(time);
        let is_repeated = matches!(local.offset(), AmbiguousOffset::Fold { .. });
        let later = local.later().ok().filter(|later| is_repeated && !is_ahead(*later));
        let moment = self.moment(later.or_else(|| local.compatible().ok()));
        if moment.flag.is_some() {
            return moment;
        }
        if is_ahead(moment.at) {
            return Moment { quality: Quality::Uncertain, flag: Some(AHEAD_OF_US), ..moment };
        }
        Moment { flag: later.map(|_| REPEATED), ..moment }
    }

    /// For a frame with the time of the gateway that heard it and that of the network server. The gateway's clock was
    /// never set where the server had the frame before it, or more than a day later: then the server's counts.
    pub fn of_frame(&self, gateway: Option<&Node>, server: Option<&Node>) -> Moment {
        let heard = self.of_node(gateway.or(server));
        let had = self.of_node(server);
        if had.flag.is_some() {
            return heard;
        }
        let took = had.at.duration_since(heard.at);
        if heard.flag.is_none() && took >= -CLOCK_SKEW && took <= KEPT { heard } else { had }
    }

    /// For a JSON value: a text or an epoch number; nothing, `null` and the empty text are no time at all.
    pub fn of_node(&self, node: Option<&Node>) -> Moment {
        match node {
            None | Some(Node::Null) => self.received(),
            Some(Node::Text(text)) if text.trim().is_empty() => self.received(),
            Some(Node::Text(text)) => self.of_text(text),
            Some(Node::Number(number)) => self.moment(epoch(number.text())),
            Some(_) => self.moment(None),
        }
    }
}

/// Not before 2000, unless our own clock is, and not more than 24 hours ahead of the receive time.
pub fn is_plausible(at: Timestamp, received_at: Timestamp) -> bool {
    at >= EARLIEST.min(received_at) && received_at.checked_add(AHEAD).map_or(true, |latest| at <= latest)
}

/// A time as text: RFC 3339 (with `T` or a space, any offset), the same without an offset in `zone`, a date alone
/// (its midnight), RFC 2822, or an epoch in digits. Second 60 is the first of the next minute.
pub fn parse(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    match Written::read(text)? {
        Written::At(at) => Some(at),
        Written::Local(time) => zone.to_timestamp(time).ok(),
    }
}

/// A time as it is written: a moment, or what a clock on the wall shows.
enum Written {
    At(Timestamp),
    Local(DateTime),
}

impl Written {
    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let text = text.trim();
        if let Some(at) = epoch(text) {
            return Some(Self::At(at));
        }
        let (text, leap) = without_leap_second(text);
        let second = SignedDuration::from_secs(leap.into());
        let dashed = text.replacen(date_separator(&text), "-", 2);
        let in_utc = dashed
            .strip_suffix(" UTC")
            .or_else(|| dashed.strip_suffix(" GMT"))
            .map(|time| format!("{time}Z"));
        let iso = in_utc.as_deref().unwrap_or(&dashed);
        if let Ok(at) = iso.parse::<Timestamp>() {
            return at.checked_add(second).ok().map(Self::At);
        }
        if let Ok(time) = iso.parse::<DateTime>() {
            return time.checked_add(second).ok().map(Self::Local);
        }
        rfc2822::parse(&text).ok()?.timestamp().checked_add(second).ok().map(Self::At)
    }
}

/// What stands between year, month and day: `/`, or the `.` of Tasmota before version 6 (`2018.02.15 01:00:50`).
fn date_separator(text: &str) -> char {
    if text.as_bytes().get(4) == Some(&b'.') && text.as_bytes().get(7) == Some(&b'.') { '.' } else { '/' }
}

/// Second 60 as second 59, and whether it was there. (RFC 3339, section 5.7.)
fn without_leap_second(text: &str) -> (String, bool) {
    // hh:mm:60, wherever the time begins.
    let at = text.match_indices(":60").map(|(at, _)| at).find(|at| {
        let before = text.get(at.saturating_sub(3)..*at).unwrap_or_default().as_bytes();
        matches!(before, [b':', b'0'..=b'5', b'0'..=b'9'])
    });
    match at {
        Some(at) => (format!("{}:59{}", &text[..at], &text[at + 3..]), true),
        None => (text.to_owned(), false),
    }
}

/// An epoch by its magnitude: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
///
/// `None` where the text is no decimal number or the time is outside of what a timestamp holds.
pub fn epoch(text: &str) -> Option<Timestamp> {
    if let Ok(integer) = text.parse::<i128>() {
        return Timestamp::from_nanosecond(integer.checked_mul(nanoseconds_per_unit(integer as f64))?).ok();
    }
    let begins_as_number = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let number = text.parse::<f64>().ok().filter(|number| begins_as_number && number.is_finite())?;
    // A double holds today's epoch in seconds to 0.2 microseconds.
    let nanoseconds = number * nanoseconds_per_unit(number) as f64;
    (nanoseconds.abs() < 1e27)
        .then(|| Timestamp::from_nanosecond((nanoseconds / 1000.0).round() as i128 * 1000).ok())?
}

fn nanoseconds_per_unit(epoch: f64) -> i128 {
    match epoch.abs() {
        magnitude if magnitude < 1e11 => 1_000_000_000,
        magnitude if magnitude < 1e14 => 1_000_000,
        magnitude if magnitude < 1e17 => 1_000,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use event_model::Quality;

    use super::{AHEAD_OF_US, Clock, IMPLAUSIBLE, REPEATED, parse};
    use crate::decode::{Context, Profile};
    use crate::json::Node;

    fn utc(text: &str) -> Option<String> {
        parse(text, &TimeZone::UTC).map(|at| at.to_string())
    }

    #[test]
    fn texts_are_read() {
        for (text, expected) in [
            ("2026-01-15T11:59:00Z", "2026-01-15T11:59:00Z"),
            ("2026-01-15 12:59:00+01:00", "2026-01-15T11:59:00Z"),
            ("2022-07-18T09:34:15.775023242+00:00", "2022-07-18T09:34:15.775023242Z"),
            ("2026-01-15T11:59:00", "2026-01-15T11:59:00Z"),
            ("2010/01/01 01:00:00", "2010-01-01T01:00:00Z"),
            ("2018.02.15 01:00:50", "2018-02-15T01:00:50Z"),
            ("2026-01-15 11:59:00 UTC", "2026-01-15T11:59:00Z"),
            ("2026-01-15", "2026-01-15T00:00:00Z"),
            ("Thu, 15 Jan 2026 11:59:00 GMT", "2026-01-15T11:59:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.5Z"),
        ] {
            assert_eq!(utc(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["2026-02-30T00:00:00Z", "yesterday", "", "2026-01-15T25:00:00Z", "NaN", "1e400"] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn epochs_are_read_by_magnitude() {
        for text in [
            "1768478340",
            "1768478340000",
            "1768478340000000",
            "1768478340000000000",
            "1768478340.0",
            "1.76847834e9",
        ] {
            assert_eq!(utc(text).as_deref(), Some("2026-01-15T11:59:00Z"), "{text}");
        }
        assert_eq!(utc("1768478340.25").as_deref(), Some("2026-01-15T11:59:00.25Z"));
        assert_eq!(utc("99999999999999999999999999999999999999"), None);
    }

    #[test]
    fn a_time_without_a_zone_is_in_the_sources_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = parse("2026-07-01T12:00:00", &zone).unwrap();
        assert_eq!(at.to_string(), "2026-07-01T10:00:00Z");
    }

    fn clock(profile: &Profile, received_at: &str) -> Clock {
        let received_at = received_at.parse().unwrap();
        Clock::new(Context::new(profile, received_at))
    }

    #[test]
    fn of_a_repeated_hour_the_pass_that_was_before_the_receive_time_is_meant() {
        let profile = Profile { time_zone: Some("Europe/Berlin".into()), ..Profile::default() };
        for (received_at, at, flag) in [
            ("2026-10-25T00:30:01Z", "2026-10-25T00:30:00Z", None),
            ("2026-10-25T01:30:01Z", "2026-10-25T01:30:00Z", Some(REPEATED)),
            // The sender's clock is two minutes ahead.
            ("2026-10-25T01:28:00Z", "2026-10-25T01:30:00Z", Some(REPEATED)),
        ] {
            let moment = clock(&profile, received_at).of_text("2026-10-25T02:30:00");
            assert_eq!((moment.at.to_string().as_str(), moment.flag), (at, flag), "{received_at}");
            assert_eq!(moment.quality, Quality::Good);
        }
        // The hour that summer time leaves out is read as if it had not begun.
        let skipped = clock(&profile, "2026-03-29T02:00:00Z").of_text("2026-03-29T02:30:00");
        assert_eq!((skipped.at.to_string().as_str(), skipped.flag), ("2026-03-29T01:30:00Z", None));
    }

    #[test]
    fn a_time_without_an_offset_that_is_still_to_come_is_uncertain() {
        let profile = Profile::default();
        let clock = clock(&profile, "2026-01-15T12:00:00Z");
        for (text, quality, flag) in [
            ("2026-01-15T14:00:00", Quality::Uncertain, Some(AHEAD_OF_US)),
            ("2026-01-15T12:04:59", Quality::Good, None),
            ("2026-01-15T14:00:00Z", Quality::Good, None),
        ] {
            let moment = clock.of_text(text);
            assert_eq!((moment.quality, moment.flag), (quality, flag), "{text}");
            assert_ne!(moment.at.to_string(), "2026-01-15T12:00:00Z", "{text}");
        }
        assert_eq!(clock.of_text("2026-01-17T14:00:00").flag, Some(IMPLAUSIBLE));
    }

    #[test]
    fn the_servers_time_of_a_frame_counts_where_the_gateways_cannot_be_right() {
        let profile = Profile::default();
        let clock = clock(&profile, "2026-01-15T12:00:00Z");
        let node = |text: &str| Node::Text(text.into());
        let server = "2026-01-15T11:59:58Z";
        for (gateway, expected) in [
            ("1980-01-21T23:17:20Z", server),
            ("2012-01-01T00:03:10Z", server),
            ("2026-01-15T12:10:00Z", server),
            ("not yet", server),
            ("2026-01-15T11:59:57Z", "2026-01-15T11:59:57Z"),
            ("2026-01-15T09:00:00Z", "2026-01-15T09:00:00Z"),
        ] {
            let moment = clock.of_frame(Some(&node(gateway)), Some(&node(server)));
            assert_eq!((moment.at.to_string().as_str(), moment.flag), (expected, None), "{gateway}");
        }
        assert_eq!(clock.of_frame(None, Some(&node(server))).at.to_string(), server);
        assert_eq!(clock.of_frame(None, None), clock.received());
        assert_eq!(clock.of_frame(Some(&node("1980-01-01T00:00:00Z")), None).flag, Some(IMPLAUSIBLE));
    }

    #[test]
    fn what_cannot_be_right_becomes_the_receive_time() {
        let profile = Profile::default();
        let received_at: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        let clock = Clock::new(Context::new(&profile, received_at));
        for text in [
            "0",
            "1999-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "2026-01-16T12:00:01Z",
            "2026-02-30T00:00:00Z",
        ] {
            let moment = clock.of_text(text);
            assert_eq!((moment.at, moment.flag), (received_at, Some(IMPLAUSIBLE)), "{text}");
        }
        assert_eq!(clock.of_text("2026-01-16T12:00:00Z").flag, None);
        assert_eq!(clock.of_node(Some(&Node::Flag(true))).flag, Some(IMPLAUSIBLE));
        assert_eq!(clock.of_node(None), clock.received());
    }
}
