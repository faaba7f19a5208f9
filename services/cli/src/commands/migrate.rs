//! `freshet migrate`.

use kafka::{TopicGroup, TopicSpec, begin_at_start, create_missing_topics};
use serde::Serialize;

use crate::database;
use crate::kafka_settings;
use crate::output::{self, Format};
use crate::state_directory::StateDirectory;
use crate::topic;
use runtime::Failure;

use super::Done;

/// Bring the database's schema up to date; safe to run twice at once
///
/// The database is that of `DATABASE_URL` or of the `PG*` variables; `DATABASE_DIRECT_URL` names the way past a
/// transaction pooler. Topics are made after the migrations, through the Kafka of `KAFKA_BOOTSTRAP_SERVERS`; one that
/// exists stays as it is, its retention too, and so does what a consumer group has committed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also make this Kafka topic, if it is missing, to keep records for RETENTION (30d), or as Kafka does without; repeatable
    #[arg(long = "topic", value_name = "NAME:PARTITIONS:REPLICATION[:RETENTION]", value_parser = topic::parse)]
    topics: Vec<TopicSpec>,
    /// Also have this consumer group begin at the start of its topic, where it has committed nothing; repeatable
    #[arg(long = "group", value_name = "TOPIC:GROUP")]
    groups: Vec<TopicGroup>,
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
    /// Those that had committed nothing.
    groups: Vec<String>,
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
    let groups = begin(&args.groups).await?;
    match format {
        Format::Json => {
            let (applied, version) = (migrated.applied, migrated.version);
            output::json(&Answer { applied, version, topics, groups })?;
        }
        Format::Table => {
            migrated.applied.iter().try_for_each(|name| output::write_line(&format!("applied {name}")))?;
            output::write_line(&format!("the schema is at version {}", migrated.version))?;
            topics.iter().try_for_each(|name| output::write_line(&format!("made the topic {name}")))?;
            groups.iter().try_for_each(|group| {
                output::write_line(&format!("the group begins at its topic's start: {group}"))
            })?;
        }
    }
    Ok(Done::Well)
}

/// Makes those that are missing; their names.
async fn make(topics: &[TopicSpec]) -> Result<Vec<String>, Failure> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    create_missing_topics(&kafka_settings::settings()?, topics).await.map_err(|error| {
        Failure::because("the topics are not all there", &error)
            .hint("the schema is up to date; run it again when Kafka answers")
    })
}

/// Has those begin at their topics' start that have committed nothing; them as texts.
async fn begin(groups: &[TopicGroup]) -> Result<Vec<String>, Failure> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let begun = begin_at_start(&kafka_settings::settings()?, groups).await.map_err(|error| {
        Failure::because("the consumer groups do not all begin at their topics' start", &error).hint(
            "the schema is up to date and the topics are there; the user of Kafka needs READ on the groups",
        )
    })?;
    Ok(begun.iter().map(ToString::to_string).collect())
}
