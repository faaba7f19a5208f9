//! What is due now, asked for in one query.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use crate::alerts::MADE_BY;
use crate::dead_letters::{DUE as DEAD_LETTERS_DUE, MAX_REPLAYS};
use crate::held;

/// What is due at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Due {
    /// Streams wait to be evaluated: readings that no rule has seen, a deadline that a heartbeat has reached, or a state of a
    /// rule that was changed or removed.
    pub evaluation: bool,
    /// Notifications whose next attempt has come.
    pub notifications: u32,
    /// Dead letters that are to be sent back.
    pub dead_letters: u32,
    /// Payloads that are held of devices that are known by now, or for too long.
    pub held: u32,
}

/// The pipeline file that says which rules there are, and which sources hold payloads.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The file's hash. Where it is not the active one, changed rules are another process's to find.
    pub pipeline: &'a str,
    /// The rules' names.
    pub names: &'a [String],
    /// Their hashes, in the same order.
    pub hashes: &'a [String],
    /// Its sources that hold payloads of devices that are not known.
    pub holding: &'a [String],
}

/// $1 now, $2 how often an event is sent back, $3 the pipeline's hash, $4 names and $5 hashes of its rules, $6 its sources that hold
/// payloads.
fn statement() -> String {
    format!(
        "
    with recursive {MADE_BY}
    select exists (select from evaluation_request where not_before is null or not_before <= $1)
               or coalesce((select min(deadline_at) from alert_state) <= (select max(at) from heartbeat), false)
               or exists (select from active_pipeline where hash = $3)
                  and exists (select rule, rule_hash from made_by
                              except select * from unnest($4::text[], $5::text[])),
           (select count(*) from notification
            where status in ('pending', 'repeating') and least(next_attempt_at, fallback_at) <= $1),
           (select count(*) from dead_letter where {DEAD_LETTERS_DUE}),
           {}",
        held::count_due("$1", "$6")
    )
}

/// What is due at `now`.
///
/// # Errors
/// Those of the database.
pub async fn due(client: &impl GenericClient, now: Timestamp, rules: Rules<'_>) -> Result<Due, Error> {
    let statement = client.prepare_cached(&statement()).await?;
    let Rules { pipeline, names, hashes, holding } = rules;
    let row =
        client.query_one(&statement, &[&now, &MAX_REPLAYS, &pipeline, &names, &hashes, &holding]).await?;
    let count = |index| row.try_get(index).map(|count: i64| u32::try_from(count).unwrap_or(u32::MAX));
    Ok(Due {
        evaluation: row.try_get(0)?,
        notifications: count(1)?,
        dead_letters: count(2)?,
        held: count(3)?,
    })
}
