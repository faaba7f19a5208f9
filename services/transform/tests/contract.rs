//! What the stage answers, over a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent;
use event_model::event_types::{
    DEAD_LETTERS_DUE, EVALUATION_REQUESTED, HELD_PAYLOADS_DUE, PAYLOAD_RECEIVED, READINGS_RECORDED,
};
use event_model::events::{APPLICATION_HTTP, EXT_DEAD_LETTER, EvaluationRequested, ReadingsRecorded};
use jiff::Timestamp;
use pipeline_config::Pipeline;
use runtime::{Clock, Env, Prewarm};
use sink::HttpSink;
use stage::{Delivery, Outcome, Stage as _};
use store::dead_letters::{self, Cause, DeadEvent, DeadLetter, Filter};
use store::{Database, DatabaseSettings, active_pipeline};
use testkit::TestReceiver;
use transform::{Transform, TransformParts};

const NOW: &str = "2026-03-01T10:00:00Z";
const PIPELINE: &str = "
sources:
  greenhouse:
    format: json
    credentials: [{bearer: {env: TOKEN}}]
    tags: {site: north}
  twice:
    format: json
    credentials: [{bearer: {env: TOKEN}}]
    resend_window: 60s
  factory:
    format: json
    events: {type: com.example.reading}
  gate:
    format: json
    credentials: [{bearer: {env: TOKEN}}]
    unknown: hold
devices:
  greenhouse:
    A84041000181C061:
      calibration: {temperature: {offset: -0.4, factor: 1.02, from: 2026-03-01T08:00:00Z}}
      ranges: {temperature: {max: 30}}
rules:
  TooHot: {metric: temperature, above: 30, select: {device: 'gh-*'}}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

struct World {
    stage: Transform,
    database: Database,
    client: tokio_postgres::Client,
}

