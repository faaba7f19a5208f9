//! `freshet up`: the whole pipeline on this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use knative_local::{LocalKnative, Running};
use pipeline_config::{Files, Pipeline};
use postgres_local::Instance;
use runtime::{Clock, Failure};
use store::{Client, Database, DatabaseSettings};
use tokio::signal::unix::{SignalKind, signal};
use topology::{Mode, TICK_TIMER, WORKER};

use crate::addresses::Addresses;
use crate::demo::{Demo, Outcome};
use crate::local_topology::{self, LocalTopology};
use crate::log;
use crate::screen::Screen;
use crate::state_directory::StateDirectory;

/// How often the screen follows what happens.
const REFRESH: Duration = Duration::from_millis(100);

/// What to run, and where.
#[derive(Debug)]
pub struct Options {
    /// What is run.
    pub work: Work,
    /// Where everything is kept; the demo has a folder of its own in it.
    pub state_directory: PathBuf,
    /// The address of the webhook.
    pub address: Ipv4Addr,
    /// The port of the webhook.
    pub port: u16,
    /// The way of a payload to its rows.
    pub mode: Mode,
    /// The topic that the worker reads, which is there; none runs where it is `None`.
    pub topic: Option<String>,
    /// How long a stage stays without a request.
    pub idle: Duration,
    /// The folder of the stages' binaries; beside this program where it is `None`.
    pub binaries: Option<PathBuf>,
}

/// What is run.
#[derive(Debug)]
pub enum Work {
    /// The pipeline of these files (absolute paths), until Ctrl-C.
    Pipeline(Files, Box<Pipeline>),
    /// The demo; with `once` until it is over, otherwise until Ctrl-C.
    Demo {
        /// Whether it ends after the demo.
        once: bool,
    },
}

/// Runs `options.work`; `report` is called with what came of a demo. Gives whether all is well.
///
/// # Errors
/// Where a part of the pipeline does not start or stop, or `report` fails.
pub async fn run(
    options: Options,
    report: impl Fn(&Outcome) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let is_demo = matches!(options.work, Work::Demo { .. });
    let directory = StateDirectory::take(&options.state_directory.join(if is_demo { "demo" } else { "" }))?;
    let (files, pipeline, demo, once) = match options.work {
        Work::Pipeline(ref files, ref pipeline) => (files.clone(), pipeline.clone(), None, false),
        Work::Demo { once } => {
            let demo = Demo::prepare(&directory).await?;
            let files = Files::from(demo.pipeline_path());
            let pipeline = Pipeline::load(&files)
                .map_err(|error| Failure::because("the demo's pipeline file has mistakes", &error))?;
            (files, Box::new(pipeline), Some(demo), once)
        }
    };
    let mut postgres = start_postgres(&directory).await?;
    let run = Run { options, directory, files, pipeline, once, database_url: postgres.url("postgres") };
    let result = run.with_database(demo, report, ended(&mut postgres)).await;
    tokio::task::block_in_place(|| postgres.stop())
        .map_err(|error| Failure::because("PostgreSQL does not stop", &error))?;
    result
}

/// Waits until the server has ended by itself.
async fn ended(postgres: &mut Instance) {
    let mut looks = tokio::time::interval(REFRESH);
    while postgres.is_running() {
        looks.tick().await;
    }
}

/// A run whose PostgreSQL is up.
struct Run {
    options: Options,
    directory: StateDirectory,
    files: Files,
    pipeline: Box<Pipeline>,
    once: bool,
    database_url: String,
}

async fn start_postgres(directory: &StateDirectory) -> Result<Instance, Failure> {
    let options = postgres_local::Options::new(directory.postgres());
    tokio::task::spawn_blocking(move || Instance::start(&options))
        .await
        .map_err(|error| Failure::because("PostgreSQL does not start", &error))?
        .map_err(|error| Failure::because("PostgreSQL does not start", &error))
}

