//! Takes requests from outside and queues them.

use std::process::ExitCode;

use ingest::{Config, Confirmer, Ingest, routes};
use kafka::EitherSink;
use runtime::ConfigErrors;
use stage::{App, Runtime};

fn main() -> ExitCode {
    stage::run("ingest", build)
}

fn build(mut runtime: Runtime) -> Result<App, ConfigErrors> {
    let config = Config::from_env(&mut runtime.env);
    let sink = EitherSink::from_env(&mut runtime.env);
    let confirmer = Confirmer::new(&mut runtime.env);
    runtime.env.finish()?;
    let (Some(sink), Some(confirmer)) = (sink, confirmer) else { return Err(ConfigErrors::default()) };
    let (flushed, limit) = (sink.clone(), runtime.settings.shutdown_timeout);
    let ingest = Ingest {
        sources: config.sources,
        next_stages: config.next_stages,
        max_body_bytes: config.max_body_bytes,
        body_timeout: runtime.settings.body_timeout,
        clock: runtime.clock,
        sink,
        confirmer,
    };
    Ok(App::new().routes(routes(ingest)).on_shutdown(move || async move { flushed.flush(limit).await }))
}
