//! `make bench-cluster`: what a start from zero, a warm event and a burst cost on this cluster, in ratios where a peer is at hand.

mod cold;
mod rate;
mod spike;
mod usage;
mod warm;

use bench::table::Table;
use serde_json::{Value, json};
use topology::Mode;

use crate::stand::Stand;
use crate::{Failure, receiver};

/// One source, and a rule that every hot payload breaks.
const PIPELINE: &str = "
sources:
  bench:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: FRESHET_DEMO_KEY}}]
rules:
  TooHot: {metric: temperature, above: 30}
receivers:
  ops: {webhook: {url: {env: FRESHET_DEMO_WEBHOOK}, secret: {env: FRESHET_DEMO_WEBHOOK_SECRET}}}
routes: [{to: [ops]}]
tick: 1h
";

/// Measures each of `modes`.
///
/// # Errors
/// What did not happen.
pub async fn run(stand: &Stand, table: &mut Table, modes: &[Mode]) -> Result<(), Failure> {
    receiver::put_up_trivial(&stand.cluster, &stand.settings).await?;
    let mut rates = Vec::new();
    for &mode in modes {
        if mode == Mode::Topic && stand.settings.kafka_bootstrap.is_none() {
            println!("skipped topic mode: KAFKA_BOOTSTRAP names no Kafka");
            continue;
        }
        stand.install(&values(stand, mode)).await?;
        match mode {
            Mode::Direct => cold::measure(stand, table, "direct mode", Some([1.2, 2.2])).await?,
            Mode::Broker => cold::measure(stand, table, "broker mode", Some([2.0, 3.0])).await?,
            // A worker always runs.
            Mode::Topic => {}
        }
        warm::measure(stand, table, mode).await?;
        let rate = rate::measure(stand, table, mode).await?;
        rates.push((mode, rate));
        spike::measure(stand, table, mode, rate).await?;
        if mode == Mode::Broker {
            let mut values = values(stand, mode);
            values["prewarm"] = json!({"enabled": false});
            stand.install(&values).await?;
            cold::measure(stand, table, "broker mode without prewarming", None).await?;
        }
    }
    rate::beside_the_bare_upsert(stand, table, &rates).await;
    Ok(())
}

fn values(stand: &Stand, mode: Mode) -> Value {
    let mut values = stand.values();
    if let (Mode::Topic, Some(bootstrap)) = (mode, &stand.settings.kafka_bootstrap) {
        values = Stand::in_topic_mode(values, bootstrap);
    }
    let host = receiver::host(&stand.cluster.namespace);
    values["mode"] = json!(mode.word());
    values["pipelineFile"] = json!(format!("{PIPELINE}network: {{allow: [{host}]}}\n"));
    values["helmTest"] = json!({"enabled": false});
    values
}
