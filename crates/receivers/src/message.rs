//! A message, before a receiver gives it its form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use event_model::Severity;
use event_model::alert::{IdentityLabels, TransitionCause};
use event_model::name::one_line;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use rules::template::{number, unit};
use serde::Serialize;
use uuid::Uuid;

/// The longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// One message for one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The idempotency key: the same in every attempt.
    pub id: Uuid,
    /// The message that began this alert's thread on the receiver; `None`: this one does.
    pub thread: Option<Uuid>,
    /// What has happened.
    pub change: AlertChange,
    /// To which alert.
    pub alert: Alert,
}

/// What has happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertChange {
    /// It fires.
    Firing {
        /// Since when.
        since: Timestamp,
    },
    /// It is over.
    Resolved {
        /// When it began, where that is known.
        since: Option<Timestamp>,
        /// When it ended.
        at: Timestamp,
    },
    /// It began and ended before a message could be sent.
    Passed {
        /// When it began.
        since: Timestamp,
        /// When it ended.
        at: Timestamp,
    },
    /// A message said that it fired; later data show that it did not.
    Retracted {
        /// The time that the message named.
        at: Timestamp,
    },
    /// A message said that it is over; later data show that it still fires.
    StillFiring {
        /// When it began, where that is known.
        since: Option<Timestamp>,
        /// When it was said to have ended.
        at: Timestamp,
    },
    /// Alerts began beyond what the receiver is sent within an hour; each has no message of its own.
    More {
        /// How many.
        count: u32,
        /// When the first of them changed.
        at: Timestamp,
    },
    /// Nothing: a test of the receiver.
    Test {
        /// When.
        at: Timestamp,
    },
}

/// The alert that a message is about.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Alert {
    /// The same for all messages about one alert: rule and series.
    pub key: String,
    /// The rule's name.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel of the device; empty where it has one only.
    pub channel: String,
    /// The metric's name.
    pub metric: String,
    /// The metric's unit; empty where it has none.
    pub unit: String,
    /// The value that decided, where one did.
    pub value: Option<f64>,
    /// Why, where that is known.
    pub cause: Option<TransitionCause>,
    /// The alert's labels: those of its identity and the rule's own.
    pub labels: BTreeMap<String, String>,
    /// The rule's annotations, filled in.
    pub annotations: BTreeMap<String, String>,
}

impl AlertChange {
    /// The type of the message, as the webhook names it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Firing { .. } => "alert.firing",
            Self::Resolved { .. } => "alert.resolved",
            Self::Passed { .. } => "alert.passed",
            Self::Retracted { .. } => "alert.retracted",
            Self::StillFiring { .. } => "alert.still_firing",
            Self::More { .. } => "alerts.more",
            Self::Test { .. } => "receiver.test",
        }
    }

    /// When the alert began, where that is known.
    pub const fn since(self) -> Option<Timestamp> {
        match self {
            Self::Firing { since } | Self::Passed { since, .. } => Some(since),
            Self::Resolved { since, .. } | Self::StillFiring { since, .. } => since,
            Self::Retracted { .. } | Self::More { .. } | Self::Test { .. } => None,
        }
    }

    /// When it ended; of what was retracted, when it was said to have ended.
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Resolved { at, .. } | Self::Passed { at, .. } | Self::StillFiring { at, .. } => Some(at),
            Self::Firing { .. } | Self::Retracted { .. } | Self::More { .. } | Self::Test { .. } => None,
        }
    }

    /// How many alerts the message stands for, where it stands for many.
    pub const fn count(self) -> Option<u32> {
        match self {
            Self::More { count, .. } => Some(count),
            _ => None,
        }
    }

    /// The time that the message is about.
    pub fn at(self) -> Timestamp {
        match self {
            Self::Firing { since } => since,
            Self::Retracted { at }
            | Self::Resolved { at, .. }
            | Self::Passed { at, .. }
            | Self::StillFiring { at, .. }
            | Self::More { at, .. }
            | Self::Test { at } => at,
        }
    }

    /// Whether the alert fires, as far as this message knows.
    pub const fn is_firing(self) -> bool {
        matches!(self, Self::Firing { .. } | Self::StillFiring { .. } | Self::More { .. })
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::Firing { .. } => "FIRING",
            Self::Resolved { .. } => "RESOLVED",
            Self::Passed { .. } => "FIRED AND RESOLVED",
            Self::Retracted { .. } => "RETRACTED",
            Self::StillFiring { .. } => "STILL FIRING",
            Self::More { .. } => "MORE ALERTS",
            Self::Test { .. } => "TEST",
        }
    }

    fn sentence(self) -> String {
        let at = to_the_second(self.at());
        match (self, self.since().map(to_the_second)) {
            (Self::Firing { .. }, _) => format!("Firing since {at}."),
            (Self::Resolved { .. }, Some(since)) => format!("Resolved at {at}; it fired since {since}."),
            (Self::Resolved { .. }, None) => format!("Resolved at {at}."),
            (Self::Passed { since, .. }, _) => {
                format!("Fired at {} and resolved at {at}.", to_the_second(since))
            }
            (Self::Retracted { .. }, _) => {
                format!("Later data show that it did not fire: the alert of {at} is retracted.")
            }
            (Self::StillFiring { .. }, _) => {
                format!("Later data show that it did not end at {at}: it still fires.")
            }
            (Self::More { count, .. }, _) => format!(
                "Alerts beyond what this receiver is sent within an hour, from {at} on: {count}. `freshet alerts` shows them."
            ),
            (Self::Test { .. }, _) => {
                format!("This is a test of the receiver, sent at {at}. Nothing has happened.")
            }
        }
    }
}

