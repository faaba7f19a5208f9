//! Makes devices, streams and metrics that are not there yet: many at once, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{Client, GenericClient, Transaction};
use futures_util::try_join;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use super::device::{Channel, Device, DeviceKey, Metric, MetricKey, Wanted};
use super::resolved::PayloadSamples;
use super::{MAX_DEVICE_METRICS, MAX_METRICS, fresh};
use crate::device_name::{NEVER, folded};
use crate::{StoreError, name_generation};

/// How often it is begun anew where names are led elsewhere meanwhile.
const ATTEMPTS: u32 = 5;

/// The devices of `wanted` that are there or may be made, by source and name, and the generation of the registry for which that holds.
///
/// What is there already is only read, and what nobody has met is made in one statement. Else the devices' rows are locked. Both take
/// them in the order of their keys, so that two processes which meet the same new devices wait for each other and never in a circle.
pub(super) async fn register<'a>(
    client: &mut Client,
    payloads: &[PayloadSamples<'a>],
    wanted: &BTreeMap<DeviceKey<'a>, Wanted<'a>>,
) -> Result<(i64, BTreeMap<DeviceKey<'a>, Device>), StoreError> {
    let mut attempts = 1..=ATTEMPTS;
    loop {
        attempts.next();
        // In this order: what is found may be newer than the generation, never older.
        let (registry, Known { mut devices, aliases }, erased) =
            try_join!(name_generation::current(client), known(client, wanted), erased(client, wanted))?;
        for (key, begins_at) in erased {
            // A name that was erased and leads to another device by now bars what came by it before.
            devices.entry(key).or_insert_with(|| Device::erased(begins_at)).begin_at(begins_at);
        }
        if spell(client, wanted, &devices).await? {
            continue;
        }
        let is_complete = complete(client, payloads, wanted, (&mut devices, &aliases)).await?;
        if is_complete || name_generation::current(client).await? == registry || attempts.is_empty() {
            return Ok((registry, devices));
        }
    }
}

/// Has devices that are expected, and have not sent, be called as their platform spells their addresses; whether there was one.
async fn spell<'a>(
    client: &Client,
    wanted: &BTreeMap<DeviceKey<'a>, Wanted<'a>>,
    devices: &BTreeMap<DeviceKey<'a>, Device>,
) -> Result<bool, Error> {
    let is_spelled = |name: &str| {
        (12..=23).contains(&name.len())
            && name.bytes().any(|byte| b":-".contains(&byte) || byte.is_ascii_uppercase())
    };
    let unmet = wanted.keys().filter(|key| is_spelled(key.1) && !devices.contains_key(*key));
    let (sources, names): (Vec<&str>, Vec<&str>) = unmet.copied().unzip();
    if names.is_empty() {
        return Ok(false);
    }
    let sql = format!(
        "with unmet as materialized (select source, name, {} as folded from unnest($1::text[], $2::text[]) as w (source, name))
         update device d set name = u.name
         from (select distinct on (source, folded) * from unmet where folded <> name order by source, folded, name) u
         where d.source = u.source and d.name = u.folded and d.last_seen_at = {NEVER} and d.erased_at is null",
        folded("name")
    );
    let statement = client.prepare_cached(&sql).await?;
    Ok(client.execute(&statement, &[&sources, &names]).await? > 0)
}

/// Makes what is wanted and lacks; whether all of it that may be made was.
async fn complete<'a>(
    client: &mut Client,
    payloads: &[PayloadSamples<'a>],
    wanted: &BTreeMap<DeviceKey<'a>, Wanted<'a>>,
    (devices, aliases): (&mut BTreeMap<DeviceKey<'a>, Device>, &BTreeMap<DeviceKey<'a>, String>),
) -> Result<bool, StoreError> {
    let is_unmet = |key: &DeviceKey<'a>, devices: &BTreeMap<DeviceKey<'a>, Device>| {
        wanted.get(key).is_some_and(|want| match devices.get(key) {
            None => true,
            Some(device) => device.was_erased() && !device.bars(want.received_at),
        })
    };
    let unknown = without_entry(client, payloads, |key| is_unmet(key, devices)).await?;
    let new = admitted(client, payloads, |key| is_unmet(key, devices) && !unknown.contains(key)).await?;
    let unmet: BTreeMap<_, _> =
        wanted.iter().filter(|(key, _)| new.contains(*key)).map(|(key, want)| (*key, want)).collect();
    devices.extend(fresh::make(client, &unmet).await?);
    let lacks_something = |(key, want): &(&DeviceKey<'a>, &Wanted<'a>)| match devices.get(*key) {
        Some(device) if device.is_there(want.received_at) => !device.has_all(want),
        _ => new.contains(*key),
    };
    let lacking: BTreeMap<_, _> =
        wanted.iter().filter(lacks_something).map(|(key, want)| (*key, want)).collect();
    let (aliased, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
        lacking.into_iter().partition(|(key, _)| aliases.contains_key(key));
    if !own.is_empty() {
        let transaction = client.transaction().await?;
        let made = make(&transaction, &own).await?;
        transaction.commit().await?;
        devices.extend(made);
    }
    // By the device's own name; two that lead to one device, one after the other.
    for (key, want) in &aliased {
        let transaction = client.transaction().await?;
        let made = make(&transaction, &BTreeMap::from([((key.0, &*aliases[key]), *want)])).await?;
        transaction.commit().await?;
        devices.extend(made.into_values().map(|device| (*key, device)));
    }
    Ok(new.iter().all(|key| devices.get(key).is_some_and(|device| !device.was_erased())))
}

/// Devices that are there, as they are.
struct Known<'a> {
    devices: BTreeMap<DeviceKey<'a>, Device>,
    /// The device's own name, of those that were found by another.
    aliases: BTreeMap<DeviceKey<'a>, String>,
}

