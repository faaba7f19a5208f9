#![doc = include_str!("../otlp_metrics.md")]

mod attributes;
mod devices;
mod json;
mod metric;
mod options;
mod points;
mod protobuf;

use bytes::Bytes;
use event_model::RecordedRequest;
use settings::Fields;

use self::devices::Devices;
use self::metric::Visit;
use self::options::Attributes;
use self::points::Points;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::options::Options;

/// Metrics of the OpenTelemetry Protocol over HTTP, JSON or Protocol Buffers.
#[derive(Debug, Clone, Copy, Default)]
pub struct OtlpMetrics;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
/// What proxies make of [`PROTOBUF`].
const PROTOBUFS: [&str; 2] = [PROTOBUF, "application/protobuf"];

impl Decoder for OtlpMetrics {
    fn name(&self) -> &'static str {
        "otlp_metrics"
    }

    /// "The response body MUST be a Protobuf-encoded `ExportMetricsServiceResponse`" with 200 (OTLP 1, "OTLP/HTTP Response").
    fn success_status(&self) -> u16 {
        200
    }

    /// An empty response in the encoding of the request: all was accepted. Rejected points are found after the answer.
    fn success_body(&self, request: &RecordedRequest) -> Option<(&'static str, &'static str)> {
        Some(if is_protobuf(request) { (PROTOBUF, "") } else { (JSON, "{}") })
    }

    fn advice_for_large_bodies(&self) -> Option<&'static str> {
        Some(
            "lower `sending_queue.batch.max_size` of the Collector's `otlphttp` exporter, or `send_batch_max_size` of its \
             `batch` processor",
        )
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        options::read(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST"])?;
        form::expect_json(request, &PROTOBUFS)?;
        if let Some(signal) =
            ["traces", "logs"].iter().find(|signal| request.path.ends_with(&format!("/v1/{signal}")))
        {
            return Err(FormError::Unprocessable(format!("these are {signal}; a source takes metrics")));
        }
        Ok(Box::new(if is_protobuf(request) {
            Body::Protobuf(protobuf::resources(&request.body)?)
        } else {
            Body::Json(json::read(request)?)
        }))
    }
}

/// By the content type; a record of a topic has none, and is binary where it does not begin as JSON does.
fn is_protobuf(request: &RecordedRequest) -> bool {
    match request.media_type() {
        Some(media_type) => PROTOBUFS.contains(&media_type.as_str()),
        None => {
            let body = &*request.body;
            let is_json = body.trim_ascii_start().starts_with(b"{") && std::str::from_utf8(body).is_ok();
            !body.is_empty() && !is_json
        }
    }
}

/// An `ExportMetricsServiceRequest`, in its encoding.
enum Body {
    Json(Node),
    /// Each `ResourceMetrics` as it was sent.
    Protobuf(Vec<Bytes>),
}

impl Body {
    fn visit(&self, visitor: &mut dyn Visit) {
        match self {
            Self::Json(root) => json::visit(root, visitor),
            Self::Protobuf(resources) => protobuf::visit(resources, visitor),
        }
    }
}

impl Document for Body {
    /// The device, where all points are of one.
    fn inspect(&self, profile: &Profile) -> Result<Inspection, FormError> {
        let mut devices = Devices::new(profile);
        self.visit(&mut devices);
        Ok(Inspection { device: devices.only(), ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut points = Points::new(context);
        self.visit(&mut points);
        Ok(points.finish())
    }
}

/// The attributes that a source names.
fn named(profile: &Profile) -> Attributes {
    profile.options.get::<Attributes>().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
