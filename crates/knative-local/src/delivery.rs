//! One event and one trigger: attempts, waits, the reply, and at the end the dead letter sink.
//!
//! ```text
//!            ┌────────── wait ◄─ retryable, attempts left ─┐
//!            ▼                                             │
//!         attempt ── below 300 ──> reply ── none ──────────┼──> done
//!            │                       │── event ── in log ──┼──> done
//!            │                       │   not in log ──┐    │
//!            │                       └── no event ────┤    │
//!            └── other ──────────────────────┬────────┘    │
//!                                            ▼             │
//!                               dead letter sink ── taken ─┼──> done
//!                                            │── none ─────┴──> dropped
//!                                            └── not taken ───> lost
//! ```

use std::sync::atomic::Ordering::Relaxed;

use crate::attempts::{Terms, attempts};
use crate::config::TriggerSpec;
use crate::dead_letter;
use crate::record::Record;
use crate::reply::{self, Reply};
use crate::stats::Counters;
use crate::strict::Rule;

/// Whether an event is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its offset may move.
    Done,
    /// The dispatcher crashed: it comes again.
    CutOff,
}

/// Delivers one event of a trigger.
pub(crate) async fn deliver(
    terms: &Terms,
    trigger: &TriggerSpec,
    record: &Record,
    counters: &Counters,
) -> Fate {
    let sink = trigger.dead_letter_sink.as_ref();
    let destination = terms.dispatcher.destination(&trigger.subscriber);
    let answer = match attempts(terms, &trigger.subscriber, record, counters).await {
        Ok(answer) => answer,
        Err(failure) => {
            let event = dead_letter::record(record, &destination, failure.answer.as_ref());
            dead_letter::send(terms, sink, event, counters).await;
            return Fate::Done;
        }
    };
    if terms.broker.crashes_after_answer() {
        return Fate::CutOff;
    }
    let reply = reply::read(&answer);
    if let Err(reason) = take_reply(terms, record, reply).await {
        tracing::warn!(trigger = terms.name, reason, "a reply was not taken");
        let event = dead_letter::record(record, &destination, None);
        dead_letter::send(terms, sink, event, counters).await;
        return Fate::Done;
    }
    counters.delivered.fetch_add(1, Relaxed);
    Fate::Done
}

async fn take_reply(terms: &Terms, cause: &Record, reply: Reply) -> Result<(), String> {
    let strict = &terms.broker.strict;
    match reply {
        Reply::Nothing => Ok(()),
        Reply::Event(record) => {
            reply::check(strict, &terms.name, cause, &record);
            terms.broker.publish(&terms.name, record).await.map_err(|error| error.to_string())
        }
        Reply::NotAnEvent(reason) => {
            strict.add(&terms.name, Rule::AnswerIsEmptyOrEvent, &reason);
            Err(reason)
        }
    }
}
