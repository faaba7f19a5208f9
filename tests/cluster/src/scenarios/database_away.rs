//! PostgreSQL is away for a while, in the middle of traffic.

use std::time::Duration;

use super::Came;
use crate::outage::{self, Server, Step};
use crate::stand::Stand;
use crate::steady::Steady;
use crate::{Failure, burst};

/// Payloads before, while, and after it is away.
const PART: u64 = 20;
/// For how long it is away, at most.
const AWAY: Duration = Duration::from_secs(40);

/// What was in flight is tried again, for an hour; what comes to the dead letters all the same is sent back.
pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    stand.install(&stand.values_with_quick_tick()).await?;
    let traffic = Steady::start(stand, "away").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let how = away(stand, &traffic).await?;
    let taken = traffic.settle(stand).await?;
    let back = stand.database.number("select count(*) from dead_letter where replays > 0").await?;
    Ok(Came::Held(format!(
        "{how}; {taken} payloads, {back} by the dead letters; each stored, fired and notified once"
    )))
}

/// Has the database go away and come back under `traffic`; how it was.
pub(super) async fn away(stand: &Stand, traffic: &Steady) -> Result<String, Failure> {
    let is_stopped = outage::happen(&stand.settings, Server::Postgres, Step::Stop).await?;
    if !is_stopped {
        stand.database.refuse().await?;
    }
    // What keeps what it takes goes on taking; the in-memory channel answers after its subscribers, and takes nothing.
    let goes_on = traffic.taken_more(PART, AWAY).await.is_ok();
    if is_stopped {
        outage::happen(&stand.settings, Server::Postgres, Step::Start).await?;
    } else {
        stand.database.admit().await?;
    }
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let how =
        if is_stopped { "PostgreSQL stopped and started" } else { "the database refused every connection" };
    let meanwhile = if goes_on { "payloads taken meanwhile too" } else { "no payload taken meanwhile" };
    Ok(format!("{how}, {meanwhile}"))
}