async fn known<'a>(
    client: &Client,
    wanted: &BTreeMap<DeviceKey<'a>, Wanted<'a>>,
) -> Result<Known<'a>, Error> {
    // One that has not sent is known for as long as people say that it is expected.
    let sql = format!(
        "
        select w.number - 1, d.id, d.tags, d.last_seen_at, d.begins_at, d.alias_of
        from unnest($1::text[], $2::text[]) with ordinality as w (source, name, number)
        cross join lateral (
            select id, tags, last_seen_at, begins_at, null as alias_of from device
            where source = w.source and name = w.name
              and (last_seen_at <> {NEVER} or exists (
                  select from device_entry e where e.source = w.source and e.name in (w.name, {})))
            union all
            select d.id, d.tags, d.last_seen_at, d.begins_at, d.name
            from device_alias a join device d on d.id = a.device_id
            where a.source = w.source and a.alias = w.name and d.erased_at is null
            offset 0) as d",
        folded("w.name")
    );
    let statement = client.prepare_cached(&sql).await?;
    let (sources, names): (Vec<&str>, Vec<&str>) = wanted.keys().copied().unzip();
    let rows = client.query(&statement, &[&sources, &names]).await?;
    let keys = keys_of(wanted);
    let mut aliases = BTreeMap::new();
    for row in &rows {
        if let Some(name) = row.try_get(5)? {
            aliases.insert(keys[place(row)?], name);
        }
    }
    Ok(Known { devices: with_channels(client, &keys, &rows).await?, aliases })
}

/// Since when names count that were erased.
async fn erased<'a>(
    client: &Client,
    wanted: &BTreeMap<DeviceKey<'a>, Wanted<'a>>,
) -> Result<BTreeMap<DeviceKey<'a>, Timestamp>, Error> {
    let sql = "
        select w.number - 1, e.erased_at, e.is_retired
        from unnest($1::text[], $2::text[]) with ordinality as w (source, name, number)
        join erasure e on e.hash = erasure_hash(w.source, w.name)
        where exists (select from erasure)";
    let statement = client.prepare_cached(sql).await?;
    let (sources, names): (Vec<&str>, Vec<&str>) = wanted.keys().copied().unzip();
    let keys = keys_of(wanted);
    let erased = |row: &Row| {
        let begins_at = if row.try_get(2)? { Timestamp::MAX } else { row.try_get(1)? };
        Ok((keys[place(row)?], begins_at))
    };
    client.query(&statement, &[&sources, &names]).await?.iter().map(erased).collect()
}

/// The place in its columns that a row begins with.
fn place(row: &Row) -> Result<usize, Error> {
    let number: i64 = row.try_get(0)?;
    Ok(usize::try_from(number).expect("ordinality counts from 1"))
}

/// New devices that may be made: of each payload, and of each source within an hour, no more than it says.
async fn admitted<'a>(
    client: &Client,
    payloads: &[PayloadSamples<'a>],
    is_new: impl Fn(&DeviceKey<'a>) -> bool,
) -> Result<BTreeSet<DeviceKey<'a>>, StoreError> {
    let mut admitted = BTreeSet::new();
    let mut left_of_hour: BTreeMap<&str, usize> = BTreeMap::new();
    for payload in payloads {
        let keys: BTreeSet<DeviceKey<'_>> = payload.device_keys().filter(|key| is_new(key)).collect();
        let keys: Vec<_> = keys.into_iter().filter(|key| !admitted.contains(key)).collect();
        // Somebody has said that they are known.
        if keys.is_empty() || payload.new_devices.known_only {
            admitted.extend(keys);
            continue;
        }
        let mut most = payload.new_devices.per_payload;
        if let Some(limit) = payload.new_devices.per_hour {
            let left = match left_of_hour.get(payload.source) {
                Some(left) => *left,
                None => limit.saturating_sub(made_within_an_hour(client, payload, limit).await?),
            };
            most = most.min(left);
            left_of_hour.insert(payload.source, left - most.min(keys.len()));
        }
        admitted.extend(keys.into_iter().take(most));
    }
    Ok(admitted)
}

