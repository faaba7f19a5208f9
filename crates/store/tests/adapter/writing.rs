use std::time::Duration;

use event_model::cloudevent;
use store::dead_letters::{self, Cause, DeadEvent, DeadLetter, DeadProblem, Filter};
use store::{Database, KeptRequest, Payload, ReceiptKey, ReceiptOutcome, RecordPlace, Writer, Written};
use testkit::eventually;
use tokio::task::JoinSet;

use crate::topic::write_topic;
use crate::world::{World, at, reading};

fn by_body(received_at: jiff::Timestamp) -> ReceiptKey {
    ReceiptKey { key: "body:x".into(), expires_at: received_at + Duration::from_secs(60) }
}

const NOON: &str = "2024-05-01T12:00:00Z";

#[tokio::test]
async fn a_redelivery_stores_no_second_row() {
    let Some(world) = World::build().await else { return };
    let payload = world.payload("1", at(NOON), &[reading("d", "t", 21.5, at(NOON))]).await;
    assert_eq!(world.writer.write(payload.clone()).await.unwrap(), Written::Stored);
    let token = "select token from evaluation_request";
    let before: i64 = world.client.query_one(token, &[]).await.unwrap().get(0);
    assert_eq!(world.writer.write(payload).await.unwrap(), Written::Duplicate);
    assert_eq!(world.client.query_one(token, &[]).await.unwrap().get::<_, i64>(0), before);
    assert_eq!((world.count("receipt").await, world.count("moment").await), (1, 1));
}

#[tokio::test]
async fn a_payload_without_a_key_is_known_by_its_receipt() {
    let Some(world) = World::build().await else { return };
    let payload = async |id: &str, outcome| {
        let mut payload = world.payload(id, at(NOON), &[reading("d", "t", 21.5, at(NOON))]).await;
        payload.key = None;
        payload.receipt.outcome = outcome;
        payload
    };
    let (whole, partial) = (ReceiptOutcome::Stored, ReceiptOutcome::Partial);
    let write = async |id: &str, outcome| world.writer.write(payload(id, outcome).await).await.unwrap();
    assert_eq!(write("1", whole).await, Written::Stored);
    assert_eq!(write("1", whole).await, Written::Duplicate);
    // What was not stored whole is looked at again.
    assert_eq!(write("2", partial).await, Written::Stored);
    assert_eq!(write("2", whole).await, Written::Stored);
    assert_eq!(write("2", whole).await, Written::Duplicate);
    assert_eq!(write("3", whole).await, Written::Stored);
    assert_eq!(write("3", whole).await, Written::Duplicate);
    assert_eq!((world.count("receipt").await, world.count("receipt_key").await), (3, 0));
    let with_request =
        "receipt join request on receipt_id = id and request.received_at = receipt.received_at";
    assert_eq!((world.count("request").await, world.count(with_request).await), (3, 3));
}

#[tokio::test]
async fn a_batch_is_written_as_one_and_says_where_its_requests_are() {
    let Some(world) = World::build().await else { return };
    let mut batch = Vec::new();
    for (offset, id) in ["1", "2", "1"].into_iter().enumerate() {
        let mut payload = world.payload(id, at(NOON), &[reading("d", "t", 21.5, at(NOON))]).await;
        let (topic, offset) = ("payloads".into(), i64::try_from(offset).unwrap());
        payload.receipt.request =
            KeptRequest::Record(RecordPlace { topic, incarnation: 1, partition: 3, offset });
        batch.push(payload);
    }
    let written = write_topic(&world, batch).await;
    assert_eq!(written, [Written::Stored, Written::Stored, Written::Duplicate]);
    let places = "receipt where record_topic = 'payloads' and record_partition = 3 and record_offset < 2";
    assert_eq!((world.count(places).await, world.count("moment").await), (2, 1));
    assert_eq!(world.count("request").await, 0);
}

#[tokio::test]
async fn the_same_payload_at_two_writers_at_once_is_stored_once() {
    let Some(world) = World::build().await else { return };
    let other = Writer::start(&Database::new(&world.settings));
    let mut writes = JoinSet::new();
    for n in 0..100 {
        let moment = at(NOON) + Duration::from_secs(n);
        let mut payload = world.payload(&n.to_string(), at(NOON), &[reading("d", "t", 1.0, moment)]).await;
        payload.key = payload.key.filter(|_| n % 2 == 0);
        for writer in [&world.writer, &other, &world.writer] {
            let (writer, payload) = (writer.clone(), payload.clone());
            writes.spawn(async move { writer.write(payload).await.unwrap() });
        }
    }
    let written = writes.join_all().await;
    assert_eq!(written.iter().filter(|written| **written == Written::Stored).count(), 100);
    assert_eq!((world.count("receipt").await, world.count("moment").await), (100, 100));
}

