//! Reads payloads from a topic and stores readings.

use std::process::ExitCode;

use runtime::{ConfigErrors, ConfigMistake, Prewarm};
use stage::{App, Runtime};
use store::{Database, DatabaseSettings};
use worker::{Config, Worker, WorkerParts};

/// What is decoded is many small pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    codecs::serve_if_asked();
    stage::run("worker", build)
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let database = DatabaseSettings::from_env(&mut runtime.env);
    let prewarm = Prewarm::from_env(&mut runtime.env, "PREWARM_URLS");
    runtime.env.finish()?;
    // Without a mistake there is a configuration.
    let Config { pipeline, own, sources, sink } = config.ok_or_else(ConfigErrors::default)?;
    let started = Worker::start(WorkerParts {
        own,
        sources,
        sink,
        pipeline,
        connections: database.connections(),
        database: Database::new(&database),
        prewarm,
        clock: runtime.clock,
        metrics: runtime.metrics,
        // The other half is for the commit and the leave.
        leave_within: runtime.settings.shutdown_timeout / 2,
    });
    match started {
        Ok(worker) => Ok(App::new().on_shutdown(move || worker.stop())),
        Err(error) => {
            Err(ConfigErrors(vec![ConfigMistake { place: "worker".to_owned(), reason: error.to_string() }]))
        }
    }
}
