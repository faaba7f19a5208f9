//! A pod of each stage is deleted without grace, in the middle of traffic.

use topology::STAGES;

use super::Came;
use crate::stand::{Stand, TICK};
use crate::steady::Steady;
use crate::wait::until;
use crate::{Failure, burst, pods};

/// Payloads between two kills.
const BETWEEN: u64 = 20;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    // For a pod of `dead-letter`, and for the scenarios that follow.
    stand.install(&stand.values()).await?;
    let traffic = Steady::start(stand, "killed").await?;
    traffic.taken_more(BETWEEN, burst::COLD * 2).await?;
    let killed = kill_each(stand, &traffic, &STAGES.map(|stage| stage.name)).await?;
    let taken = traffic.settle(stand).await?;
    Ok(Came::Held(format!("{taken} payloads, each stored once, fired once, notified once; killed: {killed}")))
}

/// Kills the pods of each component in turn under `traffic`; which those were.
pub(super) async fn kill_each(
    stand: &Stand,
    traffic: &Steady,
    components: &[&str],
) -> Result<String, Failure> {
    let mut killed = Vec::new();
    for component in components {
        let running = until(TICK * 2, "a pod of each", async || {
            let running = pods::running(&stand.cluster, component).await?;
            Ok((!running.is_empty()).then_some(running))
        });
        for pod in running.await? {
            stand.cluster.kill(&pod).await?;
            killed.push(*component);
        }
        traffic.taken_more(BETWEEN, burst::COLD * 2).await?;
    }
    Ok(killed.join(", "))
}
