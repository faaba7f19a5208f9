use event_model::cloudevent::{self, KafkaRecord};
use testkit::eventually;

use crate::world::{PATIENCE, World, payload_of};

#[tokio::test]
async fn what_makes_no_sense_is_a_dead_letter_and_its_neighbours_are_stored() {
    let Some(world) = World::build().await else { return };
    let _worker = world.worker().await;
    world.publish(0..5).await;
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let bare = KafkaRecord {
        key: Some("k".into()),
        headers: vec![header("origin", "plc\u{0}7")],
        value: Some(b"21.5".to_vec()),
    };
    world.send(bare).await;
    world.send(KafkaRecord { key: None, headers: Vec::new(), value: None }).await;
    world.send(cloudevent::to_kafka(&payload_of("removed", "unknown-source", "{}"))).await;
    world.send(cloudevent::to_kafka(&payload_of("greenhouse", "no-content", "42"))).await;
    world.send(cloudevent::to_kafka(&cloudevent::new("com.example.other", "/plant", "nobodys"))).await;
    let mut no_request = payload_of("greenhouse", "no-request", "{}");
    no_request.set_data("application/http", b"hello".to_vec());
    world.send(cloudevent::to_kafka(&no_request)).await;
    world.publish(5..10).await;
    world.committed(16).await;
    assert_eq!(world.count("moment").await, 10);

    let sql =
        "select event_id, cause, reason from dead_letter where stage = 'worker' and resolved_at is null";
    let rows = world.client.query(sql, &[]).await.unwrap();
    let mut dead_letters: Vec<(String, String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    dead_letters.sort();
    let cause_of =
        |id: &str| dead_letters.iter().find(|(one, _, _)| one == id).map(|(_, cause, _)| cause.as_str());
    assert_eq!(dead_letters.len(), 6, "{dead_letters:?}");
    assert_eq!(cause_of("unknown-source"), Some("rejected"));
    assert_eq!(cause_of("no-content"), Some("rejected"));
    assert_eq!(cause_of("nobodys"), Some("rejected"));
    assert_eq!(cause_of("no-request"), Some("malformed"));
    let unreadable =
        "dead_letter where event_type = 'unknown' and cause = 'malformed' and source like '/topics/%'";
    assert_eq!(world.count(unreadable).await, 2);
    let kept = "dead_letter where attributes ->> 'origin' = E'plc\u{fffd}7' and data = '21.5'";
    assert_eq!(world.count(kept).await, 1);
}

#[tokio::test]
async fn a_broker_that_takes_nothing_holds_offsets_back_but_no_rows() {
    let Some(world) = World::build().await else { return };
    world.broker.answer(503);
    let _worker = world.worker().await;
    world.publish(0..20).await;
    eventually(PATIENCE, || async { world.count("moment").await == 20 }).await;
    world.committed(0).await;
    world.broker.answer(202);
    world.committed(20).await;
    world.stored_once(0..20).await;
}

#[tokio::test]
async fn a_record_that_ends_its_process_is_a_dead_letter_after_the_third_time_and_its_neighbours_are_stored()
{
    let Some(world) = World::build().await else { return };
    world.crash_on("70");
    world.publish(0..100).await;
    for death in 1..=3 {
        let mut worker = world.worker().await;
        eventually(PATIENCE, || std::future::ready(worker.ended().ok_or(format!("no death {death}")))).await;
    }
    let _worker = world.worker().await;
    world.committed(100).await;
    for table in ["receipt", "moment"] {
        assert_eq!(world.count(table).await, 99, "{table}");
    }
    let sql = "select event_id, stage, cause, reason, data is not null from dead_letter";
    let row = world.client.query_one(sql, &[]).await.unwrap();
    let kept: (&str, &str, &str, &str, bool) = (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
    assert_eq!((kept.0, kept.1, kept.2, kept.4), ("70", "worker", "rejected", true));
    assert!(kept.3.starts_with("the process ended 3 times"), "{}", kept.3);
}
