//! Two devices become one.

use runtime::Failure;
use store::registry::merge::{self, Merge, MergeError};
use store::{Client, StoreError, Transaction};

use super::super::Done;
use super::{DeviceArgs, change, find, refuse_configured};
use crate::database;
use crate::output;
use crate::state_directory::StateDirectory;

/// Make two devices of a source one: what came by either name, and what will, is of the second
///
/// Where both have a value of one metric and moment, the one that was received later stays. It cannot be undone.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    /// The device that it becomes
    into: String,
    #[command(flatten)]
    state: StateDirectory,
}

/// Merges them.
///
/// # Errors
/// As [`find`]; where the pipeline's file says something of the first, an alert of it fires, or the database fails: what is left moves with the
/// same command.
pub(super) async fn run(args: &Args) -> Result<Done, Failure> {
    let mut client = database::client(&args.state).await?;
    let (one, entry) = find(&client, &args.device).await?;
    let into = DeviceArgs { device: args.into.clone(), source: Some(one.source.clone()) };
    let (other, _) = find(&client, &into).await?;
    let said: Vec<&str> = entry.configured.keys().map(String::as_str).filter(|key| *key != "place").collect();
    refuse_configured(&one, &entry, &said)?;
    let shown = [&one, &other].map(|found| output::printable(&found.name));
    let [Some(from), Some(to)] = [one.id, other.id] else {
        return Err(Failure::new(format!("one of {} and {} has not sent", shown[0], shown[1]))
            .hint("`freshet devices rename` gives a device a second name"));
    };
    // The name leads there already where a merge was interrupted.
    let begun = change(&mut client, async |transaction| {
        if from == to {
            merge::resume(transaction, to).await
        } else {
            merge::begin(transaction, (from, to)).await
        }
    });
    let merge = begun.await.map_err(|error| match error {
        MergeError::Store(error) => database::failed(&error),
        MergeError::Firing(_) => Failure::because(format!("{} is not merged", shown[0]), &error)
            .hint("`freshet devices retire` ends its alerts; then merge it"),
        error @ MergeError::TooManyMetrics => Failure::because(format!("{} is not merged", shown[0]), &error),
    })?;
    finish(&mut client, &merge).await.map_err(|error| database::failed(&error))?;
    Ok(Done::Well)
}

async fn finish(client: &mut Client, merge: &Merge) -> Result<(), StoreError> {
    loop {
        let transaction = Transaction::begin(client).await?;
        let more = merge.step(&transaction).await?;
        if !more {
            merge.end(&transaction).await?;
        }
        transaction.commit().await?;
        if !more {
            return Ok(());
        }
    }
}
