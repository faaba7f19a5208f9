//! The job `canary`, which the chart leaves out: it wakes what is at zero, and its payload comes all the way.

use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use runtime::Clock;
use serde_json::json;

use super::Came;
use crate::Failure;
use crate::pods;
use crate::stand::{Stand, TICK};
use crate::wait::until;

/// Until its slot, in which all that the installation has started goes to zero.
const BEFORE: SignedDuration = SignedDuration::from_mins(4);
/// To the slot, a tick that sends, and one that looks.
const LIMIT: Duration = Duration::from_secs(480);

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let host = format!("{}.{}.svc.cluster.local", stand.service("ingest"), stand.cluster.namespace);
    let mut values = stand.values_with_quick_tick();
    let pipeline =
        values["pipelineFile"].as_str().unwrap_or_default().replace("allow: [", &format!("allow: [{host}, "));
    let minute = (Clock::system().now() + BEFORE).to_zoned(TimeZone::UTC).minute();
    let canary = format!(
        "canary: {{url: 'http://{host}', secret: {{env: CANARY_SECRET}}}}\njobs: {{canary: {{at: '{minute} * * * *'}}}}\n"
    );
    values["pipelineFile"] = json!(format!("{pipeline}\n{canary}"));
    values["secretEnv"]["CANARY_SECRET"] = json!({"secret": "demo", "key": "key"});
    values["jobs"] = json!({"canary": {"enabled": true}});
    stand.install(&values).await?;
    pods::at_zero(&stand.cluster, TICK * 2).await?;
    until(LIMIT, "a run of the canary that came all the way", async || {
        let failed =
            stand.database.number("select count(*) from canary_run where failure is not null").await?;
        if failed > 0 {
            return Err("a run of the canary has failed".into());
        }
        let passed =
            stand.database.number("select count(*) from canary_run where delivered_at is not null").await?;
        Ok((passed > 0).then_some(()))
    })
    .await?;
    let took = "select (extract(epoch from min(delivered_at - sent_at)) * 1000)::bigint from canary_run";
    let took = stand.database.number(took).await?;
    // Its token is that of `helm test`, too.
    stand.release.test().await?;
    stand.install(&stand.values()).await?;
    Ok(Came::Held(format!("from its payload to its notification in {took} ms")))
}
