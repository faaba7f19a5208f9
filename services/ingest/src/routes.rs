//! `/hooks/{source}`: one request from its arrival to the queue, or to its rows.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use cloudevents::AttributesReader as _;
use event_model::form;
use jiff::Timestamp;
use payload::{Acceptance, Accepted, Carried, Inspected, Received, RequestHead, payload_received, record};
use percent_encoding::percent_decode_str;
use runtime::Clock;
use runtime::trace::TraceContext;
use sink::Sink;
use stage::App;
use stage::body::close_unread;
use tracing::{Instrument as _, Span, field};
use uuid::Uuid;

use crate::body;
use crate::credentials::{Signed, Verdict};
use crate::direct::Offer;
use crate::hand_over::HandOver;
use crate::handshake::{self, Confirmer};
use crate::next_stages::NextStages;
use crate::problem::{METHODS, Problem};
use crate::queue::queue;
use crate::sources::{Sources, Webhook};

/// What takes requests.
pub struct Ingest<S> {
    /// The sources.
    pub sources: Sources,
    /// The stages that start while a request is queued.
    pub next_stages: NextStages,
    /// The largest body, as sent and again after decompression.
    pub max_body_bytes: usize,
    /// For a whole body to arrive.
    pub body_timeout: Duration,
    /// The time.
    pub clock: Clock,
    /// Where accepted requests go.
    pub hand_over: HandOver<S>,
    /// For platforms that want an answer at an address of theirs.
    pub confirmer: Confirmer,
}

/// The service: its hooks, and what clients of a format ask for by themselves.
pub fn app<S: Sink + Clone + 'static>(ingest: Ingest<S>) -> App {
    let ingest = web::Data::new(ingest);
    let (refused, is_direct) = (ingest.clone(), matches!(ingest.hand_over, HandOver::Direct(_)));
    let app = App::new().routes(move |config| {
        config
            .app_data(ingest.clone())
            // Called once in each thread that serves.
            .app_data(web::Data::new(ingest.hand_over.on_this_thread()))
            // The address is read by hand: a pattern of the router costs each request a regular expression.
            .default_service(web::to(hook::<S>));
    });
    if is_direct { app.on_refused(move |request| refused.note_refused(request)) } else { app }
}

