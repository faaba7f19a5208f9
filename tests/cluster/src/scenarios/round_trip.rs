//! The thin thread: everything is installed, and the chart's own test sends a payload through the whole chain.

use super::Came;
use crate::Failure;
use crate::stand::Stand;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let said = stand.release.test().await?;
    let line = said.lines().rev().find(|line| line.contains("delivered"));
    let rows =
        stand.database.number("select count(*) from notification where receiver = 'freshet-canary'").await?;
    if rows == 0 {
        return Err("`helm test` went well, and there is no notification of it".into());
    }
    Ok(Came::Held(line.unwrap_or("the canary's notification is there").trim().to_owned()))
}
