//! `freshet migrate`.

use kafka::{TopicSpec, create_missing_topics};
use serde::Serialize;

use crate::database;
use crate::kafka_settings;
use crate::output::{self, Format};
use crate::state_directory::StateDirectory;
use crate::topic::Topic;
use runtime::Failure;

use super::Done;

/// Bring the database's schema up to date; safe to run twice at once
///
/// The database is that of `DATABASE_URL` or of the `PG*` variables; `DATABASE_DIRECT_URL` names the way past a
/// transaction pooler. Topics are made after the migrations, through the Kafka of `KAFKA_BOOTSTRAP_SERVERS`; one that
/// exists stays as it is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also make this Kafka topic, if it is missing; repeatable
    #[arg(long = "topic", value_name = "NAME:PARTITIONS:REPLICATION")]
    topics: Vec<Topic>,
    #[command(flatten)]
    state: StateDirectory,
}

/// What was done, for programs.
#[derive(Debug, Serialize)]
struct Answer {
    applied: Vec<String>,
    version: i32,
    /// Those that were not there.
    topics: Vec<String>,
}

/// Applies what is missing.
///
/// # Errors
/// Where the database cannot be reached or refuses a migration.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let settings = database::settings(&args.state)?;
    let migrated = store::migrate(&settings).await.map_err(|error| {
        Failure::because("the schema is not up to date", &error)
            .hint("what was applied before stays; run it again")
    })?;
    let topics = make(&args.topics).await?;
    match format {
        Format::Json => {
            output::json(&Answer { applied: migrated.applied, version: migrated.version, topics })?;
        }
        Format::Table => {
            migrated.applied.iter().try_for_each(|name| output::write_line(&format!("applied {name}")))?;
            output::write_line(&format!("the schema is at version {}", migrated.version))?;
            topics.iter().try_for_each(|name| output::write_line(&format!("made the topic {name}")))?;
        }
    }
    Ok(Done::Well)
}

/// Makes those that are missing; their names.
async fn make(topics: &[Topic]) -> Result<Vec<String>, Failure> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let specs: Vec<_> = topics
        .iter()
        .cloned()
        .map(|Topic { name, partitions, replication }| TopicSpec { name, partitions, replication })
        .collect();
    create_missing_topics(&kafka_settings::settings()?, &specs).await.map_err(|error| {
        Failure::because("the topics are not all there", &error)
            .hint("the schema is up to date; run it again when Kafka answers")
    })
}