/// Readings and clocks are finer than what people want to read.
fn to_the_second(at: Timestamp) -> Timestamp {
    let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc);
    at.round(whole).unwrap_or(at)
}

impl Message {
    /// A message that tries a receiver out.
    pub fn test(id: Uuid, at: Timestamp) -> Self {
        let (rule, severity) = ("ReceiverTest", Severity::default());
        let identity = IdentityLabels { rule, severity, source: "", device: "", channel: "", metric: "" };
        let labels = identity.beside(&BTreeMap::new());
        let alert = Alert { key: "test".into(), rule: rule.into(), severity, labels, ..Alert::default() };
        Self { id, thread: None, change: AlertChange::Test { at }, alert }
    }

    /// A message about `count` alerts, the first of them of the time `at` and as bad as `severity`.
    pub fn more(id: Uuid, count: u32, at: Timestamp, severity: Severity) -> Self {
        let rule = format!("{count} more");
        let alert = Alert { key: "more".into(), rule, severity, ..Alert::default() };
        Self { id, thread: None, change: AlertChange::More { count, at }, alert }
    }

    /// One line ([`one_line`]): what has happened to which rule on which device.
    pub fn title(&self) -> String {
        let alert = &self.alert;
        let mut title = format!("[{}] {}", self.change.heading(), alert.rule);
        if !alert.device.is_empty() {
            // Writing into a String cannot fail.
            let _ = write!(title, ": {}", alert.place());
        }
        one_line(&title).chars().take(MAX_TITLE_CHARS).collect()
    }

    /// The whole message as plain text, a fact a line.
    pub fn text(&self) -> String {
        let alert = &self.alert;
        let mut lines = Vec::with_capacity(8);
        for name in ["summary", "description"] {
            lines.extend(alert.annotations.get(name).cloned());
        }
        lines.push(self.change.sentence());
        lines.extend(alert.reason().map(str::to_owned));
        if let Some(value) = alert.value {
            let line = format!("{}: {} {}", alert.metric, number(value), unit(&alert.unit));
            lines.push(one_line(line.trim_end()));
        }
        if !matches!(self.change, AlertChange::More { .. } | AlertChange::Test { .. }) {
            lines.push(format!("Severity: {}", alert.severity.as_str()));
        }
        if !alert.source.is_empty() {
            lines.push(format!("Source: {}", alert.source));
        }
        let others =
            alert.annotations.iter().filter(|(name, _)| !matches!(name.as_str(), "summary" | "description"));
        lines.extend(others.map(|(name, text)| format!("{name}: {text}")));
        lines.join("\n")
    }
}

