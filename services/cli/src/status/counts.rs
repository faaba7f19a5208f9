//! What a pod of the release counts: rows, and records in Kafka.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::overview::{self, Overview};
use store::{Database, StoreError};

use crate::database;
use crate::failure::Failure;
use crate::kafka::{self, Reader};

/// What `freshet status --inside` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The rows, or why they cannot be counted.
    pub overview: Result<Overview, String>,
    /// What each reader has not read, in their order, or why Kafka does not tell.
    pub lags: Result<Vec<i64>, String>,
}

impl Counts {
    /// Counts now.
    pub async fn now(database: &Database, since: Timestamp, now: Timestamp, readers: &[Reader]) -> Self {
        let overview = rows(database, since, now).await;
        let overview = overview.map_err(|error| database::failed(&error).message().to_owned());
        let lags = lags(readers).await.map_err(|failure| failure.message().to_owned());
        Self { overview, lags }
    }
}

async fn rows(database: &Database, since: Timestamp, now: Timestamp) -> Result<Overview, StoreError> {
    let client = database.client().await?;
    Ok(overview::overview(&client, since, now).await?)
}

async fn lags(readers: &[Reader]) -> Result<Vec<i64>, Failure> {
    if readers.is_empty() {
        return Ok(Vec::new());
    }
    kafka::lags(kafka::settings()?, readers.to_vec()).await
}
