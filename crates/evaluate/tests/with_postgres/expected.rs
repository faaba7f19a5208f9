//! Silence of a device that is expected and has not sent.

use evaluate::Evaluator;

use crate::world::{World, at, pipeline};

const RULES: &str = "{Hot: {metric: temperature, above: 30}, Silent: {metric: temperature, absent: 10m},
                      Elsewhere: {metric: temperature, absent: 10m, select: {source: greenhouse, device: 'gh-*'}}}";

fn firing(second: i64) -> (String, i64) {
    ("firing".to_owned(), second)
}

fn resolved(second: i64) -> (String, i64) {
    ("resolved".to_owned(), second)
}

/// The ticks of a time, every five minutes.
async fn ticks(world: &World, process: &Evaluator, seconds: std::ops::RangeInclusive<i64>) {
    for second in seconds.step_by(300) {
        world.at(second);
        world.make_expected(process).await;
        world.heartbeat(process, second).await;
    }
}

#[tokio::test]
async fn silence_counts_from_when_a_device_was_expected() {
    let Some(world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    world.expect("new", Some("1h")).await;
    ticks(&world, &alert, 0..=600).await;
    assert_eq!(world.effective("new").await, [firing(600)], "by the rule that selects it alone");
    ticks(&world, &alert, 900..=3_000).await;
    assert_eq!(world.recorded().await, ["firing silence ops"]);
    // It has not sent: to people it is a device that nobody has seen.
    assert_eq!(
        world.count("devices where device = 'new' and last_seen_at is null and first_seen_at is null").await,
        1
    );

    world.first_reading("new", ("", "temperature"), 3_100).await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.effective("new").await, [firing(600), resolved(3_100)]);
    assert_eq!(world.recorded().await, ["firing silence ops", "resolved returned ops"]);
    // From now on its silence is that of any other.
    ticks(&world, &alert, 3_300..=4_200).await;
    assert_eq!(world.effective("new").await[2..], [firing(3_700)]);
    assert_eq!(world.count("alert_transition where kind = 'retracted'").await, 0);
}

