//! What is left after `helm uninstall`: the database, and what the test itself has put there.

use std::time::Duration;

use super::Came;
use crate::cluster::{
    BROKER, CONFIG_MAP, DEPLOYMENT, JOB, KSERVICE, PING_SOURCE, SECRET, SERVICE, SERVICE_ACCOUNT, TRIGGER,
};
use crate::stand::Stand;
use crate::wait::until;
use crate::{Failure, topics};

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let receipts = "select count(*) from receipt";
    let before = stand.database.number(receipts).await?;
    let topics_before = topics(stand)?;
    stand.release.uninstall().await?;
    let mut left = Vec::new();
    until(Duration::from_secs(240), "nothing but the database left", async || {
        left = left_behind(stand).await?;
        Ok(left.is_empty().then_some(()))
    })
    .await
    .map_err(|failure| format!("{failure}: {}", left.join(", ")))?;
    let after = stand.database.number(receipts).await?;
    if after < before {
        return Err(format!("of {before} receipts {after} are left").into());
    }
    let topics = topics(stand)?;
    if topics != topics_before {
        return Err(format!("of the topics {topics_before:?} {topics:?} are left").into());
    }
    Ok(Came::Held(format!("{after} receipts and {} topics are left, and no object", topics.len())))
}

fn topics(stand: &Stand) -> Result<Vec<String>, Failure> {
    let Some(bootstrap) = &stand.settings.kafka_bootstrap else { return Ok(Vec::new()) };
    topics::of(&stand.cluster.namespace, bootstrap)
}

/// The Secret of `helm test` is kept on purpose, so that a second install has the same token.
async fn left_behind(stand: &Stand) -> Result<Vec<String>, Failure> {
    let kinds = [
        KSERVICE,
        BROKER,
        TRIGGER,
        PING_SOURCE,
        JOB,
        DEPLOYMENT,
        SERVICE,
        CONFIG_MAP,
        SECRET,
        SERVICE_ACCOUNT,
    ];
    let mut left = Vec::new();
    for kind in kinds {
        for object in stand.cluster.list(kind).await? {
            let name = object.metadata.name.unwrap_or_default();
            if name == stand.release.name || name.starts_with(&format!("{}-", stand.release.name)) {
                left.push(format!("{} {name}", kind.name()));
            }
        }
    }
    Ok(left)
}
