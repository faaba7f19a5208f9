//! The thin thread: everything is installed, and the chart's own test sends one payload through.

use super::Came;
use crate::Failure;
use crate::stand::Stand;

pub(super) async fn run(stand: &Stand) -> Result<Came, Failure> {
    let said = stand.release.test().await?;
    let line = said.lines().rev().find(|line| line.contains("stored") || line.contains("row"));
    let rows = stand.database.number("select count(*) from receipt where source = 'helm-test'").await?;
    if rows == 0 {
        return Err("`helm test` went well, and there is no receipt of it".into());
    }
    Ok(Came::Held(line.unwrap_or("the payload's receipt is there").trim().to_owned()))
}
