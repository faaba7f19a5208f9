use std::collections::BTreeMap;

use event_model::reading::ValueKind;
use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use crate::device_name::{NEVER, folded};
use crate::{StoreError, Transaction};

/// A stream's names, and what its positions mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The device's tags.
    pub tags: BTreeMap<String, String>,
    /// The device is out of service: no rule looks at what it sends.
    pub is_retired: bool,
    /// Since when the device was expected, where its row was made before it had sent.
    pub expected_at: Option<Timestamp>,
    /// Whether it has sent.
    pub is_seen: bool,
    /// Whether it is expected to send.
    pub is_expected: bool,
    /// Its metrics by position.
    pub metrics: Vec<MetricRow>,
}

/// What one position of a stream's rows means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricRow {
    /// The position, from 0.
    pub position: i16,
    /// The canonical metric.
    pub name: String,
    /// Its unit; empty if unknown.
    pub unit: String,
    /// What kind of values it has; `None` where only a later release knows it.
    pub kind: Option<ValueKind>,
    /// Whether no value of it is left, and its alerts are to end.
    pub is_empty: bool,
}

/// The streams with these ids, as far as they are there.
///
/// # Errors
/// Those of the database.
pub async fn streams(
    transaction: &Transaction<'_>,
    streams: &[i32],
) -> Result<BTreeMap<i32, StreamRow>, StoreError> {
    let sql = format!(
        "
        select s.id, d.source, d.name, s.channel, d.tags, coalesce(e.is_retired, false), m.position, m.name, m.unit, m.kind,
               d.expected_at, d.last_seen_at <> {NEVER}, coalesce(e.is_expected, false), m.emptied_at is not null
        from unnest($1::integer[]) as w (id)
        cross join lateral (select id, device_id, channel from stream where id = w.id offset 0) as s
        cross join lateral (select source, name, tags, expected_at, last_seen_at from device where id = s.device_id offset 0) as d
        left join lateral (
            select (registered || configured) ? 'retired_at' as is_retired, (registered || configured) ? 'expected' as is_expected
            from device_entry where source = d.source and name = d.name offset 0) as e on true
        cross join lateral (
            select position, name, unit, kind, emptied_at from metric where stream_id = s.id order by position offset 0) as m"
    );
    let mut found = BTreeMap::<i32, StreamRow>::new();
    for row in transaction.query(&sql, &[&streams]).await? {
        let id = row.try_get(0)?;
        let metric = MetricRow::read(&row)?;
        match found.get_mut(&id) {
            Some(stream) => stream.metrics.push(metric),
            None => drop(found.insert(id, StreamRow { metrics: vec![metric], ..StreamRow::read(&row)? })),
        }
    }
    Ok(found)
}

/// What there is of a stream that a payload names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundStream {
    /// The stream, where it is there.
    pub id: Option<i32>,
    /// Its device, where that is there.
    pub device_id: Option<i32>,
    /// What was received before is not stored for the device.
    pub begins_at: Option<Timestamp>,
    /// Whether the device is there, or somebody says something of it.
    pub is_known: bool,
    /// As it is, or would be made, but for its metrics: the device by its own name, where it was named by another.
    pub row: StreamRow,
}

