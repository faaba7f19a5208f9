//! What the pod looks at.

use store::dead_letters::{self, Cause, Filter};
use store::{Database, StoreError, active_pipeline, migrate};

use crate::commands::Done;
use crate::database;
use crate::doctor::inside::{DatabaseReport, KafkaReport, Report};
use crate::failure::Failure;
use crate::kafka;
use crate::output;

/// More dead letters are not counted.
const MOST: u16 = 1000;

/// Prints one line of JSON.
pub(super) async fn run(topics: &[String]) -> Result<Done, Failure> {
    let settings = database::settings()?;
    let database = look(&Database::new(&settings)).await.map_err(|error| said(&error));
    let kafka = match std::env::var("KAFKA_BOOTSTRAP_SERVERS") {
        Ok(servers) if !servers.is_empty() => Some(ask_kafka(topics.to_vec()).await),
        _ => None,
    };
    output::json_line(&Report { database, kafka })?;
    Ok(Done::Well)
}

async fn look(database: &Database) -> Result<DatabaseReport, StoreError> {
    let client = match database.client().await {
        Ok(client) => client,
        Err(StoreError::SchemaTooOld { found, needed }) => {
            return Ok(DatabaseReport {
                schema: found,
                needed,
                max_connections: i32::MAX,
                ..Default::default()
            });
        }
        Err(error) => return Err(error),
    };
    let setting = client.query_one("select current_setting('max_connections')::int", &[]).await?;
    let filter = |cause| Filter { resolved_too: false, cause: Some(cause) };
    let mut waiting = 0;
    for cause in [Cause::Rejected, Cause::Malformed] {
        waiting += dead_letters::list(&client, filter(cause), MOST).await?.len();
    }
    Ok(DatabaseReport {
        schema: migrate::version(&**client).await?,
        needed: migrate::needed_version(),
        pipeline: active_pipeline::hash(&client).await?,
        max_connections: setting.try_get(0)?,
        waiting: i64::try_from(waiting).unwrap_or(i64::MAX),
    })
}

async fn ask_kafka(topics: Vec<String>) -> KafkaReport {
    let answer = match kafka::settings() {
        Ok(settings) => kafka::missing_topics(settings, topics).await,
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(missing) => KafkaReport { error: None, missing },
        Err(failure) => KafkaReport { error: Some(failure.to_string()), missing: Vec::new() },
    }
}

/// An error with its causes; those of the driver hold no secret.
fn said(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
