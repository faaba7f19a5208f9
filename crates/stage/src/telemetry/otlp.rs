//! Exporters and providers of the OpenTelemetry SDK.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;

use super::export_client::ExportClient;
use super::{Options, names};
use runtime::{ClientError, ClientOptions, http_client};

/// A process may live for a few seconds only.
const METRICS_INTERVAL: Duration = Duration::from_secs(10);
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why nothing is exported.
#[derive(Debug, Error)]
pub(super) enum ExportError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// One exporter for each signal.
pub(super) struct Exporters {
    spans: SpanExporter,
    metrics: MetricExporter,
}

/// OTLP over HTTP with Protocol Buffers, to `endpoint` and the signals' own paths below it.
pub(super) fn exporters(
    endpoint: &reqwest::Url,
    runtime: &tokio::runtime::Handle,
) -> Result<Exporters, ExportError> {
    let base = endpoint.as_str().trim_end_matches('/');
    let options = ClientOptions { timeout: EXPORT_TIMEOUT, idle_connections: 1, ..ClientOptions::default() };
    let client = ExportClient::new(http_client(&options)?, runtime.clone());
    let spans = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{base}/v1/traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .with_http_client(client.clone())
        .with_retry_policy(RetryPolicy::recommended())
        .build()?;
    let metrics = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{base}/v1/metrics"))
        .with_timeout(EXPORT_TIMEOUT)
        .with_http_client(client)
        .with_retry_policy(RetryPolicy::recommended())
        .build()?;
    Ok(Exporters { spans, metrics })
}

/// The providers over `exporters`.
pub(super) fn providers(exporters: Exporters, options: &Options) -> (SdkTracerProvider, SdkMeterProvider) {
    let Exporters { spans, metrics } = exporters;
    let resource = resource(options);
    let tracer =
        SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
    let reader = PeriodicReader::builder(metrics).with_interval(METRICS_INTERVAL).build();
    (tracer, SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build())
}

fn resource(options: &Options) -> Resource {
    let knative = [
        options.knative_service.clone().map(|service| KeyValue::new(names::FAAS_NAME, service)),
        options.revision.clone().map(|revision| KeyValue::new(names::FAAS_VERSION, revision)),
    ];
    Resource::builder()
        .with_service_name(options.name)
        .with_attribute(KeyValue::new(names::SERVICE_VERSION, env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(names::SERVICE_INSTANCE_ID, uuid::Uuid::new_v4().to_string()))
        .with_attributes(knative.into_iter().flatten())
        .build()
}