#[tokio::test]
async fn a_device_that_sends_in_time_was_never_silent() {
    let Some(world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    world.expect("new", Some("1h")).await;
    ticks(&world, &alert, 0..=300).await;
    world.first_reading("new", ("", "temperature"), 500).await;
    world.readings(&alert, &[]).await;
    ticks(&world, &alert, 600..=900).await;
    assert!(world.effective("new").await.is_empty());
    ticks(&world, &alert, 1_200..=1_500).await;
    assert_eq!(world.effective("new").await, [firing(1_100)]);
}

#[tokio::test]
async fn a_device_that_sends_something_else_is_not_silent() {
    for (channel, metric) in [("probe-1", "temperature"), ("", "humidity")] {
        let Some(world) = World::new().await else { return };
        let alert = world.process(&pipeline(RULES)).await;
        world.expect("new", Some("1h")).await;
        ticks(&world, &alert, 0..=900).await;
        assert_eq!(world.effective("new").await, [firing(600)]);
        world.at(1_000);
        world.first_reading("new", (channel, metric), 1_000).await;
        world.readings(&alert, &[]).await;
        assert_eq!(
            world.recorded().await,
            ["firing silence ops", "resolved returned ops"],
            "{channel} {metric}"
        );
        let ended = world.effective("new").await;
        assert_eq!(ended, [firing(600), resolved(1_000)]);
        // What was awaited has no state any more, and none again.
        ticks(&world, &alert, 1_200..=1_500).await;
        assert_eq!(world.effective("new").await, ended);
        let of_awaited = "alert_state a join stream s on s.id = a.stream_id join metric m on m.stream_id = a.stream_id and m.position = a.position
                          where a.rule = 'Silent' and s.channel = '' and m.name = 'temperature'";
        assert_eq!(world.count(of_awaited).await, 0);
        assert_eq!(world.count("evaluation_request").await, 0);
    }
}

#[tokio::test]
async fn a_device_that_is_expected_no_more_or_retired_is_not_silent() {
    for retires in [false, true] {
        let Some(world) = World::new().await else { return };
        let alert = world.process(&pipeline(RULES)).await;
        world.expect("new", Some("1h")).await;
        ticks(&world, &alert, 0..=900).await;
        if retires {
            world.retire("new").await;
        } else {
            world.expect("new", None).await;
        }
        ticks(&world, &alert, 1_200..=3_000).await;
        let cause = if retires { "device_retired" } else { "rule_removed" };
        assert_eq!(
            world.recorded().await,
            ["firing silence ops".to_owned(), format!("resolved {cause} ops")]
        );
        assert_eq!(world.count("alert_state").await, 0);
    }
}

#[tokio::test]
async fn a_device_that_is_expected_again_is_awaited_from_then_on() {
    for retires in [false, true] {
        let Some(world) = World::new().await else { return };
        let alert = world.process(&pipeline(RULES)).await;
        world.expect("new", Some("1h")).await;
        ticks(&world, &alert, 0..=600).await;
        if retires {
            world.retire("new").await;
        } else {
            world.expect("new", None).await;
        }
        ticks(&world, &alert, 900..=6_000).await;
        if retires {
            world.restore("new").await;
        } else {
            world.expect("new", Some("1h")).await;
        }
        ticks(&world, &alert, 6_300..=6_600).await;
        assert_eq!(world.effective("new").await.len(), 2, "not at once");
        ticks(&world, &alert, 6_900..=7_500).await;
        assert_eq!(world.effective("new").await[2..], [firing(6_900)]);
        assert_eq!(world.count("alert_transition where kind = 'retracted'").await, 0);
    }
}

#[tokio::test]
async fn a_changed_rule_awaits_on_and_is_ended_by_what_else_comes() {
    let longer = RULES
        .replace("Silent: {metric: temperature, absent: 10m}", "Silent: {metric: temperature, absent: 40m}");
    for fires in [false, true] {
        let Some(world) = World::new().await else { return };
        let alert = world.process(&pipeline(&longer)).await;
        world.expect("new", Some("1h")).await;
        ticks(&world, &alert, 0..=300).await;
        let alert = world.process(&pipeline(RULES)).await;
        let until = if fires { 900 } else { 300 };
        ticks(&world, &alert, 300..=until).await;
        assert_eq!(world.effective("new").await, if fires { vec![firing(600)] } else { Vec::new() });
        world.at(until + 50);
        world.first_reading("new", ("probe-1", "humidity"), until + 50).await;
        world.readings(&alert, &[]).await;
        ticks(&world, &alert, until + 300..=until + 3_000).await;
        let ends = if fires { vec!["firing silence ops", "resolved returned ops"] } else { Vec::new() };
        assert_eq!(world.recorded().await, ends, "{fires}");
    }
}

#[tokio::test]
async fn a_rule_that_was_away_awaits_from_where_its_alert_ended() {
    let Some(world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    world.expect("new", Some("1h")).await;
    ticks(&world, &alert, 0..=900).await;
    let none = world.process(&pipeline("{Hot: {metric: temperature, above: 30}}")).await;
    ticks(&world, &none, 1_200..=1_500).await;
    let alert = world.process(&pipeline(RULES)).await;
    ticks(&world, &alert, 1_800..=2_400).await;
    assert_eq!(world.effective("new").await, [firing(600), resolved(1_200), firing(1_800)]);
}

#[tokio::test]
async fn a_window_of_days_retracts_nothing_of_it() {
    let Some(world) = World::new().await else { return };
    let alert = world.process(&format!("lateness: 24h{}", pipeline(RULES))).await;
    world.expect("new", Some("1h")).await;
    ticks(&world, &alert, 0..=900).await;
    for second in [1_000, 1_100, 1_200] {
        world.first_reading("new", ("", "temperature"), second).await;
        world.readings(&alert, &[]).await;
    }
    ticks(&world, &alert, 1_500..=1_800).await;
    assert_eq!(world.recorded().await, ["firing silence ops", "resolved returned ops", "firing silence ops"]);
}

#[tokio::test]
async fn a_rule_that_comes_later_counts_too_and_one_that_goes_ends() {
    let Some(world) = World::new().await else { return };
    let none = world.process(&pipeline("{Hot: {metric: temperature, above: 30}}")).await;
    world.expect("gh-1", Some("1h")).await;
    ticks(&world, &none, 0..=900).await;
    assert_eq!(world.count("metric").await, 0);
    let alert = world.process(&pipeline(RULES)).await;
    ticks(&world, &alert, 1_200..=1_500).await;
    // It was expected all the time.
    assert_eq!(
        world.effective_by_rule("gh-1").await,
        [("Elsewhere".to_owned(), "firing".to_owned(), 600), ("Silent".to_owned(), "firing".to_owned(), 600)]
    );
    let less = world.process(&pipeline("{Silent: {metric: temperature, absent: 10m}}")).await;
    ticks(&world, &less, 1_800..=2_100).await;
    let ended = "alert_transition where rule = 'Elsewhere' and cause = 'rule_removed'";
    assert_eq!(world.count(ended).await, 1);
    assert_eq!(world.count("alert_state where status = 'firing'").await, 1);
}

#[tokio::test]
async fn an_alert_of_a_series_without_values_ends_with_that_cause_and_once() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    let stream = world.store("old", 0, 50.0).await;
    world.readings(&alert, &[]).await;
    world.at(100);
    let emptied = format!(
        r#"update moment set "values" = array[null::float8] where stream_id = {stream};
           update metric set emptied_at = now() where stream_id = {stream};
           insert into evaluation_request (stream_id, from_at, token) values ({stream}, '{}', nextval('evaluation_token'))"#,
        at(100)
    );
    world.sql.batch_execute(&emptied).await.unwrap();
    world.readings(&alert, &[]).await;
    assert_eq!(world.recorded().await, ["firing breach ops", "resolved series_removed ops"]);
    assert_eq!(world.count("metric where emptied_at is not null").await, 0);
    assert_eq!(world.count("alert_state").await, 0);
    // What comes again is a series as any other.
    world.at(200);
    world.store("old", 200, 60.0).await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.recorded().await[2..], ["firing breach ops"]);
}

