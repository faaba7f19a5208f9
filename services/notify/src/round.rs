//! One round of one receiver: takes groups under a lease, plans, keeps within the receiver's hour, sends and records.

use std::time::Duration;

use event_model::events::NotificationFailed;
use jiff::{SignedDuration, Timestamp};
use receivers::Outcome;
use runtime::{Deadline, crash};
use store::notifications::{self, Beginning, Fate, Lease, NotificationGroup, Settled};
use store::{StoreError, active_pipeline};
use uuid::Uuid;

use crate::deliverer::Deliverer;
use crate::plan::{Plan, PlannedMessage, plan};
use crate::send::{Send, Sending};
use crate::settle::{Terms, dropped, ended, falls_back, fell_back, known, settle};

/// Groups in one round: with a message each they are attempts at once, or alerts in one request.
const GROUPS: u32 = 16;
/// Groups in one round of a receiver that takes many alerts in one request.
const GROUPS_OF_MANY: u32 = 256;
/// No attempt is begun later than this, or than a third of the lease, after its group was taken: with the attempt's own
/// limit it stays below the lease, so that no other process sends what comes after it meanwhile.
const SEND_WITHIN: Duration = Duration::from_secs(20);
/// How long a receiver is left alone at most where nothing of a round got through.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// What came of a round.
pub(crate) enum Rounded {
    /// There was nothing to take.
    Nothing,
    /// What was given up.
    GivenUp(Vec<NotificationFailed>),
}

/// One round.
pub(crate) struct Round<'a> {
    deliverer: &'a Deliverer,
    receiver: &'a str,
    fallback: Vec<String>,
    deadline: Deadline,
    send_by: Deadline,
    lease: Lease,
}

/// A group that is under the lease.
struct Held<'a> {
    group: &'a NotificationGroup,
    plan: Plan<'a>,
    /// What is still open waits until then.
    wait_until: Option<Timestamp>,
}

impl<'a> Round<'a> {
    /// The lease begins here, which may be long before it is got.
    pub(crate) fn new(deliverer: &'a Deliverer, receiver: &'a str, deadline: Deadline) -> Self {
        let now = deliverer.clock.now();
        let until = now.checked_add(deliverer.lease).unwrap_or(now);
        let send_within = Duration::try_from(deliverer.lease / 3).unwrap_or_default().min(SEND_WITHIN);
        Self {
            deliverer,
            receiver,
            fallback: deliverer.pipeline.fallback_of(receiver),
            deadline,
            send_by: Deadline::within(send_within),
            lease: Lease { id: Uuid::new_v4(), until },
        }
    }

    pub(crate) async fn run(&self) -> Result<Rounded, StoreError> {
        let sending = self.open().await?;
        let groups = if sending.takes_many() { GROUPS_OF_MANY } else { GROUPS };
        let now = self.deliverer.clock.now();
        let mut client = self.deliverer.database.client().await?;
        let taken = notifications::take(&mut client, self.receiver, now, self.lease, groups).await?;
        drop(client);
        if taken.is_empty() {
            return Ok(Rounded::Nothing);
        }
        crash::point("before-write");
        let mut held: Vec<_> = taken.iter().map(|group| self.plan(group, now)).collect();
        self.record(&self.without_a_message(&held, now)).await?;
        self.keep_within_the_hour(&mut held, now).await?;
        let given_up = self.send(&mut held, &sending).await?;
        let client = self.deliverer.database.client().await?;
        for Held { group, wait_until, .. } in &held {
            notifications::release(&**client, self.lease, group, *wait_until).await?;
        }
        Ok(Rounded::GivenUp(given_up))
    }

