//! The closing table: answers by status and how long they took.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// An HTTP status.
    Status(u16),
    /// No answer: no connection, or none in time.
    None,
}

impl Answer {
    /// Whether the far side took the payload.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}

/// How a request ended, after its last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The answer.
    pub answer: Answer,
    /// What the answer says of a refusal, or why there is none; empty where nothing is said.
    pub reason: String,
    /// How long the last attempt took.
    pub latency: Duration,
    /// Attempts before it.
    pub retries: u32,
}

/// An input that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where it stands: `FILE`, `FILE:LINE`.
    pub input: String,
    /// The status, or `no answer`.
    pub answer: String,
    /// Why; empty where the answer does not say.
    pub reason: String,
}

/// More refused inputs than these are counted only.
const MOST_REFUSED: usize = 10_000;

/// Counts answers.
#[derive(Debug, Default)]
pub struct Tally {
    latencies: BTreeMap<Answer, Vec<Duration>>,
    refused: Vec<Refused>,
    retries: u64,
}

/// One line of the closing table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The status, or `no answer`.
    pub answer: String,
    /// How many requests ended so.
    pub requests: usize,
    /// The median latency in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile in milliseconds.
    pub p99_ms: f64,
    /// The longest in milliseconds.
    pub max_ms: f64,
}

/// What was sent and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Lines by status.
    pub answers: Vec<Line>,
    /// Requests sent, without retries.
    pub requests: usize,
    /// Requests that the far side took.
    pub accepted: usize,
    /// Attempts beyond each request's first.
    pub retries: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Requests that were under way when the command was interrupted; they may have been taken.
    pub cut_off: usize,
    /// The inputs that were not taken, in the order of their answers; up to 10,000.
    pub refused: Vec<Refused>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::None => f.write_str("no answer"),
        }
    }
}

/// `FILE:LINE: 400 reason`.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, answer, reason } = self;
        let joint = if answer.starts_with(|c: char| c.is_ascii_digit()) { " " } else { ": " };
        let joint = if reason.is_empty() { "" } else { joint };
        write!(f, "{input}: {answer}{joint}{reason}")
    }
}

impl Tally {
    /// Counts the request of `input`; gives it back where it was not taken.
    pub fn count(&mut self, input: String, ending: Ending) -> Option<Refused> {
        let Ending { answer, reason, latency, retries } = ending;
        self.latencies.entry(answer).or_default().push(latency);
        self.retries += u64::from(retries);
        if answer.is_success() {
            return None;
        }
        let refused = Refused { input, answer: answer.to_string(), reason };
        if self.refused.len() < MOST_REFUSED {
            self.refused.push(refused.clone());
        }
        Some(refused)
    }

    /// Closes the books after `elapsed`, of which `started` requests were begun.
    pub fn report(mut self, started: usize, elapsed: Duration) -> Report {
        let accepted =
            self.latencies.iter().filter(|(answer, _)| answer.is_success()).map(|(_, all)| all.len()).sum();
        let requests: usize = self.latencies.values().map(Vec::len).sum();
        let answers = self.latencies.iter_mut().map(|(answer, latencies)| line(*answer, latencies)).collect();
        Report {
            answers,
            requests,
            accepted,
            retries: self.retries,
            seconds: elapsed.as_secs_f64(),
            cut_off: started.saturating_sub(requests),
            refused: self.refused,
        }
    }
}

fn line(answer: Answer, latencies: &mut [Duration]) -> Line {
    latencies.sort_unstable();
    let at = |share: f64| {
        // The share is within 0 ..= 1, so that the rank is within the slice.
        let rank = (share * (latencies.len() - 1) as f64).round() as usize;
        (latencies[rank].as_secs_f64() * 1e5).round() / 100.0
    };
    Line {
        answer: answer.to_string(),
        requests: latencies.len(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Answer, Ending, Tally};

    fn ending(answer: Answer, milliseconds: u64) -> Ending {
        Ending { answer, reason: String::new(), latency: Duration::from_millis(milliseconds), retries: 0 }
    }

    #[test]
    fn answers_are_counted_by_status_with_their_percentiles() {
        let mut tally = Tally::default();
        for milliseconds in 1..=100 {
            tally.count("a".into(), ending(Answer::Status(202), milliseconds));
        }
        tally.count("b".into(), Ending { retries: 3, ..ending(Answer::None, 5) });
        let report = tally.report(103, Duration::from_secs(2));
        assert_eq!((report.requests, report.accepted, report.retries, report.cut_off), (101, 100, 3, 2));
        assert_eq!(report.answers[0].p99_ms, 99.0);
        assert_eq!(report.answers[1].answer, "no answer");
    }

    #[test]
    fn what_is_not_taken_is_named_with_its_reason() {
        let mut tally = Tally::default();
        assert_eq!(tally.count("a.json".into(), ending(Answer::Status(202), 1)), None);
        let refusals = [
            ("b.csv:3", Answer::Status(400), "not JSON", "b.csv:3: 400 not JSON"),
            ("c", Answer::None, "connection refused", "c: no answer: connection refused"),
            ("d", Answer::Status(503), "", "d: 503"),
        ];
        for (input, answer, reason, line) in refusals {
            let ending = Ending { reason: reason.into(), ..ending(answer, 1) };
            assert_eq!(tally.count(input.into(), ending).unwrap().to_string(), line);
        }
        let inputs: Vec<_> =
            tally.report(4, Duration::ZERO).refused.into_iter().map(|refused| refused.input).collect();
        assert_eq!(inputs, ["b.csv:3", "c", "d"]);
    }
}
