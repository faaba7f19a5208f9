//! The stage: an event wakes it, rows say what is to be done.

use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent;
use event_model::event_types::{ALERTS_CHANGED, NOTIFICATION_FAILED, NOTIFICATIONS_DUE};
use event_model::events::NotificationFailed;
use runtime::crash;
use stage::{Delivery, Outcome, Stage};

use crate::deliverer::Deliverer;

/// The `source` of its events.
const SOURCE: &str = "/stages/notify";

/// Delivers what is due, whatever the event says of it.
pub struct Notify {
    deliverer: Deliverer,
}

impl Notify {
    /// A stage around `deliverer`.
    pub const fn new(deliverer: Deliverer) -> Self {
        Self { deliverer }
    }
}

impl Stage for Notify {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        if !matches!(event.ty(), ALERTS_CHANGED | NOTIFICATIONS_DUE) {
            return Outcome::Skip;
        }
        match self.deliverer.deliver_due(delivery.deadline()).await {
            Ok(given_up) => {
                crash::point("after-commit");
                reply(&event, given_up)
            }
            Err(error) => Outcome::Unavailable(error.to_string()),
        }
    }
}

/// One event for all that was given up: a reply is one event, and the rows name the rest.
fn reply(cause: &Event, given_up: Vec<NotificationFailed>) -> Outcome {
    let others = u32::try_from(given_up.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let Some(first) = given_up.into_iter().next() else { return Outcome::Done };
    let mut event = cloudevent::effect(cause, NOTIFICATION_FAILED, SOURCE);
    let data = NotificationFailed { others, ..first };
    match cloudevent::set_json(&mut event, &data) {
        Ok(()) => Outcome::Reply(Box::new(event)),
        Err(error) => Outcome::Rejected(error.to_string()),
    }
}
