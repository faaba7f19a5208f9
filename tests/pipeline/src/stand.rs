//! The whole pipeline as a test stands it up: a PostgreSQL of its own, the local broker in this process, and the real
//! binaries, built with the feature `simulation`, as processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use knative_local::{Config, LocalKnative, Running};
use local::local_topology::{self, LocalTopology};
use store::migrate::ROLES;
use testkit::{OwnPostgres, eventually, own_postgres};
use tokio_postgres::Client;
use topology::Mode;

/// The source's key in every pipeline file of the tests, in the environment variable `STAND_KEY`.
pub const KEY: &str = "stand-key-8b1f";
/// The longest time that a stand may take to come to rest.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How to stand it up.
pub struct Plan {
    /// The pipeline file.
    pub pipeline: String,
    /// The scripts beside it, by name.
    pub scripts: Vec<(&'static str, &'static str)>,
    /// More environment for every stage.
    pub environment: Vec<(String, String)>,
    /// The simulated time at the start; `None` is real time.
    pub clock: Option<Timestamp>,
    /// Processes at once, by stage.
    pub max_scale: Vec<(&'static str, u32)>,
    /// The way of a payload to its rows; in direct mode `ingest` has its own role in the database.
    pub mode: Mode,
    /// Where `ingest` is reached; by default on a free port.
    pub listen: SocketAddr,
    /// Changes to the broker's configuration.
    pub adjust: fn(&mut Config),
}

impl Plan {
    /// Real time, one process a stage, retries at a fiftieth of their waits.
    pub fn new(pipeline: impl Into<String>) -> Self {
        Self {
            pipeline: pipeline.into(),
            scripts: Vec::new(),
            environment: Vec::new(),
            clock: None,
            max_scale: Vec::new(),
            mode: Mode::Broker,
            listen: ([127, 0, 0, 1], 0).into(),
            adjust: |_| {},
        }
    }
}

/// A pipeline that runs.
pub struct Stand {
    /// Its PostgreSQL.
    pub postgres: OwnPostgres,
    /// Its broker and stages.
    pub running: Running,
    /// Its folder: pipeline file, broker's log, crash points, clock.
    pub folder: tempfile::TempDir,
    client: reqwest::Client,
    clocked: bool,
}

impl Stand {
    /// Stands it up; `None`, said by name, where PostgreSQL is not installed.
    ///
    /// # Panics
    /// Where a part does not start.
    pub async fn up(plan: Plan) -> Option<Self> {
        let postgres = own_postgres().await?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let pipeline = folder.path().join("freshet.yaml");
        std::fs::write(&pipeline, &plan.pipeline).expect("the folder takes a file");
        for (name, script) in &plan.scripts {
            std::fs::write(folder.path().join(name), script).expect("the folder takes a file");
        }
        std::fs::create_dir(folder.path().join("crash")).expect("the folder takes a folder");
        let database_url = postgres.database().url().to_owned();
        local::up::prepare(&database_url, &load(&pipeline)).await.expect("the schema is brought up to date");
        if let Some(now) = plan.clock {
            set_clock(folder.path(), now);
        }
        let mut config = config(&plan, folder.path(), &pipeline, &database_url);
        if plan.mode == Mode::Direct {
            let role = postgres.database().as_role(ROLES, "freshet_ingest").await;
            let ingest = config.services.iter_mut().find(|service| service.name == "ingest");
            let ingest = ingest.expect("it is a stage");
            ingest.env.insert("DATABASE_URL".to_owned(), role.url().to_owned());
        }
        let clock = stage_clock(folder.path(), plan.clock.is_some());
        let running = LocalKnative::start(config, clock).await.expect("the broker starts");
        let client = runtime::http_client(&runtime::ClientOptions::default()).expect("a client can be built");
        Some(Self { postgres, running, folder, client, clocked: plan.clock.is_some() })
    }

    /// A connection to its database.
    pub async fn database(&self) -> Client {
        self.postgres.database().connect().await
    }

    /// Posts `body` to the webhook of `source`; the status, or `None` where there was no answer.
    pub async fn post(&self, source: &str, body: Vec<u8>) -> Option<u16> {
        let ingest = self.running.service_url("ingest").expect("ingest is in the table of stages");
        let request = self
            .client
            .post(format!("{ingest}/hooks/{source}"))
            .header("content-type", "application/json")
            .header("x-api-key", KEY)
            .body(body);
        Some(request.send().await.ok()?.status().as_u16())
    }

    /// Posts until it is taken, as a sender that tries again does.
    ///
    /// # Panics
    /// If it is not taken within [`PATIENCE`].
    pub async fn post_until_taken(&self, source: &str, body: Vec<u8>) {
        eventually(PATIENCE, || async {
            let status = self.post(source, body.clone()).await;
            assert!(!matches!(status, Some(400..=428 | 430..=499)), "refused for good: {status:?}");
            matches!(status, Some(200..=299))
        })
        .await;
    }

    /// Sets the simulated clock of every stage and of the timers.
    ///
    /// # Panics
    /// If the stand was put up on real time.
    pub fn set_clock(&self, now: Timestamp) {
        assert!(self.clocked, "this stand runs on real time");
        set_clock(self.folder.path(), now);
    }

