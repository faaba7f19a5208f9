//! Takes requests from outside, and queues them or writes what they hold.

use std::process::ExitCode;
use std::sync::Arc;

use ingest::{Config, Confirmer, Direct, DirectConfig, DirectParts, HandOver, Ingest, routes};
use kafka::EitherSink;
use persist::{Persist, PersistParts};
use runtime::ConfigErrors;
use stage::{App, Runtime};
use store::Database;
use store::dead_letters::DeadLetterKeeper;

fn main() -> ExitCode {
    stage::run("ingest", build)
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let sink = EitherSink::from_env(&mut runtime.env);
    let confirmer = Confirmer::new(&mut runtime.env);
    runtime.env.finish()?;
    let (Some(sink), Some(confirmer)) = (sink, confirmer) else { return Err(ConfigErrors::default()) };
    let limit = runtime.settings.shutdown_timeout;
    let hand_over = match config.direct {
        Some(DirectConfig { pipeline, database, falls_back, commit_timeout }) => {
            let database = Database::new(&database);
            let keeper = DeadLetterKeeper::new(database.clone(), runtime.name);
            let prewarm = config.next_stages.where_watched();
            let persist = Persist::new(PersistParts { pipeline, database, prewarm, stage: runtime.name });
            let (places, sources) = (runtime.settings.max_in_flight, config.sources.count());
            let clock = runtime.clock.clone();
            let sink = sink.clone();
            let parts =
                DirectParts { persist, keeper, sink, falls_back, commit_timeout, places, sources, clock };
            HandOver::Direct(Arc::new(Direct::new(parts)))
        }
        None => HandOver::Queue(sink.clone()),
    };
    let flushed = hand_over.clone();
    let ingest = Ingest {
        sources: config.sources,
        next_stages: config.next_stages,
        max_body_bytes: config.max_body_bytes,
        body_timeout: runtime.settings.body_timeout,
        clock: runtime.clock,
        hand_over,
        confirmer,
    };
    let flush = move || async move {
        if let HandOver::Direct(direct) = flushed {
            direct.flush().await;
        }
        sink.flush(limit).await;
    };
    Ok(App::new().routes(routes(ingest)).on_shutdown(flush))
}
