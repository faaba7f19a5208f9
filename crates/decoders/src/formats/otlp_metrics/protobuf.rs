//! The binary encoding. Each point is turned into what its JSON encoding would have been, one after the other: a message that
//! cannot be read costs itself alone, and what is held is no more than the body and one point.
//!
//! Field numbers are those of OpenTelemetry's `metrics_service.proto`, `metrics.proto`, `resource.proto` and `common.proto`,
//! version 1. Fields that no reading needs are passed over.

use bytes::Bytes;
use prost::{Message, Oneof};

use super::metric::{Kind, Metric, Place, Visit};
use crate::decode::FormError;
use crate::json::{Member, Node, Number, Object};

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    resource_metrics: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    scope_metrics: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeMetrics {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    metrics: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    unit: String,
    #[prost(message, optional, tag = "5")]
    gauge: Option<Data>,
    #[prost(message, optional, tag = "7")]
    sum: Option<Data>,
    #[prost(message, optional, tag = "9")]
    histogram: Option<Data>,
    #[prost(message, optional, tag = "10")]
    exponential_histogram: Option<Data>,
    #[prost(message, optional, tag = "11")]
    summary: Option<Data>,
}

/// `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram` and `Summary` begin alike.
#[derive(Clone, PartialEq, Message)]
struct Data {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    data_points: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct NumberDataPoint {
    #[prost(message, repeated, tag = "7")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(oneof = "NumberValue", tags = "4, 6")]
    value: Option<NumberValue>,
    #[prost(uint32, tag = "8")]
    flags: u32,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
enum NumberValue {
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

#[derive(Clone, PartialEq, Message)]
struct HistogramDataPoint {
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    count: u64,
    #[prost(double, optional, tag = "5")]
    sum: Option<f64>,
    #[prost(uint32, tag = "10")]
    flags: u32,
    #[prost(double, optional, tag = "11")]
    min: Option<f64>,
    #[prost(double, optional, tag = "12")]
    max: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct ExponentialHistogramDataPoint {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    count: u64,
    #[prost(double, optional, tag = "5")]
    sum: Option<f64>,
    #[prost(uint32, tag = "10")]
    flags: u32,
    #[prost(double, optional, tag = "12")]
    min: Option<f64>,
    #[prost(double, optional, tag = "13")]
    max: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryDataPoint {
    #[prost(message, repeated, tag = "7")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    count: u64,
    #[prost(double, tag = "5")]
    sum: f64,
    #[prost(message, repeated, tag = "6")]
    quantile_values: Vec<ValueAtQuantile>,
    #[prost(uint32, tag = "8")]
    flags: u32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueAtQuantile {
    #[prost(double, tag = "1")]
    quantile: f64,
    #[prost(double, tag = "2")]
    value: f64,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// Arrays, maps and bytes are no tags.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Single", tags = "1, 2, 3, 4")]
    value: Option<Single>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Single {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
}

/// Each `ResourceMetrics` of a request as it was sent; there may be none.
pub(super) fn resources(body: &Bytes) -> Result<Vec<Bytes>, FormError> {
    let request = Request::decode(body.clone());
    let malformed = |error| FormError::Malformed(format!("not a Protocol Buffers request: {error}"));
    request.map(|request| request.resource_metrics).map_err(malformed)
}

/// Reads a message; where it is none, that is a problem.
fn read<M: Message + Default>(bytes: &Bytes, place: Place, visitor: &mut dyn Visit) -> Option<M> {
    let message = M::decode(bytes.clone());
    message.map_err(|error| visitor.problem(place, format!("not a Protocol Buffers message: {error}"))).ok()
}

pub(super) fn visit(resources: &[Bytes], visitor: &mut dyn Visit) {
    for (index, bytes) in resources.iter().enumerate() {
        let place = Place { resource: index, ..Place::default() };
        let Some(resource) = read::<ResourceMetrics>(bytes, place, visitor) else { continue };
        visitor.resource(resource.resource.map(|resource| attributes(resource.attributes)).as_ref());
        for (index, bytes) in resource.scope_metrics.iter().enumerate() {
            let place = Place { scope: Some(index), ..place };
            let Some(scope) = read::<ScopeMetrics>(bytes, place, visitor) else { continue };
            for (index, bytes) in scope.metrics.iter().enumerate() {
                if visitor.is_done() {
                    return;
                }
                let place = Place { metric: Some(index), ..place };
                if let Some(message) = read::<MetricMessage>(bytes, place, visitor) {
                    metric(message, place, visitor);
                }
            }
        }
    }
}

fn metric(message: MetricMessage, place: Place, visitor: &mut dyn Visit) {
    let MetricMessage { name, unit, gauge, sum, histogram, exponential_histogram, summary } = message;
    let kinds = [gauge, sum, histogram, exponential_histogram, summary];
    for (kind, data) in Kind::ALL.into_iter().zip(kinds) {
        let metric = Metric { name: &name, unit: &unit, kind };
        for (index, bytes) in data.map(|data| data.data_points).unwrap_or_default().iter().enumerate() {
            if visitor.is_done() {
                return;
            }
            let place = Place { point: Some((kind, index)), ..place };
            let point = match kind {
                Kind::Gauge | Kind::Sum => read::<NumberDataPoint>(bytes, place, visitor).map(Node::from),
                Kind::Histogram => read::<HistogramDataPoint>(bytes, place, visitor).map(Node::from),
                Kind::ExponentialHistogram => {
                    read::<ExponentialHistogramDataPoint>(bytes, place, visitor).map(Node::from)
                }
                Kind::Summary => read::<SummaryDataPoint>(bytes, place, visitor).map(Node::from),
            };
            if let Some(point) = point {
                visitor.point(&metric, &point, place);
            }
        }
    }
}

/// What points of every kind have.
fn point(list: Vec<KeyValue>, time: u64, flags: u32) -> Object {
    let mut fields = Object::default();
    if !list.is_empty() {
        put(&mut fields, "attributes", attributes(list));
    }
    put(&mut fields, "timeUnixNano", integer(&time));
    put(&mut fields, "flags", integer(&flags));
    fields
}

impl From<NumberDataPoint> for Node {
    fn from(message: NumberDataPoint) -> Self {
        let mut fields = point(message.attributes, message.time_unix_nano, message.flags);
        match message.value {
            Some(NumberValue::Double(value)) => put(&mut fields, "asDouble", number(value)),
            Some(NumberValue::Int(value)) => put(&mut fields, "asInt", integer(&value)),
            None => {}
        }
        Self::Object(Box::new(fields))
    }
}

/// Adds what a population of values comes to.
fn put_population(fields: &mut Object, count: u64, values: [(&str, Option<f64>); 3]) {
    put(fields, "count", integer(&count));
    for (key, value) in values {
        put(fields, key, value.map_or(Node::Null, number));
    }
}

impl From<HistogramDataPoint> for Node {
    fn from(message: HistogramDataPoint) -> Self {
        let HistogramDataPoint { attributes, time_unix_nano, count, sum, flags, min, max } = message;
        let mut fields = point(attributes, time_unix_nano, flags);
        put_population(&mut fields, count, [("sum", sum), ("min", min), ("max", max)]);
        Self::Object(Box::new(fields))
    }
}

impl From<ExponentialHistogramDataPoint> for Node {
    fn from(message: ExponentialHistogramDataPoint) -> Self {
        let ExponentialHistogramDataPoint { attributes, time_unix_nano, count, sum, flags, min, max } =
            message;
        let mut fields = point(attributes, time_unix_nano, flags);
        put_population(&mut fields, count, [("sum", sum), ("min", min), ("max", max)]);
        Self::Object(Box::new(fields))
    }
}

impl From<SummaryDataPoint> for Node {
    fn from(message: SummaryDataPoint) -> Self {
        let mut fields = point(message.attributes, message.time_unix_nano, message.flags);
        put(&mut fields, "count", integer(&message.count));
        put(&mut fields, "sum", number(message.sum));
        let quantiles = message.quantile_values.into_iter().map(|ValueAtQuantile { quantile, value }| {
            let mut fields = Object::default();
            put(&mut fields, "quantile", number(quantile));
            put(&mut fields, "value", number(value));
            Self::Object(Box::new(fields))
        });
        put(&mut fields, "quantileValues", Self::List(quantiles.collect()));
        Self::Object(Box::new(fields))
    }
}

fn attributes(list: Vec<KeyValue>) -> Node {
    let attributes = list.into_iter().filter_map(|KeyValue { key, value }| {
        let (kind, value) = match value?.value? {
            Single::Text(text) => ("stringValue", Node::Text(text.into())),
            Single::Flag(flag) => ("boolValue", Node::Flag(flag)),
            Single::Int(value) => ("intValue", integer(&value)),
            Single::Double(value) => ("doubleValue", number(value)),
        };
        let mut any_value = Object::default();
        put(&mut any_value, kind, value);
        let mut attribute = Object::default();
        put(&mut attribute, "key", Node::Text(key.into()));
        put(&mut attribute, "value", Node::Object(Box::new(any_value)));
        Some(Node::Object(Box::new(attribute)))
    });
    Node::List(attributes.collect())
}

/// What is not finite is a text in JSON.
fn number(value: f64) -> Node {
    let text = value.to_string();
    if value.is_finite() { Node::Number(Number::new(&text)) } else { Node::Text(text.into()) }
}

fn integer(value: &impl ToString) -> Node {
    Node::Number(Number::new(&value.to_string()))
}

fn put(fields: &mut Object, key: &str, node: Node) {
    fields.insert(key.into(), Member { node, repeated: false });
}
