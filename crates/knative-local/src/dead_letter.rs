//! What becomes of an event that its subscriber did not take.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::attempts::{Terms, attempts};
use crate::config::{DeadLetterSink, DeadLetterTopic};
use crate::http::Answer;
use crate::record::Record;
use crate::reply::{self, Reply};
use crate::stats::Counters;
use crate::strict::Rule;

/// How much of an answer's body is kept.
const MAX_DATA_BYTES: usize = 1024;
/// Waits between attempts to put a dead letter into its topic.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The event with the extensions that say why: where it went, and what came back if anything did.
pub(crate) fn record(event: &Record, destination: &str, answer: Option<&Answer>) -> Record {
    let mut record = event.clone();
    record.set_attribute("knativeerrordest", destination.to_owned());
    let Some(answer) = answer else { return record };
    record.set_attribute("knativeerrorcode", answer.status.as_u16().to_string());
    if !answer.body.is_empty() {
        let kept = &answer.body[..answer.body.len().min(MAX_DATA_BYTES)];
        record.set_attribute("knativeerrordata", STANDARD.encode(kept));
    }
    for (name, value) in &answer.headers {
        let Some(name) = name.as_str().strip_prefix("kne-") else { continue };
        // A name that is none would hang the dispatcher of a cluster for good.
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if let (true, Ok(value)) = (is_name, value.to_str()) {
            record.set_attribute(name, value.to_owned());
        }
    }
    record
}

/// Gives a dead letter to the sink of its trigger; returns when it is safe, or lost. A trigger without one drops the event, as
/// it was declared to.
pub(crate) async fn send(terms: &Terms, sink: Option<&DeadLetterSink>, event: Record, counters: &Counters) {
    let Some(sink) = sink else {
        counters.dropped.fetch_add(1, Relaxed);
        let id = event.attribute("id").unwrap_or_default();
        tracing::warn!(trigger = terms.name, id, "an event is dropped: its trigger has no dead letter sink");
        return;
    };
    let kept = match sink {
        DeadLetterSink::Topic => {
            keep(terms, event.clone()).await;
            Ok(())
        }
        DeadLetterSink::KafkaSink => keep_by_schedule(terms, &event).await,
        DeadLetterSink::Subscriber(subscriber) => {
            if terms.broker.faults.is_dead_letter_sink_down() {
                Err("the dead letter sink is switched off".to_owned())
            } else {
                let delivered = attempts(terms, subscriber, &event, counters).await;
                match delivered {
                    Ok(answer) => take_reply(terms, &answer).await,
                    Err(failure) => Err(match failure.answer {
                        Some(answer) => format!("the dead letter sink answered {}", answer.status),
                        None => "the dead letter sink did not answer".to_owned(),
                    }),
                }
            }
        }
    };
    match kept {
        Ok(()) => counters.dead_lettered.fetch_add(1, Relaxed),
        Err(reason) => {
            terms.broker.lost.fetch_add(1, Relaxed);
            let id = event.attribute("id").unwrap_or_default();
            tracing::error!(trigger = terms.name, id, reason, "an event is lost");
            terms.broker.strict.add(&terms.name, Rule::NothingIsLost, format!("event {id}: {reason}"));
            counters.lost.fetch_add(1, Relaxed)
        }
    };
}

/// Puts a dead letter into its topic, trying again until it is there: only then the offset may move.
async fn keep(terms: &Terms, event: Record) {
    let mut wait = FIRST_WAIT;
    while let Err(error) = terms.broker.publish_dead_letter(event.clone()).await {
        tracing::warn!(trigger = terms.name, %error, "a dead letter was not taken, and is tried again");
        tokio::time::sleep(terms.scaled(wait)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// The same by the trigger's own schedule, as the dispatcher sends to a KafkaSink.
async fn keep_by_schedule(terms: &Terms, event: &Record) -> Result<(), String> {
    let mut n = 1;
    while let Err(error) = terms.broker.publish_dead_letter(event.clone()).await {
        let Some(wait) = terms.retries.wait(n) else { return Err(error.to_string()) };
        tokio::time::sleep(terms.scaled(wait)).await;
        n += 1;
    }
    Ok(())
}

/// A dead letter sink's answer is handled like a reply.
async fn take_reply(terms: &Terms, answer: &Answer) -> Result<(), String> {
    match reply::read(answer) {
        Reply::Nothing => Ok(()),
        Reply::Event(record) => {
            terms.broker.publish(&terms.name, record).await.map_err(|error| error.to_string())
        }
        Reply::NotAnEvent(reason) => Err(format!("the dead letter sink's answer is no event: {reason}")),
    }
}

/// Delivers one record of the dead letter topic, without end.
pub(crate) async fn deliver(terms: &Terms, topic: &DeadLetterTopic, record: &Record, counters: &Counters) {
    let mut wait = topic.backoff_delay;
    loop {
        match terms.dispatcher.attempt(&topic.subscriber, record, topic.timeout).await {
            // A KafkaSource discards its subscriber's reply.
            Ok(_) => break,
            Err(failure) => {
                let status = failure.answer.map(|answer| answer.status.as_u16());
                tracing::warn!(status, "a dead letter was not taken, and is tried again");
            }
        }
        counters.retried.fetch_add(1, Relaxed);
        tokio::time::sleep(terms.scaled(wait)).await;
        wait = (wait * 2).min(topic.backoff_cap);
    }
    counters.delivered.fetch_add(1, Relaxed);
}
