//! `freshet devices`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::queries::{self, DeviceRow};

use crate::database;
use crate::output::{self, Format, Row};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::Done;

/// List devices, when each was last seen, and which are silent
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only devices that were not seen for this long, such as 30m or 6h
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    silent: Option<Duration>,
    /// How many at most
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    state: StateDirectory,
}

/// A device on the screen, seen from now.
#[derive(Serialize)]
struct DeviceLine {
    #[serde(flatten)]
    device: DeviceRow,
    #[serde(skip)]
    now: Timestamp,
}

/// Prints the devices, the longest silent first.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let now = runtime::Clock::system().now();
    // What was silent since before there were clocks is no device.
    let before = |silent| now.checked_sub(SignedDuration::try_from(silent).ok()?).ok();
    let silent_since = args.silent.map(|silent| before(silent).unwrap_or(Timestamp::MIN));
    let client = database::client(&args.state).await?;
    let devices = queries::devices(&client, silent_since, i64::from(args.limit))
        .await
        .map_err(|error| database::failed(&error.into()))?;
    let lines: Vec<_> = devices.into_iter().map(|device| DeviceLine { device, now }).collect();
    output::rows(format, &lines)?;
    words::say_if_cut(lines.len(), args.limit);
    Ok(Done::Well)
}

impl Row for DeviceLine {
    const HEADINGS: &'static [&'static str] = &["SOURCE", "DEVICE", "LAST SEEN", "AGO", "SERIES", "TAGS"];

    fn cells(&self) -> Vec<String> {
        let device = &self.device;
        vec![
            device.source.clone(),
            device.device.clone(),
            device.last_seen_at.to_string(),
            words::ago(self.now.duration_since(device.last_seen_at)),
            device.series.to_string(),
            words::tags(&device.tags),
        ]
    }
}
