//! A device that is not known becomes one.

use std::collections::BTreeMap;
use std::time::Duration;

use codecs::Codecs;
use persist::{Persist, PersistParts, Swept};
use runtime::{Clock, Deadline, Failure, Prewarm};
use serde_json::{Map, json};
use store::{Database, held, registry};

use super::super::Done;
use super::change;
use crate::database;
use crate::output;
use crate::pipeline_file::PipelineFile;
use crate::state_directory::StateDirectory;

/// Take a device in whose source holds what is not known, with all that is held of it
///
/// `freshet devices list --held` has them. What was held counts as received when it was, and no rule looks at it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The device's name, as its platform gives it
    device: String,
    /// Its source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    state: StateDirectory,
}

/// So much is looked for at once.
const LIMIT: i64 = 100_000;
/// For so long the command stores what is held; the tick goes on.
const LONGEST: Duration = Duration::from_secs(600);

/// Adopts it.
///
/// # Errors
/// Where nothing is held of it and its source is not named, or the database cannot be asked.
pub(super) async fn run(args: &Args) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    // One to find, one to write, one to make the device.
    let settings = database::settings(&args.state)?.pool_size(3);
    let (database, now) = (Database::new(&settings), Clock::system().now());
    let mut client = database.client().await.map_err(|error| database::failed(&error))?;
    let name = decoders::device::normalise(&args.device).map_err(Failure::new)?;
    let source = match &args.source {
        Some(source) => crate::pipeline_file::source(&pipeline, source).map(|_| source.clone())?,
        None => {
            let held =
                held::devices(&client, LIMIT).await.map_err(|error| database::failed(&error.into()))?;
            let sources: Vec<String> =
                held.into_iter().filter(|held| held.device == name).map(|held| held.source).collect();
            let [source] = sources.as_slice() else {
                let shown = output::printable(&name);
                return Err(Failure::new(format!("{} sources hold payloads of {shown}", sources.len()))
                    .hint("say which is meant with --source"));
            };
            source.clone()
        }
    };
    let adopted = Map::from_iter([("adopted_at".to_owned(), json!(now))]);
    let entry = BTreeMap::from([((source, name), adopted)]);
    let registered = change(&mut client, async |transaction| registry::register(transaction, &entry).await);
    registered.await.map_err(|error| database::failed(&error))?;
    drop(client);
    let persist = Persist::new(PersistParts {
        pipeline,
        codecs: Codecs::default(),
        database,
        prewarm: Prewarm::default(),
        stage: "adopt",
    });
    let swept = persist.sweep_held(now, Deadline::within(LONGEST)).await;
    let Swept { stored, given_up } = swept
        .map_err(|error| Failure::because("what is held is not stored; the next tick does it", &error))?;
    eprintln!("{stored} held payloads are stored");
    if given_up > 0 {
        eprintln!("{given_up} are dead letters: `freshet dead-letters list` says why");
    }
    Ok(Done::Well)
}
