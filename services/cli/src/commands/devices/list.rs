//! `freshet devices`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use store::held::{self, HeldDevice};
use store::queries::{self, DeviceRow};

use crate::database;
use crate::output::{self, Format, Row};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::super::Done;

/// List devices, when each was last seen, and which are silent
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only devices that were not seen for this long, such as 30m or 6h
    #[arg(long, value_name = "DURATION", value_parser = super::super::duration)]
    silent: Option<Duration>,
    /// Those that are not known, of which payloads are held
    #[arg(long, conflicts_with = "silent")]
    held: bool,
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
pub(super) async fn run(args: &ListArgs, format: Format) -> Result<Done, Failure> {
    let now = runtime::Clock::system().now();
    // What was silent since before there were clocks is no device.
    let before = |silent| now.checked_sub(SignedDuration::try_from(silent).ok()?).ok();
    let silent_since = args.silent.map(|silent| before(silent).unwrap_or(Timestamp::MIN));
    let client = database::client(&args.state).await?;
    if args.held {
        let held = held::devices(&client, i64::from(args.limit)).await;
        let lines: Vec<_> =
            held.map_err(|error| database::failed(&error.into()))?.into_iter().map(HeldLine).collect();
        output::rows(format, &lines)?;
        words::say_if_cut(lines.len(), args.limit);
        return Ok(Done::Well);
    }
    let devices = queries::devices(&client, silent_since, i64::from(args.limit))
        .await
        .map_err(|error| database::failed(&error.into()))?;
    let lines: Vec<_> = devices.into_iter().map(|device| DeviceLine { device, now }).collect();
    output::rows(format, &lines)?;
    words::say_if_cut(lines.len(), args.limit);
    Ok(Done::Well)
}

impl Row for DeviceLine {
    const HEADINGS: &'static [&'static str] =
        &["SOURCE", "DEVICE", "NAME", "LAST SEEN", "AGO", "SERIES", "STATE", "LABELS"];

    fn cells(&self) -> Vec<String> {
        let DeviceRow { source, device, last_seen_at, series, entry, .. } = &self.device;
        let seen = last_seen_at.map(|at| (at.to_string(), words::ago(self.now.duration_since(at))));
        let (last_seen, ago) = seen.unwrap_or_default();
        vec![
            source.clone(),
            device.clone(),
            entry["name"].as_str().unwrap_or_default().to_owned(),
            last_seen,
            ago,
            series.to_string(),
            self.state().to_owned(),
            words::tags(&self.labels()),
        ]
    }
}

/// A device that is not known, on the screen.
#[derive(Serialize)]
#[serde(transparent)]
struct HeldLine(HeldDevice);

impl Row for HeldLine {
    const HEADINGS: &'static [&'static str] = &["SOURCE", "DEVICE", "HELD PAYLOADS", "FIRST", "LAST"];

    fn cells(&self) -> Vec<String> {
        let HeldDevice { source, device, payloads, first_at, last_at } = &self.0;
        vec![
            source.clone(),
            device.clone(),
            payloads.to_string(),
            words::seconds(*first_at),
            words::seconds(*last_at),
        ]
    }
}

impl DeviceLine {
    fn state(&self) -> &'static str {
        match &self.device {
            DeviceRow { sends_retired: true, .. } => "retired, sends",
            device if device.entry["retired_at"].is_string() => "retired",
            DeviceRow { last_seen_at: None, .. } => "has not sent",
            _ => "",
        }
    }

    /// Tags that came with its payloads, and what people say; that wins.
    fn labels(&self) -> Value {
        let mut labels = self.device.tags.as_object().cloned().unwrap_or_default();
        labels.extend(self.device.entry["labels"].as_object().cloned().unwrap_or_default());
        Value::Object(labels)
    }
}
