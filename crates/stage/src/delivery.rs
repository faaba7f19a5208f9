//! One delivery: from the request to an event, from the outcome to the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent::{self, EventError};
use event_model::event_types::is_hint;
use event_model::events::{BROKER_PREFIX, EXT_PARTITION_KEY};
use event_model::{DeadLetterCause, ids};
use runtime::attempts::ItemKey;
use runtime::trace::TraceContext;
use runtime::{Attempts, Clock, FailedEvent, KeepFailed, NotKept, crash};
use tokio::time::timeout;
use tracing::{Instrument as _, Span, field};

use crate::app::App;
use crate::body::{self, BodyFault};
use crate::flow::Flow;
use crate::outcome::{Delivery, Outcome};
use crate::telemetry::Metrics;

/// For keeping an event that failed; within what the stage's time-out leaves beyond the delivery's budget.
const KEEP_TIMEOUT: Duration = Duration::from_secs(5);

/// What a server thread needs to take deliveries.
#[derive(Clone)]
pub(crate) struct Deliveries {
    pub(crate) app: App,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) clock: Clock,
    pub(crate) flow: Flow,
    pub(crate) metrics: Metrics,
    pub(crate) max_event_bytes: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) budget: Duration,
}

/// `POST /`.
pub(crate) async fn deliver(
    request: HttpRequest,
    mut payload: web::Payload,
    deliveries: web::Data<Deliveries>,
) -> HttpResponse {
    let mut delivery = Delivery::at(deliveries.clock.now()).within(deliveries.budget);
    let body = body::read(&mut payload, deliveries.max_event_bytes, deliveries.body_timeout).await;
    let body = match body {
        Ok(body) => body,
        Err(fault) => return body::close_unread(refusal(fault), payload),
    };
    let event = match read_event(&request, body.clone()) {
        Ok(event) => event,
        Err(error) => {
            tracing::warn!(reason = %error, "a request was no CloudEvent");
            return answer(Outcome::Malformed(error.to_string()), None);
        }
    };
    let cold_start = deliveries.flow.is_cold_start();
    if cold_start {
        deliveries.metrics.cold_start();
    }
    let span = span_of(&event, &request, cold_start);
    let trace = TraceContext::of(&span).or_else(|| incoming(&event, &request));
    delivery.trace.clone_from(&trace);
    // The stage has consumed the event by then; it is read again where it failed.
    let again = || read_event(&request, body).ok();
    let outcome = attempt(&deliveries, event, delivery, again).instrument(span).await;
    answer(outcome, trace.as_ref())
}

/// The answer where a body was not read to its end. An event that did not arrive whole is no malformed one:
/// a busy node is enough to make it late.
fn refusal(fault: BodyFault) -> HttpResponse {
    tracing::warn!(reason = %fault, "an event was not read to its end");
    match fault {
        BodyFault::TooLarge => {
            HttpResponse::PayloadTooLarge().content_type("text/plain").body(fault.to_string())
        }
        BodyFault::TooSlow | BodyFault::CutShort => answer(Outcome::Unavailable(fault.to_string()), None),
    }
}

fn read_event(request: &HttpRequest, body: web::Bytes) -> Result<Event, EventError> {
    let mut headers = Vec::with_capacity(16);
    for (name, value) in request.headers() {
        match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => headers.push((name.as_str(), value)),
            Err(_) if name.as_str().starts_with("ce-") => {
                return Err(EventError::Value { name: name.to_string(), reason: "is not UTF-8" });
            }
            Err(_) => {}
        }
    }
    let content_type = headers.iter().find(|(name, _)| *name == "content-type").map(|(_, value)| *value);
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(cloudevent::STRUCTURED) {
        return cloudevent::from_structured(&body);
    }
    cloudevent::from_binary(headers.into_iter(), body)
}

