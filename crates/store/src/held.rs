//! Payloads of devices that nobody knows, where their source holds these.
//!
//! ```text
//! a payload ── known devices ──> rows
//!        └──── others ─────────> held ─┬─ a device of it is known by now ──> rows, as received then
//!                                      └─ too many, too large, too old ────> dead letter
//! ```
//!
//! A device is known that has sent, that a name leads to, or of which somebody says something ([`crate::registry`]).

use std::time::Duration;

use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::dead_letters::{DeadEvent, DeadLetter};
use crate::device_name::{NEVER, folded};
use crate::{StoreError, Transaction};

/// Payloads that are held of a source; then the oldest become dead letters.
pub const MOST_PAYLOADS: i64 = 10_000;
/// Bytes of payloads that are held of a source; then the oldest become dead letters.
pub const MOST_BYTES: i64 = 64 * 1024 * 1024;
/// For so long a payload is held; then it becomes a dead letter.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a payload says of devices that are not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The devices.
    pub devices: Vec<String>,
    /// The event, as the dead letter that it becomes where nobody adopts them.
    pub letter: DeadLetter,
}

/// Whether a device is known: its source and its name are expressions in SQL.
fn known(source: &str, name: &str) -> String {
    let folded = folded(name);
    format!(
        "(exists (select from device k where k.source = {source} and k.name = {name} and k.last_seen_at <> {NEVER})
          or exists (select from device_alias k join device own on own.id = k.device_id
                     where k.source = {source} and k.alias = {name} and own.erased_at is null)
          or exists (select from device_entry k where k.source = {source} and k.name in ({name}, {folded})))"
    )
}

/// What becomes of payloads that `gone` is, for the reason that a text in SQL is: dead letters, whose claims are free again.
pub(crate) fn give_up(reason: &str) -> String {
    format!(
        "letters as (
            insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, data, first_at, last_at)
            select distinct on (id) id, event_source, event_id, event_type, stage, 'rejected', {reason}, attributes, data, held_at,
                   clock_timestamp()
            from gone order by id, received_at desc
            on conflict (id) do update
            set reason = excluded.reason, attributes = excluded.attributes, data = excluded.data, last_at = excluded.last_at,
                sent_back = false, resolved_at = null, discarded = null),
        claims as (
            update receipt_key k set outcome = 'partial' from gone
            where k.source = gone.source and k.key = gone.key and k.receipt_id = gone.receipt_id),
        receipts as (
            update receipt r set outcome = 'partial' from gone
            where r.received_at = gone.received_at and r.id = gone.receipt_id and r.outcome = 'stored')"
    )
}

/// A payload that is held.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldPayload {
    /// Its source.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// The dead letter that it would become.
    pub id: Uuid,
    /// Its receipt; that of a record of a topic is its own.
    pub receipt_id: Uuid,
    /// The event.
    pub event: DeadEvent,
    /// Its devices that are known by now.
    pub known: Vec<String>,
}

/// Up to `limit` held payloads of which a device is known by now, or whose source is none of those that hold any more; the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn due(
    client: &impl GenericClient,
    (sources, holding): (&[&str], &[&str]),
    limit: i64,
) -> Result<Vec<HeldPayload>, Error> {
    let sql = format!(
        "select h.source, h.received_at, h.id, h.receipt_id, h.event_source, h.event_id, h.event_type, h.attributes, h.data, d.known
         from held h
         cross join lateral (
             select array_agg(device order by device) as known from held_device d
             where d.source = h.source and d.received_at = h.received_at and d.id = h.id
               and (h.source <> all($2::text[]) or {})) as d
         where h.source = any($1::text[]) and d.known is not null
         order by h.source, h.received_at, h.id limit $3",
        known("d.source", "d.device")
    );
    let held = |row: &Row| {
        let Json(attributes): Json<Map<String, Value>> = row.try_get(7)?;
        let event = DeadEvent {
            source: row.try_get(4)?,
            id: row.try_get(5)?,
            event_type: row.try_get(6)?,
            attributes,
            data: row.try_get(8)?,
        };
        Ok(HeldPayload {
            source: row.try_get(0)?,
            received_at: row.try_get(1)?,
            id: row.try_get(2)?,
            receipt_id: row.try_get(3)?,
            event,
            known: row.try_get(9)?,
        })
    };
    client.query(&sql, &[&sources, &holding, &limit]).await?.iter().map(held).collect()
}

