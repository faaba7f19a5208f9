use jiff::SignedDuration;
use jobs::{Job as _, Progress};
use store::Transaction;

use crate::world::{SLOT, World};

#[tokio::test]
async fn a_run_that_came_all_the_way_is_told_outside_and_only_then() {
    let Some(world) = World::start().await else { return };
    world.tick(0).await;
    let sent = world.came_to("/plant/hooks/freshet-canary");
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].header("authorization"), Some("Bearer tweet-8b1f"));
    assert_eq!(
        String::from_utf8_lossy(&sent[0].body),
        r#"[{"device":"canary","time":"2026-11-30T06:07:20.000Z","canary":1},{"device":"canary","time":"2026-11-30T06:07:20.001Z","canary":0}]"#
    );
    world.tick(5).await;
    assert_eq!(world.outside.received().len(), 1, "nothing came yet, and nobody is told");
    world.arrives(1.3, "delivered").await;
    world.tick(1).await;
    let pings = world.came_to("/ping?key=s3cret");
    assert_eq!((pings.len(), pings[0].method.as_str()), (1, "GET"));
    assert_eq!(world.came_to("/fail").len(), 0);
    assert_eq!(world.result().await, ("done".into(), Some(true)));
    let took: f64 =
        world.one("select extract(epoch from delivered_at - sent_at)::float8 from canary_run").await;
    assert!((took - 1.3).abs() < 1e-6, "{took}");
    let phases = "select count(*) from canary_run where accepted_at >= sent_at and stored_at < recorded_at
                  and pinged_at is not null and failure is null";
    assert_eq!(world.one::<i64>(phases).await, 1);
    world.tick(60).await;
    assert_eq!(world.came_to("/ping").len(), 1, "a slot is done once");
}

#[tokio::test]
async fn a_run_says_where_it_is_stuck() {
    for (status, seconds, stuck) in [
        ("failed", 0.0, "its alert was recorded, and its notification not delivered in time: no such row"),
        ("pending", 0.0, "its alert was recorded, and its notification not delivered in time"),
        ("delivered", 601.0, "it took 601 s, more than the 600 s of `within`"),
    ] {
        let Some(world) = World::start().await else { return };
        world.tick(0).await;
        world.arrives(seconds, status).await;
        world.tick(11).await;
        assert_eq!(world.failure().await, stuck);
        assert_eq!((world.came_to("/fail").len(), world.came_to("/ping").len()), (1, 0));
        assert_eq!(world.result().await, ("done".into(), Some(false)));
    }
    let Some(world) = World::start().await else { return };
    world.tick(0).await;
    world.tick(9).await;
    assert_eq!(world.one::<i64>("select count(*) from canary_run where finished_at is null").await, 1);
    world.tick(2).await;
    assert_eq!(world.failure().await, "it was accepted, and not stored in time");
}

#[tokio::test]
async fn a_dead_letter_says_why_it_was_not_stored() {
    let Some(world) = World::start().await else { return };
    world.tick(0).await;
    let letter = "
        insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, first_at, last_at)
        select gen_random_uuid(), '/sources/freshet-canary', '1', 't', 'transform', 'rejected', 'no room', '{}', at, at from canary_run";
    world.client.batch_execute(letter).await.unwrap();
    world.tick(11).await;
    assert_eq!(world.failure().await, "it was accepted, and became a dead letter: no room");
}

#[tokio::test]
async fn what_is_not_accepted_for_now_is_sent_again_as_a_sender_does() {
    let Some(world) = World::start().await else { return };
    world.outside.answer_next([503, 429, 202]);
    world.tick(0).await;
    world.tick(3).await;
    assert_eq!((world.came_to("/plant").len(), world.came_to("/fail").len()), (2, 0));
    world.tick(3).await;
    let sent = world.came_to("/plant");
    assert!(sent.len() == 3 && sent.iter().all(|one| one.body == sent[0].body), "{sent:?}");
    world.arrives(361.0, "delivered").await;
    world.tick(1).await;
    assert_eq!(world.came_to("/ping").len(), 1);
    // What it took counts from the first attempt on.
    let took: f64 =
        world.one("select extract(epoch from accepted_at - sent_at)::float8 from canary_run").await;
    assert!((took - 360.0).abs() < 1e-6, "{took}");
}

#[tokio::test]
async fn what_was_taken_though_the_answer_was_lost_comes_all_the_way() {
    let Some(world) = World::start().await else { return };
    world.outside.answer_next([504]);
    world.tick(0).await;
    world.arrives(1.0, "delivered").await;
    world.tick(5).await;
    assert_eq!((world.came_to("/plant").len(), world.came_to("/ping").len()), (1, 1));
    assert_eq!(world.result().await, ("done".into(), Some(true)));
}