impl World {
    async fn build() -> Option<Self> {
        let database = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(database.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let stage = stage_over(&settings);
        Some(Self { stage, database: Database::new(&settings), client: database.connect().await })
    }

    /// The same where the pipeline says `emit: always`.
    async fn emitting(broker: &TestReceiver) -> Option<Self> {
        let database = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(database.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let stage = Transform::new(parts(&settings, &format!("{PIPELINE}\nemit: always"), &broker.url("/")));
        Some(Self { stage, database: Database::new(&settings), client: database.connect().await })
    }

    async fn count(&self, of: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }

    async fn handle(&self, event: Event) -> Outcome {
        self.stage.handle(event, delivery()).await
    }
}

fn stage_over(settings: &DatabaseSettings) -> Transform {
    // Nothing listens there: no event but the answer is expected.
    Transform::new(parts(settings, PIPELINE, "http://127.0.0.1:1/"))
}

fn parts(settings: &DatabaseSettings, pipeline: &str, broker: &str) -> TransformParts {
    let sink = HttpSink::from_env(&mut Env::from_pairs(&[("K_SINK", broker)])).unwrap();
    let pipeline = Pipeline::parse(pipeline, "freshet.yaml").unwrap();
    let (database, clock) = (Database::new(settings), Clock::manual(now()));
    TransformParts { pipeline, database, prewarm: Prewarm::default(), sink, clock }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn delivery() -> Delivery {
    Delivery::at(now())
}

/// What `ingest` makes of this body.
fn payload(source: &str, id: &str, body: &str) -> Event {
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("/sources/{source}"), id);
    cloudevent::set_time(&mut event, now());
    event.set_extension("partitionkey", "d1");
    let request = format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
    event.set_data(APPLICATION_HTTP, request.into_bytes());
    event
}

fn reply(outcome: Outcome) -> Event {
    match outcome {
        Outcome::Reply(event) => *event,
        other => panic!("no reply but {other:?}"),
    }
}

#[tokio::test]
async fn readings_are_stored_and_their_evaluation_is_requested() {
    let Some(world) = World::build().await else { return };
    let body = r#"{"device":"gh-1","time":"2026-03-01T09:59:00Z","temperature":31.5,"humidity":40}"#;
    let event = reply(world.handle(payload("greenhouse", "1", body)).await);
    assert_eq!((event.ty(), event.source().as_str()), (EVALUATION_REQUESTED, "/stages/transform"));
    assert_eq!(cloudevent::extension(&event, "partitionkey").as_deref(), Some("d1"));
    let data: EvaluationRequested = cloudevent::json(&event).unwrap();
    let stream: i32 = world.client.query_one("select id from stream", &[]).await.unwrap().get(0);
    assert_eq!(data.streams, [stream]);
    assert_eq!(world.count("readings where source = 'greenhouse' and device = 'gh-1'").await, 2);
    assert_eq!(world.count("evaluation_request").await, 1);
    assert_eq!(
        world
            .count("receipt join request on receipt_id = id where outcome = 'stored' and readings = 2")
            .await,
        1
    );
    assert_eq!(world.count(r#"device where tags = '{"site": "north"}'"#).await, 1);
}

#[tokio::test]
async fn a_second_delivery_stores_nothing_and_is_answered_with_the_same_event() {
    let Some(world) = World::build().await else { return };
    let event = || payload("greenhouse", "1", r#"{"device":"gh-1","temperature":31.5}"#);
    let first = reply(world.handle(event()).await);
    let second = reply(world.handle(event()).await);
    assert_eq!(first, second);
    assert_eq!((world.count("receipt").await, world.count("moment").await), (1, 1));
}

#[tokio::test]
async fn a_calibrated_device_is_stored_calibrated_from_then_on_and_what_is_outside_of_its_range_is_uncertain()
{
    let Some(world) = World::build().await else { return };
    for (id, time, temperature) in
        [("1", "07:59:59", 21.5), ("2", "08:00:00", 21.5), ("3", "08:01:00", 29.9), ("4", "07:00:00", 30.5)]
    {
        let body = format!(
            r#"{{"device":"a84041000181c061","time":"2026-03-01T{time}Z","temperature":{temperature},"humidity":40}}"#
        );
        assert_eq!(world.handle(payload("greenhouse", id, &body)).await, Outcome::Done);
    }
    let sql = "select to_char(observed_at at time zone 'UTC', 'HH24:MI:SS'), value, quality::text
               from readings where metric = 'temperature' order by observed_at";
    let rows = world.client.query(sql, &[]).await.unwrap();
    let stored: Vec<(String, f64, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected = [
        ("07:00:00", 30.5, "uncertain"),
        ("07:59:59", 21.5, "good"),
        ("08:00:00", 21.53, "good"),
        ("08:01:00", 30.098, "uncertain"),
    ];
    assert_eq!(stored, expected.map(|(time, value, quality)| (time.to_owned(), value, quality.to_owned())));
    assert_eq!(world.count("readings where metric = 'relative_humidity' and value = 40").await, 4);
}

#[tokio::test]
async fn what_is_held_is_stored_once_its_device_is_known() {
    let Some(world) = World::build().await else { return };
    let held = payload("gate", "1", r#"{"device":"gh-9","temperature":31}"#);
    assert_eq!(world.handle(held.clone()).await, Outcome::Done);
    let due = || cloudevent::new(HELD_PAYLOADS_DUE, "/stages/scheduler", "due");
    assert_eq!(world.handle(due()).await, Outcome::Done);
    assert_eq!((world.count("held").await, world.count("readings").await), (1, 0));
    world
        .client
        .batch_execute("insert into device_entry (source, name) values ('gate', 'gh-9')")
        .await
        .unwrap();
    assert_eq!(world.handle(due()).await, Outcome::Done);
    assert_eq!(world.handle(due()).await, Outcome::Done);
    assert_eq!((world.count("held").await, world.count("readings where value = 31").await), (0, 1));
    assert_eq!(world.count("evaluation_request").await, 0);
    // A later one is stored at once, and watched.
    assert_eq!(
        reply(world.handle(payload("gate", "2", r#"{"device":"gh-9","temperature":32}"#)).await).ty(),
        EVALUATION_REQUESTED
    );
}

#[tokio::test]
async fn readings_that_no_rule_watches_wake_no_stage() {
    let Some(world) = World::build().await else { return };
    let outcome = world.handle(payload("greenhouse", "1", r#"{"device":"barn","temperature":31.5}"#)).await;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(world.count("evaluation_request").await, 0);
}

#[tokio::test]
async fn where_the_pipeline_says_so_an_event_for_third_parties_follows_every_reading() {
    let broker = TestReceiver::start().await;
    let Some(world) = World::emitting(&broker).await else { return };
    let unwatched = payload("greenhouse", "1", r#"{"device":"barn","temperature":31.5}"#);
    let event = reply(world.handle(unwatched).await);
    assert_eq!((event.ty(), broker.received().len()), (READINGS_RECORDED, 0));
    let data: ReadingsRecorded = cloudevent::json(&event).unwrap();
    assert_eq!((data.source.as_str(), data.streams[0].device.as_str()), ("greenhouse", "barn"));
    assert_eq!(data.streams[0].from, now());

    // An answer holds one event: the other is published before it.
    let watched = payload("greenhouse", "2", r#"{"device":"gh-1","temperature":31.5}"#);
    broker.answer(503);
    assert_eq!(world.handle(watched.clone()).await.status(), 503);
    broker.answer(202);
    assert_eq!(reply(world.handle(watched).await).ty(), EVALUATION_REQUESTED);
    let published = broker.received();
    assert!(
        published.iter().all(|event| event.header("ce-type") == Some(READINGS_RECORDED)),
        "{published:?}"
    );
    assert_eq!(
        published.first().map(|event| event.header("ce-id")),
        published.last().map(|event| event.header("ce-id"))
    );
    assert_eq!((published.len(), world.count("moment").await), (2, 2));
}

#[tokio::test]
async fn a_payload_of_which_nothing_can_be_taken_is_dead_lettered_here() {
    let Some(world) = World::build().await else { return };
    let outcome = world.handle(payload("greenhouse", "1", "42")).await;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(world.count("receipt where outcome = 'rejected' and readings = 0 and problems = 1").await, 1);
    assert_eq!(world.count("dead_letter where stage = 'transform' and cause = 'rejected'").await, 1);
}

impl World {
    /// The event of the only dead letter, as `dead-letter` sends it back.
    async fn sent_back(&self) -> Event {
        let client = self.database.client().await.unwrap();
        let all = dead_letters::list(&client, &Filter { resolved_too: true, ..Filter::default() }, 10)
            .await
            .unwrap();
        let [listed] = all.as_slice() else { panic!("not one dead letter but {all:?}") };
        let dead_letter = dead_letters::get(&client, listed.id).await.unwrap().unwrap();
        dead_letters::mark_sent(&client, &dead_letter, now()).await.unwrap();
        dead_letter.to_event().unwrap()
    }

    /// Keeps `event` as what this stage was not there for.
    async fn keep_unavailable(&self, event: &Event, stage: &str) {
        let dead_letter = DeadLetter {
            event: DeadEvent::of(event),
            stage: stage.to_owned(),
            cause: Cause::Unavailable,
            reason: "transform answered 503".to_owned(),
            problems: Vec::new(),
            at: now(),
        };
        dead_letters::keep(&self.database.client().await.unwrap(), &dead_letter).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_sent_back_is_resolved_once_it_is_stored() {
    let Some(world) = World::build().await else { return };
    let body = r#"{"device":"barn","temperature":31.5}"#;
    // By whichever stage it was kept.
    for (number, stage) in ["transform", "worker", "unknown"].into_iter().enumerate() {
        world.keep_unavailable(&payload("greenhouse", &number.to_string(), body), stage).await;
        let event = world.sent_back().await;
        assert_eq!(world.count("dead_letter where sent_back and resolved_at is null").await, 1, "{stage}");
        assert_eq!(world.handle(event.clone()).await, Outcome::Done);
        assert_eq!(world.count("dead_letter where not sent_back and resolved_at is not null").await, 1);

        // What was stored already is resolved too: the answer was lost on its way.
        world.client.execute("update dead_letter set resolved_at = null", &[]).await.unwrap();
        assert_eq!(world.handle(event).await, Outcome::Done);
        assert_eq!(world.count("dead_letter where resolved_at is not null").await, 1);
        world.client.execute("delete from dead_letter", &[]).await.unwrap();
    }
    assert_eq!(world.count("receipt where outcome = 'stored'").await, 3);
}

#[tokio::test]
async fn what_was_sent_back_and_makes_no_sense_is_open_again() {
    let Some(world) = World::build().await else { return };
    world.handle(payload("greenhouse", "1", "42")).await;
    let event = world.sent_back().await;
    assert_eq!(world.handle(event).await, Outcome::Done);
    let open =
        "dead_letter where not sent_back and resolved_at is null and cause = 'rejected' and deliveries = 2";
    assert_eq!(world.count(open).await, 1);
}

#[tokio::test]
async fn an_event_resolves_no_dead_letter_but_its_own() {
    let Some(world) = World::build().await else { return };
    world.keep_unavailable(&payload("greenhouse", "1", "{}"), "transform").await;
    let id = cloudevent::extension(&world.sent_back().await, EXT_DEAD_LETTER).unwrap().into_owned();
    let mut other = payload("greenhouse", "2", r#"{"device":"barn","temperature":31.5}"#);
    other.set_extension(EXT_DEAD_LETTER, id);
    assert_eq!(world.handle(other).await, Outcome::Done);
    assert_eq!((world.count("receipt").await, world.count("dead_letter where sent_back").await), (1, 1));
}

#[tokio::test]
async fn what_no_source_takes_any_more_is_not_sent_back_again_and_again() {
    let Some(world) = World::build().await else { return };
    world.keep_unavailable(&cloudevent::new("com.example.gone", "/plant/7", "a"), "transform").await;
    let event = world.sent_back().await;
    assert!(matches!(world.handle(event).await, Outcome::Rejected(_)));
}

#[tokio::test]
async fn the_first_write_after_an_outage_says_that_dead_letters_are_due() {
    let Some(world) = World::build().await else { return };
    let event = |id| payload("greenhouse", id, r#"{"device":"barn","temperature":31.5}"#);
    let rename = |from, to| format!("alter table {from} rename to {to}");
    world.client.batch_execute(&rename("receipt_key", "away")).await.unwrap();
    assert!(matches!(world.handle(event("1")).await, Outcome::Unavailable(_)));
    world.client.batch_execute(&rename("away", "receipt_key")).await.unwrap();
    assert_eq!(reply(world.handle(event("1")).await).ty(), DEAD_LETTERS_DUE);
    assert_eq!(world.handle(event("2")).await, Outcome::Done, "once is enough");
}

#[tokio::test]
async fn a_name_that_no_index_holds_harms_its_own_reading_only() {
    let Some(world) = World::build().await else { return };
    let long: String = (0..4000_u32).map(|n| char::from(b'a' + (n * n % 251 % 26) as u8)).collect();
    let body = format!(r#"{{"device":"gh-1","temperature":31.5,"{long}":1}}"#);
    reply(world.handle(payload("greenhouse", "1", &body)).await);
    assert_eq!(world.count("readings").await, 1);
    assert_eq!(world.count("receipt where outcome = 'partial' and readings = 1 and problems = 1").await, 1);
    assert_eq!(world.count("dead_letter where reason like '%name is longer than 512 bytes'").await, 1);
}

#[tokio::test]
async fn an_equal_body_without_id_and_time_is_a_repetition_within_the_sources_window() {
    let Some(world) = World::build().await else { return };
    let body = r#"{"device":"gh-1","temperature":31.5}"#;
    for (source, rows) in [("twice", 1), ("greenhouse", 2)] {
        for (id, second) in [("1", 0), ("2", 5)] {
            let mut event = payload(source, id, body);
            cloudevent::set_time(&mut event, now() + Duration::from_secs(second));
            reply(world.handle(event).await);
        }
        assert_eq!(world.count(&format!("readings where source = '{source}'")).await, rows, "{source}");
    }
}

#[tokio::test]
async fn an_event_of_others_is_taken_by_the_source_that_names_its_type() {
    let Some(world) = World::build().await else { return };
    let mut event = cloudevent::new("com.example.reading", "/plant/7", "a");
    cloudevent::set_json(&mut event, &serde_json::json!({"device": "press", "pressure": 3.5})).unwrap();
    assert_eq!(world.handle(event).await, Outcome::Done);
    assert_eq!(world.count("readings where source = 'factory' and device = 'press'").await, 1);
    // An id is unique with its event's own source only.
    let mut other = cloudevent::new("com.example.reading", "/plant/8", "a");
    cloudevent::set_json(&mut other, &serde_json::json!({"device": "lathe", "pressure": 1.5})).unwrap();
    assert_eq!(world.handle(other.clone()).await, Outcome::Done);
    assert_eq!(world.handle(other).await, Outcome::Done);
    assert_eq!(world.count("readings where source = 'factory' and device = 'lathe'").await, 1);
    assert_eq!(world.count("receipt").await, 2);
    assert_eq!(world.handle(cloudevent::new("com.example.other", "/plant/7", "a")).await.status(), 422);
}

#[tokio::test]
async fn what_is_no_payload_is_refused_by_what_is_wrong_with_it() {
    let Some(world) = World::build().await else { return };
    let mut no_request = payload("greenhouse", "1", "{}");
    no_request.set_data(APPLICATION_HTTP, b"hello".to_vec());
    assert_eq!(world.handle(no_request).await.status(), 400);
    let elsewhere = cloudevent::new(PAYLOAD_RECEIVED, "/somewhere/else", "1");
    assert_eq!(world.handle(elsewhere).await.status(), 400);
    assert_eq!(world.handle(payload("removed", "1", "{}")).await.status(), 422);
    assert_eq!(world.count("receipt").await, 0);
}

#[tokio::test]
async fn what_the_file_does_not_know_comes_again_while_another_is_in_force() {
    let Some(world) = World::build().await else { return };
    let unknown = || payload("newcomer", "1", "{}");
    let unwanted = || cloudevent::new("com.example.other", "/plant/7", "a");
    let known = |id| payload("greenhouse", id, r#"{"device":"shed","temperature":3.5}"#);
    let client = world.database.client().await.unwrap();
    active_pipeline::activate(&client, "of another file", now()).await.unwrap();
    assert_eq!(world.handle(unknown()).await.status(), 503);
    assert_eq!(world.handle(unwanted()).await.status(), 503);
    assert_eq!(world.handle(known("1")).await.status(), 202);

    let own = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap().hash;
    active_pipeline::activate(&client, &own, now()).await.unwrap();
    assert_eq!(world.handle(unknown()).await.status(), 422);
    assert_eq!(world.handle(unwanted()).await.status(), 422);
    assert_eq!(world.handle(known("2")).await.status(), 202);
    let of_own = format!("receipt where lpad(to_hex(pipeline), 16, '0') = left('{own}', 16)");
    assert_eq!(world.count(&of_own).await, 2);
}

#[tokio::test]
async fn what_ingest_accepted_by_the_next_file_comes_again_until_that_is_in_force() {
    let Some(world) = World::build().await else { return };
    let client = world.database.client().await.unwrap();
    let own = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
    active_pipeline::activate(&client, &own.hash, now() - Duration::from_secs(3600)).await.unwrap();
    let accepted = |by: &str, ago: u64| {
        let mut event = payload("newcomer", "1", "{}");
        cloudevent::set_time(&mut event, now() - Duration::from_secs(ago));
        event.set_extension("pipelinehash", by);
        event
    };
    let next = "0123456789abcdef";
    assert_eq!(world.handle(accepted(next, 60)).await.status(), 503);
    assert_eq!(world.handle(accepted(own.short_hash(), 60)).await.status(), 422);
    // Nobody puts it in force.
    assert_eq!(world.handle(accepted(next, 301)).await.status(), 422);
    // It was the file before ours, which had the source.
    assert_eq!(world.handle(accepted(next, 3601)).await.status(), 422);
    active_pipeline::activate(&client, "another", now() - Duration::from_secs(30)).await.unwrap();
    active_pipeline::activate(&client, &own.hash, now() - Duration::from_secs(30)).await.unwrap();
    assert_eq!(world.handle(accepted(next, 60)).await.status(), 422);
}

#[tokio::test]
async fn without_a_database_a_payload_is_to_come_again() {
    let nowhere = DatabaseSettings::from_url("postgresql://nobody@127.0.0.1:1/none").unwrap();
    let stage = stage_over(&nowhere.acquire_timeout(Duration::from_millis(300)));
    let event = payload("greenhouse", "1", r#"{"device":"gh-1","temperature":31.5}"#);
    assert_eq!(stage.handle(event, delivery()).await.status(), 503);
    assert_eq!(stage.handle(payload("newcomer", "1", "{}"), delivery()).await.status(), 503);
}
