//! `freshet dead-letters show`.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cluster_args::ClusterArgs;
use crate::commands::Done;
use crate::output::{self, Format, printable};
use crate::state_directory::StateDirectory;
use runtime::Failure;

use super::{DeadLetterStore, Line};

/// What `freshet dead-letters show` is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id, as `freshet dead-letters list` prints it
    id: Uuid,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    state: StateDirectory,
    /// Print only the event's data, byte for byte: for a payload the request, which `freshet send` takes as a .http file
    #[arg(long)]
    data: bool,
}

/// A dead letter with its event, for programs.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    line: Line,
    attributes: &'a Map<String, Value>,
    /// What is not UTF-8 is replaced; `--data` gives the bytes.
    data: &'a str,
}

/// Prints one dead letter.
pub(super) async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let dead_letter = DeadLetterStore::open(&args.cluster, &args.state).await?.get(args.id).await?;
    if args.data {
        output::written(io::stdout().lock().write_all(&dead_letter.data))?;
        return Ok(Done::Well);
    }
    let data = String::from_utf8_lossy(&dead_letter.data);
    let answer = Answer { line: dead_letter.line, attributes: &dead_letter.attributes, data: &data };
    match format {
        Format::Json => output::json(&answer)?,
        Format::Table => output::written(print(&answer))?,
    }
    Ok(Done::Well)
}

fn print(answer: &Answer<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let line = &answer.line;
    writeln!(out, "{} at {}: {}", line.cause.as_str(), line.stage, printable(&line.reason))?;
    for problem in &line.problems {
        writeln!(out, "  {}: {}", printable(&problem.place), printable(&problem.reason))?;
    }
    writeln!(out, "came {} times, first {}, last {}", line.deliveries, line.first_at, line.last_at)?;
    match line.replayed_at {
        None => writeln!(out, "never sent back")?,
        Some(at) => writeln!(out, "sent back {} times, last {at}", line.replays)?,
    }
    writeln!(out)?;
    for (name, value) in answer.attributes {
        writeln!(out, "{name}: {}", printable(value.as_str().unwrap_or_default()))?;
    }
    writeln!(out)?;
    answer.data.lines().try_for_each(|line| writeln!(out, "{}", printable(line)))
}
