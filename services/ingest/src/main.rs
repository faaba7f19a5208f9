//! Takes requests from outside, and queues them or writes what they hold.

use std::process::ExitCode;

use ingest::{Config, Confirmer, Direct, DirectConfig, DirectParts, HandOver, Ingest, app};
use kafka::EitherSink;
use runtime::ConfigErrors;
use stage::{App, Runtime};

/// A payload is some hundred small pieces of memory, which the C library makes the most expensive part of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    codecs::serve_if_asked();
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
            HandOver::Direct(Direct::new(DirectParts {
                pipeline,
                database,
                prewarm: config.next_stages.where_watched(),
                stage: runtime.name,
                sink: sink.clone(),
                falls_back,
                commit_timeout,
                max_in_flight: runtime.settings.max_in_flight,
                sources: config.sources.count(),
                threads: runtime.settings.server_threads,
                clock: runtime.clock.clone(),
                metrics: runtime.metrics.of_persisting(),
            }))
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
    Ok(app(ingest).on_shutdown(flush))
}