/// Devices of sources that take only known ones of which nobody says anything.
async fn without_entry<'a>(
    client: &Client,
    payloads: &[PayloadSamples<'a>],
    is_new: impl Fn(&DeviceKey<'a>) -> bool,
) -> Result<BTreeSet<DeviceKey<'a>>, StoreError> {
    let of_known = payloads.iter().filter(|payload| payload.new_devices.known_only);
    let mut keys: BTreeSet<DeviceKey<'a>> =
        of_known.flat_map(PayloadSamples::device_keys).filter(|key| is_new(key)).collect();
    if keys.is_empty() {
        return Ok(keys);
    }
    let sql = "
        select source, name from unnest($1::text[], $2::text[]) as w (source, name)
        where exists (select from device_entry e where e.source = w.source and e.name in (w.name, FOLDED))";
    let statement = client.prepare_cached(&sql.replace("FOLDED", &folded("w.name"))).await?;
    let (sources, names): (Vec<&str>, Vec<&str>) = keys.iter().copied().unzip();
    for row in client.query(&statement, &[&sources, &names]).await? {
        let (source, name): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        keys.retain(|key| *key != (source, name));
    }
    Ok(keys)
}

/// How many devices the source has made within the hour before the payload; counted up to `limit`.
async fn made_within_an_hour(
    client: &Client,
    payload: &PayloadSamples<'_>,
    limit: usize,
) -> Result<usize, StoreError> {
    let sql = "
        select count(*) from (select from device where source = $1 and first_seen_at > $2 limit $3) as new";
    let statement = client.prepare_cached(sql).await?;
    let since = payload.received_at.checked_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let count: i64 = client.query_one(&statement, &[&payload.source, &since, &limit]).await?.try_get(0)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Makes or locks the devices, and gives them what they lack.
async fn make<'a>(
    transaction: &Transaction<'_>,
    wanted: &BTreeMap<DeviceKey<'a>, &Wanted<'a>>,
) -> Result<BTreeMap<DeviceKey<'a>, Device>, StoreError> {
    let mut devices = lock(transaction, wanted).await?;
    add_streams(transaction, wanted, &mut devices).await?;
    add_metrics(transaction, wanted, &mut devices).await?;
    Ok(devices)
}

/// The devices' rows, made where they are not there, with the wanted tags, locked.
async fn lock<'a>(
    transaction: &Transaction<'_>,
    wanted: &BTreeMap<DeviceKey<'a>, &Wanted<'a>>,
) -> Result<BTreeMap<DeviceKey<'a>, Device>, Error> {
    let sql = "
        with locked as (
            insert into device (source, name, first_seen_at, last_seen_at, tags, begins_at)
            select source, name, at, at, tags, erased_at
            from unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[]) as w (source, name, at, tags)
            left join erasure e on e.hash = erasure_hash(w.source, w.name)
            where (erased_at is null or erased_at <= at and not is_retired)
              and not exists (
                  select from device_alias a join device d on d.id = a.device_id
                  where a.source = w.source and a.alias = w.name and d.erased_at is null)
            on conflict (source, name) do update set tags = device.tags || excluded.tags
            returning source, name, id, tags, last_seen_at, begins_at)
        select w.number - 1, id, tags, last_seen_at, begins_at
        from unnest($1::text[], $2::text[]) with ordinality as w (source, name, number) join locked using (source, name)";
    let statement = transaction.prepare_cached(sql).await?;
    let (sources, names): (Vec<&str>, Vec<&str>) = wanted.keys().copied().unzip();
    let times: Vec<Timestamp> = wanted.values().map(|want| want.received_at).collect();
    let tags: Vec<_> = wanted.values().map(|want| Json(&want.tags)).collect();
    let rows = transaction.query(&statement, &[&sources, &names, &times, &tags]).await?;
    // A statement of its own, so that it sees what others committed before they let go of the rows.
    with_channels(transaction, &keys_of(wanted), &rows).await
}

fn keys_of<'a, T>(wanted: &BTreeMap<DeviceKey<'a>, T>) -> Vec<DeviceKey<'a>> {
    wanted.keys().copied().collect()
}

