//! The `dead-letter` service.

use std::process::ExitCode;
use std::sync::Arc;

use dead_letter::{DeadLetterTopic, DeadLetters, Sender, api};
use runtime::ConfigErrors;
use sink::HttpSink;
use stage::App;
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

fn main() -> ExitCode {
    stage::run("dead-letter", |mut runtime| {
        let sink = HttpSink::from_env(&mut runtime.env);
        let topic = DeadLetterTopic::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        runtime.env.finish()?;
        // Without a mistake there is a sink.
        let sink = sink.ok_or_else(ConfigErrors::default)?;
        let sender = Arc::new(Sender { database: Database::new(&settings), sink, clock: runtime.clock });
        let keeper = DeadLetterKeeper::new(sender.database.clone(), runtime.name);
        let stage = DeadLetters::new(Arc::clone(&sender), topic);
        Ok(App::new().stage(stage).keeping(keeper).routes(api::routes(sender)))
    })
}
