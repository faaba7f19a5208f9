//! Which alerts would change if payloads were stored now and rules looked at them.

use std::fmt;

use evaluate::{AlertChange, AlertEffect, ChangingPayload, Preview, ReadingChanges, WatchedRules};
use event_model::alert::TransitionCause;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use runtime::{Clock, Failure};
use serde::Serialize;
use store::Client;

use crate::database;
use crate::difference::{Given, Line};
use crate::output::{self, Format, Row};

/// What payloads would change, gathered for a look at alerts.
#[derive(Debug, Default)]
pub struct Gathered(ReadingChanges);

impl Gathered {
    /// Adds the payloads of a receipt of `source`, with the lines of each and behind them those of what they give no more.
    pub fn add<'l>(&mut self, source: &str, given: &'l [Given], lines: &'l [Line]) {
        let readings = |lines: &'l [Line]| lines.iter().filter_map(Line::reading).collect();
        let (mut payloads, mut left) = (Vec::with_capacity(given.len() + 1), lines);
        for one in given {
            let (own, behind) = left.split_at(one.lines().min(left.len()));
            payloads.push(ChangingPayload { tags: one.tags(), readings: readings(own) });
            left = behind;
        }
        payloads.push(ChangingPayload { tags: &[], readings: readings(left) });
        self.0.add(source, &payloads);
    }

    /// What an evaluation would decide, by the rules of `pipeline`, which is in force.
    ///
    /// # Errors
    /// Where the database cannot be asked, or a rule cannot be read.
    pub async fn alerts(&self, client: &mut Client, pipeline: &Pipeline) -> Result<Alerts, Failure> {
        let rules = WatchedRules::new(&pipeline.rules)
            .map_err(|error| Failure::because("the rules cannot be read", &error))?;
        let preview = Preview { pipeline, rules: &rules, now: Clock::system().now() };
        let previewed = preview.of(client, &self.0).await.map_err(|error| database::failed(&error))?;
        Ok(Alerts {
            lines: Some(previewed.changes.into_iter().map(AlertLine::of).collect()),
            remarks: remarks(self.0.left_out(), &previewed.not_looked_at),
        })
    }
}

/// What would become of alerts.
#[derive(Debug)]
pub struct Alerts {
    /// In order of time; `None` where nobody has looked.
    lines: Option<Vec<AlertLine>>,
    /// What was not looked at, and why.
    remarks: Vec<String>,
}

/// What would become of an alert.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct AlertLine {
    change: AlertWord,
    rule: String,
    source: String,
    device: String,
    channel: String,
    metric: String,
    unit: String,
    /// When it begins or ends.
    at: Timestamp,
    cause: TransitionCause,
}

/// [`AlertEffect`] for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum AlertWord {
    Begins,
    Ends,
    BeginningRetracted,
    EndRetracted,
}

/// A dry run as JSON.
#[derive(Serialize)]
struct DryRun<'a> {
    readings: &'a [Line],
    alerts: Option<&'a [AlertLine]>,
}

impl Alerts {
    /// Nobody has looked, and why.
    pub fn not_looked_at(reason: &str) -> Self {
        Self { lines: None, remarks: vec![format!("alerts are not looked at: {reason}")] }
    }

    /// Prints what would change, of alerts at most `most` lines.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub fn print(&self, format: Format, readings: &[Line], most: usize) -> Result<(), Failure> {
        let alerts = self.lines.as_deref().map(|lines| &lines[..lines.len().min(most)]);
        match (format, alerts) {
            (Format::Json, _) => output::json(&DryRun { readings, alerts }),
            (Format::Table, None | Some([])) => output::rows(format, readings),
            (Format::Table, Some(alerts)) => {
                output::rows(format, readings)?;
                output::write_line("")?;
                output::rows(format, alerts)
            }
        }
    }

    /// How many alerts change.
    pub fn count(&self) -> usize {
        self.lines.as_ref().map_or(0, Vec::len)
    }

    /// How many alerts come to what, and what was not looked at: a line each.
    pub fn sums(&self) -> impl Iterator<Item = String> {
        let counts = self.lines.as_deref().map(|lines| Counts::of(lines).to_string());
        counts.into_iter().chain(self.remarks.iter().cloned())
    }
}

fn remarks(left_out: u64, not_looked_at: &[String]) -> Vec<String> {
    let mut remarks = Vec::new();
    if left_out > 0 {
        remarks.push(format!(
            "alerts are looked at without {left_out} of the changed readings: those of each stream up to the first of these"
        ));
    }
    if let [first, more @ ..] = not_looked_at {
        let and_more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        remarks.push(format!("alerts of {first}{and_more} are not looked at: too many moments, or what this release cannot read"));
    }
    remarks
}

/// How many alerts come to what.
struct Counts {
    begin: usize,
    end: usize,
    retracted: usize,
}

impl Counts {
    fn of(lines: &[AlertLine]) -> Self {
        let count = |words: &[AlertWord]| lines.iter().filter(|line| words.contains(&line.change)).count();
        Self {
            begin: count(&[AlertWord::Begins]),
            end: count(&[AlertWord::Ends]),
            retracted: count(&[AlertWord::BeginningRetracted, AlertWord::EndRetracted]),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {many}")),
        };
        let counts: Vec<_> = [
            counted(self.begin, "begins", "begin"),
            counted(self.end, "ends", "end"),
            counted(self.retracted, "is retracted", "are retracted"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if counts.is_empty() {
            f.write_str("no alert changes")
        } else {
            write!(f, "alerts: {}", counts.join(", "))
        }
    }
}

impl AlertLine {
    fn of(change: AlertChange) -> Self {
        let AlertChange { at, rule, source, device, channel, metric, unit, effect, cause } = change;
        let change = match effect {
            AlertEffect::Begins => AlertWord::Begins,
            AlertEffect::Ends => AlertWord::Ends,
            AlertEffect::BeginningRetracted => AlertWord::BeginningRetracted,
            AlertEffect::EndRetracted => AlertWord::EndRetracted,
        };
        Self { change, rule, source, device, channel, metric, unit, at, cause }
    }
}

impl AlertWord {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Ends => "ends",
            Self::BeginningRetracted => "beginning retracted",
            Self::EndRetracted => "end retracted",
        }
    }
}

impl Row for AlertLine {
    const HEADINGS: &'static [&'static str] =
        &["ALERT", "CHANGE", "SOURCE", "DEVICE", "CHANNEL", "METRIC", "UNIT", "AT", "CAUSE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.rule.clone(),
            self.change.as_str().to_owned(),
            self.source.clone(),
            self.device.clone(),
            self.channel.clone(),
            self.metric.clone(),
            self.unit.clone(),
            self.at.to_string(),
            self.cause.as_str().to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, remarks};

    #[test]
    fn counts_are_a_sentence() {
        let said = |begin, end, retracted| Counts { begin, end, retracted }.to_string();
        assert_eq!(said(2, 1, 1), "alerts: 2 begin, 1 ends, 1 is retracted");
        assert_eq!(said(0, 0, 3), "alerts: 3 are retracted");
        assert_eq!(said(0, 0, 0), "no alert changes");
    }

    #[test]
    fn what_is_not_looked_at_is_said() {
        assert!(remarks(0, &[]).is_empty());
        let said = remarks(7, &["yard/a".to_owned(), "yard/b".to_owned()]);
        assert!(said[0].contains("without 7 of the changed readings"), "{said:?}");
        assert_eq!(
            said[1],
            "alerts of yard/a and 1 more are not looked at: too many moments, or what this release cannot read"
        );
    }
}
