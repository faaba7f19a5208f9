use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Process, eventually};

use crate::reading::leaves_in_order;
use crate::world::{PATIENCE, World};

#[tokio::test]
async fn of_two_workers_that_both_own_every_partition_each_record_is_handled_once() {
    let Some(world) = World::build().await else { return };
    world.publish_unkeyed(0..500).await;
    let first = world.worker().await;
    // It has every partition before the other one starts, which takes them from it.
    eventually(PATIENCE, || async { world.count("topic_offset where epoch = 1").await == 3 }).await;
    let second = world.worker_of("others").await;
    for hundred in 5..20 {
        world.publish_unkeyed(hundred * 100..(hundred + 1) * 100).await;
    }
    world.committed(2000).await;
    world.handled_once(0..2000).await;
    // Neither is left without a partition for good: who is left reads all of them.
    drop(second);
    world.publish_unkeyed(2000..2100).await;
    world.committed(2100).await;
    world.handled_once(0..2100).await;
    let epochs = "topic_offset where epoch > 2";
    assert_eq!(world.count(epochs).await, 3, "each took every partition, and the first took it again");
    drop(first);
}

#[tokio::test]
async fn workers_killed_at_random_lose_nothing_and_double_nothing() {
    let Some(world) = World::build().await else { return };
    let seed = std::env::var("FRESHET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7_u64);
    eprintln!("FRESHET_SEED={seed}");
    let mut chance = seed;
    let mut survivor = world.worker().await;
    for round in 0..6_u32 {
        let mut victim = survivor;
        survivor = world.worker().await;
        let numbers = round * 400..(round + 1) * 400;
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Killed while these are read: once so many of them are there.
        let there = i64::from(round) * 360 + i64::try_from(chance % 300).unwrap();
        let kill = async {
            eventually(PATIENCE, || async { world.count("moment").await >= there }).await;
            victim.kill();
        };
        tokio::join!(world.publish_unkeyed(numbers), kill);
    }
    eventually(Duration::from_secs(120), || async { world.count("moment").await == 6 * 360 }).await;
    world.committed(2400).await;
    world.handled_once(0..2400).await;
}

#[tokio::test]
async fn what_the_group_has_committed_has_no_say_in_where_a_worker_goes_on() {
    let Some(world) = World::build().await else { return };
    let mut worker = world.worker().await;
    world.publish_unkeyed(0..200).await;
    world.committed(200).await;
    worker.kill();
    eventually(PATIENCE, || async { world.members() == (0, 0) }).await;
    world.reset_group();
    assert_eq!(world.offsets().values().sum::<i64>(), 0);
    let _next = world.worker().await;
    world.publish_unkeyed(200..300).await;
    world.committed(300).await;
    world.handled_once(0..300).await;
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_told_and_read_from_its_start_however_long_it_is() {
    let Some(world) = World::build().await else { return };
    let mut worker = world.worker().await;
    world.publish_unkeyed(0..200).await;
    world.committed(200).await;
    // Shorter than what was read, then longer.
    for (incarnation, numbers) in [(2, 200..260), (3, 260..860)] {
        leaves_in_order(&world, &mut worker).await;
        world.make_topic_anew().await;
        world.publish_unkeyed(numbers.clone()).await;
        worker = world.worker().await;
        let refused = i64::from(numbers.end / 10);
        eventually(PATIENCE, || async {
            world.count("moment").await + world.count("dead_letter").await == i64::from(numbers.end)
        })
        .await;
        world.handled_once(0..numbers.end).await;
        assert_eq!(world.count("dead_letter").await, refused);
        let told =
            format!("topic_gap where kind = 'made_anew' and incarnation = {incarnation} and goes_on_at = 0");
        assert_eq!(world.count(&told).await, 3);
    }
    drop(worker);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_under_a_worker_and_is_longer_already_is_told_and_read_from_its_start() {
    let Some(world) = World::build().await else { return };
    let worker = world.patient_worker().await;
    world.publish_unkeyed(0..200).await;
    world.committed(200).await;
    let looked_at = format!("topic_offset where caught_up_at > '{}'", world.now().await);
    eventually(PATIENCE, || async { world.count(&looked_at).await == 3 }).await;
    // It sees neither that the topic is gone nor how it grows.
    signal(&worker, Signal::SIGSTOP);
    let read = world.ends();
    world.make_topic_anew().await;
    world.publish_unkeyed(200..800).await;
    let ends = world.ends();
    assert!(ends.iter().all(|(partition, end)| *end > read[partition]), "{read:?}, then {ends:?}");
    signal(&worker, Signal::SIGCONT);
    let told = "topic_gap where kind = 'made_anew' and incarnation = 2 and goes_on_at = 0";
    eventually(PATIENCE, || async { world.count(told).await == 3 }).await;
    eventually(PATIENCE, || async { world.count("moment").await == 720 }).await;
}

fn signal(worker: &Process, signal: Signal) {
    kill(Pid::from_raw(worker.pid().cast_signed()), signal).unwrap();
}

#[tokio::test]
async fn records_that_were_gone_before_they_were_read_are_told_and_reading_goes_on() {
    let Some(world) = World::build().await else { return };
    let mut worker = world.worker().await;
    world.publish_unkeyed(0..100).await;
    world.committed(100).await;
    leaves_in_order(&world, &mut worker).await;
    world.publish_unkeyed(100..200).await;
    let gone = world.delete_all_records().await;
    world.publish_unkeyed(200..300).await;
    let _worker = world.worker().await;
    eventually(PATIENCE, || async { world.count("moment").await == 90 + 90 }).await;
    assert_eq!(gone, 200);
    let sql = "select sum(goes_on_at - next)::bigint, count(*) from topic_gap where kind = 'expired' and incarnation = 1";
    let row = world.client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (100, 3));
}

#[tokio::test]
async fn control_records_of_transactional_producers_are_passed_and_nothing_seems_to_wait() {
    let Some(world) = World::build().await else { return };
    let _worker = world.worker().await;
    world.publish_in_transaction(0..60, true).await;
    world.publish_in_transaction(60..90, false).await;
    world.publish_in_transaction(90..120, true).await;
    let ends = world.ends();
    assert!(ends.values().sum::<i64>() > 120, "control records have offsets: {ends:?}");
    eventually(PATIENCE, || async {
        let rows = world.client.query("select \"partition\", next from topic_offset", &[]).await.unwrap();
        let next: BTreeMap<i32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        (next == ends).then_some(()).ok_or(format!("{next:?}, not {ends:?}"))
    })
    .await;
    assert_eq!(world.count("topic_offset where epoch = 1").await, 3, "taken once");
    // What was aborted was never there.
    assert_eq!((world.count("moment").await, world.count("dead_letter").await), (54 + 27, 9));
    world.committed(ends.values().sum()).await;
    let later = format!("topic_offset where caught_up_at > '{}'", world.now().await);
    eventually(PATIENCE, || async { world.count(&later).await == 3 }).await;
}
