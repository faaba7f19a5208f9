//! The words of alerting: each stands here once, with its reader and its writer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::word::UnknownWord;
use crate::word::words;

/// How bad an alert is, in the words that Alertmanager users know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look soon.
    #[default]
    Warning,
    /// Worth an alarm at night.
    Critical,
}

words!(Severity, "severity", { Info = "info", Warning = "warning", Critical = "critical" });

impl Severity {
    /// The severity of a stored alert. A word of a later release counts as the worst, so that no route leaves it out
    /// for being unknown.
    pub fn from_stored(word: &str) -> Self {
        word.parse().unwrap_or(Self::Critical)
    }
}

/// What an alert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// It fired.
    Firing,
    /// It is over.
    Resolved,
    /// Later data made an earlier transition untrue.
    Retracted,
}

words!(TransitionKind, "kind of transition", {
    Firing = "firing", Resolved = "resolved", Retracted = "retracted"
});

/// Why a transition happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionCause {
    /// A reading, or the end of its hold time, was in breach.
    Breach,
    /// No reading came.
    Silence,
    /// A reading met the clear threshold.
    Cleared,
    /// A reading came after a silence.
    Returned,
    /// The rule was changed, and as it is now it does not fire.
    RuleChanged,
    /// The rule was removed, or no longer selects the series.
    RuleRemoved,
    /// The device reports the metric in another unit, or as another kind of value.
    SeriesChanged,
    /// No value of the series is left.
    SeriesRemoved,
    /// The device was retired.
    DeviceRetired,
    /// A reading that came late made a transition untrue.
    LateData,
}

words!(TransitionCause, "cause of a transition", {
    Breach = "breach",
    Silence = "silence",
    Cleared = "cleared",
    Returned = "returned",
    RuleChanged = "rule_changed",
    RuleRemoved = "rule_removed",
    SeriesChanged = "series_changed",
    SeriesRemoved = "series_removed",
    DeviceRetired = "device_retired",
    LateData = "late_data"
});

/// Where a rule stands on a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertStatus {
    /// Not in breach.
    Ok,
    /// In breach, but not yet for the rule's hold time.
    Pending,
    /// Firing.
    Firing,
}

words!(AlertStatus, "status of an alert", { Ok = "ok", Pending = "pending", Firing = "firing" });

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationStatus {
    /// Not sent yet.
    Pending,
    /// Sent, and sent again on every tick.
    Repeating,
    /// Sent.
    Delivered,
    /// Said within another message, or not worth a message any more.
    Superseded,
    /// Counted within a message about many: its receiver had been sent enough within the hour.
    Summarized,
    /// Given up.
    Failed,
}

words!(NotificationStatus, "status of a notification", {
    Pending = "pending",
    Repeating = "repeating",
    Delivered = "delivered",
    Superseded = "superseded",
    Summarized = "summarized",
    Failed = "failed"
});

/// One alert: a rule on a series. It is the same as long as the rule keeps its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId<'a> {
    /// The rule's name.
    pub rule: &'a str,
    /// The stream.
    pub stream: i32,
    /// The series within it.
    pub position: i16,
}

impl AlertId<'_> {
    /// The alert's key in messages and in `notification.alert_key`: what orders its notifications.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.rule, self.stream, self.position)
    }
}

/// The labels that every alert has, after Prometheus' conventions, so that it can go to an Alertmanager unchanged.
#[derive(Debug, Clone, Copy)]
pub struct IdentityLabels<'a> {
    /// `alertname`: the rule's name.
    pub rule: &'a str,
    /// `severity`.
    pub severity: Severity,
    /// `source`: the source's name.
    pub source: &'a str,
    /// `device`: the device's name.
    pub device: &'a str,
    /// `channel`: the device's channel; empty where it has one only.
    pub channel: &'a str,
    /// `metric`: the canonical metric.
    pub metric: &'a str,
}

impl IdentityLabels<'_> {
    /// Their names; a rule's own labels must not be named so.
    pub const NAMES: [&'static str; 6] = ["alertname", "severity", "source", "device", "channel", "metric"];

    /// An alert's labels: these beside the rule's own, which do not replace them. Empty ones are left out: in Prometheus an
    /// empty label is an absent one.
    pub fn beside(self, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let values = [self.rule, self.severity.as_str(), self.source, self.device, self.channel, self.metric];
        let mut labels = own.clone();
        labels.extend(
            Self::NAMES.into_iter().zip(values).map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        labels.retain(|_, value| !value.is_empty());
        labels
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{IdentityLabels, NotificationStatus, Severity, TransitionCause, TransitionKind};

    #[test]
    fn a_word_is_read_as_it_is_written_and_as_json_has_it() {
        for cause in TransitionCause::ALL {
            assert_eq!(cause.as_str().parse(), Ok(*cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
        for kind in TransitionKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
        let unknown = "gone".parse::<NotificationStatus>().unwrap_err();
        assert_eq!(unknown.to_string(), "`gone` is no status of a notification");
    }

    #[test]
    fn a_severity_of_a_later_release_counts_as_the_worst() {
        assert_eq!(Severity::from_stored("info"), Severity::Info);
        assert_eq!(Severity::from_stored("disaster"), Severity::Critical);
    }

    #[test]
    fn the_labels_of_a_rule_do_not_replace_the_alerts_identity() {
        let identity = IdentityLabels {
            rule: "GreenhouseTooHot",
            severity: Severity::Critical,
            source: "greenhouse",
            device: "gh-1",
            channel: "",
            metric: "temperature",
        };
        let own = BTreeMap::from([("team".into(), "growers".into()), ("device".into(), "other".into())]);
        let labels = identity.beside(&own);
        assert_eq!(labels["device"], "gh-1");
        assert_eq!(labels["alertname"], "GreenhouseTooHot");
        assert_eq!(labels["team"], "growers");
        assert!(!labels.contains_key("channel"));
    }
}
