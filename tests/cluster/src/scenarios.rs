//! What has to hold, in the order in which it is tried: each begins where the one before has ended.

mod at_rest;
mod burst;
mod canary;
mod database_away;
mod mode_changed;
mod round_trip;
mod stages_killed;
mod topic_mode;
mod unchanged;
mod uninstalled;
mod upgrade;

use std::time::Instant;

use futures_util::future::LocalBoxFuture;
use topology::Mode;

use crate::Failure;
use crate::stand::Stand;

/// What a scenario came to: a line for people, or that it was left out, and why.
pub enum Came {
    /// It holds.
    Held(String),
    /// It was left out.
    LeftOut(&'static str),
}

type Run = for<'a> fn(&'a Stand) -> LocalBoxFuture<'a, Result<Came, Failure>>;

/// Begins with the release before, where there is one; everything else with this one.
const UPGRADE: &str = "an_upgrade_and_the_way_back_under_traffic_lose_nothing";

/// Every scenario: its name as a sentence.
const ALL: [(&str, Run); 13] = [
    (UPGRADE, |stand| Box::pin(upgrade::run(stand))),
    ("a_payload_goes_through_helm_test", |stand| Box::pin(round_trip::run(stand))),
    ("a_burst_ends_in_the_right_rows_alerts_messages_and_dead_letters", |stand| Box::pin(burst::run(stand))),
    ("every_stage_is_at_zero_between_ticks_while_an_alert_fires", |stand| Box::pin(at_rest::run(stand))),
    ("installing_twice_and_rolling_back_change_nothing_that_runs", |stand| Box::pin(unchanged::run(stand))),
    ("the_canary_wakes_what_is_at_zero_and_comes_all_the_way", |stand| Box::pin(canary::run(stand))),
    // In direct mode nothing wakes `transform`: it runs since the tick has changed.
    ("a_killed_pod_of_each_stage_loses_and_doubles_nothing", |stand| {
        Box::pin(stages_killed::run(stand, Mode::Direct))
    }),
    ("a_killed_pod_of_each_stage_loses_and_doubles_nothing_in_broker_mode", |stand| {
        Box::pin(stages_killed::run(stand, Mode::Broker))
    }),
    (BURST_IN_BROKER_MODE, |stand| Box::pin(burst::run_in_broker_mode(stand))),
    ("a_database_that_goes_away_loses_and_doubles_nothing", |stand| Box::pin(database_away::run(stand))),
    (MODE_CHANGED, |stand| Box::pin(mode_changed::run(stand))),
    // Leaves the release in topic mode, from which it goes to no other before its topic is drained.
    ("topic_mode_loses_and_doubles_nothing_whatever_ends", |stand| Box::pin(topic_mode::run(stand))),
    ("an_uninstall_leaves_the_database_and_nothing_else", |stand| Box::pin(uninstalled::run(stand))),
];

/// What runs only where it is asked for: each takes as long as several others.
const LONG: [&str; 2] = [BURST_IN_BROKER_MODE, MODE_CHANGED];
const BURST_IN_BROKER_MODE: &str =
    "a_burst_ends_in_the_right_rows_alerts_messages_and_dead_letters_in_broker_mode";
const MODE_CHANGED: &str = "changing_the_mode_under_traffic_loses_and_doubles_nothing";

/// Installs, and runs the scenarios whose names contain one of `wanted`, or all but the long ones; how many failed.
///
/// # Errors
/// Where nothing could be installed.
pub async fn run(stand: &Stand, wanted: &[String]) -> Result<usize, Failure> {
    let is_wanted = |name: &str| match wanted {
        [] => !LONG.contains(&name),
        parts => parts.iter().any(|part| name.contains(part.as_str())),
    };
    if stand.settings.before.is_none() || !is_wanted(UPGRADE) {
        stand.install(&stand.values()).await?;
    }
    let mut failed = 0;
    for (name, run) in ALL.into_iter().filter(|(name, _)| is_wanted(name)) {
        let begin = Instant::now();
        let came = run(stand).await;
        let seconds = begin.elapsed().as_secs();
        match came {
            Ok(Came::Held(line)) => println!("ok      {name} ({seconds} s): {line}"),
            Ok(Came::LeftOut(reason)) => println!("skipped {name}: {reason}"),
            Err(failure) => {
                failed += 1;
                println!("FAILED  {name} ({seconds} s): {failure}");
            }
        }
    }
    Ok(failed)
}