    fn plan<'g>(&self, group: &'g NotificationGroup, now: Timestamp) -> Held<'g> {
        let pipeline = &self.deliverer.pipeline;
        // Nobody reads a row: none is too old.
        let is_row = matches!(pipeline.receivers.get(self.receiver), Some(pipeline_config::Receiver::Row));
        let oldest_end = if is_row { None } else { now.checked_sub(pipeline.notify_within).ok() };
        let oldest_end = oldest_end.unwrap_or(Timestamp::MIN);
        let mut plan = plan(&group.queued, now, oldest_end);
        if !group.due {
            plan.messages.clear();
        }
        Held { group, plan, wait_until: None }
    }

    /// What needs no message on this receiver, and what the fallback is to be notified of too.
    fn without_a_message(&self, held: &[Held<'_>], now: Timestamp) -> Vec<Settled> {
        let mut settled = Vec::new();
        for Held { group, plan, .. } in held {
            let is_dropped = |id| plan.dropped.iter().any(|one| one.id == id);
            let falls = group.queued.iter().filter(|one| falls_back(one, is_dropped(one.id), now));
            if !self.fallback.is_empty() {
                settled.extend(falls.map(|one| fell_back(one, &self.fallback)));
            }
            settled.extend(plan.dropped.iter().map(|one| dropped(one)));
            settled.extend(plan.ended.iter().map(|one| ended(one)));
        }
        settled
    }

    /// Takes out of the plans what goes beyond the receiver's hour, and what comes after it: that is planned anew.
    async fn keep_within_the_hour(&self, held: &mut [Held<'_>], now: Timestamp) -> Result<(), StoreError> {
        let configured = self.deliverer.pipeline.receivers.get(self.receiver);
        let Some(max) = configured.and_then(pipeline_config::Receiver::max_per_hour) else { return Ok(()) };
        let beginnings: Vec<_> = held
            .iter()
            .flat_map(|held| &held.plan.messages)
            .filter(|message| message.is_a_beginning())
            .map(|message| Beginning {
                main: message.main.id,
                merged: message.merged.iter().map(|one| one.id).collect(),
            })
            .collect();
        if beginnings.is_empty() {
            return Ok(());
        }
        let mut client = self.deliverer.database.client().await?;
        let admitted =
            notifications::admit(&mut client, (self.receiver, max), now, self.lease, &beginnings).await?;
        if let Some(beyond) = beginnings.get(admitted..).filter(|beyond| !beyond.is_empty()) {
            tracing::warn!(
                receiver = self.receiver,
                max,
                beyond = beyond.len(),
                "more alerts begin within an hour than max_per_hour"
            );
            let is_beyond =
                |message: &PlannedMessage<'_>| beyond.iter().any(|one| one.main == message.main.id);
            for Held { plan, .. } in held {
                let first = plan.messages.iter().position(is_beyond);
                plan.messages.truncate(first.unwrap_or(plan.messages.len()));
            }
        }
        Ok(())
    }

    /// Sends the first message of each group, then the second, until a group must wait or the time is up.
    async fn send(
        &self,
        held: &mut [Held<'_>],
        sending: &Sending,
    ) -> Result<Vec<NotificationFailed>, StoreError> {
        let mut given_up = Vec::new();
        let (mut got_through, mut asked, mut retries) = (false, None, Vec::new());
        for step in 0.. {
            let going: Vec<usize> = (0..held.len())
                .filter(|index| held[*index].wait_until.is_none() && step < held[*index].plan.messages.len())
                .collect();
            if going.is_empty() || self.send_by.left().is_zero() || self.deadline.left().is_zero() {
                break;
            }
            let sends: Vec<_> = going
                .iter()
                .map(|index| Send { group: held[*index].group, planned: &held[*index].plan.messages[step] })
                .collect();
            let outcomes = sending.send(self.deliverer, &sends, self.deadline.left()).await;
            let now = self.deliverer.clock.now();
            let mut all = Vec::new();
            let mut waits = Vec::new();
            for (send, outcome) in sends.iter().zip(&outcomes) {
                let settled = match outcome {
                    None => known(send.planned),
                    Some(outcome) => settle(send.planned, outcome, &self.terms(send.planned, sending, now)),
                };
                given_up.extend(failure(send, &settled));
                waits.push(settled.iter().find_map(retry_at));
                all.extend(settled);
            }
            for outcome in outcomes.iter().flatten() {
                match outcome {
                    Outcome::Retry { after, .. } => asked = asked.max(*after),
                    Outcome::Delivered | Outcome::NoUse { .. } => got_through = true,
                }
            }
            self.record(&all).await?;
            retries.extend(waits.iter().flatten().copied());
            for (index, wait) in going.into_iter().zip(waits) {
                held[index].wait_until = wait;
            }
        }
        self.pause(got_through, asked, &retries).await?;
        Ok(given_up)
    }

    /// A receiver that asks for it is left alone for as long, and one of which nothing got through for a moment: what waits for it
    /// would only knock, one after the other.
    async fn pause(
        &self,
        got_through: bool,
        asked: Option<Duration>,
        retries: &[Timestamp],
    ) -> Result<(), StoreError> {
        let now = self.deliverer.clock.now();
        let asked = asked.and_then(|wait| now.checked_add(SignedDuration::try_from(wait).ok()?).ok());
        let moment = retries.iter().min().filter(|_| !got_through);
        let moment = moment.and_then(|first| Some(*first.min(&now.checked_add(PAUSE).ok()?)));
        if let Some(until) = asked.max(moment) {
            let client = self.deliverer.database.client().await?;
            notifications::block(&**client, self.receiver, until).await?;
        }
        Ok(())
    }

    fn terms(&self, planned: &PlannedMessage<'_>, sending: &Sending, now: Timestamp) -> Terms<'_> {
        let pipeline = &self.deliverer.pipeline;
        let fallback_after = pipeline.fallback_after.of(planned.main.transition.severity);
        let needs_repeats = sending.needs_repeats();
        Terms { now, tick: pipeline.tick, needs_repeats, fallback: &self.fallback, fallback_after }
    }

    async fn record(&self, settled: &[Settled]) -> Result<(), StoreError> {
        if settled.is_empty() {
            return Ok(());
        }
        let mut client = self.deliverer.database.client().await?;
        let now = self.deliverer.clock.now();
        let recorded = notifications::record(&mut client, now, self.lease, settled).await?;
        if recorded < settled.len() as u64 {
            tracing::warn!(
                recorded,
                expected = settled.len(),
                "a lease ran out before its notifications were recorded"
            );
        }
        Ok(())
    }

    /// The receiver with its secrets as they are now.
    async fn open(&self) -> Result<Sending, StoreError> {
        let Deliverer { pipeline, outgoing, .. } = self.deliverer;
        let Some(receiver) = pipeline.receivers.get(self.receiver) else {
            return Ok(Sending::Not(self.unknown_receiver().await?));
        };
        Ok(match receivers::open(receiver, outgoing, &|name| std::env::var(name).ok()) {
            Ok(receiver) => Sending::To(receiver),
            Err(error) => Sending::Not(Outcome::retry(error.to_string())),
        })
    }

    /// While pipeline files change over, `alert` may queue for a receiver that this process's file does not name: only the
    /// file in force has the say.
    async fn unknown_receiver(&self) -> Result<Outcome, StoreError> {
        let client = self.deliverer.database.client().await?;
        Ok(if active_pipeline::hash(&client).await?.as_ref() == Some(&self.deliverer.pipeline.hash) {
            Outcome::no_use("the pipeline file has no such receiver any more")
        } else {
            Outcome::retry("this process's pipeline file has no such receiver, and is not the one in force")
        })
    }
}

fn retry_at(settled: &Settled) -> Option<Timestamp> {
    match settled.fate {
        Fate::Retry { next, .. } => Some(next),
        _ => None,
    }
}

fn failure(Send { group, planned }: &Send<'_>, settled: &[Settled]) -> Option<NotificationFailed> {
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
