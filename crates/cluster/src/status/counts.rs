//! What a pod of the release counts: rows, and records in Kafka.

use jiff::Timestamp;
use kafka::{KafkaSettings, PartitionPosition, TopicGroup};
use serde::{Deserialize, Serialize};
use store::overview::{self, Overview, PartitionStanding};
use store::{Database, StoreError};

use runtime::Failure;

/// What `freshet status --inside` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The rows, or why they cannot be counted.
    pub overview: Result<Overview, String>,
    /// What each consumer group has not read of its topic, in their order, or why Kafka does not say.
    pub lags: Result<Vec<i64>, String>,
}

impl Counts {
    /// Counts rows since `since`, and what `groups` have not read of the Kafka of `settings`; without groups no Kafka is
    /// needed.
    pub async fn now(
        database: &Database,
        (since, now): (Timestamp, Timestamp),
        settings: &Result<KafkaSettings, Failure>,
        groups: &[TopicGroup],
    ) -> Self {
        let overview = rows(database, since, now).await;
        let mut overview = overview
            .map_err(|error| Failure::because("the database cannot be asked", &error).message().to_owned());
        let positions = positions(settings, groups).await;
        if let (Ok(overview), Ok(positions)) = (&mut overview, &positions) {
            for (group, positions) in groups.iter().zip(positions) {
                measure(&mut overview.partitions, &group.topic, positions);
            }
        }
        let lag =
            |positions: &Vec<PartitionPosition>| positions.iter().map(PartitionPosition::lag).sum::<i64>();
        let lags = positions.map(|positions| positions.iter().map(lag).collect());
        Self { overview, lags }
    }
}

async fn rows(database: &Database, since: Timestamp, now: Timestamp) -> Result<Overview, StoreError> {
    let client = database.client().await?;
    Ok(overview::overview(&client, since, now).await?)
}

async fn positions(
    settings: &Result<KafkaSettings, Failure>,
    groups: &[TopicGroup],
) -> Result<Vec<Vec<PartitionPosition>>, String> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let settings = settings.as_ref().map_err(|failure| failure.message().to_owned())?;
    let positions = kafka::positions(settings.clone(), groups.to_vec()).await;
    positions.map_err(|error| Failure::of(&error).message().to_owned())
}

/// Notes how far the ends of a topic of the pipeline lie behind what is stored of it.
fn measure(partitions: &mut [PartitionStanding], topic: &str, positions: &[PartitionPosition]) {
    for standing in partitions.iter_mut().filter(|standing| standing.topic == topic) {
        let position = positions.iter().find(|position| position.partition == standing.partition);
        standing.lag = position.map(|position| (position.end - standing.next.max(0)).max(0));
    }
}
