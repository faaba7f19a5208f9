//! `freshet up`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use kafka::{TopicSpec, create_missing_topics};
use local::demo::Outcome;
use local::demo::comparison::Comparison;
use local::up::{Options, Work};
use pipeline_config::Files;
use runtime::Failure;
use serde::Serialize;
use topology::{Mode, TICK_TIMER};

use crate::kafka_settings;
use crate::output::{self, Format, Row};
use crate::pipeline_file::{self, PipelineFile};
use crate::state_directory::DEFAULT;

use super::Done;

/// The topic of payloads, where none is named.
const TOPIC: &str = "freshet-payloads";
/// Its partitions, where it is made.
const PARTITIONS: i32 = 12;
/// How long it keeps a request, where it is made: what a reprocessing of 30 days reads again.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// Run the whole pipeline on this machine: a private PostgreSQL, the local broker, stages that start on demand
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineFile,
    /// Where everything is kept; the next `up` in the same directory goes on where this one stopped
    #[arg(long, value_name = "FOLDER", env = "FRESHET_STATE_DIR", default_value = DEFAULT)]
    state_dir: PathBuf,
    /// The port of the webhook
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address of the webhook
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    address: Ipv4Addr,
    /// What a sender's 2xx means: its rows are committed, the local broker has the payload, or a topic of Kafka has it; direct
    /// where not given, and broker for the demo, whose stages all come to zero
    #[arg(long, value_enum)]
    mode: Option<LocalMode>,
    /// The topic of payloads in the Kafka of `KAFKA_BOOTSTRAP_SERVERS`: `freshet-payloads` in topic mode, made where it is
    /// missing, to keep requests for 30 days; in another mode the worker reads what topic mode has left in it
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// How long a stage stays without a request
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    idle: Duration,
    /// The folder of the stages' binaries; beside this program if not given
    #[arg(long, value_name = "FOLDER", env = "FRESHET_BIN_DIR")]
    bin_dir: Option<PathBuf>,
    /// Play a burst of some three hundred devices through the webhook and check what came of it
    #[arg(long)]
    demo: bool,
    /// End after the demo: exit status 0 where its sums agree, 1 where they do not
    #[arg(long, requires = "demo")]
    once: bool,
}

/// The modes of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LocalMode {
    /// The local broker has the payload
    Broker,
    /// A topic of Kafka has it
    Topic,
    /// Its rows are committed
    Direct,
}

impl From<LocalMode> for Mode {
    fn from(mode: LocalMode) -> Self {
        match mode {
            LocalMode::Broker => Self::Broker,
            LocalMode::Topic => Self::Topic,
            LocalMode::Direct => Self::Direct,
        }
    }
}

/// Runs until Ctrl-C, or with `--once` until the demo is over.
///
/// # Errors
/// Where the pipeline file has mistakes, or a part of the pipeline does not start or stop.
pub async fn run(args: Args) -> Result<Done, Failure> {
    let work = if args.demo { Work::Demo { once: args.once } } else { pipeline(&args.pipeline.files)? };
    let mode = args.mode.unwrap_or(if args.demo { LocalMode::Broker } else { LocalMode::Direct });
    let is_topic_mode = mode == LocalMode::Topic;
    let topic = args.topic.or_else(|| is_topic_mode.then(|| TOPIC.to_owned()));
    if let Some(topic) = &topic {
        let spec = TopicSpec {
            name: topic.clone(),
            partitions: PARTITIONS,
            replication: 1,
            retention: Some(RETENTION),
        };
        create_missing_topics(&kafka_settings::settings()?, &[spec])
            .await
            .map_err(|error| Failure::because("the topic of payloads is not there", &error))?;
    }
    let options = Options {
        work,
        state_directory: args.state_dir,
        address: args.address,
        port: args.port,
        mode: mode.into(),
        topic,
        idle: args.idle,
        binaries: args.bin_dir,
    };
    let is_well = local::up::run(options, print).await?;
    Ok(if is_well { Done::Well } else { Done::Badly })
}

fn pipeline(files: &Files) -> Result<Work, Failure> {
    let files = files
        .absolute()
        .map_err(|error| Failure::because(format!("{files} cannot be made absolute"), &error))?;
    let pipeline = pipeline_file::load(&files)?;
    for warning in &pipeline.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(Work::Pipeline(files, Box::new(pipeline)))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Line<'a>(&'a Comparison);

impl Row for Line<'_> {
    const HEADINGS: &'static [&'static str] = &["", "PLANNED", "FOUND", ""];

    fn cells(&self) -> Vec<String> {
        let verdict = if self.0.agrees() { "agree" } else { "DISAGREE" };
        vec![self.0.what.clone(), self.0.planned.clone(), self.0.found.clone(), verdict.to_owned()]
    }
}

/// What came of the demo.
fn print(outcome: &Outcome) -> Result<(), Failure> {
    let lines: Vec<Line<'_>> = outcome.comparisons.iter().map(Line).collect();
    output::rows(Format::Table, &lines)?;
    let sent = &outcome.sent;
    output::write_line(&format!(
        "{} requests sent: {} accepted, {} refused by ingest as planned, {} unexpected answers",
        sent.requests,
        sent.accepted,
        sent.refused,
        sent.unexpected.len()
    ))?;
    for unexpected in &sent.unexpected {
        output::write_line(&format!("unexpected: {unexpected}"))?;
    }
    let zero = if outcome.at_zero {
        "every stage came to 0 processes, between ticks too"
    } else {
        "a stage did NOT come to 0 processes"
    };
    output::write_line(&format!(
        "{zero}; an idle hour costs {:.0} process-seconds with a tick every {} s",
        outcome.idle_hour,
        TICK_TIMER.every.as_secs()
    ))?;
    output::write_line(if outcome.agrees() { "the sums agree" } else { "the sums do NOT agree" })
}

fn duration(text: &str) -> Result<Duration, String> {
    pipeline_config::parse_duration(text).ok_or_else(|| "write a duration like 90s, 10m or 2h".to_owned())
}
