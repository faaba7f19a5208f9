//! The Kafka way: the worker is killed, and where commands for it are given Kafka too, in the middle of traffic.

use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use super::Came;
use crate::stand::Stand;
use crate::steady::{self, Steady};
use crate::{Failure, burst, pods};

const PART: u64 = 20;
const KILLS: usize = 2;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let Some(bootstrap) = &stand.settings.kafka_bootstrap else {
        return Ok(Came::LeftOut("KAFKA_BOOTSTRAP names no Kafka"));
    };
    let mut values = stand.values();
    values["kafkaWay"] = json!({"enabled": true, "partitions": 4, "replicationFactor": 1});
    values["kafka"] = json!({"bootstrapServers": bootstrap});
    stand.install(&values).await?;
    let traffic = Steady::start(stand, "kafka").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let mut killed = 0;
    for _ in 0..KILLS {
        for pod in pods::running(&stand.cluster, "worker").await? {
            stand.cluster.kill(&pod).await?;
            killed += 1;
        }
        traffic.taken_more(PART, burst::COLD * 2).await?;
    }
    let stopped = restart_kafka(stand).await?;
    traffic.taken_more(PART, burst::COLD * 3).await?;
    let run = traffic.run().to_owned();
    let taken = traffic.stop().await?;
    steady::settled(stand, &run, taken, Duration::from_secs(300)).await?;
    let kafka = if stopped { ", Kafka stopped and started" } else { "" };
    Ok(Came::Held(format!(
        "{taken} payloads, each stored, fired and told once; {killed} workers killed{kafka}"
    )))
}

/// Whether there are commands for it.
async fn restart_kafka(stand: &Stand) -> Result<bool, Failure> {
    let Some(command) = &stand.settings.kafka_restart else { return Ok(false) };
    let status = Command::new("sh").args(["-c", command]).status().await?;
    if status.success() { Ok(true) } else { Err(format!("FRESHET_KAFKA_RESTART ended with {status}").into()) }
}
