//! The stage and its HTTP interface over a real database and a sink on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, test};
use cloudevents::{AttributesWriter as _, Event};
use dead_letter::{DeadLetters, Sender, api};
use event_model::cloudevent;
use event_model::event_types::{DEAD_LETTERS_DUE, EVALUATION_REQUESTED, PAYLOAD_RECEIVED, TICK};
use persist::{Persist, PersistParts};
use pipeline_config::Pipeline;
use runtime::{ClientOptions, Clock, Prewarm};
use serde_json::Value;
use sink::{HttpSink, Overrides};
use stage::{Delivery, Outcome, Stage as _};
use store::dead_letters::{self, Filter, SentBack, State, StoredDeadLetter};
use store::migrate::ROLES;
use store::{Database, DatabaseSettings};
use testkit::{TestDatabase, TestReceiver};

struct World {
    place: TestDatabase,
    broker: TestReceiver,
    database: Database,
    sender: Arc<Sender>,
    stage: DeadLetters,
}

impl World {
    /// `None` where PostgreSQL is not installed.
    async fn start() -> Option<Self> {
        let place = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(place.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let (database, broker) = (Database::new(&settings), TestReceiver::start().await);
        let url = broker.url("/freshet/default").parse().unwrap();
        let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let role = place.as_role(ROLES, "freshet_dead_letter").await;
        let role = DatabaseSettings::from_url(role.url()).unwrap();
        let sender = Arc::new(Sender { database: Database::new(&role), sink, persist: None, clock });
        Some(Self { place, broker, database, stage: DeadLetters::new(Arc::clone(&sender), None), sender })
    }

    async fn deliver(&self, event: Event) -> Outcome {
        self.stage.handle(event, Delivery::at(self.sender.clock.now())).await
    }

    async fn take_due(&self) -> Outcome {
        self.deliver(cloudevent::new(DEAD_LETTERS_DUE, "/stages/scheduler", "t")).await
    }

    async fn kept(&self, resolved_too: bool) -> Vec<StoredDeadLetter> {
        let client = self.database.client().await.unwrap();
        dead_letters::list(&client, &Filter { resolved_too, ..Filter::default() }, 100).await.unwrap()
    }

    async fn request(&self, request: test::TestRequest) -> (StatusCode, Value) {
        let app = test::init_service(App::new().configure(api::routes(Arc::clone(&self.sender)))).await;
        let answer = test::call_service(&app, request.to_request()).await;
        (answer.status(), test::read_body_json(answer).await)
    }
}

/// A payload that `transform` answered with `code`, or not at all.
fn dead(code: Option<&str>) -> Event {
    let fields = [
        ("ce-specversion", "1.0"),
        ("ce-id", "up-1-abc"),
        ("ce-source", "/sources/greenhouse"),
        ("ce-type", PAYLOAD_RECEIVED),
        ("ce-time", "2026-03-01T11:59:00.25Z"),
        ("ce-partitionkey", "gh-1"),
        ("ce-payloadformat", "json"),
        ("ce-knativeerrordest", "http://transform.freshet.svc.cluster.local/"),
        ("ce-knativekafkaoffset", "7"),
        ("content-type", "application/http"),
    ];
    let code = code.map(|code| ("ce-knativeerrorcode", code));
    cloudevent::from_binary(fields.into_iter().chain(code), b"POST /hooks/greenhouse HTTP/1.1\r\n\r\n{}")
        .unwrap()
}

#[tokio::test]
async fn the_same_dead_letter_twice_is_one_row() {
    let Some(world) = World::start().await else { return };
    for _ in 0..2 {
        assert_eq!(world.deliver(dead(Some("422"))).await, Outcome::Done);
    }
    let kept = world.kept(false).await;
    assert_eq!((kept.len(), kept[0].deliveries), (1, 2));
    assert_eq!(kept[0].dead_letter.reason, "transform answered 422");
}

#[tokio::test]
async fn what_was_unavailable_goes_back_as_it_was_once_a_failure() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(None)).await;
    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.take_due().await, Outcome::Done);

    let sent = world.broker.received();
    assert_eq!(sent.len(), 1);
    for (field, value) in [
        ("ce-id", Some("up-1-abc")),
        ("ce-source", Some("/sources/greenhouse")),
        ("ce-time", Some("2026-03-01T11:59:00.25Z")),
        ("ce-partitionkey", Some("gh-1")),
        ("ce-payloadformat", Some("json")),
        ("content-type", Some("application/http")),
        ("ce-knativeerrordest", None),
        ("ce-knativekafkaoffset", None),
    ] {
        assert_eq!(sent[0].header(field), value, "{field}");
    }
    assert_eq!(sent[0].body, b"POST /hooks/greenhouse HTTP/1.1\r\n\r\n{}");
    let kept = world.kept(false).await.remove(0);
    assert_eq!(sent[0].header("ce-deadletter"), Some(kept.id.to_string().as_str()));
    assert_eq!(kept.state(), State::SentBack, "nobody has stored it yet");

    // It fails again: it is open again, and goes back again once its wait is over.
    world.deliver(dead(Some("503"))).await;
    assert_eq!(world.kept(false).await[0].state(), State::Open);
    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.broker.received().len(), 1);
    world.sender.clock.advance(Duration::from_secs(5 * 60));
    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.broker.received().len(), 2);
    assert_eq!(world.kept(true).await[0].replays, 2);
}

