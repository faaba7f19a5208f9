//! Two processes at once over the same streams, while readings come.

use std::sync::atomic::{AtomicBool, Ordering};

use evaluate::Evaluator;
use tokio_postgres::Client;

use crate::world::{World, at, pipeline, run};

const TOO_HOT: &str = "{TooHot: {metric: temperature, above: 30}}";
const DEVICES: usize = 150;
const ROUNDS: i64 = 24;

/// A reading of every stream with its request, in the order of their keys, as the writer of payloads has it.
async fn store(sql: &mut Client, second: i64, value: f64) {
    let transaction = sql.transaction().await.unwrap();
    let moments = r#"insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
                     select id, $1, $1, gen_random_uuid(), array[$2::float8] from stream order by id"#;
    transaction.execute(moments, &[&at(second), &value]).await.unwrap();
    let requests = "insert into evaluation_request (stream_id, from_at, token)
                    select id, $1, nextval('evaluation_token') from stream order by id
                    on conflict (stream_id) do update
                    set from_at = least(evaluation_request.from_at, excluded.from_at), token = excluded.token";
    transaction.execute(requests, &[&at(second)]).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Runs until the writer is done; says how many streams were evaluated.
async fn evaluate_until(process: Evaluator, written: &AtomicBool) -> u32 {
    let mut streams = 0;
    while !written.load(Ordering::SeqCst) {
        streams += run(&process, &[]).await.streams;
    }
    streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_at_once_record_every_transition_once_and_hold_up_no_writer() {
    let Some(mut world) = World::new().await else { return };
    let (left, right) = (world.process(&pipeline(TOO_HOT)).await, world.process(&pipeline(TOO_HOT)).await);
    for device in 0..DEVICES {
        world.store(&format!("gh-{device}"), 0, 20.0).await;
    }
    let mut sql = world.other_connection().await;
    let written = AtomicBool::new(false);
    let writing = async {
        for round in 1..=ROUNDS {
            // Three in a row change nothing, the fourth crosses the threshold or comes back.
            store(&mut sql, round * 10, if round / 4 % 2 == 0 { 20.0 } else { 31.0 }).await;
        }
        written.store(true, Ordering::SeqCst);
    };
    let (by_left, by_right, ()) =
        tokio::join!(evaluate_until(left, &written), evaluate_until(right, &written), writing);
    let last = world.process(&pipeline(TOO_HOT)).await;
    world.readings(&last, &[]).await;
    assert!(by_left + by_right > 0, "nothing was evaluated beside the writer");
    let expected: Vec<_> = (1..=ROUNDS / 4)
        .map(|change| (if change % 2 == 1 { "firing" } else { "resolved" }.to_owned(), change * 40))
        .collect();
    for device in 0..DEVICES {
        assert_eq!(world.effective(&format!("gh-{device}")).await, expected, "gh-{device}");
    }
    assert_eq!(world.count("evaluation_request").await, 0);
    assert_eq!(world.count("alert_transition where kind = 'retracted'").await, 0);
    let most = "(select from notification group by transition_id, receiver having count(*) > 1) as twice";
    assert_eq!(world.count(most).await, 0);
}

#[tokio::test]
async fn no_transition_is_effective_twice_even_without_the_lock() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    world.store("gh-1", 0, 31.0).await;
    world.readings(&alert, &[]).await;
    let again = "
        insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, cause, severity, labels, annotations,
                                      recorded_at)
        select rule, rule_hash, stream_id, position, kind, at, cause, severity, labels, annotations, recorded_at
        from alert_transition";
    let refused = world.sql.execute(again, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION));
}
