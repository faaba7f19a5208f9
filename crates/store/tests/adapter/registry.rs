//! Names lead elsewhere, and devices are erased, while writers remember what was there before.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use runtime::Clock;
use serde_json::{Map, json};
use store::registry::{self, erasure};
use store::{Database, Streams, Transaction, WriteError, Writer};

use crate::world::{World, at, reading};

const NOON: &str = "2026-01-15T12:00:00Z";

async fn erase(world: &World, name: &str, retires: bool) -> erasure::Erasure {
    let mut client = world.database.client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let erasure = erasure::begin(&transaction, "test", name, retires).await.unwrap();
    transaction.commit().await.unwrap();
    finish(&mut client, &erasure).await;
    erasure
}

async fn finish(client: &mut store::Client, erasure: &erasure::Erasure) {
    while let Some(page) = erasure.moments(&*client, None).await.unwrap() {
        let requests: Vec<_> =
            page.requests.iter().map(|request| erasure::Rewritten { request, body: None }).collect();
        let transaction = Transaction::begin(client).await.unwrap();
        erasure.take_away(&transaction, &page, &requests).await.unwrap();
        transaction.commit().await.unwrap();
    }
    let transaction = Transaction::begin(client).await.unwrap();
    erasure.records(&transaction).await.unwrap();
    erasure.end(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

fn is_of_registry(error: &WriteError) -> bool {
    matches!(error, WriteError::Unavailable(error) if error.is_of_registry())
}

#[tokio::test]
async fn a_payload_whose_streams_were_found_before_an_erasure_is_not_written() {
    let Some(mut world) = World::build().await else { return };
    let readings = [reading("attic", "t", 1.0, at(NOON)), reading("cellar", "t", 2.0, at(NOON))];
    world.writer.write(world.payload("1", at(NOON), &readings).await).await.unwrap();
    let later = at(NOON) + SignedDuration::from_mins(1);
    let stale = world.payload("2", later, &[reading("attic", "t", 3.0, later)]).await;
    let erased = erase(&world, "attic", false).await;
    assert!(is_of_registry(&world.writer.write(stale).await.unwrap_err()));
    assert_eq!(world.count("readings where device <> 'cellar'").await, 0);
    assert_eq!(world.count("receipt").await, 1);
    // Found anew, it is a payload of a device that was erased: nothing of it is kept.
    world.streams.forget();
    let again = world.payload("2", later, &[reading("attic", "t", 3.0, later)]).await;
    assert!(again.rows.is_empty());
    world.writer.write(again).await.unwrap();
    assert_eq!(world.count("readings where device <> 'cellar'").await, 0);
    // What is received later is of a new device, and what was before is still none of its.
    let after = erased.at + SignedDuration::from_mins(1);
    world.writer.write(world.payload("3", after, &[reading("attic", "t", 4.0, after)]).await).await.unwrap();
    let old = world.payload("4", later, &[reading("attic", "t", 5.0, later)]).await;
    assert!(old.rows.is_empty());
    world.streams = Streams::new(world.database.clone());
    assert!(world.payload("4", later, &[reading("attic", "t", 5.0, later)]).await.rows.is_empty());
    assert_eq!(world.count("readings where device = 'attic' and value = 4").await, 1);
    assert_eq!(world.count("readings").await, 2);
}

#[tokio::test]
async fn a_device_that_is_erased_and_retired_is_never_made_again() {
    let Some(world) = World::build().await else { return };
    world
        .writer
        .write(world.payload("1", at(NOON), &[reading("attic", "t", 1.0, at(NOON))]).await)
        .await
        .unwrap();
    let erased = erase(&world, "attic", true).await;
    world.streams.forget();
    let after = erased.at + SignedDuration::from_hours(24);
    let readings = [reading("attic", "t", 4.0, after), reading("roof", "t", 1.0, after)];
    let payload = world.payload("2", after, &readings).await;
    assert_eq!(payload.rows.len(), 1);
    world.writer.write(payload).await.unwrap();
    assert_eq!(world.count("device").await, 1);
}

#[tokio::test]
async fn one_that_never_sent_is_erased_before_its_payloads_come() {
    let Some(world) = World::build().await else { return };
    let erased = erase(&world, "attic", false).await;
    let before = erased.at - SignedDuration::from_secs(1);
    assert!(world.payload("1", before, &[reading("attic", "t", 1.0, before)]).await.rows.is_empty());
    // Both in one batch of streams that are looked for together.
    let after = erased.at + SignedDuration::from_secs(1);
    assert_eq!(world.payload("2", after, &[reading("attic", "t", 1.0, after)]).await.rows.len(), 1);
    assert!(world.payload("1", before, &[reading("attic", "t", 1.0, before)]).await.rows.is_empty());
}

/// Writers store what two devices send while these are erased, again and again: nothing is left that was received before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_behind_an_erasure() {
    let Some(world) = World::build().await else { return };
    let start = Clock::system().now();
    let send = async |number: u32| {
        let streams = Streams::new(world.database.clone());
        let writer = Writer::start(&world.database);
        let mut refused = 0;
        for n in 0..150_u32 {
            let received = Clock::system().now();
            let observed = start + SignedDuration::from_millis(i64::from(n));
            let device = ["attic", "cellar"][n as usize % 2];
            loop {
                let readings = [reading(device, "t", f64::from(number), observed)];
                let id = format!("{number}-{n}");
                let payload = crate::world::payload_of(&streams, (&id, received), &readings).await;
                match writer.write(payload).await {
                    Ok(_) => break,
                    Err(error) if is_of_registry(&error) => {
                        refused += 1;
                        streams.forget();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        refused
    };
    let erases = async {
        let mut last = BTreeMap::new();
        for round in 0..8 {
            let name = ["attic", "cellar"][round % 2];
            last.insert(name, erase(&world, name, false).await.at);
            let written = world.count("receipt").await;
            // Some more are written before the next one.
            while world.count("receipt").await < (written + 5).min(300) {
                tokio::task::yield_now().await;
            }
        }
        last
    };
    let (one, two, last) = tokio::join!(send(1), send(2), erases);
    assert!(one + two > 0, "no erasure met a payload");
    for (name, at) in last {
        let before = format!("readings where device = '{name}' and received_at < '{at}'");
        assert_eq!(world.count(&before).await, 0, "{name}");
    }
    assert_eq!(
        world.count("moment m where not exists (select from stream s where s.id = m.stream_id)").await,
        0
    );
    assert_eq!(world.count("receipt").await, 300);
    assert_eq!(world.count("device where erased_at is not null").await, 0);
}

#[tokio::test]
async fn two_names_lead_to_one_device() {
    let Some(world) = World::build().await else { return };
    let by = async |id: &str, name: &str, value: f64, minute: i64| {
        let when = at(NOON) + SignedDuration::from_mins(minute);
        world.writer.write(world.payload(id, when, &[reading(name, "t", value, when)]).await).await
    };
    by("1", "a84041", 1.0, 0).await.unwrap();
    let mut client = world.database.client().await.unwrap();
    let found = registry::find(&client, None, "a84041").await.unwrap().remove(0);
    let transaction = Transaction::begin(&mut client).await.unwrap();
    registry::alias(&transaction, found.id.unwrap(), ("test", "tomatoes")).await.unwrap();
    transaction.commit().await.unwrap();
    world.streams.forget();
    by("2", "tomatoes", 2.0, 1).await.unwrap();
    by("3", "a84041", 3.0, 2).await.unwrap();
    assert_eq!(world.count("readings where device = 'a84041'").await, 3);
    // A metric that comes by the second name first.
    let when = at(NOON);
    let more = [
        reading("tomatoes", "u", 1.0, when),
        reading("a84041", "u", 2.0, when + SignedDuration::from_mins(1)),
    ];
    world.writer.write(world.payload("4", when, &more).await).await.unwrap();
    assert_eq!((world.count("device").await, world.count("metric").await), (1, 2));
    assert_eq!(
        registry::find(&client, Some("test"), "tomatoes").await.unwrap(),
        std::slice::from_ref(&found)
    );
    // A name that another device has, or that leads to another, is taken; one that it has already is not.
    by("5", "roof", 1.0, 0).await.unwrap();
    let roof = registry::find(&client, None, "roof").await.unwrap()[0].id.unwrap();
    let own = found.id.unwrap();
    for (device, name, taken) in [(own, "roof", true), (roof, "tomatoes", true), (own, "tomatoes", false)] {
        let transaction = Transaction::begin(&mut client).await.unwrap();
        let alias = registry::alias(&transaction, device, ("test", name)).await;
        assert_eq!(alias.is_err_and(|error| error.is_data_error()), taken, "{name}");
    }
    // It is erased by all its names.
    let erased = erase(&world, "a84041", false).await;
    assert_eq!(erased.names, ["a84041", "tomatoes"]);
    world.streams.forget();
    assert!(world.payload("6", when, &[reading("tomatoes", "t", 1.0, when)]).await.rows.is_empty());
    assert_eq!(world.count("device_alias").await, 0);
}

#[tokio::test]
async fn what_is_registered_is_changed_fact_by_fact_and_the_pipeline_wins() {
    let Some(world) = World::build().await else { return };
    let mut client = world.database.client().await.unwrap();
    let object = |value: serde_json::Value| value.as_object().unwrap().clone();
    let register = async |client: &mut store::Client, facts: serde_json::Value| {
        let transaction = Transaction::begin(client).await.unwrap();
        let key = ("test".to_owned(), "d".to_owned());
        registry::register(&transaction, &BTreeMap::from([(key, object(facts))])).await.unwrap();
        transaction.commit().await.unwrap();
    };
    register(&mut client, json!({"site": "north", "model": "x", "labels": {"row": "3", "hall": "B"}})).await;
    register(&mut client, json!({"model": null, "labels": {"row": null, "bed": "1"}})).await;
    let entry = registry::entry(&client, "test", "d").await.unwrap();
    assert_eq!(json!(entry.registered), json!({"site": "north", "labels": {"hall": "B", "bed": "1"}}));
    let configure = async |client: &mut store::Client, facts: &[(&'static str, serde_json::Value)]| {
        let configured = |(name, facts): &(&'static str, serde_json::Value)| registry::Configured {
            source: "test",
            name: (*name).into(),
            facts: object(facts.clone()),
        };
        let facts: Vec<_> = facts.iter().map(configured).collect();
        let transaction = Transaction::begin(client).await.unwrap();
        registry::configure(&transaction, &facts).await.unwrap();
        transaction.commit().await.unwrap();
    };
    let said = json!({"place": "freshet.yaml:3", "site": "south", "labels": {"bed": "2"}});
    configure(&mut client, &[("d", said), ("e", json!({"model": "y"}))]).await;
    let shown: serde_json::Value =
        client.query_one("select entry from devices where device = 'd'", &[]).await.unwrap().get(0);
    assert_eq!(shown, json!({"site": "south", "labels": {"hall": "B", "bed": "2"}}));
    // Of a device whose platform spells its address in another way.
    world
        .writer
        .write(world.payload("1", at(NOON), &[reading("A8:40-41", "t", 1.0, at(NOON))]).await)
        .await
        .unwrap();
    let spelled = [reading("A8:40:41:00:01:81", "t", 1.0, at(NOON))];
    world.writer.write(world.payload("2", at(NOON), &spelled).await).await.unwrap();
    configure(&mut client, &[("a84041000181", json!({"site": "x"}))]).await;
    assert_eq!(world.count("devices where site = 'x' and device = 'A8:40:41:00:01:81'").await, 1);
    configure(&mut client, &[]).await;
    assert_eq!(world.count("device_entry").await, 1);
    assert_eq!(world.count("devices where site = 'north' and device = 'd'").await, 1);
}

#[tokio::test]
async fn where_a_writer_does_not_end_an_erasure_gives_way() {
    let Some(world) = World::build().await else { return };
    world
        .writer
        .write(world.payload("1", at(NOON), &[reading("attic", "t", 1.0, at(NOON))]).await)
        .await
        .unwrap();
    world.client.batch_execute("begin; select writes_hold(now(), 1)").await.unwrap();
    let mut client = Database::client(&world.database).await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let waited = erasure::begin(&transaction, "test", "attic", false).await;
    assert!(waited.unwrap_err().is_locked());
    drop(transaction);
    world.client.batch_execute("commit").await.unwrap();
    erase(&world, "attic", false).await;
    assert_eq!(world.count("device").await, 0);
}

#[tokio::test]
async fn of_too_many_held_payloads_the_oldest_become_dead_letters_and_let_go_of_their_claims() {
    let Some(world) = World::build().await else { return };
    let held = |id: &str| {
        let event = store::dead_letters::DeadEvent {
            source: "/sources/test".to_owned(),
            id: id.to_owned(),
            event_type: "t".to_owned(),
            attributes: Map::new(),
            data: Some(b"body".to_vec()),
        };
        let letter = store::dead_letters::DeadLetter {
            event,
            stage: "transform".to_owned(),
            cause: event_model::DeadLetterCause::Rejected,
            reason: String::new(),
            problems: Vec::new(),
            at: at(NOON),
        };
        Some(store::held::Held { devices: vec!["new".to_owned()], letter })
    };
    let write = async |id: &str, minute: i64| {
        let received = at(NOON) + SignedDuration::from_mins(minute);
        let payload = store::Payload { held: held(id), ..world.payload(id, received, &[]).await };
        world.writer.write(payload).await.unwrap()
    };
    assert_eq!(write("oldest", -1).await, store::Written::Stored);
    assert_eq!(write("oldest", -1).await, store::Written::Duplicate);
    // As many as may be, with it.
    let fill = format!(
        "insert into held (source, received_at, id, receipt_id, event_source, event_id, event_type, stage, attributes, data, held_at)
         select 'test', timestamptz '{NOON}' + n * interval '1 microsecond', gen_random_uuid(), gen_random_uuid(), 's', 'e', 't', 'transform',
                '{{}}', 'body', timestamptz '{NOON}'
         from generate_series(1, {} - 2) as n",
        store::held::MOST_PAYLOADS
    );
    world.client.batch_execute(&fill).await.unwrap();
    write("last that fits", 1).await;
    assert_eq!(
        (world.count("held").await, world.count("dead_letter").await),
        (store::held::MOST_PAYLOADS, 0)
    );
    write("one more", 2).await;
    assert_eq!(
        (world.count("held").await, world.count("dead_letter").await),
        (store::held::MOST_PAYLOADS, 1)
    );
    assert_eq!(world.count("dead_letter where event_id = 'oldest' and cause = 'rejected'").await, 1);
    assert_eq!(write("oldest", -1).await, store::Written::Stored);
    assert_eq!(world.count("held where event_id = 'oldest'").await, 1);
}
