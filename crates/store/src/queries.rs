//! What the `freshet` command shows.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::{Error, Row};

use crate::pruned::is_not_pruned;
use crate::topic_offsets::IS_MADE_ANEW;

/// A device as `freshet devices` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceRow {
    /// The source's name.
    pub source: String,
    /// The name that its platform gives it.
    pub device: String,
    /// When its first payload came; `None` where it has not sent.
    pub first_seen_at: Option<Timestamp>,
    /// When its last payload came: a whole minute, which may lie up to a minute before it.
    pub last_seen_at: Option<Timestamp>,
    /// Tags of source and device.
    pub tags: serde_json::Value,
    /// How many series it has.
    pub series: i64,
    /// What people say of it: `name`, `labels`, `site`, `model`, `expected`, `retired_at`.
    pub entry: serde_json::Value,
    /// Other names that lead to it.
    pub aliases: Vec<String>,
    /// Whether it has sent after it was retired.
    pub sends_retired: bool,
}

/// A value as `freshet readings` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueRow {
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The canonical metric.
    pub metric: String,
    /// When it was measured.
    pub observed_at: Timestamp,
    /// The number, or a flag as 0 or 1.
    pub value: Option<f64>,
    /// The text, or bytes in hexadecimal.
    pub text: Option<String>,
    /// The unit's symbol.
    pub unit: Option<String>,
    /// `number`, `flag`, `text` or `bytes`.
    pub kind: String,
    /// `good`, `uncertain` or `bad`.
    pub quality: String,
    /// When its payload was received.
    pub received_at: Timestamp,
    /// When another value took the place of an earlier one in this moment.
    pub revised_at: Option<Timestamp>,
}

/// A receipt as `freshet receipts show` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReceiptRow {
    /// What readings name it by.
    pub id: uuid::Uuid,
    /// When its payload, or the first of them, was received.
    pub received_at: Timestamp,
    /// The source's name.
    pub source: String,
    /// The id of its event, or what the range is called.
    pub event_id: String,
    /// The format's name.
    pub format: String,
    /// What came of it.
    pub outcome: String,
    /// How many readings.
    pub readings: i32,
    /// How many more were not stored, since they lay below the floor of their source.
    pub expired: i32,
    /// How many items could not be taken.
    pub problems: i32,
    /// The short hash of the pipeline that decoded it; `None` where an early release did.
    pub pipeline: Option<String>,
    /// The topic, where a record keeps the request.
    pub topic: Option<String>,
    /// The partition.
    pub partition: Option<i32>,
    /// The offset of the record, or of the first.
    pub offset: Option<i64>,
    /// The offset of the last, where it is of many records.
    pub last_offset: Option<i64>,
    /// How many payloads it is of.
    pub records: i32,
    /// Those that had problems, the first hundred.
    pub record_problems: Option<serde_json::Value>,
    /// The request, where it is kept beside the receipt.
    #[serde(skip)]
    pub request: Option<Vec<u8>>,
    /// The source whose topic the records are in, where that is not the pipeline's own.
    pub topic_source: Option<String>,
    /// Whether the topic was deleted and made anew since: what is at these places is not the receipt's.
    pub topic_made_anew: bool,
    /// When it was written, where that is known.
    pub stored_at: Option<Timestamp>,
}

/// Which values.
#[derive(Debug, Clone, Default)]
pub struct ValueFilter<'a> {
    /// The source; `None` is any.
    pub source: Option<&'a str>,
    /// The device.
    pub device: &'a str,
    /// The metric; `None` is any.
    pub metric: Option<&'a str>,
    /// Measured at or after.
    pub from: Option<Timestamp>,
    /// Measured before.
    pub until: Option<Timestamp>,
}

/// An alert as `freshet alerts` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertRow {
    /// The rule's name.
    pub rule: String,
    /// `pending`, `firing` or `ok`.
    pub status: String,
    /// Since when, by event time.
    pub since_at: Option<Timestamp>,
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The channel.
    pub channel: String,
    /// The metric.
    pub metric: String,
    /// The severity's word when it fired last.
    pub severity: Option<String>,
    /// The value that made it fire last.
    pub value: Option<f64>,
    /// The unit.
    pub unit: String,
    /// How many of its notifications are not delivered yet.
    pub undelivered: i64,
}

