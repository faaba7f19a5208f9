//! `freshet receiver test`.

use std::sync::Arc;

use receivers::{AddressPolicy, Attempt, Message, Outcome, Outgoing};
use serde::Serialize;
use uuid::Uuid;

use crate::output::{self, Format};
use crate::pipeline_file::PipelineFile;
use runtime::Failure;

use super::Done;

/// What can be done with a receiver.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// `freshet receiver test`.
    #[command(
        about = "Send one test message through a receiver, with its secrets as they are in this environment"
    )]
    Test(TestArgs),
}

/// What `freshet receiver test` is given.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The receiver's name in the pipeline file
    name: String,
    #[command(flatten)]
    pipeline: PipelineFile,
}

/// What became of the message, for programs.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    receiver: &'a str,
    kind: &'static str,
    delivered: bool,
    reason: Option<String>,
}

/// Does what the command line says.
///
/// # Errors
/// Where there is no such receiver, or a secret of it is missing.
pub async fn run(command: Command, format: Format) -> Result<Done, Failure> {
    match command {
        Command::Test(args) => test(&args, format).await,
    }
}

async fn test(args: &TestArgs, format: Format) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    let name = args.name.as_str();
    let settings = pipeline.receivers.get(name).ok_or_else(|| unknown(name, pipeline.receivers.keys()))?;
    let roots = std::env::var_os("SSL_CERT_FILE").map(Into::into);
    let outgoing = Arc::new(Outgoing::new(AddressPolicy::new(pipeline.network.clone()), roots));
    let receiver = receivers::open(settings, &outgoing, &|name| std::env::var(name).ok())
        .map_err(|error| Failure::because(format!("receiver {name} cannot be opened"), &error))?;
    let now = runtime::Clock::system().now();
    let message = Message::test(Uuid::now_v7(), now);
    let outcome = receiver.deliver(Attempt { message: &message, now, tick: pipeline.tick }).await;
    let reason = match outcome {
        Outcome::Delivered => None,
        Outcome::Retry { reason, .. } => Some(format!("{reason} (notify would try again)")),
        Outcome::NoUse { reason } => Some(format!("{reason} (notify would give up)")),
    };
    let delivered = reason.is_none();
    match (&reason, format) {
        (_, Format::Json) => {
            output::json(&Answer { receiver: name, kind: settings.kind(), delivered, reason })?;
        }
        (None, Format::Table) => output::write_line(&format!("{name}: delivered"))?,
        (Some(reason), Format::Table) => {
            output::write_line(&format!("{name}: not delivered: {}", output::printable(reason)))?;
        }
    }
    Ok(if delivered { Done::Well } else { Done::Badly })
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Failure {
    let known: Vec<_> = known.map(String::as_str).collect();
    Failure::new(format!("the pipeline file has no receiver {name}")).hint(format!(
        "its receivers are: {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    ))
}