#[tokio::test]
async fn what_is_not_accepted_in_time_or_for_good_has_failed() {
    let Some(world) = World::start().await else { return };
    world.outside.answer_next([401, 401]);
    world.tick(0).await;
    world.tick(5).await;
    assert_eq!(world.came_to("/fail").len(), 0);
    world.tick(6).await;
    assert_eq!(world.failure().await, "it was not accepted: it answered 401");
    assert_eq!(
        (world.came_to("/plant").len(), world.came_to("/fail").len(), world.came_to("/ping").len()),
        (2, 1, 0)
    );
    let Some(world) = World::start().await else { return };
    world.outside.answer_next([422]);
    world.tick(0).await;
    assert_eq!(world.failure().await, "it was not accepted: it answered 422");
    let Some(world) = World::allowing("10.0.0.1").await else { return };
    world.tick(0).await;
    let failure = world.failure().await;
    assert!(failure.contains("is not a public address"), "{failure}");
    assert!(world.outside.received().is_empty());
}

#[tokio::test]
async fn a_ping_that_fails_is_tried_again_and_fails_no_run() {
    let Some(world) = World::start().await else { return };
    world.tick(0).await;
    world.arrives(1.0, "delivered").await;
    world.outside.answer_next([500, 503]);
    world.tick(1).await;
    assert_eq!(world.one::<String>("select ping_failure from canary_run").await, "it answered 500");
    // 1, then 2 minutes later.
    world.tick(1).await;
    world.tick(1).await;
    assert_eq!(world.came_to("/ping").len(), 2);
    world.tick(1).await;
    assert_eq!(world.came_to("/ping").len(), 3);
    let told = "select count(*) from canary_run where failure is null and ping_failure is null and pinged_at is not null";
    assert_eq!(world.one::<i64>(told).await, 1);
    let Some(world) = World::start().await else { return };
    world.tick(0).await;
    world.arrives(1.0, "delivered").await;
    world.outside.answer(500);
    for _ in 0..20 {
        world.tick(10).await;
    }
    assert_eq!(world.came_to("/ping").len(), 5);
    assert_eq!(world.result().await, ("done".into(), Some(true)));
    // What is outside may name a secret, and its words are not kept.
    let kept: String = world.one("select row_to_json(canary_run)::text from canary_run").await;
    assert!(!kept.contains("s3cret") && !kept.contains("tweet"), "{kept}");
}

#[tokio::test]
async fn a_payload_that_is_sent_again_is_the_same_payload() {
    let Some(world) = World::start().await else { return };
    let slot = SLOT.parse().unwrap();
    let mut client = world.runner.database.client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let begun = world.runner.job.slice(&transaction, slot, None).await.unwrap();
    transaction.commit().await.unwrap();
    let Progress::More(cursor) = begun else { panic!("{begun:?}") };
    for minutes in [0, 3] {
        world.runner.clock.set(world.runner.clock.now() + SignedDuration::from_mins(minutes));
        let transaction = Transaction::begin(&mut client).await.unwrap();
        world.runner.job.slice(&transaction, slot, Some(&cursor)).await.unwrap();
        // Its process dies before the commit.
    }
    let sent = world.came_to("/plant");
    assert_eq!((sent.len(), &sent[0].body), (2, &sent[1].body));
}

#[tokio::test]
async fn a_slot_behind_which_another_waits_neither_sends_nor_tells_of_success() {
    let Some(world) = World::start().await else { return };
    let later = "insert into job_slot (job, slot) values ('canary', '2026-11-30T07:07:00Z')";
    world.tick(0).await;
    world.arrives(1.0, "delivered").await;
    world.client.batch_execute(later).await.unwrap();
    world.runner.clock.set("2026-11-30T08:00:00Z".parse().unwrap());
    world.tick(0).await;
    assert_eq!(world.came_to("/ping").len(), 0, "that was an hour ago");
    assert_eq!(world.one::<i64>("select count(*) from canary_run").await, 2);
    let Some(world) = World::start().await else { return };
    world.client.batch_execute(later).await.unwrap();
    world.tick(0).await;
    let sent = "select count(*) from canary_run where slot = '2026-11-30T07:07:00Z' and sent_at is not null";
    assert_eq!((world.one::<i64>(sent).await, world.came_to("/plant").len()), (1, 1));
}

#[tokio::test]
async fn a_run_whose_slot_was_given_up_has_failed() {
    let Some(world) = World::start().await else { return };
    let rows = "insert into canary_run (slot, at) values ('2026-11-30T05:07:00Z', '2026-11-30T05:07:20Z')";
    world.client.batch_execute(rows).await.unwrap();
    world.tick(0).await;
    assert_eq!(world.failure().await, "its slot was given up");
    let client = world.runner.database.client().await.unwrap();
    let standing = store::canary::standing(&client, world.runner.clock.now()).await.unwrap().unwrap();
    assert_eq!((standing.failed, standing.passed), (1, None));
    let later = world.runner.clock.now() + SignedDuration::from_hours(49);
    assert_eq!(store::canary::standing(&client, later).await.unwrap(), None, "it may be sent no more");
}

#[tokio::test]
async fn old_runs_are_forgotten() {
    let Some(world) = World::start().await else { return };
    let rows = "
        insert into canary_run (slot, at, finished_at)
        select at, at, at from generate_series(timestamptz '2026-08-01Z', '2026-11-29Z', interval '1 day') at";
    world.client.batch_execute(rows).await.unwrap();
    world.tick(0).await;
    let oldest: String = world.one("select min(slot at time zone 'UTC')::text from canary_run").await;
    assert_eq!(oldest, "2026-09-02 00:00:00");
}
