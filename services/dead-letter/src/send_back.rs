//! Sends dead letters back to where events come from; stores payloads itself where the Broker keeps nothing.

use std::borrow::Cow;
use std::time::Duration;

use cloudevents::Event;
use event_model::cloudevent;
use futures_util::future::join_all;
use jiff::Timestamp;
use payload::Carried;
use persist::{Arrival, Persist, PersistError, Publication};
use runtime::trace::TraceContext;
use runtime::{Clock, Deadline, crash};
use sink::{HttpSink, Sink as _, SinkError, publish_within};
use store::dead_letters::{self, StoredDeadLetter};
use store::{Database, StoreError};
use thiserror::Error;

/// Events at once.
const AT_ONCE: u16 = 16;
/// The longest that sending one round back and recording it may take.
const ROUND: Duration = Duration::from_secs(10);
/// For a payload to be stored, and then for what is published: together no more than a round.
const STORED_WITHIN: Duration = Duration::from_secs(5);
const PUBLISHED_WITHIN: Duration = Duration::from_secs(5);

/// Sends dead letters back.
pub struct Sender {
    /// Where they are.
    pub database: Database,
    /// Where they go.
    pub sink: HttpSink,
    /// What stores payloads instead: a Broker that keeps nothing could lose them.
    pub persist: Option<Persist>,
    /// The time.
    pub clock: Clock,
}

/// Why sending back ended early.
#[derive(Debug, Error)]
pub enum SendError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sink takes nothing now.
    #[error(transparent)]
    Sink(SinkError),
    /// A payload is not stored now.
    #[error("the payload is not stored")]
    Payload(#[source] PersistError),
    /// A payload is not stored in time.
    #[error("the payload is not stored within {} s", STORED_WITHIN.as_secs())]
    Late,
    /// This event is not taken, now or later.
    #[error("{0}")]
    Refused(String),
}

impl Sender {
    /// Sends back what failed only because something was unavailable, until there is no more or the time is up.
    /// Returns how many.
    ///
    /// # Errors
    /// All but [`SendError::Refused`]; what was not recorded is sent again.
    pub async fn send_back_unavailable(&self, deadline: Deadline) -> Result<usize, SendError> {
        let mut sent = 0;
        for () in deadline.steps(ROUND) {
            let client = self.database.client().await?;
            let dead_letters = dead_letters::to_send_back(&client, self.clock.now(), AT_ONCE)
                .await
                .map_err(StoreError::from)?;
            drop(client);
            if dead_letters.is_empty() {
                break;
            }
            crash::point("before-write");
            for result in join_all(dead_letters.iter().map(|dead_letter| self.send(dead_letter))).await {
                match result {
                    Ok(_) => sent += 1,
                    Err(SendError::Refused(reason)) => {
                        tracing::error!(reason, "a dead letter cannot be sent back");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(sent)
    }

    /// Sends one dead letter back as it was, and records when.
    ///
    /// # Errors
    /// [`SendError`]; a refused one then waits for a person.
    pub async fn send(&self, dead_letter: &StoredDeadLetter) -> Result<Timestamp, SendError> {
        let event = match dead_letter.to_event() {
            Ok(event) => event,
            Err(error) => return self.refuse(dead_letter, error.to_string()).await,
        };
        let trace = TraceContext::read(|name| cloudevent::extension(&event, name).map(Cow::into_owned));
        let holds_a_payload = dead_letter.dead_letter.holds_a_payload();
        let sent = match self.persist.as_ref().filter(|_| holds_a_payload) {
            Some(persist) => self.store(persist, event, trace).await,
            None => self.sink.send(&event, trace.as_ref()).await.map_err(SendError::from),
        };
        match sent {
            Ok(()) => {
                let now = self.clock.now();
                let client = self.database.client().await?;
                dead_letters::mark_sent(&client, dead_letter, now).await.map_err(StoreError::from)?;
                tracing::info!(dead_letter = %dead_letter.id, stage = dead_letter.dead_letter.stage, "sent back");
                Ok(now)
            }
            Err(SendError::Refused(reason)) => self.refuse(dead_letter, reason).await,
            Err(unavailable) => Err(unavailable),
        }
    }

    /// Stores the payload and publishes once what follows. What rules have to look at is a row, which the next tick tells of too.
    async fn store(
        &self,
        persist: &Persist,
        event: Event,
        trace: Option<TraceContext>,
    ) -> Result<(), SendError> {
        let now = self.clock.now();
        let (carried, arrival) = (Carried::new(event), Arrival { delivered_at: now, now, trace });
        let written = tokio::time::timeout(STORED_WITHIN, persist.one(&carried, arrival)).await;
        let publications = written.map_err(|_| SendError::Late)??;
        let events = publications.iter().map(Publication::to_send);
        publish_within(PUBLISHED_WITHIN, &self.sink, events).await;
        Ok(())
    }

    async fn refuse(&self, dead_letter: &StoredDeadLetter, reason: String) -> Result<Timestamp, SendError> {
        let reason = format!("it cannot be sent back: {reason}");
        let client = self.database.client().await?;
        dead_letters::mark_refused(&client, dead_letter.id, &reason).await.map_err(StoreError::from)?;
        Err(SendError::Refused(reason))
    }
}

impl From<SinkError> for SendError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Refused(_) => Self::Refused(error.to_string()),
            SinkError::Unavailable(..) => Self::Sink(error),
        }
    }
}

impl From<PersistError> for SendError {
    fn from(error: PersistError) -> Self {
        if error.is_final() { Self::Refused(error.to_string()) } else { Self::Payload(error) }
    }
}

#[cfg(test)]
mod tests {
    use stage::Settings;

    use super::{PUBLISHED_WITHIN, ROUND, STORED_WITHIN};

    #[test]
    fn after_half_of_the_time_for_the_topic_there_is_time_for_rounds() {
        assert!(ROUND * 2 < Settings::default().delivery_budget() / 2);
        assert!(STORED_WITHIN + PUBLISHED_WITHIN <= ROUND);
    }
}
