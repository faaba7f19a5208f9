//! A pod of each stage is deleted without grace, in the middle of traffic.

use std::time::Duration;

use event_model::topology::STAGES;

use super::Came;
use crate::stand::Stand;
use crate::steady::{self, Steady};
use crate::{Failure, burst, pods};

/// Payloads between two kills.
const BETWEEN: u64 = 20;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let traffic = Steady::start(stand, "killed").await?;
    traffic.taken_more(BETWEEN, burst::COLD * 2).await?;
    let mut killed = Vec::new();
    for stage in STAGES {
        for pod in pods::running(&stand.cluster, stage.name).await? {
            stand.cluster.kill(&pod).await?;
            killed.push(stage.name);
        }
        traffic.taken_more(BETWEEN, burst::COLD * 2).await?;
    }
    let run = traffic.run().to_owned();
    let taken = traffic.stop().await?;
    steady::settled(stand, &run, taken, Duration::from_secs(300)).await?;
    Ok(Came::Held(format!(
        "{taken} payloads, each stored once, fired once, told once; killed: {}",
        killed.join(", ")
    )))
}
