//! `freshet readings`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use store::Client;
use store::queries::{self, ValueFilter, ValueRow};

use crate::database;
use crate::output::{self, Format, Row};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::Done;

/// Print a device's readings, the newest first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The device's name, as `freshet devices` prints it
    device: String,
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only of this metric
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Only measured at or after this: a time (RFC 3339), a day such as 2026-11-28 (UTC), or an age such as 24h
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Option<Timestamp>,
    /// Only measured before this, written like --from
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    until: Option<Timestamp>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    state: StateDirectory,
}

/// As many of the newest readings say which metrics a device has.
const LOOKED_AT: i64 = 1000;

/// A value on the screen.
#[derive(Serialize)]
#[serde(transparent)]
struct ValueLine(ValueRow);

/// Prints the readings. That none fits is no failure; a device or metric that nobody knows is.
///
/// # Errors
/// Where the database cannot be asked, or knows no such device or metric.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let client = database::client(&args.state).await?;
    let filter = ValueFilter {
        source: args.source.as_deref(),
        device: &args.device,
        metric: args.metric.as_deref(),
        from: args.from,
        until: args.until,
    };
    let values = queries::values(&client, &filter, i64::from(args.limit))
        .await
        .map_err(|error| database::failed(&error.into()))?;
    if values.is_empty() {
        is_known(&client, args).await?;
    }
    let lines: Vec<_> = values.into_iter().map(ValueLine).collect();
    output::rows(format, &lines)?;
    if lines.is_empty() {
        eprintln!("no readings of {} fit", args.device);
    }
    words::say_if_cut(lines.len(), args.limit);
    Ok(Done::Well)
}

/// Whether there is a device of this name, with this metric.
///
/// # Errors
/// Where there is none, with the names that there are.
async fn is_known(client: &Client, args: &Args) -> Result<(), Failure> {
    let all = ValueFilter {
        source: args.source.as_deref(),
        device: &args.device,
        metric: None,
        from: None,
        until: None,
    };
    let newest =
        queries::values(client, &all, LOOKED_AT).await.map_err(|error| database::failed(&error.into()))?;
    let device = output::printable(&args.device);
    if newest.is_empty() {
        let of = args.source.as_ref().map(|source| format!(" of source {source}")).unwrap_or_default();
        return Err(Failure::new(format!("no device{of} with readings is called {device}"))
            .hint("`freshet devices` lists the devices"));
    }
    let metrics: BTreeSet<_> = newest.iter().map(|value| value.metric.as_str()).collect();
    match &args.metric {
        Some(metric) if !metrics.contains(metric.as_str()) => {
            let known: Vec<_> = metrics.into_iter().map(output::printable).collect();
            Err(Failure::new(format!("{device} has no recent readings of {}", output::printable(metric)))
                .hint(format!("its metrics are: {}", known.join(", "))))
        }
        _ => Ok(()),
    }
}

impl Row for ValueLine {
    const HEADINGS: &'static [&'static str] =
        &["TIME", "SOURCE", "CHANNEL", "METRIC", "VALUE", "UNIT", "QUALITY"];

    fn cells(&self) -> Vec<String> {
        let row = &self.0;
        let value = match (row.kind.as_str(), row.value) {
            ("flag", Some(value)) => (value != 0.0).to_string(),
            (_, Some(value)) => words::number(value),
            (_, None) => row.text.clone().unwrap_or_default(),
        };
        vec![
            row.observed_at.to_string(),
            row.source.clone(),
            row.channel.clone(),
            row.metric.clone(),
            value,
            row.unit.clone().unwrap_or_default(),
            row.quality.clone(),
        ]
    }
}