/// How many held payloads something is to be done with at a time, where some sources hold: both are expressions in SQL.
pub(crate) fn count_due(now: &str, holding: &str) -> String {
    format!(
        "(select count(*) from held h
          where held_at < {now} - interval '{} seconds'
             or exists (select from held_device d
                        where d.source = h.source and d.received_at = h.received_at and d.id = h.id
                          and (d.source <> all({holding}::text[]) or {})))",
        LONGEST.as_secs(),
        known("d.source", "d.device")
    )
}

/// Notes that payloads are stored as far as their known devices go.
///
/// # Errors
/// [`StoreError`]
pub(crate) async fn settle(transaction: &Transaction<'_>, held: &[HeldPayload]) -> Result<(), StoreError> {
    for HeldPayload { source, received_at, id, known, .. } in held {
        let sql =
            "delete from held_device where source = $1 and received_at = $2 and id = $3 and device = any($4)";
        transaction.execute(sql, &[source, received_at, id, known]).await?;
        let sql = "
            delete from held h where source = $1 and received_at = $2 and id = $3
              and not exists (select from held_device d where d.source = h.source and d.received_at = h.received_at and d.id = h.id)";
        transaction.execute(sql, &[source, received_at, id]).await?;
    }
    Ok(())
}

/// Makes dead letters of what is held for too long at `now`; how many.
///
/// # Errors
/// Those of the database.
pub async fn expire(client: &impl GenericClient, now: Timestamp) -> Result<i64, Error> {
    let sql = format!(
        "with gone as (delete from held where held_at < $1 returning *), {} select count(*) from gone",
        give_up(&format!("'nobody has adopted its devices within {} days'", LONGEST.as_secs() / 86_400))
    );
    let before =
        now.checked_sub(SignedDuration::try_from(LONGEST).unwrap_or_default()).unwrap_or(Timestamp::MIN);
    client.query_one(&sql, &[&before]).await?.try_get(0)
}

/// Makes a dead letter of a held payload that cannot be stored.
///
/// # Errors
/// Those of the database.
pub async fn refuse(client: &impl GenericClient, held: &HeldPayload, reason: &str) -> Result<(), Error> {
    let sql = format!(
        "with gone as (delete from held where source = $1 and received_at = $2 and id = $3 returning *), {} select count(*) from gone",
        give_up("$4::text")
    );
    client.query_one(&sql, &[&held.source, &held.received_at, &held.id, &reason]).await?;
    Ok(())
}

/// A device that is not known, as `freshet devices list --held` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldDevice {
    /// Its source.
    pub source: String,
    /// Its name.
    pub device: String,
    /// How many payloads of it are held.
    pub payloads: i64,
    /// When the first of them was received.
    pub first_at: Timestamp,
    /// When the last was.
    pub last_at: Timestamp,
}

/// Up to `limit` devices of which payloads are held; the newest first.
///
/// # Errors
/// Those of the database.
pub async fn devices(client: &impl GenericClient, limit: i64) -> Result<Vec<HeldDevice>, Error> {
    let sql = "
        select source, device, count(*), min(received_at), max(received_at) from held_device
        group by source, device order by 5 desc, source, device limit $1";
    let device = |row: &Row| {
        Ok(HeldDevice {
            source: row.try_get(0)?,
            device: row.try_get(1)?,
            payloads: row.try_get(2)?,
            first_at: row.try_get(3)?,
            last_at: row.try_get(4)?,
        })
    };
    client.query(sql, &[&limit]).await?.iter().map(device).collect()
}
