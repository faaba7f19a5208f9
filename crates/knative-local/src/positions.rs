//! How far every consumer is: `GET /<namespace>/<broker>/positions`. It only reads, and is there without the control.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use crate::config::Subscriber;
use crate::log::Topic;
use crate::running::Parts;
use crate::trigger::{Consumer, ConsumerRole};

/// One consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The Trigger's name; `dead-letter-topic` for that of the dead letter topic.
    pub consumer: String,
    /// The service that it delivers to; `None` where that is an address.
    pub subscriber: Option<String>,
    /// Whether it reads the topic of dead letters.
    pub dead_letters: bool,
    /// Where each partition ends.
    pub ends: Vec<u64>,
    /// Everything below is done with, by partition; read after the ends.
    pub done: Vec<u64>,
}

/// Every consumer, those of the dead letter topic last: what a Trigger gave to it meanwhile is seen there.
pub(crate) fn answer(parts: &Parts) -> HttpResponse {
    let (dead_letters, triggers): (Vec<_>, Vec<_>) =
        parts.consumers.iter().partition(|consumer| consumer.topic() == Topic::DeadLetters);
    let positions: Vec<Position> =
        triggers.into_iter().chain(dead_letters).map(|one| position(one)).collect();
    HttpResponse::Ok().json(positions)
}

fn position(consumer: &Consumer) -> Position {
    let subscriber = match &consumer.role {
        ConsumerRole::Trigger(spec) => &spec.subscriber,
        ConsumerRole::DeadLetters(topic) => &topic.subscriber,
    };
    let (ends, done) = consumer.progress();
    Position {
        consumer: consumer.terms.name.clone(),
        subscriber: match subscriber {
            Subscriber::Service(name) => Some(name.clone()),
            Subscriber::Url(_) => None,
        },
        dead_letters: consumer.topic() == Topic::DeadLetters,
        ends,
        done,
    }
}
