//! More work than one run may do, and work that another process has.

use std::time::Duration;

use evaluate::Scope;
use runtime::Deadline;
use store::alerts::{SHARD_LOCK, devices_put_off, shard_of};

use crate::world::{World, at, pipeline};

const TOO_HOT: &str = "{TooHot: {metric: temperature, above: 30}}";

#[tokio::test]
async fn what_one_run_has_no_time_for_is_done_by_the_next_ones() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    for device in 0..300 {
        world.store(&format!("gh-{device}"), 0, 31.0).await;
    }
    let mut runs = vec![];
    while world.count("evaluation_request").await > 0 {
        let summary = alert.run(Scope::default(), Deadline::within(Duration::ZERO)).await.unwrap();
        runs.push((summary.streams, summary.more));
    }
    assert_eq!(runs, [(128, true), (128, true), (44, false)]);
    assert_eq!(world.count("alert_transition").await, 300);
}

#[tokio::test]
async fn a_run_looks_again_until_nothing_is_due() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let stream = world.store("gh-1", 0, 31.0).await;
    let many = r#"
        with s as (insert into stream (device_id, channel)
                   select s.device_id, n::text from stream s, generate_series(1, 1500) as n where s.id = $1 returning id),
             m as (insert into metric (stream_id, position, name, unit, kind)
                   select id, 0, 'temperature', 'Cel', 'number' from s)
        insert into evaluation_request (stream_id, from_at, token) select id, $2, nextval('evaluation_token') from s"#;
    world.sql.execute(many, &[&stream, &at(0)]).await.unwrap();
    let summary = world.readings(&alert, &[]).await;
    assert_eq!((summary.streams, summary.more), (1501, false));
    assert_eq!(world.count("evaluation_request").await, 0);
}

#[tokio::test]
async fn many_streams_are_evaluated_as_each_would_be_alone() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    // More than a batch; every third one crosses the threshold and comes back, every seventh has an old reading.
    for device in 0_i64..150 {
        let name = format!("gh-{device}");
        if device % 7 == 0 {
            world.store(&name, -300_000, 40.0).await;
        }
        world.store(&name, 0, if device % 3 == 0 { 31.0 } else { 20.0 }).await;
        world.store(&name, 60, 20.0).await;
    }
    let summary = world.readings(&alert, &[]).await;
    assert_eq!(summary.streams, 150);
    for device in 0..150 {
        let found = world.effective(&format!("gh-{device}")).await;
        let early = (device % 7 == 0)
            .then_some([("firing", -300_000), ("resolved", if device % 3 == 0 { 60 } else { 0 })]);
        let late = (device % 3 == 0 && device % 7 != 0).then_some([("firing", 0), ("resolved", 60)]);
        let expected: Vec<_> = early.into_iter().chain(late).flatten().collect();
        let found: Vec<_> = found.iter().map(|(kind, second)| (kind.as_str(), *second)).collect();
        assert_eq!(found, expected, "gh-{device}");
    }
    assert_eq!(world.count("alert_state").await, 150);
    assert_eq!(world.count("evaluation_request").await, 0);
}

#[tokio::test]
async fn a_stream_that_another_has_keeps_its_request_and_holds_up_no_other() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let taken = world.store("taken", 0, 31.0).await;
    let free = world.store("free", 0, 31.0).await;
    let mut other = world.other_connection().await;
    let transaction = other.transaction().await.unwrap();
    let lock = "select pg_advisory_xact_lock($1, $2)";
    transaction.query(lock, &[&SHARD_LOCK, &shard_of(taken)]).await.unwrap();
    world.readings(&alert, &[taken, free]).await;
    assert_eq!((world.effective("taken").await.len(), world.effective("free").await.len()), (0, 1));
    transaction.rollback().await.unwrap();
    world.readings(&alert, &[]).await;
    assert_eq!(world.effective("taken").await.len(), 1);
}

