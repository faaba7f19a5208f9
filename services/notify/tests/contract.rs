//! The stage over a real database and receivers on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::time::Duration;

use serde_json::Value;
use stage::Outcome;
use testkit::{Received, eventually};
use world::{MAX_PER_HOUR, World};

fn kinds(received: &[Received]) -> Vec<String> {
    let bodies = received.iter().map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
    bodies.map(|body| body["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_firing_alert_is_sent_and_recorded_under_one_id() {
    let Some(world) = World::start().await else { return };
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.wake().await, Outcome::Done);

    let received = world.ops.received();
    assert_eq!(kinds(&received), ["alert.firing"]);
    let id = store::notifications::id_of(firing, "ops").to_string();
    assert_eq!(received[0].header("webhook-id"), Some(id.as_str()));
    assert_eq!(world.statuses("ops").await, ["delivered"]);
}

#[tokio::test]
async fn messages_of_one_alert_keep_their_order_through_a_failure() {
    let Some(world) = World::start().await else { return };
    world.ops.answer_next([500]);
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.statuses("ops").await, ["delivered"]);
    let resolved = world.transition("resolved", 5, None).await;
    world.queue(resolved, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()), ["alert.firing", "alert.firing", "alert.resolved"]);
    assert_eq!(world.statuses("ops").await, ["delivered", "delivered"]);
    let ids: Vec<_> =
        world.ops.received().iter().map(|one| one.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_alert_that_resolved_before_it_was_sent_is_one_message() {
    let Some(world) = World::start().await else { return };
    for (kind, minute) in [("firing", 0), ("resolved", 5)] {
        let transition = world.transition(kind, minute, None).await;
        world.queue(transition, "ops").await;
    }
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()), ["alert.passed"]);
    assert_eq!(world.statuses("ops").await, ["superseded", "delivered"]);
}

#[tokio::test]
async fn what_is_given_up_goes_to_the_fallback_and_is_announced_once() {
    let Some(world) = World::start().await else { return };
    world.ops.answer(410);
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "ops").await;
    let Outcome::Reply(event) = world.wake().await else { panic!("expected a reply") };
    let failed: event_model::events::NotificationFailed = event_model::cloudevent::json(&event).unwrap();
    assert_eq!((failed.receiver.as_str(), failed.attempts, failed.others), ("ops", 1, 0));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(
        (world.statuses("ops").await, world.statuses("spare").await),
        (vec!["failed".into()], vec!["delivered".into()])
    );

    // Who heard there that it fires hears there that it is over.
    world.ops.answer(200);
    let resolved = world.transition("resolved", 5, None).await;
    world.queue(resolved, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.spare.received()), ["alert.firing", "alert.resolved"]);
    assert_eq!(kinds(&world.ops.received()), ["alert.firing", "alert.resolved"]);
}

#[tokio::test]
async fn a_receiver_that_only_the_file_in_force_names_waits_for_a_process_with_that_file() {
    let Some(mut world) = World::start().await else { return };
    world.activate_next().await;
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "siren").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.statuses("siren").await, ["pending"]);

    world.roll_out();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.siren.received()), ["alert.firing"]);
    assert_eq!(world.statuses("siren").await, ["delivered"]);
    assert!(world.spare.received().is_empty());
}

#[tokio::test]
async fn a_receiver_that_the_file_in_force_does_not_name_is_given_up() {
    let Some(world) = World::start().await else { return };
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "siren").await;
    assert!(matches!(world.wake().await, Outcome::Reply(_)));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.statuses("siren").await, ["failed"]);
    assert_eq!(kinds(&world.spare.received()), ["alert.firing"]);
}

#[tokio::test]
async fn a_receiver_that_is_down_is_tried_for_a_day_and_no_longer() {
    let Some(world) = World::start().await else { return };
    world.ops.answer(503);
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "ops").await;
    let mut hours = 0;
    while world.statuses("ops").await == ["pending"] {
        world.wake().await;
        world.clock.advance(Duration::from_secs(3600));
        hours += 1;
        assert!(hours <= 26, "still not given up");
    }
    assert!(hours >= 23, "given up after {hours} h");
    assert_eq!(world.statuses("ops").await, ["failed"]);
}