async fn hook<S: Sink + Clone + 'static>(
    request: HttpRequest,
    mut payload: web::Payload,
    ingest: web::Data<Ingest<S>>,
    hand_over: web::Data<HandOver<S>>,
) -> HttpResponse {
    let is_hook = hook_address(request.uri().path()).is_some();
    let span = tracing::info_span!(
        "receive",
        otel.name = if is_hook { "receive /hooks/{source}" } else { "receive" },
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = request.method().as_str(),
        http.route = is_hook.then_some("/hooks/{source}"),
        http.response.status_code = field::Empty,
        source = field::Empty,
        ce_id = field::Empty,
    );
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    TraceContext::continue_in(TraceContext::read(field).as_ref(), &span);
    let answer = async {
        let taken = match ingest.health(&request) {
            Ok(Some(answer)) => return close_unread(answer, payload),
            Ok(None) => ingest.take(&request, &mut payload, &hand_over).await,
            Err(problem) => Err(problem),
        };
        match taken {
            // A handshake has no body that anybody reads.
            Ok(answer) if request.method() == Method::OPTIONS => close_unread(answer, payload),
            Ok(answer) => answer,
            Err(problem) => {
                tracing::warn!(
                    status = problem.status(),
                    reason = problem.detail(),
                    "a request was not taken"
                );
                let format = decoders::by_own_path(request.path()).map(|(format, _)| format);
                let (closes, answer) = (problem.closes(), problem.answer(format));
                if closes { close_unread(answer, payload) } else { answer }
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

impl<S: Sink + Clone + 'static> Ingest<S> {
    /// The answer to a request for the server's health: behind a hook for who has the whole address of the source, elsewhere
    /// where any source has such a format.
    fn health(&self, request: &HttpRequest) -> Result<Option<HttpResponse>, Problem> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Ok(None);
        }
        let (path, query) = (request.uri().path(), request.query_string());
        let Some((name, tail)) = hook_address(path) else {
            let health = self.sources.decoders().find_map(|decoder| decoder.health(path, query));
            return Ok(health.map(handshake::health));
        };
        let Some((origin, webhook)) = self.sources.get(&name) else { return Ok(None) };
        match origin.decoder.health(tail, query) {
            Some(_) if !webhook.guard.admits_handshake(request, tail) => Err(Problem::unauthorized()),
            health => Ok(health.map(handshake::health)),
        }
    }

    /// Notes a request that was refused before it was looked at, where it may hold a payload.
    fn note_refused(&self, request: &HttpRequest) {
        if self.may_hold_payload(request) {
            let reason = "more requests at once than this process takes";
            tracing::warn!(status = 429, reason, "a request was not taken");
            self.hand_over.note_refusal(self.clock.now());
        }
    }

    /// Whether it is a request to a source, of one who may send to it as far as its head shows.
    fn may_hold_payload(&self, request: &HttpRequest) -> bool {
        let Some((name, tail)) = address(request) else { return false };
        let Some((_, webhook)) = self.sources.get(&name) else { return false };
        [Method::GET, Method::POST, Method::PUT].contains(request.method())
            && matches!(self.health(request), Ok(None))
            && webhook.guard.check_head(request, tail) != Verdict::Refused
    }

    /// Find the source, check who sends, check the form, hand over.
    async fn take(
        &self,
        request: &HttpRequest,
        payload: &mut web::Payload,
        hand_over: &HandOver<S>,
    ) -> Result<HttpResponse, Problem> {
        let received_at = self.clock.now();
        let (name, tail) = address(request).ok_or_else(Problem::not_found)?;
        let (origin, webhook) = self.sources.get(&name).ok_or_else(Problem::not_found)?;
        Span::current().record("source", &*name);
        match *request.method() {
            Method::OPTIONS if webhook.guard.admits_handshake(request, tail) => {
                return Ok(handshake::options(request, origin.source.rate));
            }
            Method::OPTIONS => return Err(Problem::unauthorized()),
            Method::GET | Method::POST | Method::PUT => {}
            _ => return Err(Problem::method_not_allowed(METHODS)),
        }
        let advised = |problem: Problem| problem.advised(origin.decoder);
        let read = self.authenticated_body(request, payload, webhook, tail, received_at).await;
        let (body, signed) = read.map_err(advised)?;
        if let Some(limiter) = &webhook.limiter {
            limiter.admit(received_at).map_err(Problem::above_rate)?;
        }
        let body = body::decompressed(request, body, self.max_body_bytes).map_err(advised)?;
        let recorded = record(&head(request), body, origin, &webhook.guard.traces(tail))?;
        let mut inspected = Inspected::of(origin, &recorded)?;
        if let Some(handshake) = inspected.inspection.handshake.take() {
            return handshake::answer(handshake, &self.confirmer).await;
        }
        let trace = TraceContext::current();
        let received = Received {
            at: received_at,
            fresh_id: Uuid::now_v7(),
            signed_message_id: signed.message_id.as_deref(),
            pipeline: &self.sources.pipeline,
            trace: trace.iter().flat_map(TraceContext::fields).collect(),
        };
        let event = payload_received(&inspected, received);
        let success = origin.decoder.success_body(&recorded);
        Span::current().record("ce_id", event.id());
        match hand_over {
            HandOver::Queue(sink) => {
                self.next_stages.prewarm();
                // The content is read while the event is under way.
                let looking = async { self.next_stages.prewarm_if_watched(&inspected, received_at) };
                let (queued, ()) = tokio::join!(biased; queue(sink, &event, trace.as_ref()), looking);
                queued?;
            }
            HandOver::Direct(direct) => {
                let content = inspected.finish(received_at, None);
                let accepted = content.map(|content| Accepted::accept(recorded, content));
                if let Ok(Acceptance::Accepted(accepted)) = &accepted {
                    self.next_stages.prewarm_if_firing(accepted);
                }
                let (carried, taken) = (Carried::new(event), &webhook.taken);
                direct.take(Offer { carried, accepted, received_at, trace, taken }).await?;
            }
        }
        let status = StatusCode::from_u16(origin.decoder.success_status()).unwrap_or(StatusCode::ACCEPTED);
        let mut answer = HttpResponse::build(status);
        Ok(match success {
            Some((content_type, body)) => answer.content_type(content_type).body(body),
            None => answer.finish(),
        })
    }

    /// The body as it was sent, once a credential has passed.
    async fn authenticated_body(
        &self,
        request: &HttpRequest,
        payload: &mut web::Payload,
        webhook: &Webhook,
        tail: &str,
        now: Timestamp,
    ) -> Result<(web::Bytes, Signed), Problem> {
        let verdict = webhook.guard.check_head(request, tail);
        if verdict == Verdict::Refused {
            return Err(Problem::unauthorized());
        }
        let body = body::read(request, payload, self.max_body_bytes, self.body_timeout).await?;
        if verdict == Verdict::Passed {
            return Ok((body, Signed::default()));
        }
        let signed = webhook.guard.check_body(request, &body, now).ok_or_else(Problem::unauthorized)?;
        Ok((body, signed))
    }
}

/// The source's name and the path behind it; of a path that a format's clients write to by themselves, all of it.
fn address(request: &HttpRequest) -> Option<(Cow<'_, str>, &str)> {
    let path = request.uri().path();
    hook_address(path).or_else(|| {
        let (_, parameter) = decoders::by_own_path(path)?;
        let field = form::fields(request.query_string()).find(|field| field.name() == parameter)?;
        // A bucket may be `database/retention-policy`.
        let name = field.value().split('/').next()?.to_owned();
        Some((name.into(), path.trim_start_matches('/')))
    })
}

fn hook_address(path: &str) -> Option<(Cow<'_, str>, &str)> {
    let rest = path.strip_prefix("/hooks/")?;
    let (name, tail) = rest.split_once('/').unwrap_or((rest, ""));
    Some((percent_decode_str(name).decode_utf8().ok()?, tail))
}

fn head(request: &HttpRequest) -> RequestHead<'_> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    RequestHead {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: headers.collect(),
    }
}