fn span_of(event: &Event, request: &HttpRequest, cold_start: bool) -> Span {
    let span = tracing::info_span!(
        "process",
        otel.name = field::Empty,
        otel.kind = "consumer",
        otel.status_code = field::Empty,
        messaging.operation.type = "process",
        messaging.message.id = event.id(),
        cloudevents.event_type = event.ty(),
        cloudevents.event_source = event.source().as_str(),
        faas.coldstart = cold_start,
        ce_id = event.id(),
        ce_type = event.ty(),
    );
    TraceContext::continue_in(incoming(event, request).as_ref(), &span);
    span.record("otel.name", format!("process {}", event.ty()));
    span
}

/// The header is the last hop's; the extension, the origin's, is all there is where a hop dropped the header.
fn incoming(event: &Event, request: &HttpRequest) -> Option<TraceContext> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let extension = |name| cloudevent::extension(event, name).map(std::borrow::Cow::into_owned);
    TraceContext::read(header).or_else(|| TraceContext::read(extension))
}

/// Handles an event, or keeps one that ended its process too often.
async fn attempt(
    deliveries: &Deliveries,
    event: Event,
    delivery: Delivery,
    again: impl FnOnce() -> Option<Event>,
) -> Outcome {
    let key = key_of(&event);
    // Only what comes after a death ever waits here: half the time is for what comes then.
    let begun = timeout(delivery.deadline().half().left(), deliveries.attempts.begin(&[key])).await;
    match begun {
        Ok(Ok(attempt)) => {
            let outcome = handle(deliveries, event, delivery, again).await;
            if !matches!(outcome, Outcome::Unavailable(_) | Outcome::Overloaded) {
                attempt.done();
            }
            outcome
        }
        Ok(Err(fatal)) => {
            let reason = fatal.to_string();
            tracing::error!(reason, "an event is not handled");
            let (cause, at) = (DeadLetterCause::Rejected, delivery.received_at);
            let failed = FailedEvent { event, cause, reason: reason.clone(), at };
            let outcome =
                keep(deliveries.app.keeper.as_ref().zip(Some(failed)), Outcome::Rejected(reason)).await;
            if matches!(outcome, Outcome::Done) {
                fatal.kept();
            }
            outcome
        }
        Err(_) => {
            Outcome::Unavailable("an event that may have ended the process is handled alone".to_owned())
        }
    }
}

fn key_of(event: &Event) -> ItemKey {
    ids::derive("attempt", &[event.source(), event.id()]).into_bytes()
}

async fn handle(
    deliveries: &Deliveries,
    event: Event,
    delivery: Delivery,
    again: impl FnOnce() -> Option<Event>,
) -> Outcome {
    let Some(stage) = &deliveries.app.stage else {
        return Outcome::Rejected("this service takes no events".to_owned());
    };
    let started = Instant::now();
    let cause = Cause::of(&event);
    let (at, deadline) = (delivery.received_at, delivery.deadline());
    let (outcome, is_overdue) = match timeout(deadline.left(), stage(event, delivery)).await {
        Ok(outcome) => (cause.checked(outcome), false),
        Err(_) => (Outcome::Unavailable("the stage was not done with the event in time".to_owned()), true),
    };
    let failure = (outcome.status() >= 400).then(|| outcome.word());
    deliveries.metrics.process(&cause.event_type, failure, started.elapsed());
    match &outcome {
        Outcome::Malformed(reason) | Outcome::Rejected(reason) => {
            Span::current().record("otel.status_code", "ERROR");
            tracing::error!(reason, outcome = outcome.word(), "an event was refused");
        }
        Outcome::Unavailable(reason) => {
            Span::current().record("otel.status_code", "ERROR");
            tracing::warn!(reason, outcome = outcome.word(), "an event has to be tried again");
        }
        _ => {}
    }
    match failure_of(&outcome, is_overdue && !is_hint(&cause.event_type)) {
        Some((cause, reason)) => {
            let (reason, keeper) = (reason.to_owned(), deliveries.app.keeper.as_ref());
            let failed = again().map(|event| FailedEvent { event, cause, reason, at });
            keep(keeper.zip(failed), outcome).await
        }
        None => outcome,
    }
}

