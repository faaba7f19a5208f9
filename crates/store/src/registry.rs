//! What people say of devices: entries, second names, erasures, and that two are one.

pub mod erasure;
pub mod expected;
pub mod merge;
pub mod prune;
pub mod retirement;

use std::borrow::Cow;
use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_postgres::Error;
use tokio_postgres::types::Json;

use crate::alerts::{SHARD_LOCK, SHARDS};
use crate::device_name::{NEVER, folded};
use crate::{StoreError, Transaction, active_pipeline, name_generation, rollups};

/// A device by one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id, where it has sent.
    pub id: Option<i32>,
    /// Its source.
    pub source: String,
    /// The name that its platform gives it.
    pub name: String,
}

/// The devices with this name, or second name, an entry of it, or held payloads: of one source, or of each that has one.
///
/// # Errors
/// Those of the database.
pub async fn find(
    client: &impl GenericClient,
    source: Option<&str>,
    name: &str,
) -> Result<Vec<Found>, Error> {
    let sql = format!(
        "
        select max(id), source, name from (
            select case when last_seen_at <> {NEVER} then id end as id, source, name from device where name = $2
            union all
            select d.id, d.source, d.name from device_alias a join device d on d.id = a.device_id
            where a.alias = $2 and d.erased_at is null
            union all
            select null, source, name from device_entry e where name = $2
              and not exists (select from device_alias a where a.source = e.source and a.alias = e.name)
            union all
            select null, source, device from held_device h where device = $2
              and not exists (select from device_alias a where a.source = h.source and a.alias = h.device)) as named
        where $1::text is null or source = $1
        group by source, name order by source, name"
    );
    let found = |row: &tokio_postgres::Row| {
        Ok(Found { id: row.try_get(0)?, source: row.try_get(1)?, name: row.try_get(2)? })
    };
    client.query(&sql, &[&source, &name]).await?.iter().map(found).collect()
}

/// What people say of a device.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Entry {
    /// What the command line says: `name`, `labels`, `site`, `model`, `expected`, `retired_at`.
    pub registered: Map<String, Value>,
    /// What the pipeline in force says; it wins.
    pub configured: Map<String, Value>,
}

/// What people say of this device.
///
/// # Errors
/// Those of the database.
pub async fn entry(client: &impl GenericClient, source: &str, name: &str) -> Result<Entry, Error> {
    let sql = "select registered, configured from device_entry where source = $1 and name = $2";
    let Some(row) = client.query_opt(sql, &[&source, &name]).await? else { return Ok(Entry::default()) };
    let object = |at| Ok(row.try_get::<_, Json<Map<String, Value>>>(at)?.0);
    Ok(Entry { registered: object(0)?, configured: object(1)? })
}

/// Registers facts of devices, by source and name: what is given takes the place of what was registered before, `null` takes it away, and
/// `labels` are taken one by one.
///
/// # Errors
/// [`StoreError`]
pub async fn register(
    transaction: &Transaction<'_>,
    facts: &BTreeMap<(String, String), Map<String, Value>>,
) -> Result<(), StoreError> {
    let make = "
        insert into device_entry (source, name) select * from unnest($1::text[], $2::text[]) on conflict do nothing";
    let set = "
        update device_entry e
        set registered = jsonb_strip_nulls(e.registered || f.facts || case when f.facts ? 'labels' then jsonb_build_object(
            'labels', coalesce(e.registered -> 'labels', '{}') || (f.facts -> 'labels')) else '{}' end)
        from unnest($1::text[], $2::text[], $3::jsonb[]) as f (source, name, facts)
        where e.source = f.source and e.name = f.name";
    let sources: Vec<&str> = facts.keys().map(|(source, _)| source.as_str()).collect();
    let names: Vec<&str> = facts.keys().map(|(_, name)| name.as_str()).collect();
    let facts: Vec<Json<&Map<String, Value>>> = facts.values().map(Json).collect();
    transaction.execute(make, &[&sources, &names]).await?;
    transaction.execute(set, &[&sources, &names, &facts]).await?;
    expected::appear(transaction, Some((&sources, &names))).await?;
    expected::look_again(transaction, (&sources, &names)).await
}

/// What the pipeline says of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Configured<'a> {
    /// Its source.
    pub source: &'a str,
    /// Its name as it is compared: an address in lower case and without separators.
    pub name: Cow<'a, str>,
    /// What is said, and where: `place` has a line by fact.
    pub facts: Map<String, Value>,
}

