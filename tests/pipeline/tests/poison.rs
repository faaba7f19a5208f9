//! An event that ends its process each time, among others that do not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pipeline_tests::stand::{PATIENCE, Plan, Stand};
use testkit::eventually;

const PIPELINE: &str = "
sources:
  field: {format: json, credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]}
";
const NEIGHBOURS: i64 = 20;

/// What `ingest` makes of a reading of the device `id`.
async fn send(broker: &str, client: &reqwest::Client, id: &str) {
    let request = client
        .post(broker)
        .header("ce-specversion", "1.0")
        .header("ce-type", "dev.freshet.payload.received.v1")
        .header("ce-source", "/sources/field")
        .header("ce-id", id)
        .header("content-type", "application/http")
        .body(format!(
            "POST /hooks/field HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{{\"device\": \"{id}\", \"temperature\": 21.5}}"
        ));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_its_process_is_a_dead_letter_after_the_third_time_and_its_neighbours_are_stored_once() {
    let Some(stand) = Stand::up(Plan::new(PIPELINE)).await else { return };
    stand.crash_on("transform", "decode", "poison");
    let broker = stand.running.broker_url();
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let neighbours: Vec<String> = (0..NEIGHBOURS).map(|number| format!("neighbour-{number}")).collect();
    let (before, after) = neighbours.split_at(neighbours.len() / 2);
    let events = before.iter().map(String::as_str).chain(["poison"]).chain(after.iter().map(String::as_str));
    futures_util::future::join_all(events.map(|id| send(&broker, &client, id))).await;

    let database = stand.database().await;
    let of_poison = "select stage, cause, reason, deliveries from dead_letter where event_id = 'poison'";
    eventually(PATIENCE, || async { database.query_opt(of_poison, &[]).await.unwrap().is_some() }).await;
    stand.rest().await;
    let row = database.query_one(of_poison, &[]).await.unwrap();
    let kept: (&str, &str, &str, i32) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!((kept.0, kept.1, kept.3), ("transform", "rejected", 1));
    assert!(kept.2.starts_with("the process ended 3 times"), "{}", kept.2);
    assert!(stand.running.stats().services["transform"].starts >= 4, "one for each death, and one more");
    for table in ["receipt", "moment", "device"] {
        let sql = format!("select count(*) from {table}");
        let count: i64 = database.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(count, NEIGHBOURS, "{table}");
    }
    let dead_letters: i64 = database.query_one("select count(*) from dead_letter", &[]).await.unwrap().get(0);
    assert_eq!(dead_letters, 1);

    // What was wrong is mended, and it is sent back: it is handled again.
    stand.crash_no_more_at("transform", "decode");
    send(&broker, &client, "poison").await;
    stand.rest().await;
    let stored: i64 = database.query_one("select count(*) from receipt", &[]).await.unwrap().get(0);
    assert_eq!(stored, NEIGHBOURS + 1);
    stand.down().await;
}