#[tokio::test]
async fn what_a_broker_forgets_is_sent_again_after_an_hour() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(None)).await;
    for (minutes, sent) in [(0, 1), (59, 1), (1, 2), (59, 2), (1, 3)] {
        world.sender.clock.advance(Duration::from_secs(minutes * 60));
        assert_eq!(world.take_due().await, Outcome::Done);
        assert_eq!(world.broker.received().len(), sent);
    }
    assert_eq!(world.kept(false).await[0].state(), State::SentBack);

    // What a person has sent back is not forgotten either.
    let mut rejected = dead(Some("422"));
    rejected.set_id("up-2-def");
    world.deliver(rejected).await;
    let id = world.kept(false).await.iter().find(|one| one.state() == State::Open).unwrap().id;
    let replay = test::TestRequest::post().uri(&format!("/dead-letters/{id}/replay"));
    assert_eq!(world.request(replay).await.0, StatusCode::ACCEPTED);
    world.sender.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(world.take_due().await, Outcome::Done);
    let received = world.broker.received();
    let again = received.iter().filter(|event| event.header("ce-id") == Some("up-2-def"));
    assert_eq!(again.count(), 2);
}

/// The same stage where the Broker keeps nothing, as the role that stores payloads in direct mode.
async fn persisting(world: World, pipeline: &str) -> World {
    let role = world.place.as_role(ROLES, "freshet_ingest").await;
    let database = Database::new(&DatabaseSettings::from_url(role.url()).unwrap());
    let persist = Persist::new(PersistParts {
        codecs: persist::Codecs::default(),
        pipeline: Pipeline::parse(pipeline, "freshet.yaml").unwrap(),
        database: database.clone(),
        prewarm: Prewarm::default(),
        stage: "dead-letter",
    });
    let (sink, clock) = (world.sender.sink.clone(), world.sender.clock.clone());
    let sender = Arc::new(Sender { database, sink, persist: Some(persist), clock });
    World { stage: DeadLetters::new(Arc::clone(&sender), None), sender, ..world }
}

#[tokio::test]
async fn where_the_broker_keeps_nothing_a_payload_is_stored_and_not_sent_back() {
    let Some(world) = World::start().await else { return };
    let world = persisting(
        world,
        "
sources: {greenhouse: {format: json}}
rules: {TooHot: {metric: temperature, above: 30}}
receivers: {ops: {webhook: {url: 'https://hooks.example.com/x'}}}
",
    )
    .await;
    let mut payload = dead(Some("503"));
    let request = br#"POST /hooks/greenhouse HTTP/1.1
content-type: application/json

{"device":"gh-1","temperature":31.5}"#;
    payload.set_data("application/http", request.to_vec());
    world.deliver(payload).await;
    let mut failed = cloudevent::new("dev.freshet.notification.failed.v1", "/stages/notify", "n");
    failed.set_extension("knativeerrordest", "http://pager.example.com/");
    world.deliver(failed).await;

    assert_eq!(world.take_due().await, Outcome::Done);
    let mut types: Vec<_> = world.broker.received();
    types.sort_by(|one, other| one.header("ce-type").cmp(&other.header("ce-type")));
    let types: Vec<_> = types.iter().map(|event| event.header("ce-type").unwrap()).collect();
    assert_eq!(types, [EVALUATION_REQUESTED, "dev.freshet.notification.failed.v1"]);
    let client = world.place.connect().await;
    let count = |of: &'static str| {
        let client = &client;
        async move { client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get::<_, i64>(0) }
    };
    assert_eq!((count("moment").await, count("evaluation_request").await), (1, 1));
    assert!(world.kept(false).await.is_empty());

    // A second sending, as after a death before the first was recorded, changes nothing.
    client.execute("update dead_letter set resolved_at = null, replayed_at = null", &[]).await.unwrap();
    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!((count("moment").await, count("receipt").await), (1, 1));
}

