//! `freshet readings`.

use jiff::Timestamp;
use serde::Serialize;
use store::queries::{self, ValueFilter, ValueRow};

use crate::database;
use crate::output::{self, Format, Row};
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
    /// Only measured at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only measured before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// A value on the screen.
#[derive(Serialize)]
#[serde(transparent)]
struct ValueLine(ValueRow);

/// Prints the readings. A device without any is no failure; one that nobody knows is.
///
/// # Errors
/// Where the database cannot be asked, or knows no such device.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let client = database::client().await?;
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
    let lines: Vec<_> = values.into_iter().map(ValueLine).collect();
    output::rows(format, &lines)?;
    if lines.is_empty() {
        eprintln!("no readings of {} fit; `freshet devices` lists the devices", args.device);
    }
    words::say_if_cut(lines.len(), args.limit);
    Ok(Done::Well)
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
