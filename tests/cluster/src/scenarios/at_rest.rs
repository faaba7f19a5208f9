//! With an alert that fires and rules of silence and of duration, what remains is the tick: one pod of `scheduler`.

use topology::TICK_TIMER;

use super::Came;
use crate::pods::{Meter, Ran};
use crate::stand::{Stand, TICK};
use crate::wait::until;
use crate::{Failure, pods};

/// Pod-seconds of an idle hour until the pods are told to end, and until they are gone.
const MOST: [f64; 2] = [300.0, 700.0];
/// In one of so many ticks nothing is due: silences that the burst before has left come to an end.
const TRIES: usize = 5;
/// What a tick that finds something due writes.
const CHANGES: &str = "
    select (select count(*) from alert_transition) + (select count(*) from notification)
         + (select coalesce(sum(replays), 0) from dead_letter)::bigint";

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let firing = "select count(*) from alert_state where status = 'firing'";
    if stand.database.number(firing).await? == 0 {
        return Err("no alert fires: the burst has to come first".into());
    }
    pods::at_zero(&stand.cluster, TICK * 3).await?;
    for _ in 0..TRIES {
        let changes = stand.database.number(CHANGES).await?;
        let (ran, ticks) = one_tick(stand).await?;
        if stand.database.number(CHANGES).await? == changes {
            return judged(&ran, ticks);
        }
    }
    Err(format!("in each of {TRIES} ticks something was due").into())
}

/// From zero to zero over a tick; what ran, and how many ticks there were.
async fn one_tick(stand: &Stand) -> Result<(Ran, i64), Failure> {
    let heartbeats = "select count(*) from heartbeat";
    let before = stand.database.number(heartbeats).await?;
    let meter = Meter::start(stand.cluster.clone());
    until(TICK * 3, "a tick", async || Ok((stand.database.number(heartbeats).await? > before).then_some(())))
        .await?;
    pods::at_zero(&stand.cluster, TICK * 2).await?;
    let (ran, _) = meter.stop();
    Ok((ran, stand.database.number(heartbeats).await? - before))
}

fn judged(ran: &Ran, ticks: i64) -> Result<Came, Failure> {
    if ran.stages.iter().any(|stage| stage != "scheduler") {
        return Err(format!("nothing was due, and pods ran of {:?}", ran.stages).into());
    }
    let an_hour = |seconds: f64| seconds / ticks as f64 * 3600.0 / TICK_TIMER.every.as_secs_f64();
    let hours = [ran.until_told, ran.until_gone].map(an_hour);
    let line = format!(
        "an idle hour costs {:.0} pod-seconds until the pods are told to end and {:.0} until they are gone, with a tick every {} s",
        hours[0],
        hours[1],
        TICK_TIMER.every.as_secs()
    );
    let is_within = hours.iter().zip(MOST).all(|(hour, most)| *hour <= most);
    if is_within { Ok(Came::Held(line)) } else { Err(format!("{line}: {MOST:?} are the most").into()) }
}