#[tokio::test]
async fn writers_that_meet_on_the_same_rows_never_wait_in_a_circle() {
    let Some(world) = World::build().await else { return };
    let other = Writer::start(&Database::new(&world.settings));
    let mut writes = JoinSet::new();
    for n in 0_u32..400 {
        // All write the same twenty moments, each in another order.
        let readings: Vec<_> = (0..20_u64)
            .map(|k| (k * 7 + u64::from(n)) % 20)
            .map(|k| reading(&format!("d{}", k % 4), "t", f64::from(n), at(NOON) + Duration::from_secs(k)))
            .collect();
        let payload =
            world.payload(&n.to_string(), at(NOON) + Duration::from_millis(n.into()), &readings).await;
        let writer = if n % 2 == 0 { world.writer.clone() } else { other.clone() };
        writes.spawn(async move { writer.write(payload).await });
    }
    let written = writes.join_all().await;
    assert!(written.iter().all(Result::is_ok), "{:?}", written.iter().find(|one| one.is_err()));
    // Whatever the order of the writes, what was received last stands.
    assert_eq!(world.count("readings where value = 399").await, 20);
}

#[tokio::test]
async fn what_nobody_waits_for_once_there_is_a_connection_is_not_written_but_its_duplicate_is() {
    let Some(world) = World::build().await else { return };
    let database = Database::new(&world.settings.clone().pool_size(1));
    let writer = world.writer.on_this_thread(database.clone());
    let payload = async |id: &str| world.payload(id, at(NOON), &[reading("d", "t", 21.5, at(NOON))]).await;
    let payloads =
        [payload("given up").await, payload("given up once").await, payload("given up once").await];
    let held = database.client().await.unwrap();
    let [first, second, waited] = payloads.map(|payload| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.write(payload).await })
    });
    // The writer has them, and waits for the one connection.
    eventually(Duration::from_secs(10), || async { format!("{database:?}").contains("waiting: 1") }).await;
    for given_up in [first, second] {
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
    }
    drop(held);
    assert_eq!(waited.await.unwrap().unwrap(), Written::Stored);
    assert_eq!(world.count("receipt where event_id = 'given up once'").await, 1);
    assert_eq!(world.count("receipt").await, 1);
}

#[tokio::test]
async fn one_bad_row_in_a_batch_harms_its_own_payload_only() {
    let Some(world) = World::build().await else { return };
    let mut payloads: Vec<Payload> = Vec::new();
    for n in 0..40 {
        let moment = at(NOON) + Duration::from_secs(n);
        payloads.push(world.payload(&n.to_string(), at(NOON), &[reading("d", "t", 1.0, moment)]).await);
    }
    payloads[13].receipt.event_id = "a NUL \0 that no text holds".into();
    let mut writes = JoinSet::new();
    for payload in payloads {
        let writer = world.writer.clone();
        writes.spawn(async move { writer.write(payload).await });
    }
    let failed: Vec<_> = writes.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(matches!(failed.as_slice(), [store::WriteError::Data(_)]), "{failed:?}");
    assert_eq!((world.count("receipt").await, world.count("moment").await), (39, 39));
}

#[tokio::test]
async fn two_payloads_of_one_moment_stand_in_one_row_that_says_when_it_was_revised() {
    let Some(world) = World::build().await else { return };
    let write = async |id: &str, second: u64, metric: &str, value: f64| {
        let received = at(NOON) + Duration::from_secs(second);
        let payload = world.payload(id, received, &[reading("d", metric, value, at(NOON))]).await;
        world.writer.write(payload).await.unwrap();
    };
    let version = "select xmin::text, revised_at is not null from moment";
    write("1", 1, "t", 20.0).await;
    write("2", 2, "h", 50.0).await;
    let row = world.client.query_one(version, &[]).await.unwrap();
    assert!(!row.get::<_, bool>(1), "a value beside another changes none");
    write("3", 3, "t", 20.0).await;
    let untouched = world.client.query_one(version, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), untouched.get::<_, String>(0));
    write("4", 4, "t", 21.0).await;
    assert!(world.client.query_one(version, &[]).await.unwrap().get::<_, bool>(1));
    // Received before the change, delivered after it.
    write("0", 0, "t", 19.0).await;
    assert_eq!(world.values("d").await, [("h".into(), 50.0), ("t".into(), 21.0)]);
    assert_eq!(world.count("moment").await, 1);
}

#[tokio::test]
async fn an_equal_body_within_its_window_is_a_duplicate_and_beyond_it_is_not() {
    let Some(world) = World::build().await else { return };
    let write = async |id: &str, second: u64| {
        let received = at(NOON) + Duration::from_secs(second);
        let mut payload = world.payload(id, received, &[reading("d", "t", 1.0, received)]).await;
        payload.key = Some(by_body(received));
        world.writer.write(payload).await.unwrap()
    };
    assert_eq!(write("1", 600).await, Written::Stored);
    assert_eq!(write("2", 630).await, Written::Duplicate);
    assert_eq!(write("3", 680).await, Written::Stored);
    // Received long before, delivered late: not a repetition of what came ten minutes after it.
    assert_eq!(write("4", 10).await, Written::Stored);
}