/// Why an event is a dead letter; `None` where it is none. A hint that is overdue is none either: what it asks for is in rows,
/// and the next tick asks again.
fn failure_of(outcome: &Outcome, is_overdue: bool) -> Option<(DeadLetterCause, &str)> {
    match outcome {
        Outcome::Malformed(reason) => Some((DeadLetterCause::Malformed, reason)),
        Outcome::Rejected(reason) => Some((DeadLetterCause::Rejected, reason)),
        Outcome::Unavailable(reason) if is_overdue => Some((DeadLetterCause::Unavailable, reason)),
        _ => None,
    }
}

/// Keeps an event that failed; what is answered then. `outcome` where nobody keeps it, or the database refuses it.
async fn keep(failed: Option<(&Arc<dyn KeepFailed>, FailedEvent)>, outcome: Outcome) -> Outcome {
    let Some((keeper, failed)) = failed else { return outcome };
    match timeout(KEEP_TIMEOUT, keeper.keep(failed)).await {
        Ok(Ok(())) => {
            crash::point("kept");
            Outcome::Done
        }
        Ok(Err(NotKept::Refused(reason))) => {
            tracing::error!(reason, "the database refuses what the stage could not handle");
            outcome
        }
        Ok(Err(NotKept::Unavailable(reason))) => Outcome::Unavailable(reason),
        Err(_) => Outcome::Unavailable("the database did not answer in time".to_owned()),
    }
}

/// What must be known of an event after the stage has taken it.
struct Cause {
    event_type: String,
    partition_key: Option<String>,
}

impl Cause {
    fn of(event: &Event) -> Self {
        Self {
            event_type: event.ty().to_owned(),
            partition_key: cloudevent::extension(event, EXT_PARTITION_KEY).map(std::borrow::Cow::into_owned),
        }
    }

    /// The outcome, with a reply that the Broker can take: any other would go round for ever, or be lost.
    fn checked(&self, outcome: Outcome) -> Outcome {
        let Outcome::Reply(mut reply) = outcome else { return outcome };
        if reply.ty() == self.event_type {
            return Outcome::Rejected("the stage replied with the type that it consumes".to_owned());
        }
        let echoed: Vec<String> = reply
            .iter_extensions()
            .filter(|(name, _)| name.starts_with(BROKER_PREFIX))
            .map(|(name, _)| name.to_owned())
            .collect();
        for name in &echoed {
            reply.remove_extension(name);
        }
        if let (None, Some(key)) = (reply.extension(EXT_PARTITION_KEY), &self.partition_key) {
            reply.set_extension(EXT_PARTITION_KEY, key.as_str());
        }
        if let Some(name) = cloudevent::first_unsafe_attribute(&reply) {
            return Outcome::Rejected(format!(
                "the attribute `{name}` of the stage's reply would not travel unchanged"
            ));
        }
        Outcome::Reply(reply)
    }
}

fn answer(outcome: Outcome, trace: Option<&TraceContext>) -> HttpResponse {
    let status = StatusCode::from_u16(outcome.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    match outcome {
        Outcome::Reply(event) => {
            let (headers, body) = cloudevent::to_binary(&event);
            for (name, value) in headers {
                // Names and values were checked with the event's attributes.
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    answer.insert_header((name, value));
                }
            }
            for field in trace.into_iter().flat_map(TraceContext::fields) {
                answer.insert_header(field);
            }
            answer.body(body)
        }
        Outcome::Done | Outcome::Skip => answer.finish(),
        Outcome::Malformed(reason) | Outcome::Rejected(reason) => {
            answer.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).body(reason)
        }
        Outcome::Unavailable(reason) => answer
            .insert_header((RETRY_AFTER, "1"))
            .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
            .body(reason),
        Outcome::Overloaded => answer.insert_header((RETRY_AFTER, "1")).finish(),
    }
}
