//! The database refuses everybody for a while, in the middle of traffic.

use std::time::Duration;

use super::Came;
use crate::stand::Stand;
use crate::steady::{self, Steady};
use crate::{Failure, burst};

/// Payloads before, while, and after it is away.
const PART: u64 = 20;
/// For how long it is away, at most.
const AWAY: Duration = Duration::from_secs(40);

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let traffic = Steady::start(stand, "away").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    stand.database.stop().await?;
    // A Broker that keeps what it takes goes on taking; the in-memory channel answers after its subscribers, and takes nothing.
    let goes_on = traffic.taken_more(PART, AWAY).await.is_ok();
    stand.database.start().await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let run = traffic.run().to_owned();
    let taken = traffic.stop().await?;
    steady::settled(stand, &run, taken, Duration::from_secs(300)).await?;
    let meanwhile = if goes_on { "taken meanwhile too" } else { "none taken meanwhile" };
    Ok(Came::Held(format!("{taken} payloads, {meanwhile}; each stored, fired and told once")))
}
