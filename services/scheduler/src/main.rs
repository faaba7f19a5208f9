//! The `scheduler` service.

use std::process::ExitCode;

use runtime::ConfigErrors;
use scheduler::{Config, Scheduler};
use stage::App;
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    stage::run("scheduler", |mut runtime| {
        let config = Config::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        runtime.env.finish()?;
        // Without a mistake there is a configuration.
        let config = config.ok_or_else(ConfigErrors::default)?;
        let database = Database::new(&settings);
        let keeper = DeadLetterKeeper::new(database.clone(), runtime.name);
        Ok(App::new().stage(Scheduler::new(config, database, runtime.clock)).keeping(keeper))
    })
}
