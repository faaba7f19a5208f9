//! The stage: keeps what the dead letter sink delivers, and sends back on the slow tick.

use std::sync::Arc;

use cloudevents::{AttributesReader as _, Event};
use event_model::event_types::TICK;
use stage::{Delivery, Outcome, Stage, crash};
use store::dead_letters;

use crate::letter::{is_dead, letter};
use crate::send_back::Sender;

/// Keeps dead letters.
pub struct DeadLetters {
    sender: Arc<Sender>,
}

impl DeadLetters {
    /// A stage around `sender`.
    pub const fn new(sender: Arc<Sender>) -> Self {
        Self { sender }
    }

    async fn keep(&self, event: &Event, delivery: &Delivery) -> Outcome {
        let letter = letter(event, delivery.received_at);
        crash::point("before-write");
        let client = match self.sender.database.client().await {
            Ok(client) => client,
            Err(error) => return Outcome::Unavailable(error.to_string()),
        };
        match dead_letters::keep(&client, &letter).await {
            Ok(id) => {
                tracing::warn!(
                    dead_letter = %id,
                    stage = letter.stage,
                    cause = letter.cause.as_str(),
                    reason = letter.reason,
                    "kept a dead letter"
                );
                crash::point("after-commit");
                Outcome::Done
            }
            Err(error) => refused(&error.into()),
        }
    }

    async fn send_back(&self) -> Outcome {
        match self.sender.send_back_unavailable().await {
            Ok(sent) => {
                tracing::info!(sent, "the slow tick came through");
                crash::point("after-commit");
                Outcome::Done
            }
            Err(error) => Outcome::Unavailable(error.to_string()),
        }
    }
}

impl Stage for DeadLetters {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        match (event.ty() == TICK, is_dead(&event)) {
            (true, false) => self.send_back().await,
            // A lost tick is no fact that could be missed: the next one does the same.
            (true, true) => Outcome::Done,
            (false, _) => self.keep(&event, &delivery).await,
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
