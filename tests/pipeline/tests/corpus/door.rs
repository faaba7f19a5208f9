//! A payload's way in one process: over HTTP to `ingest`, whose sink keeps what it is given, and on to what it holds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudevents::Event;
use event_model::RecordedRequest;
use ingest::{Confirmer, Direct, DirectParts, HandOver, Ingest, NextStages, Sources, app};
use jiff::Timestamp;
use payload::{Accepted, Carried};
use pipeline_config::Pipeline;
use runtime::trace::TraceContext;
use runtime::{ClientOptions, Clock, Env, Prewarm};
use sink::{Sink, SinkError};
use stage::telemetry::PersistMetrics;
use stage::{RunningServer, ServerOptions};
use store::DatabaseSettings;
use testkit::TestDatabase;

/// The secret of the published signatures.
pub(crate) const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What `ingest` bounds bodies to unless set.
const MAX_BODY: usize = 768 * 1024;
/// For a whole body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Event>>>);

impl Sink for Kept {
    async fn send(&self, event: &Event, _: Option<&TraceContext>) -> Result<(), SinkError> {
        self.0.lock().expect("no holder panics").push(event.clone());
        Ok(())
    }
}

/// What a payload was answered, and the event that it became.
pub(crate) struct Entry {
    pub(crate) status: u16,
    pub(crate) answer: String,
    pub(crate) event: Option<Event>,
}

/// `ingest`, open.
pub(crate) struct Door {
    pipeline: Pipeline,
    kept: Kept,
    clock: Clock,
    server: RunningServer,
    client: reqwest::Client,
}

impl Door {
    pub(crate) fn open(yaml: &str) -> Self {
        let kept = Kept::default();
        Self::opened(yaml, kept.clone(), |_, _| HandOver::Queue(kept.clone()))
    }

    /// The same where payloads go into `database`.
    pub(crate) fn open_direct(yaml: &str, database: &TestDatabase) -> Self {
        let settings = DatabaseSettings::from_url(database.url()).expect("the address of a server");
        let kept = Kept::default();
        Self::opened(yaml, kept.clone(), |pipeline, clock| {
            HandOver::Direct(Direct::new(DirectParts {
                pipeline: pipeline.clone(),
                database: settings.clone(),
                prewarm: Prewarm::default(),
                stage: "ingest",
                sink: kept.clone(),
                falls_back: false,
                commit_timeout: BODY_TIMEOUT,
                max_in_flight: 100,
                sources: 1,
                threads: 1,
                clock: clock.clone(),
                metrics: PersistMetrics::default(),
            }))
        })
    }

    fn opened(yaml: &str, kept: Kept, hand_over: impl Fn(&Pipeline, &Clock) -> HandOver<Kept>) -> Self {
        let pipeline = Pipeline::parse(yaml, "corpus.yaml").unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let mut env = Env::from_pairs(&[("SIGNING_SECRET", SIGNING_SECRET)]);
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let ingest = Ingest {
            sources: Sources::of(&pipeline, &mut env),
            next_stages: NextStages::default(),
            max_body_bytes: MAX_BODY,
            body_timeout: BODY_TIMEOUT,
            clock: clock.clone(),
            hand_over: hand_over(&pipeline, &clock),
            confirmer: Confirmer::with_client(nobody_at_amazon()),
        };
        env.finish().expect("every secret is given");
        let options = ServerOptions { clock: clock.clone(), ..ServerOptions::default() };
        let server = RunningServer::start(app(ingest), options).expect("a loopback port is free");
        let client = runtime::http_client(&ClientOptions::default()).expect("a client can be built");
        Self { pipeline, kept, clock, server, client }
    }

    /// Sends `request` at this time.
    pub(crate) async fn send(&self, request: &RecordedRequest, at: Timestamp) -> Entry {
        self.clock.set(at);
        let method = request.method.parse().expect("a method");
        let url = format!("{}{}", self.server.url(), request.target());
        let mut builder = self.client.request(method, url).body(request.body.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let answer = builder.send().await.expect("ingest answers");
        let status = answer.status().as_u16();
        let answer = answer.text().await.expect("an answer is whole");
        Entry { status, answer, event: self.kept.0.lock().expect("no holder panics").pop() }
    }

    /// What an event carries, as `transform` accepts it.
    pub(crate) fn accepted(&self, event: &Event) -> Accepted<'_> {
        let acceptance = Accepted::of_event(&Carried::new(event.clone()), &self.pipeline, self.clock.now())
            .unwrap_or_else(|refusal| panic!("ingest's event leads nowhere: {refusal}"));
        acceptance.without_codec().expect("no source of the corpus has a script")
    }

    pub(crate) async fn close(self) {
        self.server.stop().await;
    }
}

/// Amazon's hosts, at a port that nobody listens on: tests fetch nothing from outside.
fn nobody_at_amazon() -> reqwest::Client {
    let closed = std::net::SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
    runtime::http_client_builder(&ClientOptions::default())
        .expect("a client can be built")
        .resolve("iot.us-east-1.amazonaws.com", closed)
        .build()
        .expect("a client can be built")
}