/// The streams with these sources, devices and channels, in this order.
///
/// # Errors
/// Those of the database.
pub async fn find_streams(
    transaction: &Transaction<'_>,
    named: &[(&str, &str, &str)],
) -> Result<Vec<FoundStream>, StoreError> {
    let sql = format!(
        "
        select s.id, w.source, coalesce(d.name, w.device), w.channel, coalesce(d.tags, '{{}}'), coalesce(e.is_retired, false), d.id, d.begins_at,
               d.id is not null or e.is_retired is not null, null, d.expected_at, coalesce(d.last_seen_at <> {NEVER}, false), coalesce(e.is_expected, false)
        from unnest($1::text[], $2::text[], $3::text[]) with ordinality as w (source, device, channel, number)
        left join lateral (
            select id, name, tags, expected_at, last_seen_at, begins_at from device
            where source = w.source and name = w.device and erased_at is null
            union all
            select id, name, tags, expected_at, last_seen_at, begins_at from device
            where source = w.source and name = {0} and name <> w.device and last_seen_at = {NEVER} and erased_at is null
            union all
            select d.id, d.name, d.tags, d.expected_at, d.last_seen_at, d.begins_at
            from device_alias a join device d on d.id = a.device_id
            where a.source = w.source and a.alias = w.device and d.erased_at is null
            limit 1) as d on true
        left join lateral (select id from stream where device_id = d.id and channel = w.channel offset 0) as s on true
        left join lateral (
            select (registered || configured) ? 'retired_at' as is_retired, (registered || configured) ? 'expected' as is_expected
            from device_entry where source = w.source and name in (coalesce(d.name, w.device), {0}) limit 1) as e on true
        order by w.number",
        folded("w.device")
    );
    let sources: Vec<&str> = named.iter().map(|(source, ..)| *source).collect();
    let devices: Vec<&str> = named.iter().map(|(_, device, _)| *device).collect();
    let channels: Vec<&str> = named.iter().map(|(.., channel)| *channel).collect();
    let rows = transaction.query(&sql, &[&sources, &devices, &channels]).await?;
    let found = |row: &Row| {
        Ok::<_, StoreError>(FoundStream {
            id: row.try_get(0)?,
            device_id: row.try_get(6)?,
            begins_at: row.try_get(7)?,
            is_known: row.try_get(8)?,
            row: StreamRow::read(row)?,
        })
    };
    rows.iter().map(found).collect()
}

/// The streams of these devices, each with its device.
///
/// # Errors
/// Those of the database.
pub async fn streams_of(
    transaction: &Transaction<'_>,
    devices: &[i32],
) -> Result<Vec<(i32, i32)>, StoreError> {
    let sql = "select id, device_id from stream where device_id = any($1::integer[]) order by id";
    let rows = transaction.query(sql, &[&devices]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Notes of series without values that their alerts have ended.
///
/// # Errors
/// Those of the database.
pub async fn forget_emptied(transaction: &Transaction<'_>, series: &[(i32, i16)]) -> Result<(), StoreError> {
    if series.is_empty() {
        return Ok(());
    }
    let (streams, positions): (Vec<i32>, Vec<i16>) = series.iter().copied().unzip();
    let sql = "
        update metric m set emptied_at = null from unnest($1::integer[], $2::smallint[]) as s (stream_id, position)
        where m.stream_id = s.stream_id and m.position = s.position";
    transaction.execute(sql, &[&streams, &positions]).await?;
    Ok(())
}

impl StreamRow {
    fn read(row: &Row) -> Result<Self, Error> {
        let Json(tags): Json<BTreeMap<String, serde_json::Value>> = row.try_get(4)?;
        let tags = tags.into_iter().filter_map(|(tag, value)| Some((tag, value.as_str()?.to_owned())));
        Ok(Self {
            source: row.try_get(1)?,
            device: row.try_get(2)?,
            channel: row.try_get(3)?,
            tags: tags.collect(),
            is_retired: row.try_get(5)?,
            expected_at: row.try_get(10)?,
            is_seen: row.try_get(11)?,
            is_expected: row.try_get(12)?,
            metrics: Vec::new(),
        })
    }
}

impl MetricRow {
    /// Whether its values are numbers (or flags, 0 and 1).
    pub const fn is_numeric(&self) -> bool {
        matches!(self.kind, Some(ValueKind::Number | ValueKind::Flag))
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let kind: &str = row.try_get(9)?;
        Ok(Self {
            position: row.try_get(6)?,
            name: row.try_get(7)?,
            unit: row.try_get(8)?,
            kind: kind.parse().ok(),
            is_empty: row.try_get(13)?,
        })
    }
}
