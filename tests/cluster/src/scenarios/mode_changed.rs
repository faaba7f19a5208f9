//! The mode is changed and changed again, in the middle of traffic, by the commands that docs/operations.md gives.

use serde_json::{Value, json};

use super::Came;
use crate::stand::Stand;
use crate::steady::Steady;
use crate::wait::until;
use crate::{Failure, burst};

const PART: u64 = 20;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let direct = || in_mode(stand.values_with_quick_tick(), "direct");
    stand.install(&direct()).await?;
    let traffic = Steady::start(stand, "mode").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let mut went = vec!["direct"];
    for mode in ["broker", "direct"] {
        stand.install(&in_mode(stand.values_with_quick_tick(), mode)).await?;
        traffic.taken_more(PART, burst::COLD * 2).await?;
        went.push(mode);
    }
    if let Some(bootstrap) = &stand.settings.kafka_bootstrap {
        stand.install(&Stand::in_topic_mode(stand.values_with_quick_tick(), bootstrap)).await?;
        traffic.taken_more(PART, burst::COLD * 2).await?;
        // The worker stays until what is left in the topic is stored.
        let mut leaving = Stand::in_topic_mode(stand.values_with_quick_tick(), bootstrap);
        leaving["mode"] = json!("direct");
        leaving["topic"]["draining"] = json!(true);
        stand.install(&leaving).await?;
        traffic.taken_more(PART, burst::COLD * 2).await?;
        drained(stand).await?;
        leaving["topic"]["draining"] = json!(false);
        leaving["topic"]["drained"] = json!(true);
        stand.install(&leaving).await?;
        traffic.taken_more(PART, burst::COLD * 2).await?;
        went.extend(["topic", "direct"]);
    }
    let taken = traffic.settle(stand).await?;
    stand.install(&stand.values()).await?;
    let went = went.join(", then ");
    Ok(Came::Held(format!("{went} mode: {taken} payloads, each stored, fired and notified once")))
}

fn in_mode(mut values: Value, mode: &str) -> Value {
    values["mode"] = json!(mode);
    values
}

/// Waits until the worker has nothing left: it has caught up with every partition since now.
async fn drained(stand: &Stand) -> Result<(), Failure> {
    let client = stand.database.connect().await?;
    let now: jiff::Timestamp = client.query_one("select now()", &[]).await?.get(0);
    let sql = "select coalesce(bool_and(caught_up_at > $1), false) from topic_offset";
    until(burst::COLD * 2, "a topic without anything left", async || {
        let is_drained: bool = client.query_one(sql, &[&now]).await?.get(0);
        Ok(is_drained.then_some(()))
    })
    .await
}
