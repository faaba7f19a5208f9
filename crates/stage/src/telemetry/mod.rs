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
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub use metrics::{Metrics, TopicMetrics};
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
        let spans = spans.with_filter(EnvFilter::new(format!("info,{QUIET}")));
        let lines = log::Lines::new(options.revision.clone()).with_filter(EnvFilter::new(&options.filter));
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

/// Spans of libraries that would only repeat ours.
const QUIET: &str = "h2=off,hyper=off,hyper_util=off,reqwest=off,rustls=off,actix_server=off,actix_http=off,\
                     opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off";
