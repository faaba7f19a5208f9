//! With an alert that fires and rules of silence and of duration, what remains is the tick.

use super::Came;
use crate::pods::Meter;
use crate::stand::{Stand, TICK};
use crate::wait::until;
use crate::{Failure, pods};

/// The tick of a pipeline that sets none, in seconds.
const DEFAULT_TICK: f64 = 300.0;
/// What an idle hour costs at most, in pod-seconds: until the pods are told to end,
const UNTIL_TOLD: f64 = 300.0;
/// and until they are gone.
const UNTIL_GONE: f64 = 700.0;
/// What a tick wakes where nothing is due.
const WOKEN: &str = "scheduler";

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let firing = "select count(*) from alert_state where status = 'firing'";
    if stand.database.number(firing).await? == 0 {
        return Err("no alert fires: the burst has to come first".into());
    }
    pods::at_zero(&stand.cluster, TICK * 3).await?;
    let heartbeats = "select count(*) from heartbeat";
    let before = stand.database.number(heartbeats).await?;
    let meter = Meter::start(stand.cluster.clone());
    until(TICK * 3, "a tick", async || Ok((stand.database.number(heartbeats).await? > before).then_some(())))
        .await?;
    pods::at_zero(&stand.cluster, TICK * 2).await?;
    let (ran, _) = meter.stop();
    let ticks = stand.database.number(heartbeats).await? - before;
    let an_hour = |seconds: f64| seconds / ticks as f64 * 3600.0 / DEFAULT_TICK;
    let (told, gone) = (an_hour(ran.until_told), an_hour(ran.until_gone));
    let line = format!(
        "an idle hour costs {told:.0} pod-seconds until the pods are told to end and {gone:.0} until they are gone, with a tick \
         every {DEFAULT_TICK} s; pods ran of {:?}",
        ran.stages
    );
    let (pods, only_one_stage) = (ran.pods.len(), ran.stages.iter().eq([WOKEN]));
    if !only_one_stage || i64::try_from(pods)? > ticks {
        return Err(format!(
            "{pods} pods in {ticks} ticks, and {WOKEN} alone has work, one pod a tick: {line}"
        )
        .into());
    }
    if told > UNTIL_TOLD || gone > UNTIL_GONE {
        return Err(format!("more than {UNTIL_TOLD} and {UNTIL_GONE} pod-seconds: {line}").into());
    }
    Ok(Came::Held(line))
}
