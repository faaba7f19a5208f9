//! No device is reported silent because the pipeline was down; one that really is silent afterwards is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod day;
mod expected;
mod topic;

use jiff::SignedDuration;
use knative_local::Config;
use pipeline_tests::stand::PATIENCE;
use testkit::eventually;

use day::{DEVICES, Day, TICK};

#[tokio::test(flavor = "multi_thread")]
async fn hours_without_ticks_make_nobody_silent() {
    let Some(mut day) = Day::begin().await else { return };
    day.live(12, &DEVICES).await;
    day.pass(SignedDuration::from_hours(7));
    day.nobody_is_silent().await;
    day.ends_with_one_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_makes_nobody_silent() {
    let Some(mut day) = Day::begin().await else { return };
    day.live(12, &DEVICES).await;
    day.stand.postgres.instance.kill().unwrap();
    for _ in 0..10 {
        day.pass(SignedDuration::from_mins(20));
        day.stand.running.tick("tick").await.unwrap();
        // Senders go on; what they send waits in the queue.
        for device in DEVICES {
            day.post(device).await;
        }
    }
    day.stand.postgres.instance.restart().unwrap();
    day.stand.rest().await;
    // A slow start of the database leaves some among the dead letters, which hold back the heartbeat until they are sent back.
    day.stand.tick().await;
    day.nobody_is_silent().await;
    day.ends_with_one_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_waits_among_the_dead_letters_makes_nobody_silent() {
    let Some(mut day) = Day::begin().await else { return };
    day.live(6, &DEVICES).await;
    day.live(4, &DEVICES[1..]).await;
    // Away for longer than every retry, but not for long enough that ticks would tell.
    day.stand.postgres.instance.kill().unwrap();
    day.pass(SignedDuration::from_mins(3));
    day.post(DEVICES[0]).await;
    let given_up = || day.stand.running.stats().triggers["transform-payloads"].dead_lettered > 0;
    eventually(PATIENCE, || async { given_up() }).await;
    day.stand.postgres.instance.restart().unwrap();
    day.stand.rest().await;
    day.pass(SignedDuration::from_mins(-3));
    day.live(3, &DEVICES[1..]).await;
    day.nobody_is_silent().await;
    day.stand.tick().await;
    day.live(3, &DEVICES[1..]).await;
    day.nobody_is_silent().await;
    day.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_that_were_killed_make_nobody_silent() {
    let Some(mut day) = Day::begin().await else { return };
    day.live(12, &DEVICES).await;
    for stage in ["ingest", "transform", "alert"] {
        day.stand.running.kill(stage);
        day.stand.crash_at(stage, "after-commit");
        day.pass(SignedDuration::from_hours(2));
        day.live(7, &DEVICES).await;
        day.stand.running.kill(stage);
        day.live(2, &DEVICES).await;
    }
    assert!(
        day.stand.has_crashed("transform", "after-commit") && day.stand.has_crashed("alert", "after-commit")
    );
    day.nobody_is_silent().await;
    day.ends_with_one_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_that_wait_for_a_stopped_stage_make_nobody_silent() {
    let Some(mut day) = Day::begin_with(stoppable).await else { return };
    day.live(12, &DEVICES).await;
    let stopped = day.stand.folder.path().join(STOPPED);
    std::fs::write(&stopped, "").unwrap();
    day.stand.running.kill("transform");
    for ticks in 1..=8 {
        day.pass(TICK);
        for device in DEVICES {
            day.post(device).await;
        }
        day.stand.running.tick("tick").await.unwrap();
        eventually(PATIENCE, || async { day.count("pending_heartbeat").await == ticks }).await;
    }
    day.nobody_is_silent().await;
    std::fs::remove_file(&stopped).unwrap();
    day.stand.rest().await;
    day.stand.tick().await;
    assert_eq!(day.count("pending_heartbeat").await, 0);
    day.nobody_is_silent().await;
    day.ends_with_one_silent().await;
}

/// As long as this file is in the stand's folder, no process of `transform` gets up.
const STOPPED: &str = "stopped";

/// Starts `transform` through a script that waits while [`STOPPED`] is there.
fn stoppable(config: &mut Config) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = config.state_dir.parent().unwrap().to_owned();
    let transform = config.services.iter_mut().find(|service| service.name == "transform").unwrap();
    let script = folder.join("transform");
    let (stopped, program) = (folder.join(STOPPED), transform.program.display());
    let lines =
        format!("#!/bin/sh\nwhile [ -e '{}' ]; do sleep 0.1; done\nexec '{program}'\n", stopped.display());
    std::fs::write(&script, lines).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    transform.program = script;
    config.start_limit = PATIENCE;
}
