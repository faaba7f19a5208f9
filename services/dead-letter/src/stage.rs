//! The stage: keeps what the dead letter sink delivers, drains the topic of dead letters, and sends back.

use std::sync::Arc;

use cloudevents::{AttributesReader as _, Event};
use event_model::event_types::{DEAD_LETTERS_DUE, is_hint};
use runtime::{Deadline, crash};
use stage::{Delivery, Outcome, Stage};
use store::{StoreError, dead_letters};

use crate::dead_letter::{dead_letter, is_dead};
use crate::send_back::Sender;
use crate::topic::{DeadLetterTopic, dead_letter_of};

/// Keeps dead letters.
pub struct DeadLetters {
    sender: Arc<Sender>,
    topic: Option<DeadLetterTopic>,
}

/// Why the topic was not drained to its end.
#[derive(Debug, thiserror::Error)]
enum Undrained {
    #[error("the dead letter topic is not drained")]
    Topic(#[from] kafka::DrainError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeadLetters {
    /// A stage around `sender`, which also drains `topic`.
    pub const fn new(sender: Arc<Sender>, topic: Option<DeadLetterTopic>) -> Self {
        Self { sender, topic }
    }

    /// Keeps what is in the topic, and commits offsets after that. Returns how many.
    async fn drain(&self, topic: &DeadLetterTopic, deadline: Deadline) -> Result<usize, Undrained> {
        let mut reading = topic.open(deadline).await?;
        let mut kept = 0;
        loop {
            let (read, records) = reading.next().await?;
            if records.is_empty() {
                // What is passed over is committed too.
                read.commit().await?;
                return Ok(kept);
            }
            crash::point("before-write");
            let client = self.sender.database.client().await?;
            let now = self.sender.clock.now();
            for dead_letter in
                &records.into_iter().filter_map(|record| dead_letter_of(record, now)).collect::<Vec<_>>()
            {
                dead_letters::keep(&client, dead_letter).await.map_err(StoreError::from)?;
                kept += 1;
            }
            crash::point("after-commit");
            reading = read.commit().await?;
        }
    }

    /// The topic first, so that what is found there is sent back at once.
    async fn take_due(&self, deadline: Deadline) -> Outcome {
        let drained = match &self.topic {
            Some(topic) => self.drain(topic, deadline.half()).await,
            None => Ok(0),
        };
        let sent = self.send_back(deadline).await;
        match drained {
            Ok(0) => sent,
            Ok(kept) => {
                tracing::warn!(kept, "kept dead letters of the topic");
                sent
            }
            Err(error) => {
                let text = error.to_string();
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the dead letter topic is not drained");
                Outcome::Unavailable(text)
            }
        }
    }

    async fn keep(&self, event: &Event, delivery: &Delivery) -> Outcome {
        let dead_letter = dead_letter(event, delivery.received_at);
        crash::point("before-write");
        let client = match self.sender.database.client().await {
            Ok(client) => client,
            Err(error) => return Outcome::Unavailable(error.to_string()),
        };
        match dead_letters::keep(&client, &dead_letter).await {
            Ok(id) => {
                tracing::warn!(
                    dead_letter = %id,
                    stage = dead_letter.stage,
                    cause = dead_letter.cause.as_str(),
                    reason = dead_letter.reason,
                    "kept a dead letter"
                );
                crash::point("after-commit");
                Outcome::Done
            }
            Err(error) => refused(&error.into()),
        }
    }

    async fn send_back(&self, deadline: Deadline) -> Outcome {
        match self.sender.send_back_unavailable(deadline).await {
            Ok(sent) => {
                tracing::info!(sent, "sent back what failed only for now");
                crash::point("after-commit");
                Outcome::Done
            }
            Err(error) => Outcome::Unavailable(error.to_string()),
        }
    }
}

impl Stage for DeadLetters {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        match (event.ty(), is_dead(&event)) {
            // A lost hint is no fact that could be missed: the next tick says the same.
            (hint, true) if is_hint(hint) => Outcome::Done,
            (DEAD_LETTERS_DUE, false) => self.take_due(delivery.deadline()).await,
            (hint, false) if is_hint(hint) => Outcome::Skip,
            _ => self.keep(&event, &delivery).await,
        }
    }
}

fn refused(error: &store::StoreError) -> Outcome {
    if error.is_data_error() {
        Outcome::Rejected(error.to_string())
    } else {
        Outcome::Unavailable(error.to_string())
    }
}
