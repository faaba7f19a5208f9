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

/// One provider for each signal that goes anywhere.
#[derive(Debug, Default)]
pub(super) struct Providers {
    pub(super) tracer: Option<SdkTracerProvider>,
    pub(super) meter: Option<SdkMeterProvider>,
}

/// OTLP over HTTP with Protocol Buffers, by exporters that run on `runtime`.
pub(super) fn providers(
    options: &Options,
    runtime: &tokio::runtime::Handle,
) -> Result<Providers, ExportError> {
    if options.traces.is_none() && options.metrics.is_none() {
        return Ok(Providers::default());
    }
    let client = ClientOptions { timeout: EXPORT_TIMEOUT, idle_connections: 1, ..ClientOptions::default() };
    let client = ExportClient::new(http_client(&client)?, runtime.clone());
    let resource = resource(options);
    let tracer = options.traces.as_ref().map(|endpoint| {
        let spans = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.as_str())
            .with_timeout(EXPORT_TIMEOUT)
            .with_http_client(client.clone())
            .with_retry_policy(RetryPolicy::recommended())
            .build()?;
        let provider = SdkTracerProvider::builder().with_resource(resource.clone());
        Ok::<_, ExportError>(provider.with_batch_exporter(spans).build())
    });
    let meter = options.metrics.as_ref().map(|endpoint| {
        let metrics = MetricExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.as_str())
            .with_timeout(EXPORT_TIMEOUT)
            .with_http_client(client.clone())
            .with_retry_policy(RetryPolicy::recommended())
            .build()?;
        let reader = PeriodicReader::builder(metrics).with_interval(METRICS_INTERVAL).build();
        let provider = SdkMeterProvider::builder().with_resource(resource.clone());
        Ok::<_, ExportError>(provider.with_reader(reader).build())
    });
    Ok(Providers { tracer: tracer.transpose()?, meter: meter.transpose()? })
}

fn resource(options: &Options) -> Resource {
    let knative = [
        options.knative_service.clone().map(|service| KeyValue::new(names::FAAS_NAME, service)),
        options.revision.clone().map(|revision| KeyValue::new(names::FAAS_VERSION, revision)),
    ];
    Resource::builder()
        .with_service_name(options.service_name.clone())
        .with_attribute(KeyValue::new(names::SERVICE_VERSION, env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(names::SERVICE_INSTANCE_ID, uuid::Uuid::new_v4().to_string()))
        .with_attributes(knative.into_iter().flatten())
        .build()
}