#[tokio::test]
async fn a_batch_with_too_many_moments_is_evaluated_in_parts() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    for device in ["long", "longer", "short"] {
        world.store(device, 0, 31.0).await;
    }
    let history = r#"insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
                     select s.id, $2::timestamptz + n * interval '1 second', $2, gen_random_uuid(), '{20}'
                     from stream s join device d on d.id = s.device_id, generate_series(-15000, -1) as n
                     where d.name = any($1)"#;
    world.sql.execute(history, &[&vec!["long", "longer"], &at(0)]).await.unwrap();
    world.sql.execute("update evaluation_request set from_at = $1", &[&at(-15_000)]).await.unwrap();
    assert_eq!(world.readings(&alert, &[]).await.streams, 3);
    for device in ["long", "longer", "short"] {
        assert_eq!(world.effective(device).await, [("firing".to_owned(), 0)], "{device}");
    }
}

#[tokio::test]
async fn a_stream_with_a_long_history_is_evaluated_in_parts_and_nothing_is_taken_back() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline("{TooHot: {metric: temperature, above: 30, for: 1m}}")).await;
    world.at(0);
    let long = world.store("long", -1, 31.0).await;
    world.readings(&alert, &[]).await;
    // A quarter of a million seconds; of every fifty thousand the first hundred are too hot.
    let history = r#"insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
                     select $1, $2::timestamptz + n * interval '1 second', $2, gen_random_uuid(),
                            array[case when n % 50000 < -49900 then 31 else 20 end]
                     from generate_series(-250000, -2) as n"#;
    world.sql.execute(history, &[&long, &at(0)]).await.unwrap();
    world.sql.execute("delete from alert_state", &[]).await.unwrap();
    let request = "insert into evaluation_request (stream_id, from_at, token) values ($1, $2, nextval('evaluation_token'))";
    world.sql.execute(request, &[&long, &at(-250_000)]).await.unwrap();
    assert_eq!(world.readings(&alert, &[]).await.streams, 3);
    let mut expected = vec![];
    for begin in (-249_999_i64..-2).step_by(50_000) {
        expected.extend([("firing".to_owned(), begin + 60), ("resolved".to_owned(), begin + 99)]);
    }
    assert_eq!(world.effective("long").await, expected);
    assert_eq!(world.count("alert_transition where kind = 'retracted'").await, 0);
    assert_eq!(world.count("evaluation_request").await, 0);
}

#[tokio::test]
async fn a_stream_with_more_moments_before_an_unseen_one_than_can_be_held_is_put_off() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline("{TooHot: {metric: temperature, above: 30, for: 1m}}")).await;
    world.at(-800);
    let dense = world.store("dense", -800, 20.0).await;
    world.readings(&alert, &[]).await;
    // Three hundred a second, none of which asks for an evaluation.
    let history = r#"insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
                     select $1, $2::timestamptz + n * interval '3 milliseconds', $2, gen_random_uuid(), '{20}'
                     from generate_series(-266000, -1) as n"#;
    world.sql.execute(history, &[&dense, &at(0)]).await.unwrap();
    world.at(0);
    world.store("dense", 0, 31.0).await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.count("evaluation_request where attempts = 1").await, 1);
    world.sql.execute("delete from moment where observed_at < $1", &[&at(-200)]).await.unwrap();
    world.at(30);
    assert_eq!(world.readings(&alert, &[]).await.streams, 1);
    assert_eq!(world.count("evaluation_request").await, 0);
}

#[tokio::test]
async fn a_stream_whose_rows_cannot_be_evaluated_does_not_stop_the_others() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let poison = world.store("poison", 0, 31.0).await;
    let fine = world.store("fine", 0, 31.0).await;
    // A transition that the table refuses.
    let check = format!("alter table alert_transition add check (stream_id <> {poison})");
    world.sql.batch_execute(&check).await.unwrap();
    world.readings(&alert, &[poison, fine]).await;
    assert_eq!(world.effective("fine").await.len(), 1);
    assert_eq!(world.count("evaluation_request").await, 1);
}

