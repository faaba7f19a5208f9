//! Below a floor nothing is stored, and nothing goes before that is so.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::floors::{self, Settled};
use store::{Transaction, Writer, Written};

use crate::topic::write_topic;
use crate::world::{World, at, reading};

const NOON: &str = "2024-05-01T12:00:00Z";

async fn move_floor(world: &World, source: &str, to: &str) {
    let mut client = world.database.client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    floors::move_to(&transaction, source, at(to)).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Readings and expired ones of all receipts, in the order in which these were received.
async fn receipts(world: &World) -> Vec<(i32, Option<i32>)> {
    let sql = "select readings, expired from receipt order by received_at, id";
    world.client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn what_lies_below_the_floor_of_its_source_is_counted_and_not_stored() {
    let Some(world) = World::build().await else { return };
    move_floor(&world, "test", NOON).await;
    move_floor(&world, "", "2024-05-01T11:00:00Z").await;
    move_floor(&world, "other", "2024-06-01T00:00:00Z").await;
    let minute = Duration::from_secs(60);
    let times = [at("2023-05-01T00:00:00Z"), at(NOON) - minute, at(NOON), at(NOON) + minute];
    let readings: Vec<_> = times.into_iter().map(|time| reading("d", "t", 1.0, time)).collect();
    let write = async |id: &str, received_at: Timestamp, readings| {
        let payload = world.payload(id, received_at, readings).await;
        world.writer.write(payload).await.unwrap()
    };
    assert_eq!(write("1", at(NOON), &readings).await, Written::Stored);
    assert_eq!(write("2", at(NOON) + minute, &readings[..2]).await, Written::Stored);
    assert_eq!(receipts(&world).await, [(2, Some(2)), (0, Some(2))]);
    assert_eq!((world.count("moment").await, world.count("moment_2024_05").await), (2, 2));
    let of_below = "pg_class where relname = 'moment_2023_05'";
    assert_eq!(world.count(of_below).await, 0, "what is not stored needs no month");
    let request = format!("evaluation_request where from_at = '{NOON}'");
    assert_eq!((world.count("evaluation_request").await, world.count(&request).await), (1, 1));
    // The same again, by its key and as another payload.
    assert_eq!(write("1", at(NOON), &readings).await, Written::Duplicate);
    assert_eq!(write("3", at(NOON) + minute * 2, &readings).await, Written::Stored);
    assert_eq!(receipts(&world).await[2..], [(2, Some(2))]);
    assert_eq!(world.count("moment").await, 2);
    // A floor does not go back.
    move_floor(&world, "test", "2023-01-01T00:00:00Z").await;
    let other = Writer::start(&world.database);
    let payload = world.payload("4", at(NOON) + minute * 3, &readings).await;
    assert_eq!(other.write(payload).await.unwrap(), Written::Stored);
    assert_eq!(world.count("moment").await, 2);
}

#[tokio::test]
async fn a_range_of_records_counts_what_of_it_is_not_stored() {
    let Some(world) = World::build().await else { return };
    move_floor(&world, "", NOON).await;
    let minute = Duration::from_secs(60);
    let mut payloads = Vec::new();
    for n in 0..4u32 {
        let readings = [reading("d", "t", 1.0, at(NOON) - minute * n), reading("d", "u", 1.0, at(NOON))];
        payloads
            .push(store::Payload { key: None, ..world.payload(&n.to_string(), at(NOON), &readings).await });
    }
    write_topic(&world, payloads).await;
    assert_eq!(receipts(&world).await, [(5, Some(3))]);
    assert_eq!(world.count("moment").await, 1);
}

#[tokio::test]
async fn a_writer_that_may_not_rely_on_its_floors_any_more_stores_nothing() {
    let Some(world) = World::build().await else { return };
    let stopped = Writer::with_floor_age(&world.database, SignedDuration::ZERO);
    let payload = async |id: &str| world.payload(id, at(NOON), &[reading("d", "t", 1.0, at(NOON))]).await;
    let error = stopped.write(payload("1").await).await.unwrap_err();
    assert!(matches!(error, store::WriteError::Unavailable(_)), "{error:?}");
    assert_eq!((world.count("moment").await, world.count("receipt").await), (0, 0));
    // It comes again and is stored.
    assert_eq!(world.writer.write(payload("1").await).await.unwrap(), Written::Stored);
}

async fn settled(world: &World, from: Timestamp) -> Settled {
    let mut client = world.database.client().await.unwrap();
    floors::settled(&Transaction::begin(&mut client).await.unwrap(), from).await.unwrap()
}

#[tokio::test]
async fn nothing_goes_before_every_transaction_has_ended_that_may_write_below_a_floor() {
    let Some(world) = World::build().await else { return };
    let mut client = world.database.client().await.unwrap();
    let settle_from = async |client: &mut store::Client, age| {
        floors::settle_from(&Transaction::begin(client).await.unwrap(), age).await.unwrap()
    };
    let later = settle_from(&mut client, floors::MAX_AGE).await;
    assert_eq!(settled(&world, later).await, Settled::NotYet);
    // A transaction that has done nothing yet may still write.
    world.client.batch_execute("begin").await.unwrap();
    let from = settle_from(&mut client, SignedDuration::ZERO).await;
    let Settled::WaitsFor(since) = settled(&world, from).await else { panic!("one is under way") };
    assert!(since < from);
    assert_eq!(floors::oldest_transaction(&client).await.unwrap(), Some(since));
    world.client.batch_execute("commit").await.unwrap();
    assert_eq!(settled(&world, from).await, Settled::Yes);
    // One that begins later knows the floors.
    world.client.batch_execute("begin; select").await.unwrap();
    assert_eq!(settled(&world, from).await, Settled::Yes);
}