/// All devices, or those not seen since `silent_since`; the longest silent first.
///
/// # Errors
/// Those of the database.
pub async fn devices(
    client: &impl GenericClient,
    silent_since: Option<Timestamp>,
    limit: i64,
) -> Result<Vec<DeviceRow>, Error> {
    let sql = concat!(
        "select source, device, first_seen_at, date_trunc('minute', last_seen_at), tags,
                (select count(*) from stream s join metric m on m.stream_id = s.id where s.device_id = devices.id and ",
        is_not_pruned!("m"),
        "), entry,
               array(select alias from device_alias a where a.device_id = devices.id order by alias), sends_retired
        from devices where $1::timestamptz is null or last_seen_at < $1 and not is_retired
        order by last_seen_at nulls first, source, device limit $2"
    );
    let rows = client.query(sql, &[&silent_since, &limit]).await?;
    rows.iter().map(device).collect()
}

/// The newest values of a device, newest first.
///
/// # Errors
/// Those of the database.
pub async fn values(
    client: &impl GenericClient,
    filter: &ValueFilter<'_>,
    limit: i64,
) -> Result<Vec<ValueRow>, Error> {
    // By stream, with the limit within: a moment has a value, so that no more moments are needed than values are asked for.
    let sql = r#"
        select d.source, d.name, s.channel, m.name, r.observed_at,
               case when m.kind in ('number', 'flag') then r."values"[m.position + 1] end,
               case when m.kind in ('text', 'bytes') then r.texts[m.position + 1] end,
               nullif(m.unit, ''), m.kind,
               case coalesce(r.quality[m.position + 1], 0) when 0 then 'good' when 1 then 'uncertain' else 'bad' end,
               coalesce(r.received_ats[m.position + 1], r.received_at), r.revised_at
        from device d
        join stream s on s.device_id = d.id
        cross join lateral (
            select * from moment
            where stream_id = s.id
              and observed_at >= coalesce($4, '-infinity'::timestamptz) and observed_at < coalesce($5, 'infinity'::timestamptz)
              and ($3::text is null
                   or exists (select from metric w
                              where w.stream_id = s.id and w.name = $3
                                and ("values"[w.position + 1] is not null or texts[w.position + 1] is not null)))
            order by observed_at desc limit $6) as r
        join metric m on m.stream_id = s.id and ($3 is null or m.name = $3)
                     and (r."values"[m.position + 1] is not null or r.texts[m.position + 1] is not null)
        where d.name = $1 and ($2::text is null or d.source = $2)
        order by r.observed_at desc, d.source, s.channel, m.name limit $6"#;
    let ValueFilter { source, device, metric, from, until } = filter;
    let rows = client.query(sql, &[device, source, metric, from, until, &limit]).await?;
    rows.iter().map(value).collect()
}

/// Where a value stands of which a source speaks.
#[derive(Debug, Clone, Copy)]
pub struct ValueKey<'a> {
    /// The device's name.
    pub device: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// The metric.
    pub metric: &'a str,
    /// When it was measured.
    pub observed_at: Timestamp,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredValue {
    /// The number, or a flag's 0 or 1.
    pub value: Option<f64>,
    /// The text, or bytes in hexadecimal.
    pub text: Option<String>,
    /// The unit.
    pub unit: Option<String>,
    /// `good`, `uncertain` or `bad`.
    pub quality: String,
    /// When it was received.
    pub received_at: Timestamp,
}

/// What stands at each of `keys`, by their numbers: one value for each unit and kind.
///
/// # Errors
/// Those of the database.
pub async fn stored_values(
    client: &impl GenericClient,
    source: &str,
    keys: &[ValueKey<'_>],
) -> Result<BTreeMap<usize, Vec<StoredValue>>, Error> {
    let sql = "
        select key.number, r.value, r.text, r.unit, r.quality, r.received_at
        from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[]) with ordinality
             as key (device, channel, metric, observed_at, number)
        cross join lateral (
            select * from readings
            where source = $1 and device = key.device and channel = key.channel and metric = key.metric
              and observed_at = key.observed_at offset 0) as r
        order by key.number, r.unit";
    let texts = |of: for<'k> fn(&ValueKey<'k>) -> &'k str| keys.iter().map(of).collect::<Vec<&str>>();
    let (devices, channels, metrics) =
        (texts(|key| key.device), texts(|key| key.channel), texts(|key| key.metric));
    let times: Vec<Timestamp> = keys.iter().map(|key| key.observed_at).collect();
    let mut values: BTreeMap<usize, Vec<StoredValue>> = BTreeMap::new();
    for row in client.query(sql, &[&source, &devices, &channels, &metrics, &times]).await? {
        let number: i64 = row.try_get(0)?;
        let value = StoredValue {
            value: row.try_get(1)?,
            text: row.try_get(2)?,
            unit: row.try_get(3)?,
            quality: row.try_get(4)?,
            received_at: row.try_get(5)?,
        };
        values.entry(usize::try_from(number - 1).unwrap_or_default()).or_default().push(value);
    }
    Ok(values)
}

