//! `freshet activate`.

use std::time::Duration;

use pipeline_config::{Files, VARIABLE};
use runtime::Clock;
use serde::Serialize;
use store::{Client, Database, StoreError, active_pipeline};
use tokio::time::Instant;

use crate::database;
use crate::output::{self, Format};
use crate::pipeline_file;
use crate::state_directory::StateDirectory;
use runtime::Failure;

use super::Done;

/// Put a pipeline in force: from now on only alert processes that have it evaluate rules
///
/// Waits until the database answers and its schema is new enough, so that it may run beside the migrations.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline: files and folders
    #[arg(value_name = "FILE", env = VARIABLE, default_value = "freshet.yaml")]
    files: Vec<Files>,
    /// How long to wait for the database and its schema, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = super::duration)]
    timeout: Duration,
    #[command(flatten)]
    state: StateDirectory,
}

/// The time between two looks at the database.
const PAUSE: Duration = Duration::from_secs(1);

/// What was done, for programs.
#[derive(Debug, Serialize)]
struct Answer {
    hash: String,
    was_in_force: bool,
}

/// Waits, then activates.
///
/// # Errors
/// Where a file has mistakes, or the database or its schema is not there in time.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let pipeline = pipeline_file::load(&args.files.iter().cloned().collect())?;
    let mut client = ready(&Database::new(&database::settings(&args.state)?), args.timeout).await?;
    let failed = |error| database::failed(&store::StoreError::from(error));
    let before = active_pipeline::hash(&client).await.map_err(failed)?;
    let activated = persist::activate(&mut client, &pipeline, Clock::system().now()).await;
    activated.map_err(|error| database::failed(&error))?;
    let answer = Answer { was_in_force: before.as_ref() == Some(&pipeline.hash), hash: pipeline.hash };
    match format {
        Format::Json => output::json(&answer)?,
        Format::Table => output::write_line(&answer.sentence())?,
    }
    Ok(Done::Well)
}

/// A connection, as soon as the schema is new enough.
async fn ready(database: &Database, timeout: Duration) -> Result<Client, Failure> {
    let deadline = Instant::now() + timeout;
    let mut shown = String::new();
    loop {
        let error = match database.client().await {
            Ok(client) => return Ok(client),
            Err(error @ (StoreError::Connect(_) | StoreError::SchemaTooOld { .. })) => error,
            Err(error) => return Err(database::failed(&error)),
        };
        if Instant::now() + PAUSE > deadline {
            return Err(database::failed(&error));
        }
        let reason = error.to_string();
        if reason != shown {
            eprintln!("waiting: {reason}");
            shown = reason;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Answer {
    fn sentence(&self) -> String {
        let what = if self.was_in_force { "was in force already" } else { "is in force" };
        format!("the pipeline {} {what}", self.hash)
    }
}
