//! What becomes of readings and heartbeats.

use crate::world::{World, at, pipeline};

const TOO_HOT: &str =
    "{TooHot: {metric: temperature, above: 30, clear: 28, severity: critical, labels: {team: growers},
                                 annotations: {summary: '{device} in {tag.site} is at {value} {unit}'}}}";
const SILENT: &str = "{Silent: {metric: temperature, absent: 10m}}";

fn transitions(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(kind, second)| ((*kind).to_owned(), *second)).collect()
}

#[tokio::test]
async fn a_crossed_threshold_is_recorded_and_queued_once_for_each_receiver_of_its_routes() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    world.store("gh-1", 0, 31.25).await;
    let stream = world.store("gh-1", 60, 27.0).await;
    let summary = world.readings(&alert, &[stream]).await;
    assert_eq!((summary.transitions, summary.notifications), (2, 4));
    assert_eq!(world.recorded().await, ["firing breach boss+ops", "resolved cleared boss+ops"]);
    let sql = "select labels, annotations, severity, value from alert_transition order by id limit 1";
    let row = world.sql.query_one(sql, &[]).await.unwrap();
    let labels: serde_json::Value = row.get(0);
    let annotations: serde_json::Value = row.get(1);
    assert_eq!(
        labels,
        serde_json::json!({"alertname": "TooHot", "severity": "critical", "source": "greenhouse", "device": "gh-1",
                           "metric": "temperature", "team": "growers"})
    );
    assert_eq!(annotations, serde_json::json!({"summary": "gh-1 in north is at 31.25 °C"}));
    assert_eq!((row.get::<_, &str>(2), row.get::<_, f64>(3)), ("critical", 31.25));
    // The end says what the beginning said; the value that ended it stands beside it.
    let sql = "select annotations, value from alert_transition order by id desc limit 1";
    let row = world.sql.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, serde_json::Value>(0), row.get::<_, f64>(1)), (annotations, 27.0));
    assert_eq!(world.count("evaluation_request").await, 0);
}

#[tokio::test]
async fn an_alert_says_what_it_said_when_it_fired_until_it_is_over() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    for (second, value) in [(0, 31.0), (60, 33.0), (120, 20.0)] {
        let stream = world.store("gh-1", second, value).await;
        world.readings(&alert, &[stream]).await;
    }
    let sql = "select distinct annotations->>'summary' from alert_transition";
    let said: Vec<String> = world.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(said, ["gh-1 in north is at 31 °C"]);
}

#[tokio::test]
async fn the_fallback_has_its_time_and_an_alert_of_long_ago_waits_for_its_end() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&format!("{}fallback: [boss]\n", pipeline(TOO_HOT))).await;
    let stream = world.store("gh-1", 0, 31.25).await;
    world.readings(&alert, &[stream]).await;
    world.at(100_000);
    let stream = world.store("gh-2", 10, 31.25).await;
    world.readings(&alert, &[stream]).await;
    let sql = "
        select extract(epoch from next_attempt_at - created_at)::int, extract(epoch from fallback_at - next_attempt_at)::int
        from notification where receiver = 'ops' order by transition_id";
    let rows = world.sql.query(sql, &[]).await.unwrap();
    let waits: Vec<(i32, Option<i32>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(waits, [(0, Some(600)), (900, Some(600))]);
}

#[tokio::test]
async fn the_same_event_twice_changes_nothing_more() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let stream = world.store("gh-1", 0, 31.0).await;
    for _ in 0..2 {
        world.readings(&alert, &[stream]).await;
    }
    world.store("gh-1", 0, 31.0).await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.recorded().await, ["firing breach boss+ops"]);
}

