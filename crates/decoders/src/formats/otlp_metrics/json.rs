//! The JSON encoding: "Proto3 JSON mapping" with integers of 64 bits as texts or numbers (OTLP 1, "JSON Protobuf Encoding").

use event_model::RecordedRequest;

use super::metric::{Kind, Metric, Place, Visit, member};
use crate::decode::FormError;
use crate::form;
use crate::json::Node;

/// Reads a request, which may hold no metrics; one of another signal is refused.
pub(super) fn read(request: &RecordedRequest) -> Result<Node, FormError> {
    let root = form::parse_object(request)?;
    for (key, signal) in [("resourceSpans", "traces"), ("resourceLogs", "logs")] {
        if root.get(key).is_some() {
            return Err(FormError::Unprocessable(format!("these are {signal}; a source takes metrics")));
        }
    }
    match member(&root, ["resourceMetrics", "resource_metrics"]) {
        None if root.as_object().is_some_and(|object| !object.is_empty()) => {
            Err(FormError::Unprocessable("expected an object with `resourceMetrics`".to_owned()))
        }
        Some(other) if other.as_list().is_none() => Err(FormError::Unprocessable(format!(
            "resourceMetrics: expected an array, found {}",
            other.kind()
        ))),
        _ => Ok(root),
    }
}

/// The elements of an array that may be left out; what is none is a problem.
fn list<'n>(of: &'n Node, spellings: [&str; 2], place: Place, visitor: &mut dyn Visit) -> &'n [Node] {
    match member(of, spellings) {
        None => &[],
        Some(Node::List(items)) => items,
        Some(other) => {
            visitor.problem(place, format!("{}: expected an array, found {}", spellings[0], other.kind()));
            &[]
        }
    }
}

pub(super) fn visit(root: &Node, visitor: &mut dyn Visit) {
    let resources = member(root, ["resourceMetrics", "resource_metrics"]).and_then(Node::as_list);
    for (index, resource) in resources.unwrap_or_default().iter().enumerate() {
        let place = Place { resource: index, ..Place::default() };
        if !is_object(resource, place, visitor) {
            continue;
        }
        visitor.resource(resource.at(&["resource", "attributes"]));
        let mut scopes = list(resource, ["scopeMetrics", "scope_metrics"], place, visitor);
        if scopes.is_empty() {
            // Before OTLP 0.15.
            let former = ["instrumentationLibraryMetrics", "instrumentation_library_metrics"];
            scopes = list(resource, former, place, visitor);
        }
        for (index, scope) in scopes.iter().enumerate() {
            let place = Place { scope: Some(index), ..place };
            if is_object(scope, place, visitor) {
                let metrics = list(scope, ["metrics", "metrics"], place, visitor);
                metrics.iter().enumerate().for_each(|(index, metric)| {
                    self::metric(metric, Place { metric: Some(index), ..place }, visitor);
                });
            }
        }
    }
}

fn metric(node: &Node, place: Place, visitor: &mut dyn Visit) {
    if visitor.is_done() || !is_object(node, place, visitor) {
        return;
    }
    let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default();
    for kind in Kind::ALL {
        let Some(data) = member(node, kind.members()) else { continue };
        let metric = Metric { name: text("name"), unit: text("unit"), kind };
        for (index, point) in list(data, ["dataPoints", "data_points"], place, visitor).iter().enumerate() {
            if visitor.is_done() {
                return;
            }
            let place = Place { point: Some((kind, index)), ..place };
            if is_object(point, place, visitor) {
                visitor.point(&metric, point, place);
            }
        }
    }
}

fn is_object(node: &Node, place: Place, visitor: &mut dyn Visit) -> bool {
    let is_object = node.as_object().is_some();
    if !is_object {
        visitor.problem(place, format!("expected an object, found {}", node.kind()));
    }
    is_object
}
