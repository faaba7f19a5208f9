//! The demo's burst through the gateway: seven platforms, and all that goes wrong in life.

use std::time::Duration;

use cli::demo::clock_face::ClockFace;
use cli::demo::fleet::Fleet;
use cli::demo::ledger::{self, Entry};
use cli::demo::play;
use jiff::Timestamp;
use runtime::Clock;

use crate::stand::{Stand, TICK};
use crate::wait::until;
use crate::{Failure, desk};

/// A burst that was sent.
pub struct Burst {
    fleet: Fleet,
    begun: Timestamp,
    /// Messages that were told before it.
    told_before: usize,
    /// How many requests it had.
    pub requests: usize,
}

/// Sends the burst.
///
/// # Errors
/// Where the door answered otherwise than planned.
pub async fn send(stand: &Stand) -> Result<Burst, Failure> {
    let told_before = told(stand).await?;
    let (client, base) = stand.door(&stand.service("ingest")).await?;
    let begun = Clock::system().now();
    let fleet = Fleet::plan(ClockFace::ending_before(begun));
    let played = play::play(&client, &base, &stand.key, &fleet.requests).await;
    if let Some(surprise) = played.surprises.first() {
        return Err(format!("{} surprises at the door, first: {surprise}", played.surprises.len()).into());
    }
    Ok(Burst { requests: fleet.requests.len(), fleet, begun, told_before })
}

async fn told(stand: &Stand) -> Result<usize, Failure> {
    desk::verified(&desk::told(&stand.cluster).await?, &stand.signing_secret)
}

/// Waits until rows, transitions, dead letters and messages are those of the plan, and every message's signature is valid.
///
/// # Errors
/// What does not agree in the end.
pub async fn settled(stand: &Stand, burst: &Burst) -> Result<(), Failure> {
    let client = stand.database.connect().await?;
    let mut last: Vec<Entry> = Vec::new();
    let waited = until(TICK * 4, "the sums", async || {
        let told = told(stand).await?.saturating_sub(burst.told_before);
        last = ledger::compare(&client, &burst.fleet, burst.begun, told).await?;
        // Nobody told, nobody to be told: the ledger alone would agree with silence.
        Ok((told > 0 && last.iter().all(Entry::agrees)).then_some(()))
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