#[tokio::test]
async fn a_receiver_that_is_dead_slow_or_busy_holds_up_no_other() {
    let Some(mut world) = World::start().await else { return };
    world.activate_next().await;
    world.roll_out();
    world.ops.answer(500);
    world.siren.hold();
    world.prometheus.answer_next([429]);
    world.prometheus.ask_to_wait(20);
    for (rule, receiver) in ["ops", "siren", "prometheus", "spare"].into_iter().enumerate() {
        let firing = world.transition_of(i64::try_from(rule).unwrap(), "firing").await;
        world.queue(firing, receiver).await;
    }
    let others = async {
        eventually(Duration::from_secs(20), || async {
            let prometheus = world.prometheus.received();
            world.ops.received().len() >= 3 && prometheus.len() == 2 && world.spare.received().len() == 1
        })
        .await;
        assert_eq!(world.statuses("siren").await, ["pending"]);
        world.siren.release();
    };
    let (outcome, ()) = tokio::join!(world.wake(), others);
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(world.statuses("siren").await, ["delivered"]);
    assert_eq!(world.statuses("ops").await, ["pending"]);
    // What falls within the minute was waited for, as long as the receiver asked.
    let second: Value = serde_json::from_slice(&world.prometheus.received()[1].body).unwrap();
    assert!(second[0]["endsAt"].as_str().unwrap() >= "2026-03-01T12:15:20Z", "{second}");
    assert!(world.ops.received().len() <= 7, "{} attempts", world.ops.received().len());
    assert!(world.clock.now() < "2026-03-01T12:01:00Z".parse().unwrap(), "{}", world.clock.now());
}

#[tokio::test]
async fn the_fallback_is_notified_of_what_is_not_delivered_in_time_and_of_its_end() {
    let Some(world) = World::start().await else { return };
    world.ops.answer(503);
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    world.clock.advance(Duration::from_secs(58 * 60));
    assert_eq!(world.wake().await, Outcome::Done);
    assert!(world.spare.received().is_empty());
    world.clock.advance(Duration::from_secs(2 * 60));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.spare.received()), ["alert.firing"]);
    assert_eq!(world.statuses("ops").await, ["pending"]);

    // Who heard there that it fires hears there that it is over, though the receiver is still away.
    let resolved = world.transition("resolved", 70, None).await;
    world.queue(resolved, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.spare.received()), ["alert.firing", "alert.resolved"]);
    world.ops.answer(200);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()).last().unwrap(), "alert.passed");
    assert_eq!(world.statuses("ops").await, ["superseded", "delivered"]);
    assert_eq!(world.spare.received().len(), 2);
}

#[tokio::test]
async fn the_fallback_is_notified_of_a_critical_alert_while_the_receiver_asks_for_a_pause() {
    let Some(world) = World::start().await else { return };
    world.ops.answer(429);
    world.ops.ask_to_wait(3600);
    let firing = world.critical("firing").await;
    world.queue(firing, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    world.clock.advance(Duration::from_secs(10 * 60));
    // A second alert does not knock either.
    let other = world.transition("firing", 0, None).await;
    world.queue(other, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.spare.received()), ["alert.firing"]);
    assert_eq!(world.ops.received().len(), 1);
    world.ops.answer(200);
    world.clock.advance(Duration::from_secs(50 * 60));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.statuses("ops").await, ["delivered", "delivered"]);
}

#[tokio::test]
async fn a_receiver_is_sent_so_many_alerts_within_an_hour_and_how_many_more_there_are() {
    let Some(world) = World::start().await else { return };
    for rule in 0..MAX_PER_HOUR + 10 {
        let firing = world.transition_of(rule, "firing").await;
        world.queue(firing, "ops").await;
    }
    let critical = world.critical("firing").await;
    world.queue(critical, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    let received = world.ops.received();
    assert_eq!(received.len(), 51);
    let body = |one: &Received| serde_json::from_slice::<Value>(&one.body).unwrap();
    assert!(received.iter().any(|one| body(one)["data"]["rule"] == "OnFire"), "the worst come first");
    let more = body(&received[50]);
    assert_eq!((&more["type"], &more["data"]["count"]), (&"alerts.more".into(), &11.into()));

    // The end of what was sent is sent, the end of what was only counted is not.
    for rule in [0, MAX_PER_HOUR + 5] {
        let resolved = world.transition_of(rule, "resolved").await;
        world.queue(resolved, "ops").await;
    }
    for rule in 100..105 {
        let firing = world.transition_of(rule, "firing").await;
        world.queue(firing, "ops").await;
    }
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()[51..]), ["alert.resolved"]);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()[52..]), ["alerts.more"]);
    assert_eq!(body(&world.ops.received()[52])["data"]["count"], 5);
    assert!(!world.statuses("ops").await.contains(&"pending".to_owned()));
}

#[tokio::test]
async fn nobody_is_notified_of_what_was_over_long_ago() {
    let Some(world) = World::start().await else { return };
    for (kind, minute) in [("firing", -3000), ("resolved", -2000), ("firing", -1500), ("resolved", -1400)] {
        let transition = world.transition(kind, minute, None).await;
        world.queue(transition, "ops").await;
    }
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()), ["alert.passed"]);
    assert_eq!(world.statuses("ops").await, ["superseded", "superseded", "superseded", "delivered"]);
}

