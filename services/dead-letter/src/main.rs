//! The `dead-letter` service.

use std::process::ExitCode;
use std::sync::Arc;

use codecs::Codecs;
use dead_letter::{DeadLetterTopic, DeadLetters, Sender, api};
use persist::{Persist, PersistParts};
use pipeline_config::Pipeline;
use runtime::{ConfigErrors, Env, Prewarm};
use sink::HttpSink;
use stage::App;
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    codecs::serve_if_asked();
    stage::run("dead-letter", |mut runtime| {
        let sink = HttpSink::from_env(&mut runtime.env);
        let topic = DeadLetterTopic::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        let pipeline = pipeline(&mut runtime.env);
        runtime.env.finish()?;
        // Without a mistake there is a sink.
        let sink = sink.ok_or_else(ConfigErrors::default)?;
        let database = Database::new(&settings);
        let persist = pipeline.map(|pipeline| {
            let (database, prewarm) = (database.clone(), Prewarm::default());
            let codecs = Codecs::default();
            Persist::new(PersistParts { pipeline, codecs, database, prewarm, stage: runtime.name })
        });
        let sender = Arc::new(Sender { database, sink, persist, clock: runtime.clock });
        let keeper = DeadLetterKeeper::new(sender.database.clone(), runtime.name);
        let stage = DeadLetters::new(Arc::clone(&sender), topic);
        Ok(App::new().stage(stage).keeping(keeper).routes(api::routes(sender)))
    })
}

/// `PERSIST_PAYLOADS=true`, where the Broker keeps nothing: the pipeline that payloads are stored by.
fn pipeline(env: &mut Env) -> Option<Pipeline> {
    if !env.parsed("PERSIST_PAYLOADS", "true or false").unwrap_or(false) {
        return None;
    }
    let files = env.text(pipeline_config::VARIABLE);
    Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))
}
