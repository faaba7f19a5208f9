//! `make bench-cluster`: what a start from zero, a warm event and a burst cost on this cluster, in ratios where a peer is at hand.

mod cold;
mod rate;
mod usage;
mod warm;

use bench::table::Table;
use serde_json::{Value, json};

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

/// Measures everything.
///
/// # Errors
/// What did not happen.
pub async fn run(stand: &Stand, table: &mut Table) -> Result<(), Failure> {
    receiver::put_up_trivial(&stand.cluster, &stand.settings).await?;
    for prewarm in [true, false] {
        stand.install(&values(stand, prewarm)).await?;
        cold::measure(stand, table, prewarm).await?;
    }
    stand.install(&values(stand, true)).await?;
    warm::measure(stand, table).await?;
    let mut rates = vec![("broker mode", rate::measure(stand, table, "broker mode").await?)];
    if let Some(bootstrap) = &stand.settings.kafka_bootstrap {
        stand.install(&Stand::in_topic_mode(values(stand, true), bootstrap)).await?;
        rates.push(("topic mode", rate::measure(stand, table, "topic mode").await?));
    } else {
        println!("skipped topic mode: KAFKA_BOOTSTRAP names no Kafka");
    }
    rate::beside_the_bare_upsert(stand, table, &rates).await;
    Ok(())
}

fn values(stand: &Stand, prewarm: bool) -> Value {
    let mut values = stand.values();
    let host = receiver::host(&stand.cluster.namespace);
    values["pipelineFile"] = json!(format!("{PIPELINE}network: {{allow: [{host}]}}\n"));
    values["prewarm"] = json!({"enabled": prewarm});
    values["helmTest"] = json!({"enabled": false});
    values
}
