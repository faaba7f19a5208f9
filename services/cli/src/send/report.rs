//! The closing table: answers by status and how long they took.

use std::collections::BTreeMap;
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

/// Counts answers.
#[derive(Debug, Default)]
pub struct Tally {
    latencies: BTreeMap<Answer, Vec<Duration>>,
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
}

impl Tally {
    /// Counts a request that ended with `answer` after `latency`, its last attempt alone, and `retries` more attempts.
    pub fn count(&mut self, answer: Answer, latency: Duration, retries: u32) {
        self.latencies.entry(answer).or_default().push(latency);
        self.retries += u64::from(retries);
    }

    /// Closes the books after `elapsed`.
    pub fn report(mut self, elapsed: Duration) -> Report {
        let accepted =
            self.latencies.iter().filter(|(answer, _)| answer.is_success()).map(|(_, all)| all.len()).sum();
        let requests = self.latencies.values().map(Vec::len).sum();
        let answers = self.latencies.iter_mut().map(|(answer, latencies)| line(*answer, latencies)).collect();
        Report { answers, requests, accepted, retries: self.retries, seconds: elapsed.as_secs_f64() }
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
        answer: match answer {
            Answer::Status(status) => status.to_string(),
            Answer::None => "no answer".to_owned(),
        },
        requests: latencies.len(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Answer, Tally};

    #[test]
    fn answers_are_counted_by_status_with_their_percentiles() {
        let mut tally = Tally::default();
        for milliseconds in 1..=100 {
            tally.count(Answer::Status(202), Duration::from_millis(milliseconds), 0);
        }
        tally.count(Answer::None, Duration::from_millis(5), 3);
        let report = tally.report(Duration::from_secs(2));
        assert_eq!((report.requests, report.accepted, report.retries), (101, 100, 3));
        assert_eq!(report.answers[0].p99_ms, 99.0);
        assert_eq!(report.answers[1].answer, "no answer");
    }
}
