//! What could not be handled, and why.
//!
//! ```text
//!            keep                    replayed
//! (failed) ───────> open ──────────────────────────> resolved
//!                    ^  └─ refused by the sink: `rejected`, waits for a person
//!                    └──────────── keep: it failed again ───────┘
//! ```

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use event_model::{KeptEvent, ids};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

const COLUMNS: &str = "id, source, event_id, event_type, stage, cause, reason, problems, deliveries, first_at, last_at,
                       replays, replayed_at, resolved_at";

/// Why an event could not be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// It makes no sense, in whole or in part; a person has to look at it.
    Rejected,
    /// Something that was needed was not there; sent back by itself.
    Unavailable,
    /// It is no event that the stage can read.
    Malformed,
}

/// One thing that makes no sense, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The place in the payload (`uplink_message.decoded_payload.temperature`).
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// A dead letter to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewDeadLetter<'a> {
    /// The event.
    pub event: &'a KeptEvent,
    /// The stage that could not handle it.
    pub stage: &'a str,
    /// Why, in a word.
    pub cause: Cause,
    /// Why, in a sentence.
    pub reason: &'a str,
    /// Each item that could not be taken.
    pub problems: &'a [Problem],
    /// When it failed.
    pub at: Timestamp,
}

/// A dead letter, without its event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetter {
    /// Its id: the same for the same event at the same stage.
    pub id: Uuid,
    /// The event's source.
    pub source: String,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// The stage that could not handle it.
    pub stage: String,
    /// Why, in a word.
    pub cause: Cause,
    /// Why, in a sentence.
    pub reason: String,
    /// Each item that could not be taken.
    pub problems: Vec<Problem>,
    /// How often it came here.
    pub deliveries: i32,
    /// When it failed first.
    pub first_at: Timestamp,
    /// When it failed last.
    pub last_at: Timestamp,
    /// How often it was sent back.
    pub replays: i32,
    /// When it was sent back last.
    pub replayed_at: Option<Timestamp>,
    /// Since when nothing is to be done about it.
    pub resolved_at: Option<Timestamp>,
}

/// Which dead letters are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Resolved ones too.
    pub resolved: bool,
    /// Of this stage only.
    pub stage: Option<String>,
    /// That failed last before this time only.
    pub before: Option<Timestamp>,
    /// How many at most.
    pub limit: u16,
}

impl Cause {
    /// The word that the database keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
        }
    }
}

/// The id of the dead letter of an event at a stage.
pub fn id_of(stage: &str, source: &str, event_id: &str) -> Uuid {
    ids::derive("dead_letter", &[stage, source, event_id])
}

/// Keeps a dead letter; the same one again is counted, and open again.
///
/// # Errors
/// Those of the database.
pub async fn keep(client: &impl GenericClient, new: NewDeadLetter<'_>) -> Result<Uuid, Error> {
    let attribute = |name: &str| new.event.attributes.get(name).map_or("", String::as_str);
    let (source, event_id, event_type) = (attribute("source"), attribute("id"), attribute("type"));
    let id = id_of(new.stage, source, event_id);
    let sql = "
        insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, problems, attributes, data,
                                 first_at, last_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
        on conflict (id) do update
        set cause = excluded.cause, reason = excluded.reason, problems = excluded.problems,
            deliveries = dead_letter.deliveries + 1, last_at = greatest(dead_letter.last_at, excluded.last_at),
            resolved_at = null";
    let statement = client.prepare_cached(sql).await?;
    let (problems, attributes) = (Json(new.problems), Json(&new.event.attributes));
    // PostgreSQL's texts hold no NUL.
    let reason = new.reason.replace('\0', "\u{fffd}");
    client
        .execute(
            &statement,
            &[
                &id,
                &source,
                &event_id,
                &event_type,
                &new.stage,
                &new.cause.as_str(),
                &reason,
                &problems,
                &attributes,
                &new.event.data,
                &new.at,
            ],
        )
        .await?;
    Ok(id)
}