    /// Kills the next process of `stage` that comes to the named point, at that point.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn crash_at(&self, stage: &str, point: &str) {
        let folder = crash_folder(self.folder.path(), stage);
        std::fs::write(folder.join(point), "").expect("the crash folder takes a file");
    }

    /// Kills each process of `stage` that comes to the named point with the event `id`.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn crash_on(&self, stage: &str, point: &str, id: &str) {
        let folder = crash_folder(self.folder.path(), stage);
        std::fs::write(folder.join(point), id).expect("the crash folder takes a file");
    }

    /// Takes the order of [`Stand::crash_at`] or [`Stand::crash_on`] back, where nobody has followed it.
    pub fn crash_no_more_at(&self, stage: &str, point: &str) {
        // Not there: it has happened, or was never asked for.
        let _ = std::fs::remove_file(crash_folder(self.folder.path(), stage).join(point));
    }

    /// Whether the crash that was asked for has happened.
    pub fn has_crashed(&self, stage: &str, point: &str) -> bool {
        !crash_folder(self.folder.path(), stage).join(point).exists()
    }

    /// Emits a tick, and waits until all that it caused is done.
    pub async fn tick(&self) {
        self.running.tick("tick").await.expect("the broker takes a tick");
        self.rest().await;
    }

    /// Waits until nothing is under way.
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE`].
    pub async fn rest(&self) {
        assert!(
            self.running.wait_quiet(PATIENCE).await,
            "the pipeline did not come to rest: {:?}",
            self.running.stats()
        );
    }

    /// Stops everything, and says where a stage broke the delivery contract.
    ///
    /// # Panics
    /// If one did, or an event was lost.
    pub async fn down(self) {
        let violations = self.running.violations();
        assert!(violations.is_empty(), "the delivery contract was broken: {violations:#?}");
        assert_eq!(self.running.stats().lost, 0, "events were lost");
        self.running.stop().await;
    }
}

fn load(pipeline: &Path) -> pipeline_config::Pipeline {
    pipeline_config::Pipeline::load(&pipeline.into())
        .unwrap_or_else(|error| panic!("the test's pipeline file: {error}"))
}

fn config(plan: &Plan, folder: &Path, pipeline: &Path, database_url: &str) -> Config {
    let mut environment = plan.environment.clone();
    environment.push(("STAND_KEY".to_owned(), KEY.to_owned()));
    // A lease that a killed process holds must not outlast a test.
    environment.push(("LEASE_MS".to_owned(), "1500".to_owned()));
    if plan.clock.is_some() {
        environment.push(("FRESHET_SIMULATED_CLOCK".to_owned(), clock_file(folder).display().to_string()));
    }
    let topology = LocalTopology {
        state: folder.join("broker"),
        scratch: folder.join("scratch"),
        binaries: binaries(),
        pipeline: pipeline.into(),
        foreign_events: local_topology::foreign_events(&load(pipeline)),
        reads_topics: local_topology::reads_topics(&load(pipeline)),
        database_url: database_url.to_owned(),
        environment,
        listen: plan.listen,
        mode: plan.mode,
        topic: None,
        ingest_scales: true,
        idle: Duration::from_secs(2),
        tick: None,
    };
    let mut config = topology.config().unwrap_or_else(|failure| panic!("{failure}: run `make build-test`"));
    for service in &mut config.services {
        let crashes = crash_folder(folder, &service.name);
        service.env.insert("FRESHET_CRASH_DIR".to_owned(), crashes.display().to_string());
        if let Some((_, processes)) = plan.max_scale.iter().find(|(name, _)| *name == service.name) {
            service.max_scale = *processes;
            service.min_scale = *processes;
        }
    }
    // The hour of a payload's retries passes in seconds.
    config.time_scale = 0.001;
    config.commit_interval = Duration::from_millis(200);
    config.crash_dir = Some(crash_folder(folder, "broker"));
    (plan.adjust)(&mut config);
    config
}

/// The folder of the binaries that `make build-test` makes: that of this test.
///
/// # Panics
/// If the test's own path is unknown.
pub fn binaries() -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a path");
    own.ancestors().nth(2).expect("tests run in a folder below the binaries").to_owned()
}

fn crash_folder(folder: &Path, stage: &str) -> PathBuf {
    let path = folder.join("crash").join(stage);
    std::fs::create_dir_all(&path).expect("the folder takes a folder");
    path
}

/// The file that holds the simulated time of a stand in this folder.
pub fn clock_file(folder: &Path) -> PathBuf {
    folder.join("clock")
}

/// By rename, so that nobody reads half a time.
fn set_clock(folder: &Path, now: Timestamp) {
    let next = folder.join("clock.next");
    std::fs::write(&next, now.to_string()).expect("the folder takes a file");
    std::fs::rename(next, clock_file(folder)).expect("a file can be renamed within its folder");
}

fn stage_clock(folder: &Path, simulated: bool) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
    let file = clock_file(folder);
    let system = runtime::Clock::system();
    Arc::new(move || {
        if !simulated {
            return system.now();
        }
        let text = std::fs::read_to_string(&file).expect("the clock file is there as long as the stand");
        text.trim().parse().expect("the clock file holds a time")
    })
}
