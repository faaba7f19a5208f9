//! Alertmanager's [API v2](https://prometheus.io/docs/alerting/latest/alerts_api/).
//!
//! Alertmanager takes an alert for over when it was not sent for a while, so a firing one is sent again on
//! every tick, with an end three ticks ahead: two lost ticks change nothing, and a dead pipeline shows. An alert's
//! identity is its set of labels. Every replica gets it: they share silences and notification logs, not alerts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;

use crate::outgoing::{Outgoing, Post};
use crate::{AlertChange, Attempt, Outcome, Receiver};

/// How many ticks ahead the end of a firing alert is.
const TICKS_AHEAD: i32 = 3;
/// Requests at once, where alerts are posted alone.
const AT_ONCE: usize = 8;
/// How long the alert of a test stays.
const TEST_LENGTH: SignedDuration = SignedDuration::from_mins(1);

/// The replicas of one Alertmanager.
pub struct Alertmanager {
    outgoing: Arc<Outgoing>,
    replicas: Vec<Url>,
    authorization: Option<HeaderValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert<'a> {
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    ends_at: Timestamp,
}

impl Alertmanager {
    /// Posts to each of `replicas` (base addresses); `authorization` is the header field's whole value.
    pub const fn new(
        outgoing: Arc<Outgoing>,
        replicas: Vec<Url>,
        authorization: Option<HeaderValue>,
    ) -> Self {
        Self { outgoing, replicas, authorization }
    }

    async fn post_all(&self, attempts: &[Attempt<'_>]) -> Outcome {
        let Some(now) = attempts.first().map(|attempt| attempt.now) else { return Outcome::Delivered };
        let alerts: Vec<_> = attempts.iter().map(postable).collect();
        let body = serde_json::to_vec(&alerts).expect("texts and maps with text keys are JSON");
        let posted = self.replicas.iter().map(|replica| self.post(replica, &body, now));
        together(join_all(posted).await)
    }

    async fn post(&self, replica: &Url, body: &[u8], now: Timestamp) -> Outcome {
        let mut url = replica.clone();
        url.set_path(&format!("{}/api/v2/alerts", replica.path().trim_end_matches('/')));
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        headers.extend(self.authorization.clone().map(|value| (AUTHORIZATION, value)));
        match self.outgoing.post(Post { url, headers, body: body.to_vec() }, now).await {
            Ok(answer) => answer.judge(format!("Alertmanager answered {}", answer.status)),
            Err(outcome) => outcome,
        }
    }
}

impl fmt::Debug for Alertmanager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alertmanager").field("replicas", &self.replicas.len()).finish_non_exhaustive()
    }
}

impl Receiver for Alertmanager {
    fn deliver<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.post_all(&[attempt]).await })
    }

    /// Alertmanager takes what is good of a request and answers 400 where one alert of it is not: each is then posted alone,
    /// which changes nothing of those that it took.
    fn deliver_many<'a>(&'a self, attempts: &'a [Attempt<'a>]) -> Option<BoxFuture<'a, Vec<Outcome>>> {
        Some(Box::pin(async move {
            let outcome = self.post_all(attempts).await;
            if attempts.len() == 1 || !matches!(outcome, Outcome::NoUse { .. }) {
                return vec![outcome; attempts.len()];
            }
            let mut outcomes = Vec::with_capacity(attempts.len());
            for some in attempts.chunks(AT_ONCE) {
                outcomes.extend(join_all(some.chunks(1).map(|one| self.post_all(one))).await);
            }
            outcomes
        }))
    }

    fn needs_repeats(&self) -> bool {
        true
    }
}

fn postable<'a>(attempt: &Attempt<'a>) -> PostableAlert<'a> {
    let (starts_at, ends_at) = span(attempt);
    let alert = &attempt.message.alert;
    PostableAlert { labels: &alert.labels, annotations: &alert.annotations, starts_at, ends_at }
}

/// When the alert began and when it ends, as Alertmanager is to understand it. It refuses a beginning after the end, which
/// a device whose clock is ahead would give.
fn span(attempt: &Attempt<'_>) -> (Option<Timestamp>, Timestamp) {
    let Attempt { message, now, tick } = attempt;
    let ahead = now.checked_add(*tick * TICKS_AHEAD).unwrap_or(*now);
    let (since, until) = match message.change {
        AlertChange::Firing { since } => (Some(since), ahead),
        AlertChange::StillFiring { since, .. } => (since, ahead),
        AlertChange::Resolved { since, at } => (since, at),
        AlertChange::Passed { since, at } => (Some(since), at),
        AlertChange::Retracted { .. } => (None, *now),
        AlertChange::More { at, .. } | AlertChange::Test { at } => {
            (Some(at), at.checked_add(TEST_LENGTH).unwrap_or(at))
        }
    };
    (since.map(|since| since.min(until)), until)
}

/// One replica that took it is enough: another one is sent a firing alert again on the next tick, and ends by itself
/// one whose end it did not get.
fn together(outcomes: Vec<Outcome>) -> Outcome {
    let mut worst = None;
    for outcome in outcomes {
        match (&outcome, &worst) {
            (Outcome::Delivered, _) => return Outcome::Delivered,
            (Outcome::Retry { .. }, _) | (Outcome::NoUse { .. }, None) => worst = Some(outcome),
            (Outcome::NoUse { .. }, Some(_)) => {}
        }
    }
    worst.unwrap_or_else(|| Outcome::no_use("the receiver names no Alertmanager"))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{span, together};
    use crate::message::tests::{at, firing};
    use crate::{AlertChange, Attempt, Outcome};

    #[test]
    fn a_firing_alert_ends_three_ticks_ahead_and_a_resolved_one_when_it_did() {
        let mut message = firing();
        let (now, tick) = (at("2026-03-01T13:00:00Z"), SignedDuration::from_mins(5));
        let since = Some(at("2026-03-01T12:00:00Z"));
        assert_eq!(span(&Attempt { message: &message, now, tick }), (since, at("2026-03-01T13:15:00Z")));
        message.change = AlertChange::Resolved { since, at: at("2026-03-01T12:40:00Z") };
        assert_eq!(span(&Attempt { message: &message, now, tick }), (since, at("2026-03-01T12:40:00Z")));
    }

    #[test]
    fn an_alert_of_a_clock_that_is_ahead_begins_no_later_than_it_ends() {
        let mut message = firing();
        let since = at("2026-03-01T12:05:00Z");
        message.change = AlertChange::Firing { since };
        let (now, tick) = (at("2026-03-01T12:00:00Z"), SignedDuration::from_secs(2));
        let end = at("2026-03-01T12:00:06Z");
        assert_eq!(span(&Attempt { message: &message, now, tick }), (Some(end), end));
        message.change = AlertChange::Resolved { since: Some(since), at: end };
        assert_eq!(span(&Attempt { message: &message, now, tick }), (Some(end), end));
    }

    #[test]
    fn one_replica_that_took_it_is_enough() {
        let (down, refused) = (Outcome::retry("down"), Outcome::no_use("no"));
        assert_eq!(together(vec![down.clone(), Outcome::Delivered]), Outcome::Delivered);
        assert_eq!(together(vec![refused.clone(), down.clone(), refused.clone()]), down);
        assert_eq!(together(vec![refused.clone()]), refused);
    }
}
