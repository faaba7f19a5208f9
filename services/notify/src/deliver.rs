//! Takes what is due, delivers it, records it: group by group, under a lease.

use std::sync::Arc;
use std::time::Duration;

use event_model::events::NotificationFailed;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use receivers::outgoing::ATTEMPT_TIMEOUT;
use receivers::{Attempt, Outcome, Outgoing, Receiver};
use runtime::trace::TraceContext;
use runtime::{Clock, Deadline, crash};
use store::notifications::{self, Fate, Lease, NotificationGroup, Settled};
use store::{Database, StoreError, active_pipeline};
use tracing::{Instrument as _, info_span};
use uuid::Uuid;

use crate::message::message;
use crate::plan::{PlannedMessage, plan};
use crate::settle::{Terms, dropped, ended, settle};

/// Groups at once. Each waits for its far side most of the time.
const AT_ONCE: u32 = 16;
/// No attempt is begun later than this, or than a third of the lease, after its group was taken: with the attempt's
/// own limit it stays below the lease, so that no other process sends what comes after it meanwhile.
const SEND_WITHIN: Duration = Duration::from_secs(20);
/// The longest that one round may take: all attempts of it, and what the database needs.
const ROUND: Duration = SEND_WITHIN.saturating_add(ATTEMPT_TIMEOUT);

/// Delivers what is due.
pub struct Deliverer {
    /// Where the notifications are.
    pub database: Database,
    /// The receivers and the fallback.
    pub pipeline: Pipeline,
    /// Outgoing connections.
    pub outgoing: Arc<Outgoing>,
    /// The time.
    pub clock: Clock,
    /// How long a group belongs to the process that took it.
    pub lease: SignedDuration,
}

impl Deliverer {
    /// Delivers until nothing is due or the time is up; what is left is due at the next tick. Returns what was given up.
    ///
    /// # Errors
    /// [`StoreError`]: what was taken comes back when its lease runs out.
    pub async fn deliver_due(&self, deadline: Deadline) -> Result<Vec<NotificationFailed>, StoreError> {
        let mut given_up = Vec::new();
        for () in deadline.steps(ROUND) {
            // Before the lease begins, which may be long before it is got.
            let deadline = Deadline::within(self.send_within());
            let now = self.clock.now();
            let until = now.checked_add(self.lease).unwrap_or(now);
            let lease = Lease { id: Uuid::new_v4(), until };
            let mut client = self.database.client().await?;
            let taken = notifications::take(&mut client, now, lease, AT_ONCE).await?;
            drop(client);
            if taken.is_empty() {
                break;
            }
            crash::point("before-write");
            let held = taken.iter().map(|group| self.hold(group, lease, deadline));
            for result in join_all(held).await {
                given_up.extend(result?);
            }
        }
        Ok(given_up)
    }

    fn send_within(&self) -> Duration {
        Duration::try_from(self.lease / 3).unwrap_or_default().min(SEND_WITHIN)
    }

    async fn hold(
        &self,
        group: &NotificationGroup,
        lease: Lease,
        deadline: Deadline,
    ) -> Result<Vec<NotificationFailed>, StoreError> {
        let plan = plan(&group.queued, self.clock.now());
        let fallback = self.fallback(&group.receiver);
        let mut silent: Vec<_> = plan.dropped.iter().map(|one| dropped(one, &fallback)).collect();
        silent.extend(plan.ended.iter().map(|one| ended(one)));
        self.record(lease, &silent).await?;
        let mut given_up = Vec::new();
        let mut wait_until = None;
        for planned in &plan.messages {
            if deadline.left().is_zero() {
                break;
            }
            let settled = self.send(group, planned, &fallback).await?;
            self.record(lease, &settled).await?;
            given_up.extend(failure(group, planned, &settled));
            wait_until = settled.iter().find_map(retry_at);
            if wait_until.is_some() {
                break;
            }
        }
        let client = self.database.client().await?;
        notifications::release(&**client, lease, group, wait_until).await?;
        Ok(given_up)
    }

    /// One attempt, within the trace that the transition came from.
    async fn send(
        &self,
        group: &NotificationGroup,
        planned: &PlannedMessage<'_>,
        fallback: &[String],
    ) -> Result<Vec<Settled>, StoreError> {
        let span = info_span!(
            "notify",
            otel.kind = "producer",
            messaging.operation.type = "send",
            messaging.destination.name = group.receiver,
            messaging.message.id = %planned.main.id,
        );
        let trace = planned.main.transition.traceparent.clone().map(TraceContext::from);
        TraceContext::continue_in(trace.as_ref(), &span);
        async {
            let (outcome, needs_repeats) = match self.open(&group.receiver).await? {
                Ok(receiver) if planned.known && !receiver.needs_repeats() => return Ok(known(planned)),
                Ok(receiver) => (self.attempt(&*receiver, group, planned).await, receiver.needs_repeats()),
                Err(outcome) => (outcome, false),
            };
            log(group, planned, &outcome);
            let terms = Terms { now: self.clock.now(), tick: self.pipeline.tick, needs_repeats, fallback };
            Ok(settle(planned, &outcome, &terms))
        }
        .instrument(span)
        .await
    }

