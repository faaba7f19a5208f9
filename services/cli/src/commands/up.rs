//! `freshet up`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use knative_local::{LocalKnative, Running};
use pipeline_config::Pipeline;
use postgres_local::{Instance, Options};
use runtime::Clock;
use store::{Database, DatabaseSettings};
use tokio::signal::unix::{SignalKind, signal};
use topology::TICK_TIMER;

use crate::database;
use crate::demo;
use crate::pipeline_file::PipelineFile;
use crate::up::addresses::Addresses;
use crate::up::directory::StateDirectory;
use crate::up::house::{self, House};
use crate::up::log;
use crate::up::screen::Screen;
use runtime::Failure;

use super::Done;

/// How often the screen follows what happens.
const REFRESH: Duration = Duration::from_millis(100);

/// Run the whole pipeline on this machine: a private PostgreSQL, the local broker, stages that start on demand
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineFile,
    /// Where everything is kept; the next `up` in the same directory goes on where this one stopped
    #[arg(long, value_name = "FOLDER", default_value = ".freshet")]
    state_dir: PathBuf,
    /// The port of the webhook
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address of the webhook
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    address: Ipv4Addr,
    /// How long a stage stays without a request
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    idle: Duration,
    /// The time between two slow ticks, which send back what failed only for now
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    slow_tick: Duration,
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

/// Runs until Ctrl-C, or with `--once` until the demo is over.
///
/// # Errors
/// Where a part of the pipeline does not start or stop.
pub async fn run(args: &Args) -> Result<Done, Failure> {
    let directory = StateDirectory::take(&args.state_dir.join(if args.demo { "demo" } else { "" }))?;
    let stage_play = args.demo.then(|| demo::Play::prepare(&directory)).transpose()?;
    let pipeline_path = match &stage_play {
        Some(play) => play.pipeline_path().to_owned(),
        None => absolute(&args.pipeline.path)?,
    };
    let pipeline = PipelineFile { path: pipeline_path.clone() }.load()?;
    for warning in &pipeline.warnings {
        eprintln!("warning: {}:{}: {}", pipeline_path.display(), warning.line, warning.text);
    }
    let mut postgres = start_postgres(&directory).await?;
    let result = with_database(args, &directory, &pipeline, &pipeline_path, &postgres, stage_play).await;
    tokio::task::block_in_place(|| postgres.stop())
        .map_err(|error| Failure::because("PostgreSQL does not stop", &error))?;
    result
}

async fn start_postgres(directory: &StateDirectory) -> Result<Instance, Failure> {
    let options = Options::new(directory.postgres());
    tokio::task::spawn_blocking(move || Instance::start(&options))
        .await
        .map_err(|error| Failure::because("PostgreSQL does not start", &error))?
        .map_err(|error| Failure::because("PostgreSQL does not start", &error))
}

async fn with_database(
    args: &Args,
    directory: &StateDirectory,
    pipeline: &Pipeline,
    pipeline_path: &Path,
    postgres: &Instance,
    stage_play: Option<demo::Play>,
) -> Result<Done, Failure> {
    let database_url = postgres.url("postgres");
    prepare(&database_url, pipeline).await?;
    let tick =
        (!pipeline.rules.is_empty() || !pipeline.receivers.is_empty()).then(|| pipeline.tick.unsigned_abs());
    let house = House {
        state: directory.broker(),
        binaries: args.bin_dir.clone().map_or_else(house::beside_this_program, Ok)?,
        pipeline: pipeline_path.to_owned(),
        foreign_events: house::foreign_events(pipeline),
        database_url: database_url.clone(),
        environment: stage_play.as_ref().map(demo::Play::environment).unwrap_or_default(),
        listen: SocketAddr::from((args.address, args.port)),
        idle: args.idle,
        tick,
        slow_tick: args.slow_tick,
    };
    let clock = Clock::system();
    let running = LocalKnative::start(house.config()?, Arc::new(move || clock.now()))
        .await
        .map_err(|error| Failure::because("the local broker does not start", &error))?;
    let result = match Addresses::publish(directory.path(), &database_url, &running.broker_url()) {
        Ok(_addresses) => {
            live(args, &running, &database_url, tick.unwrap_or(TICK_TIMER.every), stage_play).await
        }
        Err(failure) => Err(failure),
    };
    running.stop().await;
    result
}

/// Brings the schema up to date and puts the pipeline file in force.
///
/// # Errors
/// Where the database does not answer, or refuses a migration.
pub async fn prepare(database_url: &str, pipeline: &Pipeline) -> Result<(), Failure> {
    let settings = DatabaseSettings::from_url(database_url)
        .map_err(|error| Failure::because("the database's address is wrong", &error))?;
    store::migrate(&settings).await.map_err(|error| Failure::because("the migration failed", &error))?;
    let client = Database::new(&settings).client().await.map_err(|error| database::failed(&error))?;
    store::active_pipeline::activate(&client, &pipeline.hash, Clock::system().now())
        .await
        .map_err(|error| Failure::because("the pipeline cannot be put in force", &error))
}

/// Shows what happens until it is time to end.
async fn live(
    args: &Args,
    running: &Running,
    database_url: &str,
    tick: Duration,
    stage_play: Option<demo::Play>,
) -> Result<Done, Failure> {
    let mut screen = Screen::open();
    log::show(&screen);
    let webhook = format!("http://{}:{}", args.address, args.port);
    screen.say(&format!("webhook: {webhook}/hooks/SOURCE"));
    screen.say(&format!("database: psql '{database_url}'"));
    let mut refresh = tokio::time::interval(REFRESH);
    let mut ctrl_c = std::pin::pin!(tokio::signal::ctrl_c());
    let mut terminated = signal(SignalKind::terminate())
        .map_err(|error| Failure::because("SIGTERM cannot be listened for", &error))?;
    let played = async {
        match stage_play {
            Some(play) => Some(play.perform(&webhook, database_url, running, tick).await),
            None => std::future::pending().await,
        }
    };
    let mut played = std::pin::pin!(played);
    let mut over = None;
    loop {
        tokio::select! {
            _ = refresh.tick() => screen.show(&running.stats()),
            _ = &mut ctrl_c => break,
            _ = terminated.recv() => break,
            error = running.failed() => {
                let failure = Failure::because("the local broker cannot go on", &error);
                over = Some(Err(failure.hint("see that the disk has room, and start `freshet up` again: it goes on from here")));
                break;
            }
            verdict = &mut played, if over.is_none() => {
                over = verdict;
                if args.once || matches!(over, Some(Err(_))) {
                    break;
                }
            }
        }
    }
    screen.show(&running.stats());
    screen.close();
    over.unwrap_or(Ok(Done::Well))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::because(format!("{} has no place", path.display()), &error))
}

fn duration(text: &str) -> Result<Duration, String> {
    pipeline_config::parse_duration(text).ok_or_else(|| "write a duration like 90s, 10m or 2h".to_owned())
}