#[tokio::test]
async fn an_alertmanager_takes_many_alerts_in_one_request() {
    let Some(world) = World::start().await else { return };
    for rule in 0..300 {
        let firing = world.transition_of(rule, "firing").await;
        world.queue(firing, "prometheus").await;
    }
    for minutes in [0, 5] {
        world.clock.advance(Duration::from_secs(60 * minutes));
        assert_eq!(world.wake().await, Outcome::Done);
    }
    let alerts = |one: &Received| serde_json::from_slice::<Vec<Value>>(&one.body).unwrap().len();
    assert_eq!(world.prometheus.received().iter().map(alerts).collect::<Vec<_>>(), [256, 44, 256, 44]);
}

#[tokio::test]
async fn a_repeat_that_fails_is_undelivered_and_the_fallback_is_notified() {
    let Some(world) = World::start().await else { return };
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "prometheus").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.undelivered().await, 0);
    world.prometheus.answer(503);
    for _ in 0..13 {
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(world.wake().await, Outcome::Done);
    }
    assert_eq!(
        (world.undelivered().await, world.statuses("prometheus").await),
        (1, vec!["repeating".into()])
    );
    assert_eq!(kinds(&world.spare.received()), ["alert.firing"]);
    world.prometheus.answer(200);
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.undelivered().await, 0);
}

#[tokio::test]
async fn alertmanager_gets_it_again_on_every_tick_until_it_is_over() {
    let Some(world) = World::start().await else { return };
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "prometheus").await;
    for _ in 0..3 {
        assert_eq!(world.wake().await, Outcome::Done);
        world.clock.advance(Duration::from_secs(300));
    }
    assert_eq!(world.statuses("prometheus").await, ["repeating"]);
    let resolved = world.transition("resolved", 14, None).await;
    world.queue(resolved, "prometheus").await;
    for _ in 0..2 {
        assert_eq!(world.wake().await, Outcome::Done);
        world.clock.advance(Duration::from_secs(300));
    }
    assert_eq!(world.statuses("prometheus").await, ["delivered", "delivered"]);
    let alerts = world.prometheus.received();
    let alert = |index: usize| serde_json::from_slice::<Value>(&alerts[index].body).unwrap()[0].clone();
    assert_eq!(alerts.len(), 4);
    assert_eq!(alert(0)["endsAt"], "2026-03-01T12:15:00Z");
    assert_eq!(alert(2)["endsAt"], "2026-03-01T12:25:00Z");
    assert_eq!(alert(3)["endsAt"], "2026-03-01T12:14:00Z");
    assert_eq!(alert(3)["labels"]["alertname"], "TooHot");
}

#[tokio::test]
async fn what_was_sent_is_retracted_and_what_was_not_is_dropped() {
    let Some(world) = World::start().await else { return };
    let sent = world.transition("firing", 0, None).await;
    world.queue(sent, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    let retracted = world.transition("retracted", 0, Some(sent)).await;
    world.queue(retracted, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()), ["alert.firing", "alert.retracted"]);

    let unsent = world.transition("firing", 7, None).await;
    let forgotten = world.transition("retracted", 7, Some(unsent)).await;
    world.queue(unsent, "ops").await;
    world.queue(forgotten, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(world.ops.received().len(), 2);
    assert_eq!(world.statuses("ops").await, ["delivered", "delivered", "superseded", "superseded"]);
}

#[tokio::test]
async fn a_group_under_a_lease_is_left_alone_until_the_lease_runs_out() {
    let Some(world) = World::start().await else { return };
    let firing = world.transition("firing", 0, None).await;
    world.queue(firing, "ops").await;
    world.die_holding_everything().await;
    let resolved = world.transition("resolved", 1, None).await;
    world.queue(resolved, "ops").await;
    assert_eq!(world.wake().await, Outcome::Done);
    assert!(world.ops.received().is_empty());
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.wake().await, Outcome::Done);
    assert_eq!(kinds(&world.ops.received()), ["alert.passed"]);
}

#[tokio::test]
async fn two_processes_notify_each_alert_once() {
    let Some(world) = World::start().await else { return };
    for minute in 0..40 {
        let firing = world.transition_of(minute, "firing").await;
        world.queue(firing, "ops").await;
    }
    let (one, other) = tokio::join!(world.wake(), world.wake());
    assert_eq!((one, other), (Outcome::Done, Outcome::Done));
    assert_eq!(world.ops.received().len(), 40);
}

#[tokio::test]
async fn an_event_of_another_type_is_skipped_and_a_missing_database_is_unavailable() {
    let Some(world) = World::start().await else { return };
    assert_eq!(world.wake_with("dev.freshet.evaluation.requested.v1").await, Outcome::Skip);
    world.close_database();
    assert!(matches!(world.wake().await, Outcome::Unavailable(_)));
}
