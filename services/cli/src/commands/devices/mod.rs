//! `freshet devices`.

mod adopt;
mod entries;
mod erase;
mod import;
mod list;
mod merge;

use std::time::Duration;

use runtime::Failure;
use store::registry::merge::MergeError;
use store::registry::{self, Entry, Found};
use store::{Client, StoreError, Transaction};

use crate::database;
use crate::output::{self, Format};

use super::Done;

/// List devices, and say what is known of them
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: list::ListArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::ListArgs),
    Adopt(adopt::Args),
    Set(entries::SetArgs),
    Rename(entries::RenameArgs),
    Retire(entries::RetireArgs),
    Import(import::Args),
    Merge(merge::Args),
    Erase(erase::Args),
}

/// A device, by one of its names.
#[derive(Debug, clap::Args)]
struct DeviceArgs {
    /// The device's name, as `freshet devices` prints it
    device: String,
    /// Its source, where devices of several have this name
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// Does what the command line says.
///
/// # Errors
/// Where the database cannot be asked, or there is no such device.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    match &args.command {
        None => list::run(&args.list, format).await,
        Some(Command::List(args)) => list::run(args, format).await,
        Some(Command::Adopt(args)) => adopt::run(args).await,
        Some(Command::Set(args)) => entries::set(args).await,
        Some(Command::Rename(args)) => entries::rename(args).await,
        Some(Command::Retire(args)) => entries::retire(args).await,
        Some(Command::Import(args)) => import::run(args).await,
        Some(Command::Merge(args)) => merge::run(args).await,
        Some(Command::Erase(args)) => erase::run(args, format).await,
    }
}

/// The device that is meant, and what people say of it.
///
/// # Errors
/// Where there is none, or several sources have one.
async fn find(client: &Client, args: &DeviceArgs) -> Result<(Found, Entry), Failure> {
    let found = registry::find(client, args.source.as_deref(), &args.device).await;
    let found = found.map_err(|error| database::failed(&error.into()))?;
    let shown = output::printable(&args.device);
    let [found] = found.as_slice() else {
        let Some(first) = found.first() else {
            return Err(Failure::new(format!("no device is called {shown}"))
                .hint("`freshet devices` lists the devices"));
        };
        let sources: Vec<&str> = found.iter().map(|found| found.source.as_str()).collect();
        return Err(Failure::new(format!("{} sources have a device called {shown}", found.len())).hint(
            format!("say which with --source, such as --source {}: {}", first.source, sources.join(", ")),
        ));
    };
    let entry = registry::entry(client, &found.source, &found.name).await;
    Ok((found.clone(), entry.map_err(|error| database::failed(&error.into()))?))
}

/// Where the pipeline in force says a fact of a device, `device` is the device itself.
fn line<'e>(entry: &'e Entry, fact: &str) -> &'e str {
    let line = entry.configured.get("place").and_then(|place| place.get(fact));
    line.and_then(|line| line.as_str()).unwrap_or("the pipeline in force")
}

/// The pipeline's file wins: what it says of a device is changed there.
fn refuse_configured(found: &Found, entry: &Entry, facts: &[&str]) -> Result<(), Failure> {
    let says = |fact: &&&str| entry.configured.contains_key(**fact);
    let all: Vec<&str> = facts.iter().filter(says).copied().collect();
    if all.is_empty() {
        return Ok(());
    }
    let place = line(entry, all[0]);
    Err(Failure::new(format!("{place} says {} of {}", all.join(" and "), output::printable(&found.name)))
        .hint("change it there, and activate the pipeline"))
}

/// How often something is tried that others' transactions are in the way of, with pauses that grow.
const ATTEMPTS: u32 = 5;

/// Why something was not done in a transaction.
trait Undone: From<StoreError> {
    /// Whether others' transactions were in the way.
    fn is_locked(&self) -> bool;
}

impl Undone for StoreError {
    fn is_locked(&self) -> bool {
        Self::is_locked(self)
    }
}

impl Undone for MergeError {
    fn is_locked(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_locked())
    }
}

/// Does something in a transaction of its own; again where others' transactions do not end in time.
async fn change<T, E: Undone>(
    client: &mut Client,
    work: impl AsyncFn(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let mut attempt = 1;
    loop {
        let transaction = Transaction::begin(client).await?;
        match work(&transaction).await {
            Ok(done) => {
                transaction.commit().await?;
                return Ok(done);
            }
            Err(error) if error.is_locked() && attempt < ATTEMPTS => {
                drop(transaction);
                tokio::time::sleep(Duration::from_millis(250 << attempt)).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
