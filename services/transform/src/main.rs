//! Decodes payloads and stores readings.

use std::process::ExitCode;

use stage::{App, ConfigErrors, Runtime, WakeAhead};
use store::{Database, DatabaseSettings};
use transform::{Config, Transform};

fn main() -> ExitCode {
    stage::run("transform", build)
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let database = DatabaseSettings::from_env(&mut runtime.env);
    let wake_ahead = WakeAhead::from_env(&mut runtime.env, "WAKE_AHEAD_URLS");
    runtime.env.finish()?;
    let Some(config) = config else { return Err(ConfigErrors::default()) };
    let stage = Transform::new(config.pipeline, Database::new(&database), runtime.clock);
    Ok(App::new().stage(stage.waking(wake_ahead)))
}