#[tokio::test]
async fn a_late_reading_takes_a_firing_back_on_the_receivers_that_it_went_to() {
    let Some(mut world) = World::new().await else { return };
    let rules = "{Hot: {metric: temperature, above: 30, clear: 28, for: 10m}}";
    let alert = world.process(&pipeline(rules)).await;
    world.at(700);
    world.store("gh-1", 0, 31.0).await;
    let stream = world.store("gh-1", 700, 31.0).await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.effective("gh-1").await, transitions(&[("firing", 600)]));
    world.store("gh-1", 300, 20.0).await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.effective("gh-1").await, []);
    assert_eq!(world.recorded().await, ["firing breach ops", "retracted late_data ops"]);
    world.heartbeat(&alert, 1_200).await;
    assert_eq!(world.effective("gh-1").await, []);
    world.heartbeat(&alert, 1_300).await;
    assert_eq!(world.effective("gh-1").await, transitions(&[("firing", 1_300)]));
}

#[tokio::test]
async fn a_silent_device_is_reported_by_the_heartbeat_and_resolved_by_its_next_reading() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(SILENT)).await;
    let stream = world.store("gh-1", 0, 20.0).await;
    world.readings(&alert, &[stream]).await;
    for second in [0, 300] {
        assert_eq!(world.heartbeat(&alert, second).await.transitions, 0);
    }
    assert_eq!(world.heartbeat(&alert, 600).await.transitions, 1);
    world.store("gh-1", 700, 20.0).await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.effective("gh-1").await, transitions(&[("firing", 600), ("resolved", 700)]));
    assert_eq!(world.recorded().await, ["firing silence ops", "resolved returned ops"]);
}

#[tokio::test]
async fn no_device_is_reported_silent_because_the_pipeline_was_down() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(SILENT)).await;
    let stream = world.store("gh-1", 10, 20.0).await;
    world.readings(&alert, &[stream]).await;
    for second in [0, 300, 90_000, 90_300] {
        world.heartbeat(&alert, second).await;
    }
    // The platform sends what it kept; the device itself was never silent.
    for second in (310..90_300).step_by(300) {
        world.store("gh-1", second, 20.0).await;
    }
    world.readings(&alert, &[stream]).await;
    world.heartbeat(&alert, 90_600).await;
    assert_eq!(world.count("alert_transition").await, 0);
    world.heartbeat(&alert, 90_900).await;
    assert_eq!(world.effective("gh-1").await, transitions(&[("firing", 90_610)]));
}

#[tokio::test]
async fn a_clock_in_the_future_and_a_doubtful_value_move_nothing() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(TOO_HOT)).await;
    let stream = world.store("gh-1", 2_000_000_000, 99.0).await;
    world.store("gh-1", 30, 99.0).await;
    world.sql.execute("update moment set quality = '{1}' where observed_at = $1", &[&at(30)]).await.unwrap();
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.count("alert_state").await, 0);
    world.store("gh-1", 60, 31.0).await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.effective("gh-1").await, transitions(&[("firing", 60)]));
}

#[tokio::test]
async fn a_firing_hold_is_not_retracted_when_the_newest_heartbeat_is_long_ago() {
    let Some(mut world) = World::new().await else { return };
    let rules = "{Hot: {metric: temperature, above: 30, clear: 28, for: 10m}}";
    let alert = world.process(&pipeline(rules)).await;
    let stream = world.store("gh-1", 0, 31.0).await;
    world.readings(&alert, &[stream]).await;
    world.heartbeat(&alert, 700).await;
    assert_eq!(world.effective("gh-1").await, transitions(&[("firing", 600)]));
    world.at(90_000);
    world.store("gh-1", 100, 31.0).await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.recorded().await, ["firing breach ops"]);
}

#[tokio::test]
async fn a_device_that_reports_doubtful_readings_is_not_silent() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(SILENT)).await;
    let stream = world.store("gh-1", 0, 20.0).await;
    for second in (0..=1_500).step_by(300) {
        world.heartbeat(&alert, second).await;
        world.store("gh-1", second, 20.0).await;
        // As where its clock is wrong: stored at its receive time.
        world
            .sql
            .execute("update moment set quality = '{1}' where observed_at > $1", &[&at(0)])
            .await
            .unwrap();
        world.readings(&alert, &[stream]).await;
    }
    assert_eq!(world.count("alert_transition").await, 0);
    for second in (1_800..=2_700).step_by(300) {
        world.heartbeat(&alert, second).await;
    }
    assert_eq!(world.effective("gh-1").await, transitions(&[("firing", 2_100)]));
}