impl Alert {
    /// The device, and its channel where it has several.
    pub fn place(&self) -> String {
        if self.channel.is_empty() {
            self.device.clone()
        } else {
            format!("{}/{}", self.device, self.channel)
        }
    }

    /// The cause in a sentence, where it is not what people expect.
    fn reason(&self) -> Option<&'static str> {
        match self.cause? {
            TransitionCause::RuleChanged => Some("The rule was changed."),
            TransitionCause::RuleRemoved => Some("The rule was removed."),
            TransitionCause::SeriesChanged => {
                Some("The device reports this metric in another unit or form now.")
            }
            TransitionCause::SeriesRemoved => {
                Some("Its readings were mended, and none of this metric is left.")
            }
            TransitionCause::DeviceRetired => Some("The device was retired."),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use event_model::Severity;
    use event_model::alert::TransitionCause;
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::{Alert, AlertChange, Message};

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub(crate) fn firing() -> Message {
        Message {
            id: Uuid::from_u128(7),
            thread: None,
            change: AlertChange::Firing { since: at("2026-03-01T12:00:00Z") },
            alert: Alert {
                key: "GreenhouseTooHot/12/0".into(),
                rule: "GreenhouseTooHot".into(),
                severity: Severity::Critical,
                source: "greenhouse".into(),
                device: "gh-1".into(),
                channel: "roof".into(),
                metric: "temperature".into(),
                unit: "Cel".into(),
                value: Some(31.5),
                cause: Some(TransitionCause::Breach),
                labels: BTreeMap::from([("team".into(), "growers".into())]),
                annotations: BTreeMap::from([("summary".into(), "gh-1 is at 31.5 Cel".into())]),
            },
        }
    }

    #[test]
    fn a_message_reads_as_a_person_would_say_it() {
        let message = firing();
        assert_eq!(message.title(), "[FIRING] GreenhouseTooHot: gh-1/roof");
        assert_eq!(
            message.text(),
            "gh-1 is at 31.5 Cel\nFiring since 2026-03-01T12:00:00Z.\ntemperature: 31.5 °C\n\
             Severity: critical\nSource: greenhouse"
        );
    }

    #[test]
    fn numbers_and_times_have_no_more_digits_than_people_read() {
        let mut message = firing();
        message.alert.value = Some(27.800_000_000_000_004);
        message.change = AlertChange::Resolved {
            since: Some(at("2026-11-28T20:03:40.21675Z")),
            at: at("2026-11-28T20:09:59.999999Z"),
        };
        let text = message.text();
        assert!(
            text.contains("\nResolved at 2026-11-28T20:09:59Z; it fired since 2026-11-28T20:03:40Z.\n"),
            "{text}"
        );
        assert!(text.contains("\ntemperature: 27.8 °C\n"), "{text}");
    }

    #[test]
    fn an_end_that_no_reading_has_brought_says_why() {
        let mut message = firing();
        message.change = AlertChange::Resolved { since: None, at: at("2026-03-01T13:00:00Z") };
        for (cause, says) in [
            (TransitionCause::RuleChanged, Some("\nThe rule was changed.\n")),
            (TransitionCause::RuleRemoved, Some("\nThe rule was removed.\n")),
            (
                TransitionCause::SeriesRemoved,
                Some("\nIts readings were mended, and none of this metric is left.\n"),
            ),
            (TransitionCause::DeviceRetired, Some("\nThe device was retired.\n")),
            (TransitionCause::Cleared, None),
        ] {
            message.alert.cause = Some(cause);
            let text = message.text();
            assert_eq!(text.contains(says.unwrap_or(" was ")), says.is_some(), "{text}");
        }
    }

    #[test]
    fn a_title_is_one_line_whatever_a_device_is_called() {
        let mut message = firing();
        message.alert.device = format!("gh\r\n\u{202e}Bcc: all@example.com{}", "x".repeat(500));
        let title = message.title();
        assert!(!title.contains(['\r', '\n', '\u{202e}']));
        assert_eq!(title.chars().count(), 200);
    }
}