#[tokio::test]
async fn where_the_broker_keeps_nothing_a_payload_that_leads_nowhere_waits_for_a_person() {
    let Some(world) = World::start().await else { return };
    let world = persisting(world, "sources: {barn: {format: json}}").await;
    world.deliver(dead(Some("503"))).await;
    assert_eq!(world.take_due().await, Outcome::Done);
    let kept = world.kept(false).await.remove(0);
    assert_eq!((kept.state(), kept.dead_letter.cause), (State::Open, dead_letters::Cause::Rejected));
    assert!(kept.dead_letter.reason.contains("greenhouse"), "{}", kept.dead_letter.reason);
}

#[tokio::test]
async fn a_payload_that_is_not_stored_for_now_leaves_everything_as_it_was() {
    let Some(world) = World::start().await else { return };
    let world = persisting(world, "sources: {greenhouse: {format: json}}").await;
    world.deliver(dead(Some("503"))).await;
    let client = world.place.connect().await;
    client.batch_execute("revoke insert on receipt from freshet_ingest").await.unwrap();
    assert!(matches!(world.take_due().await, Outcome::Unavailable(_)));
    client.batch_execute("grant insert on receipt to freshet_ingest").await.unwrap();
    let kept = world.kept(false).await.remove(0);
    assert_eq!((kept.state(), kept.replays), (State::Open, 0));
    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.kept(false).await.len(), 0);
}

#[tokio::test]
async fn what_holds_no_payload_is_resolved_when_it_is_sent() {
    let Some(world) = World::start().await else { return };
    let mut failed = cloudevent::new("dev.freshet.notification.failed.v1", "/stages/notify", "n");
    failed.set_extension("knativeerrordest", "http://pager.example.com/");
    world.deliver(failed).await;
    assert_eq!(world.take_due().await, Outcome::Done);
    assert!(world.kept(false).await.is_empty());
    assert_eq!(world.kept(true).await[0].state(), State::Resolved);
}

#[tokio::test]
async fn what_was_stored_before_its_sending_was_recorded_stays_resolved() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(None)).await;
    let sent = world.kept(false).await.remove(0);
    let client = world.database.client().await.unwrap();
    let sent_back = SentBack::of(&sent.to_event().unwrap()).unwrap();
    dead_letters::resolve(&client, &sent_back, world.sender.clock.now()).await.unwrap();
    dead_letters::mark_sent(&client, &sent, world.sender.clock.now()).await.unwrap();
    assert_eq!(world.kept(true).await[0].state(), State::Resolved);
}

#[tokio::test]
async fn what_failed_again_before_its_replay_was_recorded_stays_open() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(Some("422"))).await;
    let sent = world.kept(false).await.remove(0);
    world.deliver(dead(Some("422"))).await;
    let client = world.database.client().await.unwrap();
    dead_letters::mark_sent(&client, &sent, world.sender.clock.now()).await.unwrap();
    let kept = world.kept(false).await;
    assert_eq!((kept.len(), kept[0].deliveries, kept[0].replays), (1, 2, 1));
}

#[tokio::test]
async fn what_keeps_failing_waits_for_a_person_in_the_end() {
    let Some(world) = World::start().await else { return };
    for _ in 0..25 {
        world.deliver(dead(Some("503"))).await;
        assert_eq!(world.take_due().await, Outcome::Done);
        world.sender.clock.advance(Duration::from_secs(60 * 60));
    }
    assert_eq!(world.broker.received().len(), 20);
    assert_eq!(world.kept(false).await.len(), 1);
}

#[tokio::test]
async fn what_was_rejected_is_not_sent_back_by_itself() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(Some("422"))).await;
    assert_eq!(world.take_due().await, Outcome::Done);
    assert!(world.broker.received().is_empty());
}

#[tokio::test]
async fn a_sink_that_is_down_leaves_everything_as_it_was() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(None)).await;
    world.broker.answer(503);
    assert!(matches!(world.take_due().await, Outcome::Unavailable(_)));
    let kept = world.kept(false).await;
    assert_eq!((kept.len(), kept[0].replays), (1, 0));
}

#[tokio::test]
async fn a_sink_that_refuses_one_event_does_not_stop_the_others() {
    let Some(world) = World::start().await else { return };
    world.broker.answer_next([400]);
    world.deliver(dead(None)).await;
    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.take_due().await, Outcome::Done);
    assert_eq!(world.broker.received().len(), 1);
    assert_eq!(world.kept(false).await[0].dead_letter.cause, dead_letters::Cause::Rejected);
}

