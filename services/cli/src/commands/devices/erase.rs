//! A device is erased.

use std::collections::HashSet;

use event_model::RecordedRequest;
use jiff::Timestamp;
use payload::{Origin, Without, without_device};
use pipeline_config::Pipeline;
use runtime::{Clock, Failure};
use serde::Serialize;
use store::registry::erasure::{self, Erasure, Extent, Rewritten};
use store::reprocess::StoredRequest;
use store::{Client, StoreError, Transaction};

use super::super::Done;
use super::{DeviceArgs, change, find, line};
use crate::database;
use crate::output::{self, Format, Row};
use crate::pipeline_file::PipelineFile;
use crate::state_directory::StateDirectory;

/// Take a device away with all that names it: readings, requests, dead letters, alerts
///
/// Without --yes it only prints what would go. A request that names other devices too is written anew without this one where it is a list, and
/// goes whole otherwise; the readings of the others stay. Payloads that were received before are not stored for it any more, from wherever they
/// come. What it sends afterwards is of a new device, unless --retire.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    /// Do it; it cannot be undone
    #[arg(long)]
    yes: bool,
    /// Nothing that it sends is stored any more
    #[arg(long)]
    retire: bool,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    state: StateDirectory,
}

/// What goes.
#[derive(Debug, Default, Serialize)]
struct Plan {
    #[serde(flatten)]
    extent: Extent,
    /// Requests that go.
    requests_deleted: usize,
    /// Requests that are written anew without it.
    requests_rewritten: usize,
}

/// Prints what goes, and with `--yes` takes it away.
///
/// # Errors
/// As [`find`]; where the pipeline's file says something of the device; where the database fails, what is left goes with the same command.
pub(super) async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    let mut client = database::client(&args.state).await?;
    let failed = |error: StoreError| database::failed(&error);
    let now = Clock::system().now();
    let chosen = chosen(&client, args, now).await?;
    let requests = Requests { pipeline: &pipeline };
    let plan = requests.plan(&client, chosen.erasure()).await.map_err(failed)?;
    output::rows(format, std::slice::from_ref(&plan))?;
    if plan.extent.firing > 0 {
        eprintln!("{} alerts of it are firing: their receivers are not told of the end", plan.extent.firing);
    }
    if !args.yes {
        return Err(Failure::new("nothing was erased").hint("--yes erases it, which cannot be undone"));
    }
    let erasure = match chosen {
        Chosen::Begun(erasure) => erasure,
        Chosen::New(preview) => {
            let (source, name) = (preview.source.as_str(), preview.names[0].as_str());
            let begun = change(&mut client, async |transaction| {
                erasure::begin(transaction, source, name, args.retire).await
            });
            begun.await.map_err(failed)?
        }
    };
    requests.erase(&mut client, &erasure).await.map_err(failed)?;
    eprintln!(
        "erased. Copies in topics go with the topics' retention, and those in backups with theirs: after a restore of one from before {} \
         erase it again. Pages of reports that name it stay where they are kept",
        erasure.at
    );
    Ok(Done::Well)
}

/// What is erased.
enum Chosen {
    /// What was begun and did not end.
    Begun(Erasure),
    /// A device, or what is on its way to be one.
    New(Erasure),
}

impl Chosen {
    const fn erasure(&self) -> &Erasure {
        match self {
            Self::Begun(erasure) | Self::New(erasure) => erasure,
        }
    }
}

async fn chosen(client: &Client, args: &Args, now: Timestamp) -> Result<Chosen, Failure> {
    let DeviceArgs { device, source } = &args.device;
    let begun = erasure::begun(client, source.as_deref(), device).await;
    let begun = begun.map_err(|error| database::failed(&error.into()))?;
    if let Some(begun) = begun.into_iter().next() {
        return Ok(Chosen::Begun(begun));
    }
    let (source, name) = match (find(client, &args.device).await, source) {
        (Ok((found, entry)), _) => {
            if !entry.configured.is_empty() {
                let (line, name) = (line(&entry, "device"), output::printable(&found.name));
                return Err(Failure::new(format!("{line} names {name}"))
                    .hint("take it out there, and activate the pipeline, first"));
            }
            (found.source, found.name)
        }
        // Its payloads may wait in a queue.
        (Err(_), Some(source)) => (source.clone(), device.clone()),
        (Err(failure), None) => return Err(failure),
    };
    let preview = erasure::preview(client, &source, &name, now).await;
    Ok(Chosen::New(preview.map_err(|error| database::failed(&error.into()))?))
}

