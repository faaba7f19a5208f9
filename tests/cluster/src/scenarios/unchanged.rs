//! The same values again, and back: no revision, no pod, no migration comes of it.

use std::collections::BTreeSet;

use super::Came;
use crate::Failure;
use crate::cluster::JOB;
use crate::stand::Stand;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let before = what_runs(stand).await?;
    let values = stand.values();
    stand.install(&values).await?;
    stand.install(&values).await?;
    compare("installing again", &before, &what_runs(stand).await?)?;
    stand.release.rollback().await?;
    stand.ready().await?;
    compare("rolling back", &before, &what_runs(stand).await?)?;
    Ok(Came::Held(format!("{} revisions and jobs before and after", before.len())))
}

/// Revisions and migration Jobs, by identity: one that was made anew is another.
async fn what_runs(stand: &Stand) -> Result<BTreeSet<String>, Failure> {
    let mut all: BTreeSet<String> = stand.revisions().await?.into_iter().collect();
    for job in stand.cluster.list(JOB).await? {
        let component =
            job.metadata.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/component"));
        if component.is_some_and(|component| component == "migrate") {
            all.extend(job.metadata.uid);
        }
    }
    Ok(all)
}

fn compare(what: &str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<(), Failure> {
    let new: Vec<_> = after.difference(before).collect();
    if new.is_empty() { Ok(()) } else { Err(format!("{what} made {new:?}").into()) }
}