/// Lists dead letters, the one that failed last first.
///
/// # Errors
/// Those of the database.
pub async fn list(client: &impl GenericClient, filter: &Filter) -> Result<Vec<DeadLetter>, Error> {
    let sql = format!(
        "select {COLUMNS} from dead_letter
         where ($1 or resolved_at is null) and ($2::text is null or stage = $2)
           and ($3::timestamptz is null or last_at < $3)
         order by last_at desc, id limit $4"
    );
    let limit = i64::from(filter.limit);
    let rows = client.query(&sql, &[&filter.resolved, &filter.stage, &filter.before, &limit]).await?;
    rows.iter().map(dead_letter).collect()
}

/// One dead letter with its event.
///
/// # Errors
/// Those of the database.
pub async fn get(client: &impl GenericClient, id: Uuid) -> Result<Option<(DeadLetter, KeptEvent)>, Error> {
    let sql = format!("select {COLUMNS}, attributes, data from dead_letter where id = $1");
    client.query_opt(&sql, &[&id]).await?.as_ref().map(with_event).transpose()
}

/// Up to `limit` open dead letters that failed only because something was unavailable and were sent back less than
/// `max_replays` times, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn to_send_back(
    client: &impl GenericClient,
    max_replays: i32,
    limit: u16,
) -> Result<Vec<(DeadLetter, KeptEvent)>, Error> {
    let sql = format!(
        "select {COLUMNS}, attributes, data from dead_letter
         where resolved_at is null and cause = 'unavailable' and replays < $1
         order by last_at, id limit $2"
    );
    let rows = client.query(&sql, &[&max_replays, &i64::from(limit)]).await?;
    rows.iter().map(with_event).collect()
}

/// Records that a dead letter was sent back: it is resolved, unless it fails again.
///
/// # Errors
/// Those of the database.
pub async fn mark_replayed(client: &impl GenericClient, id: Uuid, at: Timestamp) -> Result<(), Error> {
    let sql = "update dead_letter set replays = replays + 1, replayed_at = $2, resolved_at = $2 where id = $1";
    client.execute(sql, &[&id, &at]).await?;
    Ok(())
}

/// Records that the sink would not take a dead letter back: from now on it waits for a person.
///
/// # Errors
/// Those of the database.
pub async fn mark_refused(client: &impl GenericClient, id: Uuid, reason: &str) -> Result<(), Error> {
    let sql = "update dead_letter set cause = 'rejected', reason = $2 where id = $1";
    client.execute(sql, &[&id, &reason]).await?;
    Ok(())
}

fn with_event(row: &Row) -> Result<(DeadLetter, KeptEvent), Error> {
    let Json(attributes): Json<BTreeMap<String, String>> = row.try_get("attributes")?;
    let data: Option<Vec<u8>> = row.try_get("data")?;
    Ok((dead_letter(row)?, KeptEvent { attributes, data: data.unwrap_or_default() }))
}

fn dead_letter(row: &Row) -> Result<DeadLetter, Error> {
    let Json(problems) = row.try_get("problems")?;
    Ok(DeadLetter {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        event_id: row.try_get("event_id")?,
        event_type: row.try_get("event_type")?,
        stage: row.try_get("stage")?,
        cause: cause(row.try_get("cause")?),
        reason: row.try_get("reason")?,
        problems,
        deliveries: row.try_get("deliveries")?,
        first_at: row.try_get("first_at")?,
        last_at: row.try_get("last_at")?,
        replays: row.try_get("replays")?,
        replayed_at: row.try_get("replayed_at")?,
        resolved_at: row.try_get("resolved_at")?,
    })
}

/// The table's check constraint names no other causes.
fn cause(word: &str) -> Cause {
    match word {
        "unavailable" => Cause::Unavailable,
        "malformed" => Cause::Malformed,
        _ => Cause::Rejected,
    }
}
