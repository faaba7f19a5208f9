//! The demo's burst through the gateway: seven platforms, and all that goes wrong in life.

use std::time::Duration;

use jiff::Timestamp;
use local::demo::burst;
use local::demo::comparison::{self, Comparison};
use local::demo::fleet::Fleet;
use local::demo::moments::Moments;
use runtime::Clock;
use store::sums;

use crate::stand::{Stand, TICK};
use crate::wait::until;
use crate::{Failure, receiver};

/// A burst that was sent.
pub struct Burst {
    fleet: Fleet,
    begun: Timestamp,
    /// Messages that were received before it.
    received_before: usize,
    /// How many requests it had.
    pub requests: usize,
}

/// Sends the burst.
///
/// # Errors
/// Where `ingest` answered otherwise than planned.
pub async fn send(stand: &Stand) -> Result<Burst, Failure> {
    let received_before = received(stand).await?;
    let (client, base) = stand.client_of(&stand.service("ingest")).await?;
    let begun = Clock::system().now();
    let fleet = Fleet::plan(Moments::ending_before(begun));
    let sent = burst::send(&client, &base, &stand.key, &fleet.requests).await;
    if let Some(first) = sent.unexpected.first() {
        return Err(
            format!("{} unexpected answers of `ingest`, first: {first}", sent.unexpected.len()).into()
        );
    }
    Ok(Burst { requests: fleet.requests.len(), fleet, begun, received_before })
}

async fn received(stand: &Stand) -> Result<usize, Failure> {
    receiver::verified(&receiver::received(&stand.cluster).await?, &stand.signing_secret)
}

/// Waits until rows, transitions, dead letters and messages are those of the plan, and every message's signature is valid.
///
/// # Errors
/// What does not agree in the end.
pub async fn settled(stand: &Stand, burst: &Burst) -> Result<(), Failure> {
    let client = stand.database.connect().await?;
    let mut last: Vec<Comparison> = Vec::new();
    let waited = until(TICK * 4, "the sums", async || {
        let notified = received(stand).await?.saturating_sub(burst.received_before);
        let found = sums::since(&client, burst.begun).await?;
        last = comparison::compare(&burst.fleet, &found, notified);
        // Without any message the comparison alone would agree with silence.
        Ok((notified > 0 && last.iter().all(Comparison::agrees)).then_some(()))
    });
    waited.await.map_err(|failure| {
        let wrong = last.iter().filter(|entry| !entry.agrees());
        let wrong =
            wrong.map(|entry| format!("{}: {} planned, {} found", entry.what, entry.planned, entry.found));
        format!("{failure}; {}", wrong.collect::<Vec<_>>().join("; ")).into()
    })
}

/// For the first request after zero: the whole chain starts.
pub const COLD: Duration = Duration::from_secs(60);