impl Run {
    async fn with_database(
        &self,
        demo: Option<Demo>,
        report: impl Fn(&Outcome) -> Result<(), Failure>,
        postgres_ended: impl Future<Output = ()>,
    ) -> Result<bool, Failure> {
        prepare(&self.database_url, &self.pipeline).await?;
        let tick = self.tick();
        let topology = LocalTopology {
            state: self.directory.broker(),
            scratch: self.directory.scratch(),
            binaries: self.options.binaries.clone().map_or_else(local_topology::beside_this_program, Ok)?,
            pipeline: self.files.clone(),
            foreign_events: local_topology::foreign_events(&self.pipeline),
            reads_topics: local_topology::reads_topics(&self.pipeline),
            database_url: self.database_url.clone(),
            environment: demo.as_ref().map(Demo::environment).unwrap_or_default(),
            listen: SocketAddr::from((self.options.address, self.options.port)),
            mode: self.options.mode,
            topic: self.options.topic.clone(),
            // The demo shows that every stage comes to zero.
            ingest_scales: demo.is_some(),
            idle: self.options.idle,
            tick: Some(tick),
        };
        let clock = Clock::system();
        let running = LocalKnative::start(topology.config()?, Arc::new(move || clock.now())).await.map_err(
            |error| {
                Failure::because("the local broker does not start", &error)
                    .hint("--port and --address choose where the webhook listens")
            },
        )?;
        let addresses = Addresses::publish(self.directory.path(), &self.database_url, &running.broker_url());
        let result = match addresses {
            Ok(_addresses) => {
                let demo = self.demo(demo, &running, report);
                self.until_over(&running, demo, postgres_ended).await
            }
            Err(failure) => Err(failure),
        };
        running.stop().await;
        result
    }

    /// The time between two ticks; a long one where neither a rule nor a receiver needs them.
    fn tick(&self) -> Duration {
        let is_needed = !self.pipeline.rules.is_empty() || !self.pipeline.receivers.is_empty();
        if is_needed { self.pipeline.tick.unsigned_abs() } else { TICK_TIMER.rare }
    }

    /// Where requests from outside are taken.
    fn webhook(&self) -> String {
        format!("http://{}:{}", self.options.address, self.options.port)
    }

    /// Shows what happens until it is time to end.
    async fn until_over(
        &self,
        running: &Running,
        demo: impl Future<Output = Result<bool, Failure>>,
        postgres_ended: impl Future<Output = ()>,
    ) -> Result<bool, Failure> {
        let mut screen = Screen::open(running.stats().services.contains_key(WORKER));
        log::show(&screen);
        screen.say(&format!("webhook: {}/hooks/SOURCE", self.webhook()));
        screen.say("elsewhere, `freshet devices` and psql \"$DATABASE_URL\" find it after:");
        screen.say(&format!("export DATABASE_URL='{}'", self.database_url));
        screen.say(&format!("export FRESHET_BROKER='{}'", running.broker_url()));
        let (mut demo, mut postgres_ended) = (std::pin::pin!(demo), std::pin::pin!(postgres_ended));
        let mut refresh = tokio::time::interval(REFRESH);
        let mut ctrl_c = std::pin::pin!(tokio::signal::ctrl_c());
        let mut terminated = signal(SignalKind::terminate())
            .map_err(|error| Failure::because("SIGTERM cannot be listened for", &error))?;
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
                () = &mut postgres_ended => {
                    let log = self.directory.postgres().join("postgres.log");
                    let failure = Failure::new(format!("PostgreSQL has ended: {} says why", log.display()));
                    over = Some(Err(failure.hint("start `freshet up` again: what was accepted is stored then")));
                    break;
                }
                result = &mut demo, if over.is_none() => {
                    let is_over = self.once || result.is_err();
                    over = Some(result);
                    if is_over {
                        break;
                    }
                }
            }
        }
        screen.show(&running.stats());
        screen.close();
        over.unwrap_or(Ok(true))
    }

    /// The demo, where there is one; otherwise nothing, without end.
    async fn demo(
        &self,
        demo: Option<Demo>,
        running: &Running,
        report: impl Fn(&Outcome) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let Some(demo) = demo else { return std::future::pending().await };
        let database = connect(&settings(&self.database_url)?).await?;
        let outcome = demo.run(&self.webhook(), &database, running, self.tick()).await?;
        report(&outcome)?;
        Ok(outcome.agrees())
    }
}

/// Brings the schema up to date and puts the pipeline file in force.
///
/// # Errors
/// Where the database does not answer, or refuses a migration.
pub async fn prepare(database_url: &str, pipeline: &Pipeline) -> Result<(), Failure> {
    let settings = settings(database_url)?;
    store::migrate(&settings).await.map_err(|error| Failure::because("the migration failed", &error))?;
    let mut client = connect(&settings).await?;
    persist::activate(&mut client, pipeline, Clock::system().now())
        .await
        .map_err(|error| Failure::because("the pipeline cannot be put in force", &error))
}

fn settings(database_url: &str) -> Result<DatabaseSettings, Failure> {
    DatabaseSettings::from_url(database_url)
        .map_err(|error| Failure::because("the database's address is wrong", &error))
}

async fn connect(settings: &DatabaseSettings) -> Result<Client, Failure> {
    let client = Database::new(settings).client().await;
    client.map_err(|error| Failure::because("the database does not answer", &error))
}
