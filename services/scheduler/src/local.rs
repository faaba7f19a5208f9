//! The queues of the broker that runs on this machine (`knative-local`).

use std::time::Duration;

use serde::Deserialize;
use store::heartbeats::Offsets;
use thiserror::Error;

use crate::look::Look;

/// The stage whose Triggers deliver payloads.
const TRANSFORM: &str = "transform";
/// For one answer of a broker on the same machine.
const ANSWER: Duration = Duration::from_secs(2);

/// Why the broker did not say how far its consumers are.
#[derive(Debug, Error)]
pub(crate) enum LocalError {
    #[error("the local broker does not say how far its consumers are")]
    Http(#[from] reqwest::Error),
    #[error("what the local broker says of its consumers cannot be read")]
    Answer(#[from] serde_json::Error),
}

/// One consumer, as the broker describes it.
#[derive(Debug, Deserialize)]
struct Position {
    consumer: String,
    subscriber: Option<String>,
    dead_letters: bool,
    ends: Vec<i64>,
    done: Vec<i64>,
}

/// Asks the broker at `url`.
pub(crate) async fn look(client: &reqwest::Client, url: &reqwest::Url) -> Result<Look, LocalError> {
    let answer = client.get(url.clone()).timeout(ANSWER).send().await?.error_for_status()?;
    let positions: Vec<Position> = serde_json::from_slice(&answer.bytes().await?)?;
    let mut look = Look::default();
    for position in positions {
        let delivers_payloads = position.subscriber.as_deref() == Some(TRANSFORM);
        let (ends, done) = match (position.dead_letters, delivers_payloads) {
            (true, _) => (&mut look.dead_letters.ends, &mut look.dead_letters.done),
            (false, true) => (&mut look.payloads.ends, &mut look.payloads.done),
            (false, false) => continue,
        };
        add(ends, &position.consumer, &position.ends);
        add(done, &position.consumer, &position.done);
    }
    Ok(look)
}

fn add(to: &mut Offsets, consumer: &str, offsets: &[i64]) {
    to.extend(
        offsets.iter().enumerate().map(|(partition, offset)| (format!("{consumer}/{partition}"), *offset)),
    );
}
