//! Logs on stdout always; traces and metrics by OTLP where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
//!
//! Spans are made in any case, so that every log line has its trace and every outgoing request its `traceparent`.
//! Without an endpoint they are not recorded, which would be a good part of an event's cost: they only carry their trace.

mod export_client;
mod log;
mod metrics;
pub mod names;
mod otlp;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub use metrics::Metrics;

use runtime::Env;
use runtime::trace::Carrying;

/// What telemetry needs from the environment.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The service's name.
    name: &'static str,
    /// `RUST_LOG`: a filter in the syntax of `tracing_subscriber`; `info`.
    filter: String,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector's base address.
    endpoint: Option<reqwest::Url>,
    /// `K_REVISION`: the revision, as Knative sets it.
    revision: Option<String>,
    /// `K_SERVICE`: the Knative Service.
    knative_service: Option<String>,
}

impl Options {
    pub(crate) fn from_env(name: &'static str, env: &mut Env) -> Self {
        let filter = env.text_or("RUST_LOG", "info");
        if EnvFilter::builder().parse(&filter).is_err() {
            env.mistake("RUST_LOG", "is no filter such as `info` or `warn,transform=debug`");
        }
        Self {
            name,
            filter,
            endpoint: env.http_url("OTEL_EXPORTER_OTLP_ENDPOINT"),
            revision: env.text("K_REVISION"),
            knative_service: env.text("K_SERVICE"),
        }
    }
}

/// The running telemetry of a process.
#[derive(Debug)]
pub(crate) struct Telemetry {
    providers: Option<(SdkTracerProvider, SdkMeterProvider)>,
    pub(crate) metrics: Metrics,
}

impl Telemetry {
    /// Starts logs, and exporters that run on `runtime`.
    pub(crate) fn start(options: &Options, runtime: &tokio::runtime::Handle) -> Self {
        let exporters = options.endpoint.as_ref().map(|endpoint| otlp::exporters(endpoint, runtime));
        let (exporters, failure) = match exporters {
            Some(Ok(exporters)) => (Some(exporters), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let providers = exporters.map(|exporters| otlp::providers(exporters, options));
        let metrics = Metrics::of(providers.as_ref().map(|(_, meter)| meter), options.name);
        let spans = match &providers {
            Some((tracer, _)) => tracing_opentelemetry::layer()
                .with_tracer(tracer.tracer(options.name))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .boxed(),
            None => Carrying.boxed(),
        };
        let spans = spans.with_filter(EnvFilter::new(format!("info,{QUIET}")));
        let lines = log::Lines::new(options.revision.clone()).with_filter(EnvFilter::new(&options.filter));
        // A second start in one process (tests) keeps the first subscriber.
        let _ = tracing_subscriber::registry().with(spans).with(lines).try_init();
        if let Some(error) = failure {
            tracing::error!(error = %error, "traces and metrics are not exported");
        }
        Self { providers, metrics }
    }

    /// Sends what is still held; gives up after `limit`. Blocks.
    pub(crate) fn shut_down(self, limit: Duration) {
        // What cannot be sent at the very end is lost, and there is nobody left to tell.
        if let Some((tracer, meter)) = self.providers {
            let _ = tracer.shutdown_with_timeout(limit);
            let _ = meter.shutdown_with_timeout(limit);
        }
    }
}

/// Spans of libraries that would only repeat ours.
const QUIET: &str = "h2=off,hyper=off,hyper_util=off,reqwest=off,rustls=off,actix_server=off,actix_http=off,\
                     opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off";
