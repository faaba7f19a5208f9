//! Evaluates rules and records what changed.

use std::process::ExitCode;

use alert::{Alert, Config};
use runtime::{ConfigErrors, Prewarm};
use stage::{App, Runtime};
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    stage::run("alert", build)
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let database = DatabaseSettings::from_env(&mut runtime.env);
    let prewarm = Prewarm::from_env(&mut runtime.env, "PREWARM_URLS");
    runtime.env.finish()?;
    let Some(config) = config else { return Err(ConfigErrors::default()) };
    let stage = Alert::new(config, Database::new(&database), runtime.clock);
    Ok(App::new().stage(stage.waking(prewarm)))
}