#[tokio::test]
async fn a_database_that_is_down_is_unavailable_and_a_dead_tick_is_not_kept() {
    let Some(world) = World::start().await else { return };
    let mut tick = cloudevent::new(TICK, "/apis/v1/namespaces/freshet/pingsources/tick", "t");
    tick.set_extension("knativeerrordest", "http://transform/");
    assert_eq!(world.deliver(tick).await, Outcome::Done);
    assert!(world.kept(true).await.is_empty());
    world.sender.database.close();
    assert!(matches!(world.deliver(dead(None)).await, Outcome::Unavailable(_)));
}

#[actix_web::test]
async fn a_person_lists_shows_and_sends_back() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(Some("422"))).await;
    let (status, listed) = world.request(test::TestRequest::get().uri("/dead-letters?cause=rejected")).await;
    assert_eq!((status, listed["dead_letters"].as_array().unwrap().len()), (StatusCode::OK, 1));
    let id = listed["dead_letters"][0]["id"].as_str().unwrap().to_owned();

    let (_, shown) = world.request(test::TestRequest::get().uri(&format!("/dead-letters/{id}"))).await;
    assert_eq!(shown["attributes"]["partitionkey"], "gh-1");
    assert_eq!(shown["data"], "POST /hooks/greenhouse HTTP/1.1\r\n\r\n{}");

    let replay = || test::TestRequest::post().uri(&format!("/dead-letters/{id}/replay"));
    world.broker.answer_next([503]);
    assert_eq!(world.request(replay()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.request(replay()).await.0, StatusCode::ACCEPTED);
    assert_eq!(world.broker.received()[1].header("ce-id"), Some("up-1-abc"));
    let (_, listed) = world.request(test::TestRequest::get().uri("/dead-letters")).await;
    assert_eq!(listed["dead_letters"][0]["state"], "sent_back");
}

#[actix_web::test]
async fn a_person_looks_for_some_and_discards_one_with_a_reason() {
    let Some(world) = World::start().await else { return };
    world.deliver(dead(Some("422"))).await;
    let found = async |query: &str| {
        let uri = format!("/dead-letters?{query}");
        let (status, listed) = world.request(test::TestRequest::get().uri(&uri)).await;
        assert_eq!(status, StatusCode::OK, "{query}: {listed}");
        listed["dead_letters"].as_array().unwrap().clone()
    };
    for (query, expected) in [
        ("source=greenhouse&device=gh%2D1&from=2026-03-01T00:00:00Z&limit=5", 1),
        ("source=yard", 0),
        ("device=gh-2", 0),
        ("until=2026-03-01T00:00:00Z", 0),
    ] {
        assert_eq!(found(query).await.len(), expected, "{query}");
    }
    let id = found("").await[0]["id"].as_str().unwrap().to_owned();
    let discard = |body: Value| {
        let uri = format!("/dead-letters/{id}/discard");
        world.request(test::TestRequest::post().uri(&uri).set_json(body))
    };
    assert_eq!(discard(serde_json::json!({})).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(discard(serde_json::json!({"reason": ""})).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(discard(serde_json::json!({"reason": "a test device"})).await.0, StatusCode::OK);
    assert_eq!(discard(serde_json::json!({"reason": "twice"})).await.0, StatusCode::CONFLICT);
    let discarded = &found("state=all").await[0];
    assert_eq!(
        (&discarded["state"], &discarded["discarded"]),
        (&"discarded".into(), &"a test device".into())
    );
    // What fails once more is open again.
    world.deliver(dead(Some("422"))).await;
    let again = &found("").await[0];
    assert_eq!((&again["state"], &again["discarded"]), (&"open".into(), &Value::Null));
}

#[actix_web::test]
async fn what_is_asked_wrongly_gets_a_problem() {
    let Some(world) = World::start().await else { return };
    for (path, expected) in [
        ("/dead-letters?limit=many", StatusCode::BAD_REQUEST),
        ("/dead-letters?cause=bad", StatusCode::BAD_REQUEST),
        ("/dead-letters?from=yesterday", StatusCode::BAD_REQUEST),
        ("/dead-letters/7", StatusCode::NOT_FOUND),
        ("/dead-letters/00000000-0000-0000-0000-000000000000", StatusCode::NOT_FOUND),
    ] {
        let (status, problem) = world.request(test::TestRequest::get().uri(path)).await;
        assert_eq!((status, &problem["status"]), (expected, &Value::from(expected.as_u16())), "{path}");
    }
}