/// What becomes of requests.
struct Requests<'p> {
    pipeline: &'p Pipeline,
}

impl Requests<'_> {
    /// Those that do not stay as they are.
    fn rewritten<'r>(&self, erasure: &Erasure, requests: &'r [StoredRequest]) -> Vec<Rewritten<'r>> {
        let origin = Origin::named(self.pipeline, &erasure.source).ok();
        let rewritten = |request: &'r StoredRequest| {
            let rest = match (origin, RecordedRequest::from_bytes(&request.body.clone().into())) {
                (Some(origin), Ok(recorded)) => {
                    without_device(origin, &recorded, request.received_at, &erasure.names)
                }
                _ => Without::Nothing,
            };
            match rest {
                Without::All => None,
                Without::Rest(rest) => Some(Rewritten { request, body: Some(rest.to_bytes()) }),
                Without::Nothing => Some(Rewritten { request, body: None }),
            }
        };
        requests.iter().filter_map(rewritten).collect()
    }

    async fn plan(&self, client: &Client, erasure: &Erasure) -> Result<Plan, StoreError> {
        let mut plan = Plan { extent: erasure.extent(client).await?, ..Plan::default() };
        let mut seen = HashSet::new();
        let mut count = |requests: &[StoredRequest]| {
            for Rewritten { request, body } in self.rewritten(erasure, requests) {
                if seen.insert(request.receipt_id) {
                    *(if body.is_some() {
                        &mut plan.requests_rewritten
                    } else {
                        &mut plan.requests_deleted
                    }) += 1;
                }
            }
        };
        let mut after = None;
        while let Some(page) = erasure.moments(client, after).await? {
            count(&page.requests);
            after = Some(page.last);
        }
        count(&erasure.held(client).await?);
        let mut after = None;
        loop {
            let (requests, last) = erasure.requests(client, after).await?;
            count(&requests);
            after = last;
            if after.is_none() {
                return Ok(plan);
            }
        }
    }

    async fn erase(&self, client: &mut Client, erasure: &Erasure) -> Result<(), StoreError> {
        while let Some(page) = erasure.moments(&*client, None).await? {
            let rewritten = self.rewritten(erasure, &page.requests);
            let transaction = Transaction::begin(client).await?;
            erasure.take_away(&transaction, &page, &rewritten).await?;
            transaction.commit().await?;
        }
        let mut after = None;
        loop {
            let (requests, last) = erasure.requests(&*client, after).await?;
            let rewritten = self.rewritten(erasure, &requests);
            let transaction = Transaction::begin(client).await?;
            erasure::rewrite(&transaction, &rewritten).await?;
            transaction.commit().await?;
            after = last;
            if after.is_none() {
                break;
            }
        }
        let held = erasure.held(&*client).await?;
        let transaction = Transaction::begin(client).await?;
        erasure.rewrite_held(&transaction, &self.rewritten(erasure, &held)).await?;
        erasure.records(&transaction).await?;
        erasure.end(&transaction).await?;
        transaction.commit().await
    }
}

impl Row for Plan {
    const HEADINGS: &'static [&'static str] =
        &["MOMENTS", "SERIES", "REQUESTS DELETED", "REQUESTS REWRITTEN", "DEAD LETTERS", "ALERT TRANSITIONS"];

    fn cells(&self) -> Vec<String> {
        let Extent { moments, series, transitions, dead_letters, .. } = self.extent;
        let (deleted, rewritten) = (self.requests_deleted, self.requests_rewritten);
        vec![
            moments.to_string(),
            series.to_string(),
            deleted.to_string(),
            rewritten.to_string(),
            dead_letters.to_string(),
            transitions.to_string(),
        ]
    }
}
