//! The database refuses everybody for a while, in the middle of traffic.

use std::time::Duration;

use super::Came;
use crate::stand::Stand;
use crate::steady::{self, Steady};
use crate::{Failure, burst};

/// Payloads before, while, and after it is away.
const PART: u64 = 20;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let traffic = Steady::start(stand, "away").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    stand.database.stop().await?;
    let while_away = traffic.taken_more(PART, burst::COLD * 2).await;
    stand.database.start().await?;
    while_away?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let run = traffic.run().to_owned();
    let taken = traffic.stop().await?;
    steady::settled(stand, &run, taken, Duration::from_secs(300)).await?;
    Ok(Came::Held(format!(
        "{taken} payloads, taken before, while and after; each stored, fired and told once"
    )))
}
