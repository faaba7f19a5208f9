//! The command line: one file a command.

pub mod activate;
pub mod alerts;
pub mod check;
pub mod completions;
pub mod dead_letters;
pub mod devices;
pub mod doctor;
pub mod drain;
pub mod jobs;
pub mod man;
pub mod migrate;
pub mod readings;
pub mod receipts;
pub mod receiver;
pub mod reprocess;
pub mod round_trip;
pub mod schema;
pub mod send;
pub mod source;
pub mod status;
pub mod topic;
#[cfg(feature = "local")]
pub mod up;
pub mod version;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::output::{self, Format};
use cluster::inside::PodOptions;
use runtime::Failure;

/// Store sensor readings from any platform in PostgreSQL exactly once, and notify people when a threshold is crossed
#[derive(Debug, Parser)]
#[command(name = "freshet", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// How data are printed
    #[arg(short, long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All is well: exit status 0.
    Well,
    /// What was looked at is not well, as printed: exit status 1.
    Badly,
    /// Ctrl-C ended it before it was done: exit status 130.
    Interrupted,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "local")]
    Up(Box<up::Args>),
    Check(check::Args),
    Schema(schema::Args),
    Send(Box<send::Args>),
    Migrate(migrate::Args),
    Activate(activate::Args),
    RoundTrip(round_trip::Args),
    Doctor(Box<doctor::Args>),
    Status(Box<status::Args>),
    Drain(Box<drain::Args>),
    /// Look at timed work, and have it done now, later or not
    #[command(subcommand)]
    Jobs(jobs::Command),
    Reprocess(Box<reprocess::Args>),
    Devices(devices::Args),
    Readings(readings::Args),
    /// Look at what a reading came with
    #[command(subcommand)]
    Receipts(receipts::Command),
    Alerts(alerts::Args),
    /// Look at what could not be taken, and send it back
    #[command(subcommand)]
    DeadLetters(Box<dead_letters::Command>),
    /// Try out a source of the pipeline file
    #[command(subcommand)]
    Source(source::Command),
    /// Move a source's topic on, or back
    #[command(subcommand)]
    Topic(topic::Command),
    /// Try out a receiver of the pipeline file
    #[command(subcommand)]
    Receiver(receiver::Command),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

const AFTER_HELP: &str = "\
Data go to standard output, everything else to standard error. Exit status: 0 where all is well, 1 where it \
is not, 2 where the command line is wrong, 130 after Ctrl-C.

Begin with `freshet up --demo`.";

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// [`Failure`], for standard error.
    pub async fn run(self) -> Result<Done, Failure> {
        match self.command {
            #[cfg(feature = "local")]
            Command::Up(args) => up::run(*args).await,
            Command::Check(args) => check::run(&args, self.output),
            Command::Schema(args) => schema::run(&args),
            Command::Send(args) => send::run(&args, self.output).await,
            Command::Migrate(args) => migrate::run(&args, self.output).await,
            Command::Activate(args) => activate::run(&args, self.output).await,
            Command::RoundTrip(args) => round_trip::run(&args, self.output).await,
            Command::Doctor(args) => doctor::run(&args, self.output).await,
            Command::Status(args) => status::run(&args, self.output).await,
            Command::Drain(args) => drain::run(&args, self.output).await,
            Command::Jobs(command) => jobs::run(&command, self.output).await,
            Command::Reprocess(args) => reprocess::run(&args, self.output).await,
            Command::Devices(args) => devices::run(&args, self.output).await,
            Command::Readings(args) => readings::run(&args, self.output).await,
            Command::Receipts(command) => receipts::run(&command, self.output).await,
            Command::Alerts(args) => alerts::run(&args, self.output).await,
            Command::DeadLetters(command) => dead_letters::run(&command, self.output).await,
            Command::Source(command) => source::run(&command, self.output).await,
            Command::Topic(command) => topic::run(&command, self.output).await,
            Command::Receiver(command) => receiver::run(command, self.output).await,
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
            Command::Version(args) => version::run(&args, self.output),
        }
    }
}

/// A command in a pod of a release, whose log goes to standard error.
fn pod(limit: Duration) -> PodOptions {
    PodOptions { limit, log: |line| eprintln!("{}", output::printable(line)) }
}

/// A duration as `freshet.yaml` writes them, or a number of seconds, for `value_parser`.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    pipeline_config::parse_duration(text).ok_or_else(|| "expected a duration like 90s, 10m or 2h".to_owned())
}
