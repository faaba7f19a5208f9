//! The `dead-letter` service.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dead_letter::{DeadLetterTopic, DeadLetters, Sender, api};
use runtime::{ClientOptions, ConfigErrors, Env};
use sink::{HttpSink, Overrides};
use stage::App;
use store::dead_letters::DeadLetterKeeper;
use store::{Database, DatabaseSettings};

/// Less than a round of sending back may take.
const STORED_WITHIN: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    stage::run("dead-letter", |mut runtime| {
        let sink = HttpSink::from_env(&mut runtime.env);
        let topic = DeadLetterTopic::from_env(&mut runtime.env);
        let settings = DatabaseSettings::from_env(&mut runtime.env);
        let payloads = payloads(&mut runtime.env);
        runtime.env.finish()?;
        // Without a mistake there is a sink.
        let sink = sink.ok_or_else(ConfigErrors::default)?;
        let database = Database::new(&settings);
        let sender = Arc::new(Sender { database, sink, payloads, clock: runtime.clock });
        let keeper = DeadLetterKeeper::new(sender.database.clone(), runtime.name);
        let stage = DeadLetters::new(Arc::clone(&sender), topic);
        Ok(App::new().stage(stage).keeping(keeper).routes(api::routes(sender)))
    })
}

/// `PAYLOADS_SINK`: the address of the stage that stores payloads, where the Broker keeps nothing; with room for its start.
fn payloads(env: &mut Env) -> Option<HttpSink> {
    let url = env.http_url("PAYLOADS_SINK")?;
    let options =
        ClientOptions { timeout: STORED_WITHIN, connect_timeout: STORED_WITHIN, ..ClientOptions::default() };
    let sink = HttpSink::new(&url, &options, Overrides::default());
    sink.inspect_err(|error| env.mistake("PAYLOADS_SINK", error.to_string())).ok()
}
