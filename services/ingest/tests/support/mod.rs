//! `ingest` within this process, with a sink that keeps what it is sent.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test fails by panicking; each uses a part"
)]

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use cloudevents::Event;
use event_model::{RecordedRequest, cloudevent};
use ingest::{Confirmer, HandOver, Ingest, NextStages, Sources, app};
use jiff::Timestamp;
use pipeline_config::Pipeline;
use reqwest::{Client, RequestBuilder};
use runtime::{Clock, Env};
use sink::HttpSink;
use stage::{App, RunningServer, ServerOptions};

/// When every test takes place, unless it moves the clock.
pub const NOW: &str = "2026-01-15T12:00:00Z";
/// The bound on bodies.
pub const MAX_BODY: usize = 4096;

/// The secrets that the tests' files name.
pub const SECRETS: [(&str, &str); 4] = [
    ("SECRET", "open sesame"),
    ("SIGNING_SECRET", "open sesame of the cave"),
    ("OLD_SECRET", "0ld-s3cret"),
    ("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
];

/// A sink, and what it was sent.
#[derive(Clone)]
pub struct Queue {
    events: Arc<Mutex<Vec<Event>>>,
    status: Arc<AtomicU16>,
}

impl Queue {
    pub fn start() -> (Self, RunningServer) {
        let queue = Self { events: Arc::default(), status: Arc::new(AtomicU16::new(202)) };
        let own = queue.clone();
        let app = App::new().routes(move |config| {
            let own = own.clone();
            config.route(
                "/",
                web::post().to(move |request: HttpRequest, body: web::Bytes| {
                    let status = StatusCode::from_u16(own.status.load(Ordering::SeqCst)).unwrap();
                    if status.is_success() {
                        let fields = request.headers().iter();
                        let fields = fields.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
                        own.events.lock().unwrap().push(cloudevent::from_binary(fields, body).unwrap());
                    }
                    async move { HttpResponse::build(status).finish() }
                }),
            );
        });
        (queue, RunningServer::start(app, ServerOptions::default()).unwrap())
    }

    /// What the sink answers from now on.
    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What was queued since the last call.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// The one event that was queued since the last call, and the request in it.
    pub fn one(&self) -> (Event, RecordedRequest) {
        let mut events = self.take();
        assert_eq!(events.len(), 1, "{events:?}");
        let event = events.remove(0);
        let request = RecordedRequest::parse(&cloudevent::bytes(&event).unwrap()).unwrap();
        (event, request)
    }
}

/// `ingest` and its sink.
pub struct World {
    pub queue: Queue,
    pub clock: Clock,
    server: RunningServer,
    sink: RunningServer,
    client: Client,
}

impl World {
    pub fn start(yaml: &str) -> Self {
        Self::start_at(yaml, NOW.parse().unwrap(), None)
    }

    /// One that waits for a body no longer than this.
    pub fn waiting(yaml: &str, body_timeout: Duration) -> Self {
        Self::start_as(yaml, &[], NOW.parse().unwrap(), None, Some(body_timeout))
    }

    /// With more environment.
    pub fn start_with(yaml: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_as(yaml, environment, NOW.parse().unwrap(), None, None)
    }

    pub fn start_at(yaml: &str, now: Timestamp, confirmer: Option<Confirmer>) -> Self {
        Self::start_as(yaml, &[], now, confirmer, None)
    }

    fn start_as(
        yaml: &str,
        environment: &[(&str, &str)],
        now: Timestamp,
        confirmer: Option<Confirmer>,
        body_timeout: Option<Duration>,
    ) -> Self {
        let (queue, sink) = Queue::start();
        let sink_url = sink.url();
        let mut variables = vec![("K_SINK", sink_url.as_str())];
        variables.extend(SECRETS);
        variables.extend(environment);
        let mut env = Env::from_pairs(&variables);
        let pipeline = Pipeline::parse(yaml, "test.yaml").unwrap();
        let clock = Clock::manual(now);
        let mut options = ServerOptions { clock: clock.clone(), ..ServerOptions::default() };
        options.settings.body_timeout = body_timeout.unwrap_or(options.settings.body_timeout);
        let ingest = Ingest {
            sources: Sources::of(&pipeline, &mut env),
            next_stages: NextStages::from_env(&mut env, &pipeline),
            max_body_bytes: MAX_BODY,
            body_timeout: options.settings.body_timeout,
            clock: clock.clone(),
            hand_over: HandOver::Queue(HttpSink::from_env(&mut env).unwrap()),
            confirmer: confirmer.or_else(|| Confirmer::new(&mut env)).unwrap(),
        };
        env.finish().unwrap();
        let server = RunningServer::start(app(ingest), options).unwrap();
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        Self { queue, clock, server, sink, client }
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.server.url()))
    }

    /// A valid SenML message.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request("POST", path).header("content-type", "application/senml+json").body(SENML)
    }

    /// Sends, and gives the status.
    pub async fn status(&self, request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }

    pub async fn stop(self) {
        self.server.stop().await;
        self.sink.stop().await;
    }
}

pub const SENML: &str = r#"[{"bn":"gh-7:","n":"temperature","u":"Cel","v":21.5}]"#;
