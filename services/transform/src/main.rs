//! Decodes payloads and stores readings.

use std::process::ExitCode;

use runtime::{ConfigErrors, Prewarm};
use stage::{App, Runtime};
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};
use transform::{Config, Transform, TransformParts};

/// A payload is some hundred small pieces of memory, which the C library makes the most expensive part of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    codecs::serve_if_asked();
    stage::run("transform", build)
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let database = DatabaseSettings::from_env(&mut runtime.env);
    let prewarm = Prewarm::from_env(&mut runtime.env, "PREWARM_URLS");
    runtime.env.finish()?;
    let Some(config) = config else { return Err(ConfigErrors::default()) };
    let Config { pipeline, sink } = config;
    let (database, clock) = (Database::new(&database), runtime.clock);
    let keeper = DeadLetterKeeper::new(database.clone(), runtime.name);
    let stage = Transform::new(TransformParts { pipeline, database, prewarm, sink, clock })
        .measured(runtime.metrics.of_persisting());
    Ok(App::new().stage(stage).keeping(keeper))
}