/// Puts in force what the pipeline says of devices; of all others it says nothing any more.
///
/// # Errors
/// [`StoreError`]
pub async fn configure(
    transaction: &Transaction<'_>,
    configured: &[Configured<'_>],
) -> Result<(), StoreError> {
    let sources: Vec<&str> = configured.iter().map(|one| one.source).collect();
    let names: Vec<&str> = configured.iter().map(|one| &*one.name).collect();
    let facts: Vec<Json<&Map<String, Value>>> = configured.iter().map(|one| Json(&one.facts)).collect();
    // A platform may spell an address in another way.
    let said = format!(
        "with spelled as materialized (
            select distinct on (source, folded) source, folded, name
            from (select source, name, {} as folded from device where erased_at is null and merged_into is null) as d
            order by source, folded, name <> folded, name),
        said as materialized (
            select f.source, coalesce(d.name, f.name) as name, f.facts
            from unnest($1::text[], $2::text[], $3::jsonb[]) as f (source, name, facts)
            left join spelled d on d.source = f.source and d.folded = f.name)",
        folded("name")
    );
    let clear = format!(
        "{said}
        update device_entry e set configured = '{{}}'
        where configured <> '{{}}' and not exists (select from said s where s.source = e.source and s.name = e.name)
        returning e.source, e.name"
    );
    let cleared = transaction.query(&clear, &[&sources, &names, &facts]).await?;
    let set = format!(
        "{said}
        insert into device_entry as e (source, name, configured) select source, name, facts from said
        on conflict (source, name) do update set configured = excluded.configured where e.configured <> excluded.configured
        returning e.source, e.name"
    );
    let changed = transaction.query(&set, &[&sources, &names, &facts]).await?;
    let sql = "
        delete from device_entry e using unnest($1::text[], $2::text[]) as gone (source, name)
        where e.source = gone.source and e.name = gone.name and configured = '{}' and registered = '{}'";
    transaction.execute(sql, &[&of(&cleared, 0)?, &of(&cleared, 1)?]).await?;
    expected::appear(transaction, None).await?;
    let touched: Vec<_> = cleared.into_iter().chain(changed).collect();
    expected::look_again(transaction, (&of(&touched, 0)?, &of(&touched, 1)?)).await
}

/// A column of texts.
fn of(rows: &[tokio_postgres::Row], at: usize) -> Result<Vec<&str>, StoreError> {
    Ok(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, Error>>()?)
}

/// Puts a pipeline in force with what it says of devices ([`active_pipeline::activate`]).
///
/// # Errors
/// [`StoreError`]
pub async fn activate(
    transaction: &Transaction<'_>,
    (hash, at): (&str, Timestamp),
    configured: &[Configured<'_>],
) -> Result<(), StoreError> {
    active_pipeline::activate(&transaction.0, hash, at).await?;
    configure(transaction, configured).await
}

/// Has a second name lead to a device: whatever comes by that name is the device's from now on.
///
/// # Errors
/// [`StoreError`]; of a name that is a device's own, or leads to another, a data error.
pub async fn alias(
    transaction: &Transaction<'_>,
    device: i32,
    (source, alias): (&str, &str),
) -> Result<(), StoreError> {
    name_generation::begin(transaction).await?;
    let sql = "
        insert into device_alias as known (source, alias, device_id)
        select $1, $2, $3 where not exists (select from device where source = $1 and name = $2)
        on conflict (source, alias) do update set device_id = known.device_id where known.device_id = excluded.device_id";
    let added = transaction.0.execute(sql, &[&source, &alias, &device]).await?;
    if added == 0 { Err(StoreError::NameTaken) } else { Ok(()) }
}

/// Evaluations of these streams have ended, and none begins before the transaction has.
async fn hold_streams(transaction: &Transaction<'_>, streams: &[i32]) -> Result<(), StoreError> {
    let sql = "
        select pg_advisory_xact_lock($2, shard) from (select distinct id % $3 as shard from unnest($1::integer[]) as id order by 1) as shards";
    transaction.query(sql, &[&streams, &SHARD_LOCK, &SHARDS]).await?;
    Ok(())
}

/// Takes away devices with their streams, and these rows of each of them: $1 are the devices, STREAMS stands for their streams.
async fn take_away(transaction: &Transaction<'_>, devices: &[i32], rows: &[&str]) -> Result<(), StoreError> {
    // Nobody rolls them up meanwhile; that is waited for before anybody waits for this.
    rollups::hold(transaction).await?;
    let streams = "select id from stream where device_id = any($1)";
    let of_devices = transaction.query(streams, &[&devices]).await?;
    let of_devices: Vec<i32> = of_devices.iter().map(|row| row.try_get(0)).collect::<Result<_, Error>>()?;
    hold_streams(transaction, &of_devices).await?;
    let all = [
        "delete from alert_state where stream_id in (STREAMS)",
        "delete from evaluation_request where stream_id in (STREAMS)",
        "delete from rollup_due where stream_id in (STREAMS)",
        "delete from rollup_hour where stream_id in (STREAMS)",
        "delete from rollup_day where stream_id in (STREAMS)",
        "delete from metric where stream_id in (STREAMS)",
        "delete from stream where device_id = any($1)",
        "delete from device where id = any($1)",
    ];
    for sql in rows.iter().chain(&all) {
        transaction.execute(&sql.replace("STREAMS", streams), &[&devices]).await?;
    }
    Ok(())
}

/// When an entry says that its device was retired.
pub fn retired_at(entry: &Entry) -> Option<Timestamp> {
    let at = entry.configured.get("retired_at").or_else(|| entry.registered.get("retired_at"))?;
    at.as_str()?.parse().ok()
}
