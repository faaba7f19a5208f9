//! Decodes payloads and stores readings.

use std::process::ExitCode;

use runtime::{ConfigErrors, ConfigMistake, Prewarm};
use stage::{App, Runtime};
use store::{Database, DatabaseSettings};
use transform::worker::{Worker, WorkerConfig, WorkerParts};
use transform::{Config, Transform, TransformParts};

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => stage::run("transform", build),
        Some("--worker") => stage::run("transform", build_worker),
        Some(_) => {
            eprintln!("transform takes no argument but --worker");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let database = DatabaseSettings::from_env(&mut runtime.env);
    let prewarm = Prewarm::from_env(&mut runtime.env, "PREWARM_URLS");
    runtime.env.finish()?;
    let Some(config) = config else { return Err(ConfigErrors::default()) };
    let Config { pipeline, sink } = config;
    let (database, clock) = (Database::new(&database), runtime.clock);
    let stage = Transform::new(TransformParts { pipeline, database, prewarm, sink, clock });
    Ok(App::new().stage(stage))
}

/// Topic mode.
fn build_worker(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let worker = WorkerConfig::from_env(&mut runtime.env);
    let database = DatabaseSettings::from_env(&mut runtime.env);
    let prewarm = Prewarm::from_env(&mut runtime.env, "PREWARM_URLS");
    runtime.env.finish()?;
    let (Some(config), Some(worker)) = (config, worker) else { return Err(ConfigErrors::default()) };
    let started = Worker::start(WorkerParts {
        config: worker,
        pipeline: config.pipeline,
        connections: database.connections(),
        database: Database::new(&database),
        prewarm,
        clock: runtime.clock,
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
