//! The mode is changed and changed again, in the middle of traffic, by the commands that docs/operations.md gives.

use serde_json::{Value, json};
use topology::Mode;

use super::Came;
use crate::stand::Stand;
use crate::steady::Steady;
use crate::wait::until;
use crate::{Failure, burst};

const PART: u64 = 20;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let in_mode = |mode| Stand::in_mode(stand.values_with_quick_tick(), mode);
    stand.install(&in_mode(Mode::Direct)).await?;
    let traffic = Steady::start(stand, "mode").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    for mode in [Mode::Broker, Mode::Direct] {
        change(stand, &traffic, &in_mode(mode)).await?;
    }
    let mut went = vec![Mode::Direct, Mode::Broker, Mode::Direct];
    if let Some(bootstrap) = &stand.settings.kafka_bootstrap {
        to_topic_mode_and(Mode::Direct, stand, &traffic, bootstrap).await?;
        change(stand, &traffic, &in_mode(Mode::Broker)).await?;
        to_topic_mode_and(Mode::Broker, stand, &traffic, bootstrap).await?;
        went.extend([Mode::Topic, Mode::Direct, Mode::Broker, Mode::Topic, Mode::Broker]);
    }
    let taken = traffic.settle(stand).await?;
    stand.install(&stand.values()).await?;
    let went: Vec<&str> = went.into_iter().map(Mode::word).collect();
    let went = went.join(", then ");
    Ok(Came::Held(format!("{went} mode: {taken} payloads, each stored, fired and notified once")))
}

/// Upgrades under `traffic`.
async fn change(stand: &Stand, traffic: &Steady, values: &Value) -> Result<(), Failure> {
    stand.install(values).await?;
    traffic.taken_more(PART, burst::COLD * 2).await
}

/// To topic mode, and on to `mode`: the worker stays until what is left in the topic is stored.
async fn to_topic_mode_and(
    mode: Mode,
    stand: &Stand,
    traffic: &Steady,
    bootstrap: &str,
) -> Result<(), Failure> {
    let in_topic_mode = Stand::in_topic_mode(stand.values_with_quick_tick(), bootstrap);
    change(stand, traffic, &in_topic_mode).await?;
    let mut leaving = Stand::in_mode(in_topic_mode, mode);
    leaving["topic"]["draining"] = json!(true);
    change(stand, traffic, &leaving).await?;
    drained(stand).await?;
    leaving["topic"]["draining"] = json!(false);
    leaving["topic"]["drained"] = json!(true);
    change(stand, traffic, &leaving).await
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
