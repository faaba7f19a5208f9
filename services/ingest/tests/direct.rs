//! Direct mode within this process: who is refused is noted, and what one is refused for keeps out no other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use cloudevents::Event;
use ingest::{Confirmer, Direct, DirectParts, HandOver, Ingest, NextStages, Sources, app};
use pipeline_config::Pipeline;
use reqwest::{Client, RequestBuilder};
use runtime::trace::TraceContext;
use runtime::{Clock, Env, Prewarm};
use sink::{Sink, SinkError};
use stage::telemetry::PersistMetrics;
use stage::{RunningServer, ServerOptions, Settings};
use store::DatabaseSettings;
use support::{MAX_BODY, NOW, SECRETS, SENML};
use testkit::TestDatabase;

const YAML: &str = "
sources:
  open: {format: senml_json}
  guarded: {format: senml_json, credentials: [{header: X-Api-Key, secret: {env: SECRET}}]}
  slow: {format: senml_json, rate: 2/m}
  mapped:
    format: json
    mapping: {device: /device, time: /time, metrics: {temperature: {value: /t, unit: Cel}}}
";

/// A Broker of which nothing is asked.
#[derive(Debug, Clone)]
struct Unused;

impl Sink for Unused {
    async fn send(&self, _: &Event, _: Option<&TraceContext>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// `ingest` with a database and no fallback.
struct World {
    database: TestDatabase,
    direct: Direct<Unused>,
    server: RunningServer,
    client: Client,
}

impl World {
    /// `None` where there is no server.
    async fn start(change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let database = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(database.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let pipeline = Pipeline::parse(YAML, "test.yaml").unwrap();
        let clock = Clock::manual(NOW.parse().unwrap());
        let mut env = Env::from_pairs(&SECRETS);
        let sources = Sources::of(&pipeline, &mut env);
        let direct = Direct::new(DirectParts {
            pipeline,
            database: settings,
            prewarm: Prewarm::default(),
            stage: "ingest",
            sink: Unused,
            falls_back: false,
            commit_timeout: Duration::from_secs(10),
            max_in_flight: 100,
            sources: sources.count(),
            threads: 1,
            clock: clock.clone(),
            metrics: PersistMetrics::default(),
        });
        let mut options = ServerOptions { clock: clock.clone(), ..ServerOptions::default() };
        change(&mut options.settings);
        let ingest = Ingest {
            sources,
            next_stages: NextStages::default(),
            max_body_bytes: MAX_BODY,
            body_timeout: options.settings.body_timeout,
            clock,
            hand_over: HandOver::Direct(direct.clone()),
            confirmer: Confirmer::new(&mut env).unwrap(),
        };
        env.finish().unwrap();
        let server = RunningServer::start(app(ingest), options).unwrap();
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        Some(Self { database, direct, server, client })
    }

    /// A valid SenML message.
    fn post(&self, path: &str) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.server.url()));
        request.header("content-type", "application/senml+json").body(SENML)
    }

    async fn status(&self, request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }

    /// How many refusals are recorded once all are that were noted.
    async fn refusals(&self) -> i64 {
        self.direct.flush().await;
        let client = self.database.connect().await;
        client.query_one("select count(*) from refusal", &[]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn a_payload_that_is_refused_before_it_is_looked_at_is_noted() {
    let Some(world) = World::start(|settings| settings.max_in_flight = 0).await else { return };
    for request in [
        world.post("/hooks/nobody"),
        world.post("/hooks/guarded").header("x-api-key", "close sesame"),
        world.client.request("OPTIONS".parse().unwrap(), format!("{}/hooks/open", world.server.url())),
    ] {
        assert_eq!(world.status(request).await, 429);
    }
    assert_eq!(world.refusals().await, 0, "none of them is a payload");
    assert_eq!(world.status(world.post("/hooks/guarded").header("x-api-key", "open sesame")).await, 429);
    assert_eq!(world.refusals().await, 1);
    world.server.stop().await;
}

#[tokio::test]
async fn a_payload_above_its_sources_rate_is_not_noted_since_every_tick_would_be_none_then() {
    let Some(world) = World::start(|_| {}).await else { return };
    assert_eq!(world.status(world.post("/hooks/slow")).await, 202);
    assert_eq!(world.status(world.post("/hooks/slow")).await, 202);
    assert_eq!(world.refusals().await, 0);
    assert_eq!(world.status(world.post("/hooks/slow")).await, 429);
    assert_eq!(world.refusals().await, 0);
    world.server.stop().await;
}

#[tokio::test]
async fn a_dead_letter_that_the_database_refuses_keeps_no_other_payload_out() {
    let Some(world) = World::start(|_| {}).await else { return };
    let full = "alter table dead_letter add constraint is_full check (false)";
    world.database.connect().await.batch_execute(full).await.unwrap();
    let senseless = world.client.post(format!("{}/hooks/mapped", world.server.url()));
    let senseless =
        senseless.header("content-type", "application/json").body(r#"{"device": "d", "t": {"raw": "?"}}"#);
    assert_eq!(world.status(senseless).await, 503);
    assert_eq!(world.status(world.post("/hooks/open")).await, 202);
    world.server.stop().await;
}
