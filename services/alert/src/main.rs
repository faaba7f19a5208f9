//! Evaluates rules and records what changed.

use std::process::ExitCode;

use alert::{Alert, Config};
use evaluate::Evaluator;
use runtime::{ConfigErrors, Prewarm};
use sink::HttpSink;
use stage::{App, Runtime};
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    stage::run("alert", build)
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let settings = DatabaseSettings::from_env(&mut runtime.env);
    let prewarm = Prewarm::from_env(&mut runtime.env, "PREWARM_URLS");
    let sink = HttpSink::from_env(&mut runtime.env);
    runtime.env.finish()?;
    // Without a mistake there are both.
    let Config { pipeline, rules } = config.ok_or_else(ConfigErrors::default)?;
    let sink = sink.ok_or_else(ConfigErrors::default)?;
    let (database, clock) = (Database::new(&settings), runtime.clock);
    let keeper = DeadLetterKeeper::new(database.clone(), runtime.name);
    let evaluator = Evaluator { database, clock, pipeline, rules, prewarm };
    let metrics = runtime.metrics.of_evaluation();
    Ok(App::new().stage(Alert::new(evaluator, sink, metrics)).keeping(keeper))
}
