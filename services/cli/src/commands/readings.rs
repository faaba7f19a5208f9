//! `freshet readings`.

mod every;
mod export;

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;

use jiff::Timestamp;
use pipeline_config::Pipeline;
use serde::Serialize;
use store::Client;
use store::export::Selection;
use store::queries::{self, ValueFilter, ValueRow};
use store::registry;

use crate::database;
use crate::output::{self, Format, Printing, Row};
use crate::pipeline_file::PipelineFile;
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use self::every::{Every, SpanLine};
use self::export::LineWriter;
use super::Done;

/// Print a device's newest readings, or export those of many devices
///
/// A table, and JSON, are of one DEVICE, the newest first.
///
/// -o csv and -o ndjson print a line a value of all devices that are chosen, by source, device, channel and time, the oldest
/// first, and all of them unless --limit is given. `freshet send` sends such a file to a source of the format `freshet_readings`,
/// which stores the same rows. What is stored meanwhile may be in it, or not.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Only of this metric
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Only measured at or after this: a time (RFC 3339), a day such as 2026-11-28 (UTC), or an age such as 24h
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Option<Timestamp>,
    /// Only measured before this, written like --from
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    until: Option<Timestamp>,
    /// What the readings of each span come to: of 1d, a day of the device's zone, of 1h, or of what divides an hour, such as 15m
    ///
    /// By the aggregate of the metric (`names` of the pipeline file): a mean, the rise of a counter, the share of time of a flag.
    #[arg(long, value_name = "SPAN", value_parser = Every::parse)]
    every: Option<Every>,
    /// How many at most; if not given 50, and all with -o csv and -o ndjson
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    state: StateDirectory,
}

/// Whose readings; several of these narrow it down.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Chosen {
    /// The device's name, as `freshet devices` prints it
    device: Option<String>,
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only of devices with this tag; repeatable (-o csv, -o ndjson)
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Of all devices (-o csv, -o ndjson)
    #[arg(long, conflicts_with_all = ["device", "source", "labels"])]
    all: bool,
}

/// How many there are of in a table where nothing is said.
const SHOWN: u32 = 50;

/// As many of the newest readings say which metrics a device has.
const LOOKED_AT: i64 = 1000;

/// A value on the screen.
#[derive(Serialize)]
#[serde(transparent)]
struct ValueLine(ValueRow);

impl Args {
    /// Whether a table, or JSON, can be printed of it.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) const fn check_table(&self) -> Result<(), &'static str> {
        match self.chosen {
            Chosen { device: None, .. } => {
                Err("a table is of one DEVICE: name it, or export readings of many with -o csv or -o ndjson")
            }
            Chosen { device: Some(_), ref labels, .. } if !labels.is_empty() => {
                Err("--label chooses what -o csv and -o ndjson print; a table is of one DEVICE")
            }
            Chosen { .. } => Ok(()),
        }
    }

    /// The readings that are exported, of whatever device.
    fn selection(&self) -> Selection {
        Selection {
            source: self.chosen.source.clone(),
            device: None,
            tags: self.chosen.labels.iter().cloned().collect(),
            metric: self.metric.clone(),
            from: self.from,
            until: self.until,
        }
    }
}

/// Prints the readings. That none fits is no failure; a device or metric that is not known is.
///
/// # Errors
/// Where the database cannot be asked, or knows no such device or metric.
pub async fn run(args: &Args, printing: Printing) -> Result<Done, Failure> {
    let mut client = database::client(&args.state).await?;
    let device = match &args.chosen.device {
        Some(device) => Some(own_name(&client, args.chosen.source.as_deref(), device).await?),
        None => None,
    };
    if let Some(every) = args.every {
        let pipeline = args.pipeline.load()?;
        let selection = Selection { device, ..args.selection() };
        return spans(&mut client, (&pipeline, every), selection, (args, printing)).await;
    }
    match printing {
        Printing::Whole(format) => {
            args.check_table().map_err(Failure::new)?;
            newest(&client, (args, device.as_deref().unwrap_or_default()), format).await?;
        }
        Printing::Lines(format) => {
            let selection = Selection { device: device.clone(), ..args.selection() };
            let printed = export::run(&mut client, selection, (args.limit, format)).await?;
            match &device {
                Some(device) if printed == 0 => {
                    is_known(&client, args, device).await?;
                    say_that_none_fits(device);
                }
                None if printed == 0 => eprintln!("no readings fit"),
                _ => {}
            }
        }
    }
    Ok(Done::Well)
}

