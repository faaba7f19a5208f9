//! What keeps a pipeline from being drained.

use std::time::Duration;

use jiff::Timestamp;

use super::counts::Counts;
use kafka::TopicGroup;

/// Why it is not drained yet, one sentence a reason; empty where nothing is under way.
pub fn reasons(counts: &Counts, readers: &[TopicGroup], now: Timestamp, quiet: Duration) -> Vec<String> {
    let mut reasons = Vec::new();
    match &counts.overview {
        Err(reason) => reasons.push(reason.clone()),
        Ok(overview) => {
            let quiet = jiff::SignedDuration::try_from(quiet).unwrap_or(jiff::SignedDuration::MAX);
            let since = overview.newest_receipt_at.map(|at| now.duration_since(at));
            if since.is_some_and(|since| since < quiet) {
                let seconds = since.map_or(0, |since| since.as_secs().max(0));
                reasons.push(format!("the last payload came {seconds} s ago"));
            }
            let mut count = |count: i64, what: &str| {
                if count > 0 {
                    reasons.push(format!("{count} {what}"));
                }
            };
            count(overview.evaluation_requests, "streams wait for their rules");
            count(overview.due, "messages are due");
        }
    }
    match &counts.lags {
        Err(reason) => reasons.push(reason.clone()),
        Ok(lags) => {
            for (reader, lag) in readers.iter().zip(lags).filter(|(_, lag)| **lag > 0) {
                let TopicGroup { topic, group } = reader;
                reasons.push(format!("{lag} records of {topic} are not read by {group}"));
            }
        }
    }
    reasons
}

/// What stays in the tables when all is drained, and why that is no harm.
pub fn left(counts: &Counts) -> Vec<String> {
    let Ok(overview) = &counts.overview else { return Vec::new() };
    let to_send_back: i64 = overview.dead_letters.iter().map(|stage| stage.to_send_back).sum();
    let mut left = Vec::new();
    if overview.retrying > 0 {
        left.push(format!("{} messages wait for a later attempt", overview.retrying));
    }
    if overview.streams_put_off > 0 {
        left.push(format!("{} streams are put off, whose evaluation failed", overview.streams_put_off));
    }
    if to_send_back > 0 {
        left.push(format!("{to_send_back} dead letters wait to be sent back"));
    }
    left
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::overview::Overview;

    use super::{left, reasons};
    use crate::status::counts::Counts;
    use kafka::TopicGroup;

    fn counts(change: impl FnOnce(&mut Overview), lags: Vec<i64>) -> Counts {
        let mut overview = Overview {
            receipts: 0,
            faulty_receipts: 0,
            newest_receipt_at: "2026-11-23T21:00:00Z".parse().ok(),
            evaluation_requests: 0,
            oldest_request_at: None,
            streams_put_off: 0,
            transitions: 0,
            delivered: 0,
            given_up: 0,
            due: 0,
            retrying: 0,
            newest_heartbeat_at: None,
            dead_letters: Vec::new(),
            partitions: Vec::new(),
            gaps: Vec::new(),
            fallbacks: None,
            refused_at: None,
            canary: None,
        };
        change(&mut overview);
        Counts { overview: Ok(overview), lags: Ok(lags) }
    }

    fn reasons_at(at: &str, counts: &Counts) -> Vec<String> {
        let reader = TopicGroup { topic: "t".into(), group: "g".into() };
        reasons(counts, &[reader], at.parse().unwrap(), Duration::from_secs(10))
    }

    #[test]
    fn nothing_under_way_is_drained() {
        assert!(reasons_at("2026-11-23T21:00:10Z", &counts(|_| (), vec![0])).is_empty());
    }

    #[test]
    fn all_that_is_under_way_is_named() {
        let counts = counts(
            |overview| {
                overview.evaluation_requests = 2;
                overview.due = 1;
            },
            vec![7],
        );
        assert_eq!(
            reasons_at("2026-11-23T21:00:04Z", &counts),
            [
                "the last payload came 4 s ago",
                "2 streams wait for their rules",
                "1 messages are due",
                "7 records of t are not read by g"
            ]
        );
    }

    #[test]
    fn what_cannot_be_counted_is_not_taken_for_nothing() {
        let counts = Counts { overview: Err("no database".into()), lags: Err("no Kafka".into()) };
        assert_eq!(reasons_at("2026-11-23T21:00:10Z", &counts), ["no database", "no Kafka"]);
    }

    #[test]
    fn what_waits_for_later_is_named_and_not_waited_for() {
        let counts = counts(
            |overview| {
                overview.retrying = 3;
                overview.streams_put_off = 1;
            },
            Vec::new(),
        );
        assert!(reasons_at("2026-11-23T21:00:10Z", &counts).is_empty());
        assert_eq!(
            left(&counts),
            ["3 messages wait for a later attempt", "1 streams are put off, whose evaluation failed"]
        );
    }
}
