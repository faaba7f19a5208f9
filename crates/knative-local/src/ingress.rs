//! The broker's ingress: what the Kafka Broker's receiver takes, in its order and with its status codes.

use std::sync::atomic::Ordering::Relaxed;

use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use cloudevents::Event;
use cloudevents::event::ExtensionValue;
use event_model::cloudevent;
use event_model::events::EXT_PARTITION_KEY;

use crate::broker::Broker;
use crate::java_uri::check_uris;
use crate::positions;
use crate::record::Record;
use crate::running::Parts;

/// Vert.x's limits, as the receiver leaves them.
const MAX_HEADER_BYTES: usize = 8192;
const MAX_REQUEST_LINE_BYTES: usize = 4096;
/// The receiver has no limit on bodies; here one ends what no record could hold anyway.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Answers one request.
pub(crate) async fn answer(parts: &Parts, request: &HttpRequest, body: Payload) -> HttpResponse {
    let broker = &*parts.broker;
    if request.method() == Method::GET && request.path().strip_prefix(&broker.path()) == Some("/positions") {
        return positions::answer(parts);
    }
    let status = status(broker, request, body).await;
    match status {
        StatusCode::ACCEPTED => broker.accepted.fetch_add(1, Relaxed),
        status if status.is_success() => 0,
        _ => broker.refused.fetch_add(1, Relaxed),
    };
    let mut response = HttpResponse::build(status);
    if let Some(hash) = request.headers().get("k-network-hash") {
        response.insert_header(("k-network-hash", hash.clone()));
    }
    response.finish()
}

async fn status(broker: &Broker, request: &HttpRequest, body: Payload) -> StatusCode {
    if let Some(status) = too_large(request) {
        return status;
    }
    let is_get = request.method() == Method::GET;
    if is_get && matches!(request.path(), "/healthz" | "/readyz") {
        return StatusCode::OK;
    }
    let path = request.path().strip_suffix('/').unwrap_or(request.path());
    let known = path == broker.path();
    if is_get && field(request, "k-network-probe") == Some("probe") {
        return if known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    }
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    if !known {
        return StatusCode::NOT_FOUND;
    }
    take(broker, request, body).await
}

fn too_large(request: &HttpRequest) -> Option<StatusCode> {
    let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len()) + "POST  HTTP/1.1".len();
    if line > MAX_REQUEST_LINE_BYTES {
        return Some(StatusCode::URI_TOO_LONG);
    }
    let fields: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    (fields > MAX_HEADER_BYTES).then_some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

async fn take(broker: &Broker, request: &HttpRequest, body: Payload) -> StatusCode {
    let body = match body.to_bytes_limited(MAX_BODY_BYTES).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::BAD_REQUEST,
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
    };
    let event = match event(request, &body) {
        Ok(event) => event,
        Err(reason) => {
            tracing::warn!(reason, "a request to the broker is no CloudEvent");
            return StatusCode::BAD_REQUEST;
        }
    };
    // The receiver's serializer throws on any other type of key, which looks like a failure of Kafka.
    if !matches!(event.extension(EXT_PARTITION_KEY), None | Some(ExtensionValue::String(_))) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let record = Record::new(&event, fields(request));
    match broker.publish("ingress", record).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(error) => {
            tracing::warn!(%error, "an event was not taken");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

fn event(request: &HttpRequest, body: &[u8]) -> Result<Event, String> {
    let is_text = |value: &[u8]| std::str::from_utf8(value).is_ok();
    let is_broken = |name: &str, value: &[u8]| name.starts_with("ce-") && !is_text(value);
    if let Some((name, _)) =
        request.headers().iter().find(|(name, value)| is_broken(name.as_str(), value.as_bytes()))
    {
        return Err(format!("the header field {name} is not UTF-8"));
    }
    let content_type = field(request, "content-type").unwrap_or_default();
    let event = if content_type.starts_with(cloudevent::STRUCTURED) {
        cloudevent::from_structured(body)
    } else if content_type.starts_with("application/cloudevents") {
        return Err(format!("{content_type} is not taken"));
    } else {
        cloudevent::from_binary(fields(request), body)
    };
    let event = event.map_err(|error| error.to_string())?;
    check_uris(&event)?;
    Ok(event)
}

fn field<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// All fields whose values are text.
fn fields(request: &HttpRequest) -> impl Iterator<Item = (&str, &str)> {
    request.headers().iter().filter_map(|(name, value)| {
        // Attributes are; what else there is says nothing of the event.
        Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?))
    })
}
