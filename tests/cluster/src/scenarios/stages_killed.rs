//! A pod of each stage is deleted without grace, in the middle of traffic.

use serde_json::{Value, json};
use topology::{Mode, STAGES};

use super::Came;
use crate::cluster::PING_SOURCE;
use crate::stand::{Stand, TICK};
use crate::steady::Steady;
use crate::wait::until;
use crate::{Failure, burst, pods};

/// Payloads between two kills.
const BETWEEN: u64 = 20;
/// Stages for which there is nothing to do while nothing fails, or no job is due.
const IDLE: [&str; 2] = ["dead-letter", "cleanup"];

pub(super) async fn run(stand: &Stand, mode: Mode) -> Result<Came, Failure> {
    stand.install(&Stand::in_mode(stand.values_with_quick_tick(), mode)).await?;
    for stage in IDLE {
        stand.cluster.put(PING_SOURCE, &waker(stage), ping(&stand.service(stage))).await?;
    }
    let traffic = Steady::start(stand, &format!("killed-{}", mode.word())).await?;
    traffic.taken_more(BETWEEN, burst::COLD * 2).await?;
    // The chart leaves these out.
    let stages: Vec<&str> =
        STAGES.iter().map(|stage| stage.name).filter(|stage| !["report", "canary"].contains(stage)).collect();
    let killed = kill_each(stand, &traffic, &stages).await?;
    for stage in IDLE {
        stand.cluster.remove(PING_SOURCE, &waker(stage)).await?;
    }
    let taken = traffic.settle(stand).await?;
    Ok(Came::Held(format!("{taken} payloads, each stored once, fired once, notified once; killed: {killed}")))
}

/// The timer that starts a stage.
fn waker(stage: &str) -> String {
    format!("wake-{stage}")
}

/// A timer that sends straight to a Knative Service, which so has a pod each minute.
fn ping(service: &str) -> Value {
    json!({"apiVersion": "sources.knative.dev/v1", "kind": "PingSource", "spec": {
        "schedule": "* * * * *",
        "sink": {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": service}},
    }})
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
