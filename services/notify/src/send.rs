//! Attempts, each within the trace that it belongs to.

use std::time::Duration;

use futures_util::future::join_all;
use receivers::{Attempt, Message, Outcome, Receiver};
use runtime::crash;
use runtime::trace::TraceContext;
use store::notifications::NotificationGroup;
use tracing::{Instrument as _, Span, info_span};

use crate::deliverer::Deliverer;
use crate::message::message;
use crate::plan::PlannedMessage;

/// The most links of one span; OpenTelemetry's own default.
const MAX_LINKS: usize = 128;

/// Where a round sends to.
pub(crate) enum Sending {
    /// This receiver.
    To(Box<dyn Receiver>),
    /// Nowhere, with the outcome of every attempt.
    Not(Outcome),
}

/// A message of a group.
pub(crate) struct Send<'a> {
    pub(crate) group: &'a NotificationGroup,
    pub(crate) planned: &'a PlannedMessage<'a>,
}

impl Sending {
    pub(crate) fn needs_repeats(&self) -> bool {
        matches!(self, Self::To(receiver) if receiver.needs_repeats())
    }

    pub(crate) fn takes_many(&self) -> bool {
        matches!(self, Self::To(receiver) if receiver.deliver_many(&[]).is_some())
    }

    /// One outcome for each of `sends`; `None` where the receiver knows already. An attempt takes no longer than `limit`.
    pub(crate) async fn send(
        &self,
        deliverer: &Deliverer,
        sends: &[Send<'_>],
        limit: Duration,
    ) -> Vec<Option<Outcome>> {
        let is_known = |send: &Send<'_>| send.planned.known && !self.needs_repeats();
        let wanted: Vec<_> = sends.iter().filter(|send| !is_known(send)).collect();
        let outcomes = match self {
            Self::Not(outcome) => vec![outcome.clone(); wanted.len()],
            Self::To(receiver) => attempt(&**receiver, deliverer, &wanted, limit).await,
        };
        for (send, outcome) in wanted.iter().zip(&outcomes) {
            log(send, outcome);
        }
        let mut outcomes = outcomes.into_iter();
        sends.iter().map(|send| if is_known(send) { None } else { outcomes.next() }).collect()
    }
}

async fn attempt(
    receiver: &dyn Receiver,
    deliverer: &Deliverer,
    sends: &[&Send<'_>],
    limit: Duration,
) -> Vec<Outcome> {
    let messages: Vec<_> = sends.iter().map(|send| message(&send.group.alert_key, send.planned)).collect();
    let (now, tick) = (deliverer.clock.now(), deliverer.pipeline.tick);
    let attempts: Vec<_> = messages.iter().map(|message| Attempt { message, now, tick }).collect();
    let late = || Outcome::retry("no answer in time");
    if sends.len() > 1
        && let Some(many) = receiver.deliver_many(&attempts)
    {
        let outcomes = tokio::time::timeout(limit, many).instrument(span_of_many(sends, &messages)).await;
        crash::point("after-send");
        return outcomes.unwrap_or_else(|_| vec![late(); sends.len()]);
    }
    let each = sends.iter().zip(&attempts).map(|(send, attempt)| {
        async move {
            let outcome = tokio::time::timeout(limit, receiver.deliver(*attempt)).await;
            crash::point("after-send");
            outcome.unwrap_or_else(|_| late())
        }
        .instrument(span_of(send, attempt.message))
    });
    join_all(each).await
}

/// Continues the trace that the transition came from. A repeat is a trace of its own, which links to it: an alert may fire
/// for weeks.
fn span_of(send: &Send<'_>, message: &Message) -> Span {
    let trace = send.trace();
    let span = info_span!(
        parent: None,
        "notify",
        otel.kind = "producer",
        messaging.operation.type = "send",
        messaging.destination.name = send.group.receiver,
        messaging.message.id = %message.id,
    );
    if send.planned.main.repeating {
        TraceContext::continue_in(None, &span);
        link(&span, trace.as_ref());
    } else {
        TraceContext::continue_in(trace.as_ref(), &span);
    }
    span
}

/// A trace of its own, which links to those that the alerts came from.
fn span_of_many(sends: &[&Send<'_>], messages: &[Message]) -> Span {
    let span = info_span!(
        parent: None,
        "notify",
        otel.kind = "producer",
        messaging.operation.type = "send",
        messaging.destination.name = sends[0].group.receiver,
        messaging.batch.message_count = messages.len(),
    );
    TraceContext::continue_in(None, &span);
    for send in sends.iter().take(MAX_LINKS) {
        link(&span, send.trace().as_ref());
    }
    span
}

fn link(span: &Span, to: Option<&TraceContext>) {
    if let Some(trace) = to {
        trace.link_to(span);
    }
}

impl Send<'_> {
    fn trace(&self) -> Option<TraceContext> {
        self.planned.main.transition.traceparent.clone().map(TraceContext::from)
    }
}

fn log(Send { group, planned }: &Send<'_>, outcome: &Outcome) {
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
