//! The `canary` service.

use std::process::ExitCode;

use canary::{CanaryJob, Config, NAME};
use job_stage::JobStage;
use jobs::Runner;
use runtime::ConfigErrors;
use sink::HttpSink;
use stage::App;
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    stage::run(NAME, |mut runtime| {
        let config = Config::from_env(&mut runtime.env);
        let sink = HttpSink::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        runtime.env.finish()?;
        // Without a mistake there are both.
        let sink = sink.ok_or_else(ConfigErrors::default)?;
        let config = config.ok_or_else(ConfigErrors::default)?;
        let job = CanaryJob::new(config, runtime.clock.clone(), runtime.metrics.of_canary());
        let database = Database::new(&settings);
        let keeper = DeadLetterKeeper::new(database.clone(), runtime.name);
        let runner = Runner { name: NAME, job, database, clock: runtime.clock };
        Ok(App::new().stage(JobStage::new(runner, sink)).keeping(keeper))
    })
}