/// Devices by the place of their key in `keys`, with their streams and metrics.
async fn with_channels<'a>(
    client: &impl GenericClient,
    keys: &[DeviceKey<'a>],
    rows: &[Row],
) -> Result<BTreeMap<DeviceKey<'a>, Device>, Error> {
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = "
        select s.device_id, s.channel, s.id, m.name, m.unit, m.kind
        from stream s left join metric m on m.stream_id = s.id
        where s.device_id = any($1) order by s.id, m.position";
    let statement = client.prepare_cached(sql).await?;
    let ids = rows.iter().map(|row| row.try_get(1)).collect::<Result<Vec<i32>, Error>>()?;
    let mut channels: BTreeMap<i32, BTreeMap<String, Channel>> = BTreeMap::new();
    for row in client.query(&statement, &[&ids]).await? {
        let channel = channels.entry(row.try_get(0)?).or_default().entry(row.try_get(1)?).or_default();
        channel.stream = row.try_get(2)?;
        if let Some(name) = row.try_get(3)? {
            channel.metrics.push(Metric { name, unit: row.try_get(4)?, kind: row.try_get(5)? });
        }
    }
    let read = |row: &Row| {
        let (id, Json(tags)) = (row.try_get(1)?, row.try_get(2)?);
        // Several names may lead to one device.
        let channels = channels.get(&id).cloned().unwrap_or_default();
        Ok((keys[place(row)?], Device::new(id, tags, channels, (row.try_get(4)?, row.try_get(3)?))))
    };
    rows.iter().map(read).collect()
}

/// Makes the streams that are not there, as far as the device has room for a metric of theirs.
async fn add_streams(
    transaction: &Transaction<'_>,
    wanted: &BTreeMap<DeviceKey<'_>, &Wanted<'_>>,
    devices: &mut BTreeMap<DeviceKey<'_>, Device>,
) -> Result<(), Error> {
    let (mut ids, mut channels) = (Vec::new(), Vec::new());
    let mut by_id = BTreeMap::new();
    for (key, device) in devices.iter_mut() {
        let Some(want) = wanted.get(key) else { continue };
        let room = MAX_DEVICE_METRICS.saturating_sub(device.metrics());
        for name in want.channels.keys().filter(|name| !device.channels.contains_key(**name)).take(room) {
            ids.push(device.id);
            channels.push(*name);
        }
        by_id.insert(device.id, device);
    }
    if ids.is_empty() {
        return Ok(());
    }
    let sql = "
        insert into stream (device_id, channel) select * from unnest($1::integer[], $2::text[])
        returning device_id, channel, id";
    let statement = transaction.prepare_cached(sql).await?;
    for row in transaction.query(&statement, &[&ids, &channels]).await? {
        if let Some(device) = by_id.get_mut(&row.try_get(0)?) {
            let channel = Channel { stream: row.try_get(2)?, metrics: Vec::new() };
            device.channels.insert(row.try_get(1)?, channel);
        }
    }
    Ok(())
}

/// Gives what is new the next positions, as far as stream and device have room.
async fn add_metrics(
    transaction: &Transaction<'_>,
    wanted: &BTreeMap<DeviceKey<'_>, &Wanted<'_>>,
    devices: &mut BTreeMap<DeviceKey<'_>, Device>,
) -> Result<(), Error> {
    let mut columns = MetricColumns::default();
    for (key, device) in devices {
        let Some(want) = wanted.get(key) else { continue };
        let mut room = MAX_DEVICE_METRICS.saturating_sub(device.metrics());
        for (name, keys) in &want.channels {
            let Some(channel) = device.channels.get_mut(*name) else { continue };
            let most = room.min(MAX_METRICS.saturating_sub(channel.metrics.len()));
            let fresh: Vec<_> =
                keys.iter().filter(|key| channel.position(key).is_none()).take(most).collect();
            room -= fresh.len();
            for key in fresh {
                columns.add(channel, key);
            }
        }
    }
    if columns.streams.is_empty() {
        return Ok(());
    }
    let sql = "
        insert into metric (stream_id, position, name, unit, kind)
        select * from unnest($1::integer[], $2::smallint[], $3::text[], $4::text[], $5::text[])";
    let statement = transaction.prepare_cached(sql).await?;
    let MetricColumns { streams, positions, names, units, kinds } = &columns;
    transaction.execute(&statement, &[streams, positions, names, units, kinds]).await?;
    Ok(())
}

/// Metrics as a statement is given them.
#[derive(Default)]
pub(super) struct MetricColumns<'a> {
    pub(super) streams: Vec<i32>,
    pub(super) positions: Vec<i16>,
    pub(super) names: Vec<&'a str>,
    pub(super) units: Vec<&'a str>,
    pub(super) kinds: Vec<&'static str>,
}

impl<'a> MetricColumns<'a> {
    /// The next one of a channel.
    pub(super) fn add(&mut self, channel: &mut Channel, key: &MetricKey<'a>) {
        self.streams.push(channel.stream);
        self.positions.push(i16::try_from(channel.metrics.len()).expect("MAX_METRICS fits"));
        self.names.push(key.name);
        self.units.push(key.unit);
        self.kinds.push(key.kind.as_str());
        channel.metrics.push(Metric::from(key));
    }
}