/// The devices of `keys` that the source has.
///
/// # Errors
/// Those of the database.
pub async fn devices_of(
    client: &impl GenericClient,
    source: &str,
    keys: &[ValueKey<'_>],
) -> Result<BTreeSet<String>, Error> {
    let names: BTreeSet<&str> = keys.iter().map(|key| key.device).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let sql = "select name from device where source = $1 and name = any($2)";
    client.query(sql, &[&source, &names]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// The alerts that are pending or firing, or all that rules know of; the newest first.
///
/// # Errors
/// Those of the database.
pub async fn alerts(
    client: &impl GenericClient,
    quiet_too: bool,
    limit: i64,
) -> Result<Vec<AlertRow>, Error> {
    let sql = "
        select a.rule, a.status, a.since_at, d.source, d.name, s.channel, m.name, t.severity, t.value, m.unit,
               (select count(*) from notification n join alert_transition x on x.id = n.transition_id
                where (n.status = 'pending' or n.status = 'repeating' and n.last_error is not null)
                  and x.stream_id = a.stream_id and x.rule = a.rule and x.position = a.position)
        from alert_state a
        join stream s on s.id = a.stream_id
        join device d on d.id = s.device_id
        join metric m on m.stream_id = a.stream_id and m.position = a.position
        left join lateral (
            select severity, value from alert_transition t
            where t.stream_id = a.stream_id and t.rule = a.rule and t.position = a.position
              and t.kind = 'firing' and t.retracted_by is null
            order by t.at desc limit 1) t on true
        where $1 or a.status <> 'ok'
        order by a.since_at desc nulls last, a.rule, d.source, d.name limit $2";
    let rows = client.query(sql, &[&quiet_too, &limit]).await?;
    rows.iter().map(alert).collect()
}

fn device(row: &Row) -> Result<DeviceRow, Error> {
    Ok(DeviceRow {
        source: row.try_get(0)?,
        device: row.try_get(1)?,
        first_seen_at: row.try_get(2)?,
        last_seen_at: row.try_get(3)?,
        tags: row.try_get(4)?,
        series: row.try_get(5)?,
        entry: row.try_get(6)?,
        aliases: row.try_get(7)?,
        sends_retired: row.try_get(8)?,
    })
}

fn value(row: &Row) -> Result<ValueRow, Error> {
    Ok(ValueRow {
        source: row.try_get(0)?,
        device: row.try_get(1)?,
        channel: row.try_get(2)?,
        metric: row.try_get(3)?,
        observed_at: row.try_get(4)?,
        value: row.try_get(5)?,
        text: row.try_get(6)?,
        unit: row.try_get(7)?,
        kind: row.try_get(8)?,
        quality: row.try_get(9)?,
        received_at: row.try_get(10)?,
        revised_at: row.try_get(11)?,
    })
}

fn alert(row: &Row) -> Result<AlertRow, Error> {
    Ok(AlertRow {
        rule: row.try_get(0)?,
        status: row.try_get(1)?,
        since_at: row.try_get(2)?,
        source: row.try_get(3)?,
        device: row.try_get(4)?,
        channel: row.try_get(5)?,
        metric: row.try_get(6)?,
        severity: row.try_get(7)?,
        value: row.try_get(8)?,
        unit: row.try_get(9)?,
        undelivered: row.try_get(10)?,
    })
}

/// The receipt of this id; that of a reading received at `at` is found at once, else the newest are looked through first.
///
/// # Errors
/// Those of the database.
pub async fn receipt(
    client: &impl GenericClient,
    id: uuid::Uuid,
    at: Option<Timestamp>,
) -> Result<Option<ReceiptRow>, Error> {
    let sql = format!(
        "select r.id, r.received_at, r.source, r.event_id, r.format, r.outcome, r.readings, r.problems, lpad(to_hex(r.pipeline), 16, '0'),
                r.record_topic, r.record_partition, r.record_offset, r.record_last_offset, coalesce(r.records, 1), r.record_problems,
                coalesce(r.request, (select body from request q where q.receipt_id = r.id and q.received_at = r.received_at)),
                r.record_source, {IS_MADE_ANEW}, coalesce(r.expired, 0), r.stored_at
         from receipt r where r.id = $1 and r.received_at <= coalesce($2::timestamptz, 'infinity')
         order by r.received_at desc limit 1"
    );
    let Some(row) = client.query_opt(&sql, &[&id, &at]).await? else { return Ok(None) };
    Ok(Some(ReceiptRow {
        id: row.try_get(0)?,
        received_at: row.try_get(1)?,
        source: row.try_get(2)?,
        event_id: row.try_get(3)?,
        format: row.try_get(4)?,
        outcome: row.try_get(5)?,
        readings: row.try_get(6)?,
        expired: row.try_get(18)?,
        problems: row.try_get(7)?,
        pipeline: row.try_get(8)?,
        topic: row.try_get(9)?,
        partition: row.try_get(10)?,
        offset: row.try_get(11)?,
        last_offset: row.try_get(12)?,
        records: row.try_get(13)?,
        record_problems: row.try_get(14)?,
        request: row.try_get(15)?,
        topic_source: row.try_get(16)?,
        topic_made_anew: row.try_get(17)?,
        stored_at: row.try_get(19)?,
    }))
}
