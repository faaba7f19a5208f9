//! Topic mode: pods are killed, PostgreSQL is away, Kafka is stopped and killed, all in the middle of traffic.

use super::{Came, database_away, stages_killed};
use crate::outage::{self, Server, Step};
use crate::stand::Stand;
use crate::steady::Steady;
use crate::{Failure, burst};

const PART: u64 = 20;
/// What runs under traffic in this mode.
const COMPONENTS: [&str; 5] = ["ingest", "worker", "alert", "notify", "worker"];

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let Some(bootstrap) = &stand.settings.kafka_bootstrap else {
        return Ok(Came::LeftOut("KAFKA_BOOTSTRAP names no Kafka"));
    };
    stand.install(&Stand::in_topic_mode(stand.values_with_quick_tick(), bootstrap)).await?;
    let traffic = Steady::start(stand, "kafka").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let killed = stages_killed::kill_each(stand, &traffic, &COMPONENTS).await?;
    let database = database_away::away(stand, &traffic).await?;
    let mut ends = Vec::new();
    for (step, word) in [(Step::Stop, "stopped"), (Step::Kill, "killed")] {
        if outage::happen(&stand.settings, Server::Kafka, step).await? {
            outage::happen(&stand.settings, Server::Kafka, Step::Start).await?;
            traffic.taken_more(PART, burst::COLD * 3).await?;
            ends.push(format!(", Kafka {word} and started"));
        }
    }
    let taken = traffic.settle(stand).await?;
    Ok(Came::Held(format!(
        "{taken} payloads, each stored, fired and notified once; killed: {killed}; {database}{}",
        ends.concat()
    )))
}
