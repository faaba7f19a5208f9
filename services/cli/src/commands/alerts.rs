//! `freshet alerts`.

use serde::Serialize;
use store::queries::{self, AlertRow};

use crate::database;
use crate::output::{self, Format, Row};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::Done;

/// Print what is firing or pending, the newest first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also what is not
    #[arg(long)]
    all: bool,
    /// How many at most
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    state: StateDirectory,
}

/// An alert on the screen.
#[derive(Serialize)]
#[serde(transparent)]
struct AlertLine(AlertRow);

/// Prints the alerts.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let client = database::client(&args.state).await?;
    let alerts = queries::alerts(&client, args.all, i64::from(args.limit))
        .await
        .map_err(|error| database::failed(&error.into()))?;
    let lines: Vec<_> = alerts.into_iter().map(AlertLine).collect();
    output::rows(format, &lines)?;
    words::say_if_cut(lines.len(), args.limit);
    Ok(Done::Well)
}

impl Row for AlertLine {
    const HEADINGS: &'static [&'static str] = &[
        "STATUS",
        "SINCE",
        "RULE",
        "SEVERITY",
        "DEVICE",
        "CHANNEL",
        "METRIC",
        "VALUE",
        "UNIT",
        "UNDELIVERED",
    ];

    fn cells(&self) -> Vec<String> {
        let row = &self.0;
        vec![
            row.status.clone(),
            row.since_at.map(|since| since.to_string()).unwrap_or_default(),
            row.rule.clone(),
            row.severity.clone().unwrap_or_default(),
            row.device.clone(),
            row.channel.clone(),
            row.metric.clone(),
            row.value.map(words::number).unwrap_or_default(),
            row.unit.clone(),
            row.undelivered.to_string(),
        ]
    }
}
