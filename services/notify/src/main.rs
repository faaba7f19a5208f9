//! The `notify` service.

use std::process::ExitCode;

use notify::{Config, Deliverer, Notify, Waiters};
use runtime::ConfigErrors;
use stage::App;
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    stage::run("notify", |mut runtime| {
        let config = Config::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        runtime.env.finish()?;
        // Without a mistake there is a configuration.
        let Config { pipeline, outgoing, lease } = config.ok_or_else(ConfigErrors::default)?;
        let database = Database::new(&settings);
        let keeper = DeadLetterKeeper::new(database.clone(), runtime.name);
        let waiters = Waiters::default();
        let deliverer = Deliverer { database, pipeline, outgoing, clock: runtime.clock, lease, waiters };
        Ok(App::new().stage(Notify::new(deliverer)).keeping(keeper))
    })
}
