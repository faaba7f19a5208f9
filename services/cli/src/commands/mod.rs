//! The command line: one file a command.

pub mod activate;
pub mod alerts;
pub mod canary;
pub mod check;
pub mod codec;
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
pub mod schema;
pub mod send;
pub mod source;
pub mod status;
pub mod topic;
#[cfg(feature = "local")]
pub mod up;
pub mod version;

use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::output::{self, OutputFormat, Printing};
use cluster::inside::PodOptions;
use runtime::Failure;

/// Store sensor readings from any platform in PostgreSQL exactly once, and notify people when a threshold is crossed
#[derive(Debug, Parser)]
#[command(name = "freshet", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// How data are printed
    #[arg(short, long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    output: OutputFormat,
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
    Canary(canary::Args),
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
    /// Try out a codec of a device
    #[command(subcommand)]
    Codec(codec::Command),
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

/// What is wrong with a command line that asks another command for lines.
const NO_LINES: &str =
    "csv and ndjson are what `freshet readings` prints; every other command prints table or json";

const AFTER_HELP: &str = "\
Data go to standard output, everything else to standard error. Exit status: 0 where all is well, 1 where it \
is not, 2 where the command line is wrong, 130 after Ctrl-C.

Begin with `freshet up --demo`.";

impl Cli {
    /// Reads the command line of the process; ends it with status 2 where that is wrong.
    pub fn read() -> Self {
        let cli = Self::parse();
        match cli.check() {
            Ok(()) => cli,
            Err(error) => error.exit(),
        }
    }

    /// Whether the options go together.
    ///
    /// # Errors
    /// What is wrong, as clap says it.
    pub fn check(&self) -> Result<(), clap::Error> {
        let checked = match (&self.command, self.output.printing()) {
            (Command::Readings(args), Printing::Whole(_)) => args.check_table(),
            (Command::Readings(_), Printing::Lines(_)) | (_, Printing::Whole(_)) => Ok(()),
            (_, Printing::Lines(_)) => Err(NO_LINES),
        };
        checked.map_err(|reason| Self::command().error(ErrorKind::ArgumentConflict, reason))
    }

    /// Does what the command line says.
    ///
    /// # Errors
    /// [`Failure`], for standard error.
    pub async fn run(self) -> Result<Done, Failure> {
        let output = match (self.output.printing(), &self.command) {
            (Printing::Whole(output), _) => output,
            (lines, Command::Readings(args)) => return readings::run(args, lines).await,
            (Printing::Lines(_), _) => return Err(Failure::new(NO_LINES)),
        };
        match self.command {
            #[cfg(feature = "local")]
            Command::Up(args) => up::run(*args).await,
            Command::Check(args) => check::run(&args, output),
            Command::Schema(args) => schema::run(&args),
            Command::Send(args) => send::run(&args, output).await,
            Command::Migrate(args) => migrate::run(&args, output).await,
            Command::Activate(args) => activate::run(&args, output).await,
            Command::Canary(args) => canary::run(&args, output).await,
            Command::Doctor(args) => doctor::run(&args, output).await,
            Command::Status(args) => status::run(&args, output).await,
            Command::Drain(args) => drain::run(&args, output).await,
            Command::Jobs(command) => jobs::run(&command, output).await,
            Command::Reprocess(args) => reprocess::run(&args, output).await,
            Command::Devices(args) => devices::run(&args, output).await,
            Command::Readings(args) => readings::run(&args, Printing::Whole(output)).await,
            Command::Receipts(command) => receipts::run(&command, output).await,
            Command::Alerts(args) => alerts::run(&args, output).await,
            Command::DeadLetters(command) => dead_letters::run(&command, output).await,
            Command::Source(command) => source::run(&command, output).await,
            Command::Codec(command) => codec::run(&command, output).await,
            Command::Topic(command) => topic::run(&command, output).await,
            Command::Receiver(command) => receiver::run(command, output).await,
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
            Command::Version(args) => version::run(&args, output),
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