/// Prints what the readings of each span come to: a table, or JSON, of the newest ones first.
async fn spans(
    client: &mut Client,
    of: (&Pipeline, Every),
    selection: Selection,
    (args, printing): (&Args, Printing),
) -> Result<Done, Failure> {
    match printing {
        Printing::Whole(format) => {
            args.check_table().map_err(Failure::new)?;
            let limit = args.limit.unwrap_or(SHOWN);
            let most = limit as usize;
            let keep_newest = |lines: &mut Vec<SpanLine>| {
                lines.sort_by_key(|line| std::cmp::Reverse(line.from));
                lines.truncate(most);
            };
            let mut lines = Vec::new();
            every::run(client, of, selection, |line| {
                lines.push(line);
                if lines.len() >= most.saturating_mul(2) {
                    keep_newest(&mut lines);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
            keep_newest(&mut lines);
            output::rows(format, &lines)?;
            words::say_if_cut(lines.len(), limit);
        }
        Printing::Lines(format) => {
            let columns = &SpanLine::COLUMNS;
            let mut lines = output::written(LineWriter::new(io::stdout().lock(), (columns, format)))?;
            let mut left = args.limit.unwrap_or(u32::MAX);
            every::run(client, of, selection, |line| {
                output::written(lines.write(&line))?;
                left -= 1;
                Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .await?;
            output::written(lines.finish())?;
        }
    }
    Ok(Done::Well)
}

/// The name that a device's platform gives it, where it is called by another.
async fn own_name(client: &Client, source: Option<&str>, device: &str) -> Result<String, Failure> {
    let found = registry::find(client, source, device).await;
    match found.map_err(|error| database::failed(&error.into()))?.as_slice() {
        [only] => Ok(only.name.clone()),
        _ => Ok(device.to_owned()),
    }
}

/// Prints the newest readings of a device.
async fn newest(client: &Client, (args, device): (&Args, &str), format: Format) -> Result<(), Failure> {
    let filter = ValueFilter {
        source: args.chosen.source.as_deref(),
        device,
        metric: args.metric.as_deref(),
        from: args.from,
        until: args.until,
    };
    let limit = args.limit.unwrap_or(SHOWN);
    let values = queries::values(client, &filter, i64::from(limit))
        .await
        .map_err(|error| database::failed(&error.into()))?;
    if values.is_empty() {
        is_known(client, args, device).await?;
    }
    let lines: Vec<_> = values.into_iter().map(ValueLine).collect();
    output::rows(format, &lines)?;
    if lines.is_empty() {
        say_that_none_fits(device);
    }
    words::say_if_cut(lines.len(), limit);
    Ok(())
}

fn say_that_none_fits(device: &str) {
    eprintln!("no readings of {} fit", output::printable(device));
}

/// Whether there is a device of this name, with this metric.
///
/// # Errors
/// Where there is none, with the names that there are.
async fn is_known(client: &Client, args: &Args, device: &str) -> Result<(), Failure> {
    let source = args.chosen.source.as_deref();
    let all = ValueFilter { source, device, metric: None, from: None, until: None };
    let newest =
        queries::values(client, &all, LOOKED_AT).await.map_err(|error| database::failed(&error.into()))?;
    let device = output::printable(device);
    if newest.is_empty() {
        let of = source.map(|source| format!(" of source {source}")).unwrap_or_default();
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

/// A tag and its value.
fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
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
