//! The `transform` service.

use std::process::ExitCode;

use stage::{App, ConfigErrors};
use store::{Database, DatabaseSettings};
use transform::{Config, Transform};

fn main() -> ExitCode {
    stage::run("transform", |mut runtime| {
        let config = Config::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        runtime.env.finish()?;
        // Without a mistake there is a configuration.
        let Config { pipeline } = config.ok_or_else(ConfigErrors::default)?;
        let database = Database::new(&settings);
        Ok(App::new().stage(Transform::new(pipeline, database, runtime.clock)))
    })
}
