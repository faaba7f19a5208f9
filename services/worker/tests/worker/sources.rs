use std::time::Duration;

use event_model::cloudevent::KafkaRecord;
use futures_util::future::join_all;
use testkit::eventually;

use crate::world::{PATIENCE, World};

/// A reading of one of ten devices as a gateway of others writes it, each tenth without a time of its own.
fn plain(number: u32) -> KafkaRecord {
    let time = match number % 10 {
        0 => String::new(),
        _ => format!(r#""time":{},"#, 1_767_225_600 + u64::from(number)),
    };
    let value = format!(r#"{{"device":"gh-{}",{time}"temperature":21.5}}"#, number % 10);
    record(Some(value.into_bytes()))
}

fn record(value: Option<Vec<u8>>) -> KafkaRecord {
    KafkaRecord { key: Some("gh".to_owned()), headers: Vec::new(), value }
}

async fn publish(world: &World, numbers: std::ops::Range<u32>) {
    join_all(numbers.map(|number| world.send(plain(number)))).await;
}

/// Each record that was published is a row, and one range's.
async fn stored_once(world: &World, records: i64) {
    eventually(Duration::from_secs(120), || async { world.count("moment").await >= records }).await;
    let sql = "select coalesce(sum(records), 0), count(*) from receipt where records is not null";
    let row = world.client.query_one(sql, &[]).await.unwrap();
    let (counted, ranges): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!((world.count("moment").await, counted), (records, records));
    assert_eq!(world.count("receipt where record_source = 'floor' and source = 'floor'").await, ranges);
    assert_eq!((world.count("receipt_key").await, world.count("dead_letter").await), (0, 0));
}

#[tokio::test]
async fn a_topic_of_others_is_stored_once_however_often_its_workers_are_killed() {
    let Some(world) = World::build().await else { return };
    world.read_by_source("earliest");
    let seed = std::env::var("FRESHET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11_u64);
    eprintln!("FRESHET_SEED={seed}");
    let mut chance = seed;
    publish(&world, 0..400).await;
    let mut survivor = world.worker_of_sources().await;
    for round in 1..6_u32 {
        let mut victim = survivor;
        survivor = world.worker_of_sources().await;
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let there = i64::from(round) * 400 - i64::try_from(chance % 300).unwrap();
        let kill = async {
            eventually(PATIENCE, || async { world.count("moment").await >= there }).await;
            victim.kill();
        };
        tokio::join!(publish(&world, round * 400..(round + 1) * 400), kill);
    }
    stored_once(&world, 2400).await;
}

#[tokio::test]
async fn a_record_without_a_time_has_kafkas_and_its_offset_keeps_two_apart() {
    let Some(world) = World::build().await else { return };
    world.read_by_source("earliest");
    let value = || record(Some(br#"{"device":"gh-1","temperature":21.5}"#.to_vec()));
    join_all((0..200).map(|_| world.send(value()))).await;
    let _worker = world.worker_of_sources().await;
    stored_once(&world, 200).await;
    let sql = "select count(*) from moment
               where observed_at between clock_timestamp() - interval '10 minutes' and clock_timestamp()
                     and observed_at = received_at";
    assert_eq!(world.client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 200);
}

#[tokio::test]
async fn what_was_published_before_its_source_came_is_not_read_where_the_latest_is_asked_for() {
    let Some(world) = World::build().await else { return };
    world.read_by_source("latest");
    publish(&world, 0..100).await;
    let mut worker = world.worker_of_sources().await;
    eventually(PATIENCE, || async { world.count("topic_source").await == 1 }).await;
    publish(&world, 100..200).await;
    stored_once(&world, 100).await;
    worker.kill();
    // It goes on where it was, whatever the file says by now.
    world.read_by_source("earliest");
    publish(&world, 200..300).await;
    let _next = world.worker_of_sources().await;
    stored_once(&world, 200).await;
}

/// Puts the readings of `numbers` into a topic.
async fn publish_to(world: &World, topic: &str, numbers: std::ops::Range<u32>) {
    join_all(numbers.map(|number| world.send_to(topic, plain(number)))).await;
}

/// How many readings are stored of each of `topics`.
async fn stored_of<const N: usize>(world: &World, topics: [&str; N]) -> [i64; N] {
    let mut stored = [0; N];
    for (topic, stored) in topics.iter().zip(&mut stored) {
        let sql = "select coalesce(sum(records), 0)::bigint from receipt where record_topic = $1";
        *stored = world.client.query_one(sql, &[topic]).await.unwrap().get(0);
    }
    stored
}

#[tokio::test]
async fn several_topics_and_those_of_a_pattern_are_read_and_one_that_comes_later_from_its_start() {
    let Some(world) = World::build().await else { return };
    let [plant, other, later] =
        ["plant-1", "elsewhere", "plant-2"].map(|name| format!("{}.{name}", world.topic()));
    for topic in [&plant, &other] {
        world.make_topic(topic).await;
    }
    world.read_topics(&format!("[{}, '^{}[.]plant-[0-9]+']", world.topic(), world.topic()), "latest");
    for topic in [world.topic(), &plant, &other] {
        publish_to(&world, topic, 0..10).await;
    }
    let _worker = world.worker_of_sources().await;
    eventually(PATIENCE, || async { world.count("topic_source").await == 1 }).await;
    let noted = "topic_offset where source = 'floor' and next > 0 and incarnation = 1";
    assert!(world.count(noted).await > 0, "what was there before is noted with the source");
    world.make_topic(&later).await;
    for topic in [world.topic(), &plant, &other, &later] {
        publish_to(&world, topic, 10..30).await;
    }
    // A new topic is found within a minute.
    let topics = [world.topic(), &plant, &later, &other];
    eventually(2 * PATIENCE, || async { stored_of(&world, topics).await == [20, 20, 20, 0] }).await;
    world.delete_topic(&plant).await;
    let left = format!("topic_offset where topic = '{plant}' and left_at is not null");
    eventually(2 * PATIENCE, || async { world.count(&left).await == i64::from(crate::world::PARTITIONS) })
        .await;
    let (now, floor) = (world.now().await, ["floor".to_owned()]);
    let client = store::Database::new(&world.settings()).client().await.unwrap();
    eventually(PATIENCE, || async {
        let slowest = store::topic_offsets::slowest_of_sources(&client, &floor).await.unwrap();
        slowest.is_some_and(|slowest| slowest > now)
    })
    .await;
    publish_to(&world, &later, 30..40).await;
    eventually(PATIENCE, || async { stored_of(&world, topics).await == [20, 20, 30, 0] }).await;
    assert_eq!(world.count("dead_letter").await, 0);
}

#[tokio::test]
async fn workers_that_share_the_topics_of_a_source_store_each_record_once() {
    let Some(world) = World::build().await else { return };
    let topics = ["a", "b", "c"].map(|name| format!("{}.{name}", world.topic()));
    for topic in &topics {
        world.make_topic(topic).await;
    }
    world.read_topics(&format!("'^{}[.].'", world.topic()), "earliest");
    let _first = world.worker_of_sources().await;
    publish_all(&world, &topics, 0..100).await;
    let mut second = world.worker_of_sources().await;
    publish_all(&world, &topics, 100..200).await;
    let there = || async { topic_records(&world).await };
    eventually(PATIENCE, || async { there().await >= 450 }).await;
    second.kill();
    publish_all(&world, &topics, 200..300).await;
    eventually(2 * PATIENCE, || async { there().await >= 900 }).await;
    assert_eq!(stored_of(&world, [&topics[0], &topics[1], &topics[2]]).await, [300; 3]);
    assert_eq!(world.count("dead_letter").await, 0);
}

async fn publish_all(world: &World, topics: &[String], numbers: std::ops::Range<u32>) {
    join_all(topics.iter().map(|topic| publish_to(world, topic, numbers.clone()))).await;
}

async fn topic_records(world: &World) -> i64 {
    let sql = "select coalesce(sum(records), 0)::bigint from receipt";
    world.client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_topic_is_read_since_a_time() {
    let Some(world) = World::build().await else { return };
    publish(&world, 0..100).await;
    // Kafka's clock is this machine's, in milliseconds.
    let since = world.now().await + jiff::SignedDuration::from_millis(2);
    eventually(PATIENCE, || async { world.now().await > since }).await;
    publish(&world, 100..200).await;
    world.read_by_source(&since.to_string());
    let _worker = world.worker_of_sources().await;
    stored_once(&world, 100).await;
}

#[tokio::test]
async fn what_holds_no_payload_is_a_dead_letter_that_names_it_and_a_deletion_is_none() {
    let Some(world) = World::build().await else { return };
    world.read_by_source("earliest");
    for value in [None, Some(&b""[..]), Some(b"\0\0\0\0\x2a\x02xy"), Some(b"21.5")] {
        world.send(record(value.map(<[u8]>::to_vec))).await;
    }
    publish(&world, 1..2).await;
    let _worker = world.worker_of_sources().await;
    eventually(PATIENCE, || async { world.count("moment").await == 1 }).await;
    eventually(PATIENCE, || async { world.count("dead_letter").await == 3 }).await;
    for reason in ["%is empty", "%(schema 42)%", "%expected a JSON object%"] {
        let of_source = format!(
            "dead_letter where source = '/sources/floor' and event_type = 'dev.freshet.payload.received.v1'
                               and reason like '{reason}'"
        );
        assert_eq!(world.count(&of_source).await, 1, "{reason}");
    }
    let sql = "select sum((record_outcomes ->> 'no_data')::int), sum((record_outcomes ->> 'rejected')::int) from receipt";
    let row = world.client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, Option<i64>>(0), row.get::<_, Option<i64>>(1)), (Some(1), Some(3)));
}

#[tokio::test]
async fn a_record_names_its_device_by_its_key_and_a_dead_letter_keeps_it() {
    let Some(world) = World::build().await else { return };
    world.read(&format!("topic: {}, device: key", world.topic()));
    let half = br#"[{"temperature":21.5,"time":1767225600},{"temperature":"warm","time":1767225601}]"#;
    let keyed = |key: Option<&str>| KafkaRecord {
        key: key.map(str::to_owned),
        headers: Vec::new(),
        value: Some(half.to_vec()),
    };
    for key in [Some("Pru\u{308}fstand 7"), None, Some("gh\n8")] {
        world.send(keyed(key)).await;
    }
    let _worker = world.worker_of_sources().await;
    eventually(PATIENCE, || async { world.count("dead_letter").await == 3 }).await;
    let sql = "select name from device order by name";
    let devices: Vec<String> =
        world.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(devices, ["Pr\u{fc}fstand 7", "floor"]);
    let kept = |what: &str| format!("dead_letter where convert_from(data, 'UTF8') like '%{what}%'");
    assert_eq!(world.count(&kept(r"freshet-device: Pru\%CC\%88fstand\%207")).await, 1);
    assert_eq!(world.count(&kept(r"freshet-device: gh\%0A8")).await, 1);
    assert_eq!(world.count("dead_letter where reason like '%key or header names no device%'").await, 1);
}

#[tokio::test]
async fn a_worker_that_runs_goes_where_it_is_sent_and_what_it_reads_again_is_no_second_row() {
    let Some(world) = World::build().await else { return };
    world.read_by_source("earliest");
    let _worker = world.worker_of_sources().await;
    publish(&world, 1..9).await;
    eventually(PATIENCE, || async { world.count("moment").await == 8 }).await;
    let topic = store::Topic::of_source("floor", world.topic());
    let client = store::Database::new(&world.settings()).client().await.unwrap();
    let places = (0..crate::world::PARTITIONS).map(|partition| (partition, 0)).collect();
    store::topic_offsets::seek(&client, &topic, &places).await.unwrap();
    let next = "select sum(next)::bigint, min(epoch) from topic_offset";
    eventually(PATIENCE, || async {
        let row = world.client.query_one(next, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1)) == (8, 3)
    })
    .await;
    stored_once(&world, 8).await;
}
