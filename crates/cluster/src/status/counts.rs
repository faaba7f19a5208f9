//! What a pod of the release counts: rows, and records in Kafka.

use jiff::Timestamp;
use kafka::{KafkaSettings, TopicGroup};
use serde::{Deserialize, Serialize};
use store::overview::{self, Overview};
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
        let overview = overview
            .map_err(|error| Failure::because("the database cannot be asked", &error).message().to_owned());
        let lags = lags(settings, groups).await;
        Self { overview, lags }
    }
}

async fn rows(database: &Database, since: Timestamp, now: Timestamp) -> Result<Overview, StoreError> {
    let client = database.client().await?;
    Ok(overview::overview(&client, since, now).await?)
}

async fn lags(settings: &Result<KafkaSettings, Failure>, groups: &[TopicGroup]) -> Result<Vec<i64>, String> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let settings = settings.as_ref().map_err(|failure| failure.message().to_owned())?;
    let lags = kafka::lags(settings.clone(), groups.to_vec()).await;
    lags.map_err(|error| Failure::of(&error).message().to_owned())
}
