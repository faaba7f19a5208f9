//! Sends dead letters back to where events come from; payloads, where the Broker keeps nothing, to who stores them.

use std::borrow::Cow;
use std::time::Duration;

use event_model::cloudevent;
use futures_util::future::join_all;
use jiff::Timestamp;
use runtime::trace::TraceContext;
use runtime::{Clock, Deadline, crash};
use sink::{HttpSink, Sink as _, SinkError};
use store::dead_letters::{self, StoredDeadLetter};
use store::{Database, StoreError};
use thiserror::Error;

/// Events at once.
const AT_ONCE: u16 = 16;
/// The longest that sending one round back and recording it may take.
const ROUND: Duration = Duration::from_secs(10);

/// Sends dead letters back.
pub struct Sender {
    /// Where they are.
    pub database: Database,
    /// Where they go.
    pub sink: HttpSink,
    /// Where payloads go instead, which answers once they are stored: a Broker that keeps nothing could lose them.
    pub payloads: Option<HttpSink>,
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
    Unavailable(SinkError),
    /// The sink does not take this event, now or later.
    #[error("{0}")]
    Refused(String),
}

impl Sender {
    /// Sends back what failed only because something was unavailable, until there is no more or the time is up.
    /// Returns how many.
    ///
    /// # Errors
    /// [`SendError::Store`], [`SendError::Unavailable`]; what was not recorded is sent again.
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
        let sent = match dead_letter.to_event() {
            Ok(event) => {
                let extension = |name| cloudevent::extension(&event, name).map(Cow::into_owned);
                let trace = TraceContext::read(extension);
                let holds_a_payload = dead_letter.dead_letter.holds_a_payload();
                let sink = self.payloads.as_ref().filter(|_| holds_a_payload).unwrap_or(&self.sink);
                sink.send(&event, trace.as_ref()).await
            }
            Err(error) => return self.refuse(dead_letter, error.to_string()).await,
        };
        match sent {
            Ok(()) => {
                let now = self.clock.now();
                let client = self.database.client().await?;
                dead_letters::mark_sent(&client, dead_letter, now).await.map_err(StoreError::from)?;
                tracing::info!(dead_letter = %dead_letter.id, stage = dead_letter.dead_letter.stage, "sent back");
                Ok(now)
            }
            Err(refusal @ SinkError::Refused(_)) => self.refuse(dead_letter, refusal.to_string()).await,
            Err(unavailable) => Err(SendError::Unavailable(unavailable)),
        }
    }

    async fn refuse(&self, dead_letter: &StoredDeadLetter, reason: String) -> Result<Timestamp, SendError> {
        let reason = format!("it cannot be sent back: {reason}");
        let client = self.database.client().await?;
        dead_letters::mark_refused(&client, dead_letter.id, &reason).await.map_err(StoreError::from)?;
        Err(SendError::Refused(reason))
    }
}

#[cfg(test)]
mod tests {
    use stage::Settings;

    use super::ROUND;

    #[test]
    fn after_half_of_the_time_for_the_topic_there_is_time_for_rounds() {
        assert!(ROUND * 2 < Settings::default().delivery_budget() / 2);
    }
}