#[tokio::test]
async fn equal_bodies_of_one_batch_are_told_apart_by_their_windows() {
    let Some(world) = World::build().await else { return };
    let write = async |seconds: &[u64]| {
        let mut payloads = Vec::new();
        for second in seconds {
            let received = at(NOON) + Duration::from_secs(*second);
            let name = second.to_string();
            let mut payload = world.payload(&name, received, &[reading("d", "t", 1.0, received)]).await;
            payload.key = Some(by_body(received));
            payloads.push(payload);
        }
        write_topic(&world, payloads).await
    };
    let (stored, duplicate) = (Written::Stored, Written::Duplicate);
    assert_eq!(write(&[600, 630, 680, 700, 760]).await, [stored, duplicate, stored, duplicate, stored]);
    // The second repeats the first, which is a repetition itself, but not what is stored.
    assert_eq!(write(&[810, 830]).await, [duplicate, stored]);
    assert_eq!(world.count("moment").await, 4);
}

#[tokio::test]
async fn what_was_not_stored_whole_is_looked_at_again_and_resolves_nothing_twice() {
    let Some(world) = World::build().await else { return };
    let mut payload = world.payload("1", at(NOON), &[]).await;
    payload.receipt.outcome = ReceiptOutcome::Rejected;
    payload.dead_letter = Some(DeadLetter {
        event: DeadEvent::of(&cloudevent::new("t", "/sources/test", "1")),
        stage: "transform".into(),
        cause: Cause::Rejected,
        reason: "nothing in it".into(),
        problems: vec![DeadProblem { place: "line 1".into(), reason: "empty".into() }],
        at: at(NOON),
    });
    world.writer.write(payload.clone()).await.unwrap();
    assert_eq!(world.writer.write(payload).await.unwrap(), Written::Stored);
    assert_eq!(world.count("dead_letter where deliveries = 2").await, 1);
    let fixed = world.payload("1", at(NOON), &[reading("d", "t", 1.0, at(NOON))]).await;
    assert_eq!(world.writer.write(fixed).await.unwrap(), Written::Stored);
    assert_eq!(world.count("receipt where outcome = 'stored' and readings = 1").await, 1);
    assert_eq!(world.count("receipt").await, 1);
}

#[tokio::test]
async fn a_list_of_dead_letters_shows_the_first_problem_and_one_of_them_all() {
    let Some(world) = World::build().await else { return };
    let problem = |line: usize| DeadProblem { place: format!("line {line}"), reason: "empty".into() };
    let mut payload = world.payload("1", at(NOON), &[]).await;
    payload.receipt.outcome = ReceiptOutcome::Rejected;
    let event = DeadEvent::of(&cloudevent::new("t", "/sources/test", "1"));
    let dead_letter = DeadLetter {
        event: DeadEvent { data: Some(b"as it came".to_vec()), ..event },
        stage: "transform".into(),
        cause: Cause::Rejected,
        reason: "line 1: empty (and 2 more)".into(),
        problems: (1..=3).map(problem).collect(),
        at: at(NOON),
    };
    payload.dead_letter = Some(dead_letter.clone());
    world.writer.write(payload).await.unwrap();
    let client = world.database.client().await.unwrap();
    let listed = dead_letters::list(&client, &Filter::default(), 10).await.unwrap();
    let [shown] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&shown.dead_letter.problems[..], &shown.dead_letter.event.data), (&[problem(1)][..], &None));
    let whole = dead_letters::get(&client, shown.id).await.unwrap().unwrap();
    assert_eq!(whole.dead_letter, dead_letter);
}

#[tokio::test]
async fn an_evaluation_request_keeps_its_earliest_moment_and_gets_a_new_token() {
    let Some(world) = World::build().await else { return };
    let request = "select from_at, token from evaluation_request";
    let mut tokens = Vec::new();
    for (id, second) in [("1", 60), ("2", 30), ("3", 90)] {
        let moment = at(NOON) + Duration::from_secs(second);
        let payload = world.payload(id, at(NOON), &[reading("d", "t", 1.0, moment)]).await;
        world.writer.write(payload).await.unwrap();
        tokens.push(world.client.query_one(request, &[]).await.unwrap().get::<_, i64>(1));
    }
    let from: jiff::Timestamp = world.client.query_one(request, &[]).await.unwrap().get(0);
    assert_eq!(from, at(NOON) + Duration::from_secs(30));
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

#[tokio::test]
async fn last_seen_moves_on_at_most_once_a_minute() {
    let Some(world) = World::build().await else { return };
    let mut seen = Vec::new();
    for (id, second) in [("1", 0), ("2", 59), ("3", 61), ("4", 90)] {
        let received = at(NOON) + Duration::from_secs(second);
        let payload = world.payload(id, received, &[reading("d", "t", 1.0, received)]).await;
        world.writer.write(payload).await.unwrap();
        let row = world.client.query_one("select last_seen_at from device", &[]).await.unwrap();
        seen.push(row.get::<_, jiff::Timestamp>(0).duration_since(at(NOON)).as_secs());
    }
    assert_eq!(seen, [0, 0, 61, 61]);
}
