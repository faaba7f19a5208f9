//! The `cleanup` service.

use std::process::ExitCode;

use cleanup::NAME;
use job_stage::JobStage;
use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use runtime::ConfigErrors;
use sink::HttpSink;
use stage::App;
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    stage::run(NAME, |mut runtime| {
        let files = runtime.env.text(pipeline_config::VARIABLE);
        let sink = HttpSink::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        let env = &mut runtime.env;
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason));
        runtime.env.finish()?;
        // Without a mistake there are both.
        let sink = sink.ok_or_else(ConfigErrors::default)?;
        let job = Cleanup::new(pipeline.ok_or_else(ConfigErrors::default)?);
        let database = Database::new(&settings);
        let keeper = DeadLetterKeeper::new(database.clone(), runtime.name);
        let runner = Runner { name: NAME, job, database, clock: runtime.clock };
        Ok(App::new().stage(JobStage::new(runner, sink)).keeping(keeper))
    })
}