#[tokio::test]
async fn a_series_that_was_marked_as_empty_and_is_read_again_fires_on() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    let stream = world.store("old", 0, 50.0).await;
    world.readings(&alert, &[]).await;
    world
        .sql
        .batch_execute(&format!("update metric set emptied_at = now() where stream_id = {stream}"))
        .await
        .unwrap();
    world.at(60);
    world.store("old", 60, 51.0).await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.count("metric where emptied_at is not null").await, 0);
    // Of another metric of the stream.
    let other = format!(
        "insert into evaluation_request (stream_id, from_at, token) values ({stream}, '{}', nextval('evaluation_token'))",
        at(61)
    );
    world.sql.batch_execute(&other).await.unwrap();
    world.readings(&alert, &[]).await;
    assert_eq!(world.recorded().await, ["firing breach ops"]);
}

#[tokio::test]
async fn a_process_whose_file_is_not_in_force_expects_nothing() {
    let Some(world) = World::new().await else { return };
    let alert = world.process_of(&pipeline(RULES));
    world.activate("another").await;
    world.expect("new", Some("1h")).await;
    ticks(&world, &alert, 0..=900).await;
    assert_eq!(world.count("metric").await, 0);
}

#[tokio::test]
async fn what_has_sent_has_no_series_made_for_it() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    world.store("old", 0, 20.0).await;
    world.readings(&alert, &[]).await;
    world.expect("old", Some("1h")).await;
    ticks(&world, &alert, 0..=300).await;
    assert_eq!(world.count("metric").await, 1);
    assert_eq!(world.count("device where expected_at is not null").await, 0);
}