#[tokio::test]
async fn a_stream_that_fails_alone_is_put_off_for_longer_each_time_and_found_by_doctor() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let poison = world.store("poison", 0, 31.0).await;
    let check = format!("alter table alert_transition add constraint no check (stream_id <> {poison})");
    world.sql.batch_execute(&check).await.unwrap();
    let put_off = "select attempts, extract(epoch from not_before - $1)::int from evaluation_request";
    for (second, expected) in [(0, (1, 30)), (29, (1, 1)), (30, (2, 60)), (90, (3, 120)), (200, (3, 10))] {
        world.at(second);
        world.readings(&alert, &[]).await;
        let row = world.sql.query_one(put_off, &[&at(second)]).await.unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1)), expected, "{second}");
    }
    let client = alert.database.client().await.unwrap();
    assert_eq!(devices_put_off(&client, 10).await.unwrap(), ["greenhouse/poison"]);
    // A renewed request stays put off; once its time has come, and the reason is gone, nothing is left of it.
    world.store("poison", 100, 32.0).await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.effective("poison").await, []);
    world.sql.batch_execute("alter table alert_transition drop constraint no").await.unwrap();
    world.at(210);
    world.readings(&alert, &[]).await;
    assert_eq!(world.effective("poison").await, [("firing".to_owned(), 0)]);
    assert_eq!(world.count("evaluation_request").await, 0);
}

#[tokio::test]
async fn a_word_of_a_later_release_stops_its_own_stream_alone() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let newer = world.store("newer", 0, 31.0).await;
    let fine = world.store("fine", 0, 20.0).await;
    world.readings(&alert, &[newer, fine]).await;
    let later = "alter table alert_state drop constraint alert_state_status_check;
                 update alert_state set status = 'acknowledged' where status = 'firing'";
    world.sql.batch_execute(later).await.unwrap();
    world.store("newer", 60, 20.0).await;
    world.store("fine", 60, 31.0).await;
    world.readings(&alert, &[newer, fine]).await;
    assert_eq!(world.effective("fine").await, [("firing".to_owned(), 60)]);
    assert_eq!(world.count("evaluation_request").await, 1);
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing_but_the_end_of_its_request() {
    let Some(mut world) = World::new().await else { return };
    let rules = "{TooHot: {metric: temperature, above: 30}, Silent: {metric: temperature, absent: 2h}}";
    let alert = world.process(&pipeline(rules)).await;
    world.heartbeat(&alert, 0).await;
    // Who wrote the states: a transaction that writes one is another one.
    let writers = async |world: &World| {
        let rows = world.sql.query("select xmin::text from alert_state order by rule", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    world.store("gh-1", 0, 20.0).await;
    assert_eq!(world.readings(&alert, &[]).await.streams, 1);
    let first = writers(&world).await;
    assert_eq!(first.len(), 2);
    for (second, value) in [(300, 29.0), (600, 30.0), (3_599, 21.0)] {
        world.at(second);
        world.store("gh-1", second, value).await;
        assert_eq!(world.readings(&alert, &[]).await.streams, 1);
        assert_eq!((writers(&world).await, world.count("evaluation_request").await), (first.clone(), 0));
    }
    // A late one that crosses the threshold is found, and resolved by the one after it.
    world.store("gh-1", 3_000, 31.0).await;
    world.readings(&alert, &[]).await;
    assert_eq!(
        world.effective_by_rule("gh-1").await,
        [
            ("TooHot".to_owned(), "firing".to_owned(), 3_000),
            ("TooHot".to_owned(), "resolved".to_owned(), 3_599)
        ]
    );
    // What an hour of readings has left as it is is written, each series by itself: that of `TooHot` was written just now.
    for (second, is_same) in [(3_600, [false, true]), (7_198, [true, true]), (7_199, [true, false])] {
        let before = writers(&world).await;
        world.at(second);
        world.store("gh-1", second, 20.0).await;
        world.readings(&alert, &[]).await;
        let now = writers(&world).await;
        assert_eq!([before[0] == now[0], before[1] == now[1]], is_same, "{second}");
    }
    // The silence is counted from the newest reading, walked over or not.
    for second in (7_500..=14_700).step_by(300) {
        world.heartbeat(&alert, second).await;
    }
    let silences = world.effective_by_rule("gh-1").await.into_iter().filter(|(rule, ..)| rule == "Silent");
    let silences: Vec<_> = silences.map(|(_, kind, second)| (kind, second)).collect();
    assert_eq!(silences, [("firing".to_owned(), 14_700)]);
}
