//! `/hooks/{source}`: one request from the door to the queue.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use decoders::{FormError, Inspection as Found};
use event_model::RecordedRequest;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use runtime::{Clock, crash, trace};
use sink::{Sink, SinkError};
use stage::body::close_unread;
use tracing::{Instrument as _, Span, field};

use crate::ahead::Ahead;
use crate::body;
use crate::credentials::{Signed, Verdict};
use crate::event::{Facts, payload_received};
use crate::handshake::{self, Confirmer};
use crate::problem::{METHODS, Problem};
use crate::recorded;
use crate::sources::{Intake, Sources};

/// What takes requests.
pub struct Ingest<S> {
    /// The sources.
    pub sources: Sources,
    /// Who starts while a request is queued.
    pub ahead: Ahead,
    /// The largest body, as sent and again after decompression.
    pub max_body_bytes: usize,
    /// For a whole body to arrive.
    pub body_timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// Where accepted requests go.
    pub sink: S,
    /// For platforms that want an answer at an address of theirs.
    pub confirmer: Confirmer,
}

/// The routes of `ingest`: its hooks, and a problem for everything else.
pub fn routes<S: Sink + 'static>(
    ingest: Ingest<S>,
) -> impl Fn(&mut web::ServiceConfig) + Send + Sync + 'static {
    let ingest = web::Data::new(ingest);
    move |config| {
        config
            .app_data(ingest.clone())
            .route("/hooks/{source}", web::to(hook::<S>))
            .route("/hooks/{source}/{tail:.*}", web::to(hook::<S>))
            .default_service(web::to(|| async { Problem::not_found().answer() }));
    }
}

async fn hook<S: Sink + 'static>(
    request: HttpRequest,
    mut payload: web::Payload,
    ingest: web::Data<Ingest<S>>,
) -> HttpResponse {
    let span = tracing::info_span!(
        "receive",
        otel.name = "receive /hooks/{source}",
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = request.method().as_str(),
        http.route = "/hooks/{source}",
        http.response.status_code = field::Empty,
        source = field::Empty,
        ce_id = field::Empty,
    );
    let parent = request.headers().get(trace::TRACEPARENT).and_then(|value| value.to_str().ok());
    trace::continue_from(&span, parent);
    let answer = async {
        match ingest.take(&request, &mut payload).await {
            Ok(answer) => answer,
            Err(problem) => {
                tracing::warn!(
                    status = problem.status(),
                    reason = problem.detail(),
                    "a request was not taken"
                );
                if problem.closes() { close_unread(problem.answer(), payload) } else { problem.answer() }
            }
        }
    }
    .instrument(span.clone())
    .await;
    span.record("http.response.status_code", answer.status().as_u16());
    if answer.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    answer
}

impl<S: Sink> Ingest<S> {
    /// Find the source, check who sends, check the form, queue.
    async fn take(&self, request: &HttpRequest, payload: &mut web::Payload) -> Result<HttpResponse, Problem> {
        let received_at = self.clock.now();
        let (name, tail) = address(request).ok_or_else(Problem::not_found)?;
        let source = self.sources.get(&name).ok_or_else(Problem::not_found)?;
        Span::current().record("source", name.as_str());
        match *request.method() {
            Method::OPTIONS if source.guard.admits_handshake(request, tail) => {
                return Ok(handshake::options(request));
            }
            Method::OPTIONS => return Err(Problem::unauthorized()),
            Method::GET | Method::POST | Method::PUT => {}
            _ => return Err(Problem::method_not_allowed(METHODS)),
        }
        let (body, signed) = self.authenticated_body(request, payload, source, tail, received_at).await?;
        if let Some(limiter) = &source.limiter {
            limiter.admit(received_at).map_err(Problem::above_rate)?;
        }
        let body = body::decompressed(request, body, self.max_body_bytes)?;
        let (recorded, found) = read(request, body, source, tail)?;
        if let Some(handshake) = found.handshake {
            return handshake::answer(handshake, &self.confirmer).await;
        }
        self.ahead.wake(&recorded, source, received_at);
        let traceparent = trace::current_traceparent();
        let facts = Facts {
            source: &name,
            format: source.decoder.name(),
            received_at,
            message_id: found.message_id.as_deref().or(signed.message_id.as_deref()),
            device: found.device.as_deref(),
            traceparent: traceparent.as_deref(),
        };
        self.queue(&recorded, &facts).await?;
        let status = StatusCode::from_u16(source.decoder.success_status()).unwrap_or(StatusCode::ACCEPTED);
        Ok(HttpResponse::build(status).finish())
    }

    /// The body as it was sent, once a credential has passed.
    async fn authenticated_body(
        &self,
        request: &HttpRequest,
        payload: &mut web::Payload,
        source: &Intake,
        tail: &str,
        now: Timestamp,
    ) -> Result<(web::Bytes, Signed), Problem> {
        let verdict = source.guard.check_head(request, tail);
        if verdict == Verdict::Refused {
            return Err(Problem::unauthorized());
        }
        let body = body::read(request, payload, self.max_body_bytes, self.body_timeout).await?;
        if verdict == Verdict::Passed {
            return Ok((body, Signed::default()));
        }
        let signed = source.guard.check_body(request, &body, now).ok_or_else(Problem::unauthorized)?;
        Ok((body, signed))
    }

    /// Returns once the event is durable.
    async fn queue(&self, request: &RecordedRequest, facts: &Facts<'_>) -> Result<(), Problem> {
        use cloudevents::AttributesReader as _;
        let event = payload_received(request, facts);
        Span::current().record("ce_id", event.id());
        crash::point("before-write");
        match self.sink.send(&event, facts.traceparent).await {
            Ok(()) => {
                crash::point("after-commit");
                Ok(())
            }
            Err(error) => {
                let is_final = matches!(error, SinkError::Refused(_));
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, is_final, "a request could not be queued");
                Err(Problem::unavailable("the request could not be queued; it was not taken"))
            }
        }
    }
}

/// The source's name and the path behind it.
fn address(request: &HttpRequest) -> Option<(String, &str)> {
    let rest = request.uri().path().strip_prefix("/hooks/")?;
    let (name, tail) = rest.split_once('/').unwrap_or((rest, ""));
    Some((percent_decode_str(name).decode_utf8().ok()?.into_owned(), tail))
}

/// Takes the credentials out, and has the format look at the rest.
fn read(
    request: &HttpRequest,
    body: web::Bytes,
    source: &Intake,
    tail: &str,
) -> Result<(RecordedRequest, Found), Problem> {
    let traces = source.guard.traces(tail);
    let inspected = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let recorded = recorded::record(request, body, source.decoder, &traces);
        let found = source.decoder.inspect(&recorded, &source.profile)?;
        Ok::<_, FormError>((recorded, found))
    }));
    match inspected {
        Ok(inspected) => Ok(inspected?),
        Err(_) => {
            tracing::error!(format = source.decoder.name(), "the format panicked on a request");
            Err(Problem::unprocessable("the request could not be read"))
        }
    }
}