    async fn attempt(
        &self,
        receiver: &dyn Receiver,
        group: &NotificationGroup,
        planned: &PlannedMessage<'_>,
    ) -> Outcome {
        let message = message(&group.alert_key, planned);
        let attempt = Attempt { message: &message, now: self.clock.now(), tick: self.pipeline.tick };
        let outcome = receiver.deliver(attempt).await;
        crash::point("after-send");
        outcome
    }

    /// The receiver with its secrets as they are now.
    async fn open(&self, name: &str) -> Result<Result<Box<dyn Receiver>, Outcome>, StoreError> {
        let Some(receiver) = self.pipeline.receivers.get(name) else {
            return Ok(Err(self.unknown_receiver().await?));
        };
        Ok(receivers::open(receiver, &self.outgoing, &|name| std::env::var(name).ok())
            .map_err(|error| Outcome::retry(error.to_string())))
    }

    /// While pipeline files change over, `alert` may queue for a receiver that this process's file does not name: only the
    /// file in force has the say.
    async fn unknown_receiver(&self) -> Result<Outcome, StoreError> {
        let client = self.database.client().await?;
        Ok(if active_pipeline::hash(&client).await?.as_ref() == Some(&self.pipeline.hash) {
            Outcome::no_use("the pipeline file has no such receiver any more")
        } else {
            Outcome::retry("this process's pipeline file has no such receiver, and is not the one in force")
        })
    }

    async fn record(&self, lease: Lease, settled: &[Settled]) -> Result<(), StoreError> {
        if settled.is_empty() {
            return Ok(());
        }
        let mut client = self.database.client().await?;
        let recorded = notifications::record(&mut client, self.clock.now(), lease, settled).await?;
        if recorded < settled.len() as u64 {
            tracing::warn!(
                recorded,
                expected = settled.len(),
                "a lease ran out before its notifications were recorded"
            );
        }
        Ok(())
    }

    /// The receivers of what `receiver` gives up.
    fn fallback(&self, receiver: &str) -> Vec<String> {
        self.pipeline.fallback.iter().filter(|name| *name != receiver).cloned().collect()
    }
}

/// What the receiver was notified of already needs no message.
fn known(planned: &PlannedMessage<'_>) -> Vec<Settled> {
    let mut settled: Vec<_> =
        planned.merged.iter().chain([&planned.main]).map(|one| dropped(one, &[])).collect();
    settled.extend(planned.ends.iter().map(|one| ended(one)));
    settled
}

fn retry_at(settled: &Settled) -> Option<Timestamp> {
    match settled.fate {
        Fate::Retry { next, .. } => Some(next),
        _ => None,
    }
}

fn failure(
    group: &NotificationGroup,
    planned: &PlannedMessage<'_>,
    settled: &[Settled],
) -> Option<NotificationFailed> {
    let main = planned.main;
    let fate = settled.iter().find(|one| one.id == main.id).map(|one| &one.fate);
    let Some(Fate::Failed { error }) = fate else { return None };
    tracing::error!(
        notification = %main.id,
        receiver = group.receiver,
        rule = main.transition.rule,
        reason = error,
        "a notification was given up"
    );
    Some(NotificationFailed {
        notification: main.id.to_string(),
        receiver: group.receiver.clone(),
        rule: main.transition.rule.clone(),
        attempts: main.attempts + 1,
        reason: error.clone(),
        others: 0,
    })
}

fn log(group: &NotificationGroup, planned: &PlannedMessage<'_>, outcome: &Outcome) {
    let PlannedMessage { main, change, .. } = planned;
    let (receiver, rule, change) = (group.receiver.as_str(), main.transition.rule.as_str(), change.kind());
    match outcome {
        Outcome::Delivered => tracing::info!(notification = %main.id, receiver, rule, change, "delivered"),
        Outcome::Retry { reason, .. } => {
            tracing::warn!(notification = %main.id, receiver, rule, change, reason, "could not be delivered for now");
        }
        // Logged where it is given up.
        Outcome::NoUse { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use stage::Settings;

    use super::ROUND;

    #[test]
    fn a_round_ends_before_the_stage_s_time_out_and_leaves_time_for_more() {
        assert!(ROUND + ROUND / 4 < Settings::default().delivery_budget());
    }
}
