//! Makes devices, streams and metrics that are not there yet, in one transaction.

use std::collections::BTreeMap;

use deadpool_postgres::{Client, Transaction};
use jiff::Timestamp;
use tokio_postgres::Error;
use tokio_postgres::types::Json;

use super::device::{Channel, Device, Metric, MetricKey, Wanted};
use super::resolved::PayloadSamples;
use super::{MAX_METRICS, Tags};
use crate::StoreError;

/// The devices of `wanted`, in its order. Their rows are locked in the order of their names, so that two processes
/// which meet the same new devices wait for each other and never in a circle.
pub(super) async fn register(
    client: &mut Client,
    samples: &PayloadSamples<'_>,
    wanted: &[&Wanted<'_>],
) -> Result<Vec<Device>, StoreError> {
    let transaction = client.transaction().await?;
    let mut devices = Vec::with_capacity(wanted.len());
    for want in wanted {
        devices.push(device(&transaction, samples, want).await?);
    }
    transaction.commit().await?;
    Ok(devices)
}

async fn device(
    transaction: &Transaction<'_>,
    samples: &PayloadSamples<'_>,
    wanted: &Wanted<'_>,
) -> Result<Device, StoreError> {
    let found = lock(transaction, samples, wanted).await?;
    let mut channels = channels(transaction, found.id).await?;
    for (name, keys) in &wanted.channels {
        if !channels.contains_key(*name) {
            let sql = "insert into stream (device_id, channel) values ($1, $2) returning id";
            let statement = transaction.prepare_cached(sql).await?;
            let stream = transaction.query_one(&statement, &[&found.id, name]).await?.try_get(0)?;
            channels.insert((*name).to_owned(), Channel { stream, metrics: Vec::new() });
        }
        if let Some(channel) = channels.get_mut(*name) {
            add_metrics(transaction, channel, keys.iter()).await?;
        }
    }
    Ok(Device::new(found.id, found.tags, channels, found.last_seen_at))
}

struct Found {
    id: i32,
    tags: Tags,
    last_seen_at: Timestamp,
}

/// The device's row, made if it is not there, with the wanted tags, locked.
async fn lock(
    transaction: &Transaction<'_>,
    samples: &PayloadSamples<'_>,
    wanted: &Wanted<'_>,
) -> Result<Found, Error> {
    let sql = "
        insert into device (source, name, first_seen_at, last_seen_at, tags) values ($1, $2, $3, $3, $4)
        on conflict (source, name) do update set tags = device.tags || excluded.tags
        returning id, tags, last_seen_at";
    let statement = transaction.prepare_cached(sql).await?;
    let row = transaction
        .query_one(&statement, &[&samples.source, &wanted.name, &samples.received_at, &Json(&wanted.tags)])
        .await?;
    let Json(tags) = row.try_get(1)?;
    Ok(Found { id: row.try_get(0)?, tags, last_seen_at: row.try_get(2)? })
}

async fn channels(transaction: &Transaction<'_>, device: i32) -> Result<BTreeMap<String, Channel>, Error> {
    let sql = "
        select s.channel, s.id, m.name, m.unit, m.kind
        from stream s left join metric m on m.stream_id = s.id
        where s.device_id = $1 order by s.id, m.position";
    let statement = transaction.prepare_cached(sql).await?;
    let mut channels: BTreeMap<String, Channel> = BTreeMap::new();
    for row in transaction.query(&statement, &[&device]).await? {
        let channel = channels.entry(row.try_get(0)?).or_default();
        channel.stream = row.try_get(1)?;
        if let Some(name) = row.try_get(2)? {
            channel.metrics.push(Metric { name, unit: row.try_get(3)?, kind: row.try_get(4)? });
        }
    }
    Ok(channels)
}

/// Gives what is new the next positions.
async fn add_metrics<'a>(
    transaction: &Transaction<'_>,
    channel: &mut Channel,
    keys: impl Iterator<Item = &'a MetricKey<'a>>,
) -> Result<(), StoreError> {
    let fresh: Vec<&MetricKey<'_>> = keys.filter(|key| channel.position(key).is_none()).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let first = channel.metrics.len();
    if first + fresh.len() > MAX_METRICS {
        return Err(StoreError::TooManyMetrics { limit: MAX_METRICS });
    }
    let positions: Vec<i16> =
        (first..).take(fresh.len()).filter_map(|position| i16::try_from(position).ok()).collect();
    let names: Vec<&str> = fresh.iter().map(|key| key.name).collect();
    let units: Vec<&str> = fresh.iter().map(|key| key.unit).collect();
    let kinds: Vec<&str> = fresh.iter().map(|key| key.kind.as_str()).collect();
    let sql = "
        insert into metric (stream_id, position, name, unit, kind)
        select $1, position, name, unit, kind
        from unnest($2::smallint[], $3::text[], $4::text[], $5::text[]) as metric (position, name, unit, kind)";
    let statement = transaction.prepare_cached(sql).await?;
    transaction.execute(&statement, &[&channel.stream, &positions, &names, &units, &kinds]).await?;
    channel.metrics.extend(fresh.iter().map(|key| Metric {
        name: key.name.to_owned(),
        unit: key.unit.to_owned(),
        kind: key.kind.as_str().to_owned(),
    }));
    Ok(())
}
