//! From the release before to this one, with its chart and schema and an edited rule, under traffic, and back.

use serde_json::{Value, json};

use super::Came;
use crate::stand::Stand;
use crate::steady::Steady;
use crate::{Failure, burst};

const PART: u64 = 20;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let Some(before) = &stand.settings.before else {
        return Ok(Came::LeftOut("FRESHET_BEFORE names no checkout of the release before"));
    };
    stand.install_before(before).await?;
    let traffic = Steady::start(stand, "upgrade").await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let now = edited(stand.values());
    stand.install(&now).await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    // The code of before over the schema of now.
    stand.release.rollback().await?;
    stand.ready().await?;
    traffic.taken_more(PART, burst::COLD * 2).await?;
    let taken = traffic.settle(stand).await?;
    stand.install(&stand.values()).await?;
    Ok(Came::Held(format!(
        "{taken} payloads over upgrade and rollback, each stored, fired and notified once"
    )))
}

/// The rule that fires, edited.
fn edited(mut values: Value) -> Value {
    let pipeline = values["pipelineFile"].as_str().unwrap_or_default().replace("above: 8", "above: 7.5");
    values["pipelineFile"] = json!(pipeline);
    values
}
