//! With an alert that fires and rules of silence and of duration, what remains is the tick.

use super::Came;
use crate::pods::Meter;
use crate::stand::{Stand, TICK};
use crate::wait::until;
use crate::{Failure, pods};

/// The tick of a pipeline that sets none, in seconds.
const DEFAULT_TICK: f64 = 300.0;

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
    let (seconds, _) = meter.stop();
    let ticks = stand.database.number(heartbeats).await? - before;
    let a_tick = seconds / ticks as f64;
    Ok(Came::Held(format!(
        "{a_tick:.0} pod-seconds a tick: an idle hour costs {:.0} with a tick every {DEFAULT_TICK} s",
        a_tick * 3600.0 / DEFAULT_TICK
    )))
}
