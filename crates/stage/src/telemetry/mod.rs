//! Logs on stdout always; traces and metrics by OTLP where the environment says where to.
//!
//! Spans are made in any case, so that every log line has its trace and every outgoing request its `traceparent`.
//! Without an endpoint they are not recorded, which would be a good part of an event's cost: they only carry their trace.

mod export_client;
mod log;
mod metrics;
pub mod names;
mod options;
mod otlp;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Filter, Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use metrics::{CanaryMetrics, EvaluationMetrics, Metrics, PersistMetrics, TopicMetrics};
pub(crate) use options::Options;

use runtime::trace::Carrying;

/// The running telemetry of a process.
#[derive(Debug)]
pub(crate) struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    meter: Option<SdkMeterProvider>,
    pub(crate) metrics: Metrics,
}

impl Telemetry {
    /// Starts logs, and exporters that run on `runtime`.
    pub(crate) fn start(options: &Options, runtime: &tokio::runtime::Handle) -> Self {
        let (providers, failure) = match otlp::providers(options, runtime) {
            Ok(providers) => (providers, None),
            Err(error) => (otlp::Providers::default(), Some(error)),
        };
        let otlp::Providers { tracer, meter } = providers;
        let metrics = Metrics::of(meter.as_ref(), options.name);
        let spans = match &tracer {
            Some(tracer) => tracing_opentelemetry::layer()
                .with_tracer(tracer.tracer(options.name))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .boxed(),
            None => Carrying.boxed(),
        };
        let spans = spans.with_filter(spans_of_ours());
        let lines = log::Lines::new(options.revision.clone()).with_filter(lines_of(&options.filter));
        // A second start in one process (tests) keeps the first subscriber.
        let _ = tracing_subscriber::registry().with(spans).with(lines).try_init();
        if let Some(error) = failure {
            tracing::error!(error = %error, "traces and metrics are not exported");
        }
        Self { tracer, meter, metrics }
    }

    /// Sends what is still held; gives up after `limit`. Blocks.
    pub(crate) fn shut_down(self, limit: Duration) {
        // What cannot be sent at the very end is lost, and there is nobody left to tell.
        let _ = self.tracer.map(|tracer| tracer.shutdown_with_timeout(limit));
        let _ = self.meter.map(|meter| meter.shutdown_with_timeout(limit));
    }
}

/// Spans but those of libraries that would only repeat ours.
fn spans_of_ours() -> Targets {
    const QUIET: [&str; 10] = [
        "h2",
        "hyper",
        "hyper_util",
        "reqwest",
        "rustls",
        "actix_server",
        "actix_http",
        "opentelemetry",
        "opentelemetry_sdk",
        "opentelemetry_otlp",
    ];
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(QUIET.map(|library| (library, LevelFilter::OFF)))
}

/// A filter that names no span is looked at once for each place in the code; any other at each span and line.
fn lines_of<S: Subscriber + for<'a> LookupSpan<'a>>(filter: &str) -> Box<dyn Filter<S> + Send + Sync> {
    match filter.parse::<Targets>() {
        Ok(targets) => Box::new(targets),
        Err(_) => Box::new(EnvFilter::new(filter)),
    }
}
