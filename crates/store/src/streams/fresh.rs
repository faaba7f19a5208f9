//! Makes devices that nobody has met, with all that they need, in one statement: payloads wait for each round trip.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Client;
use jiff::Timestamp;
use tokio_postgres::Error;
use tokio_postgres::types::{Json, ToSql};

use super::MAX_METRICS;
use super::device::{Channel, Device, DeviceKey, Wanted};
use super::register::MetricColumns;

/// Streams, and metrics, that one statement makes: it joins them with what was made before it. As many fit into one stream, so that
/// there is room for all of them.
const MOST: usize = MAX_METRICS;

/// $1 sources, $2 names, $3 receive times, $4 tags of devices; $5 the number of its device, $6 the channel of each stream; $7 the number of
/// its stream, $8 position, $9 name, $10 unit, $11 kind of each metric. Numbers count from 1. A device that another has made meanwhile
/// is left out, with its streams; so is one whose name leads to another, and one that was erased after its receive time.
const MAKE: &str = "
    with made as (
        insert into device (source, name, first_seen_at, last_seen_at, tags, begins_at)
        select source, name, at, at, tags, erased_at
        from unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[]) as w (source, name, at, tags)
        left join erasure e on e.hash = erasure_hash(w.source, w.name)
        where (erased_at is null or erased_at <= at and not is_retired)
          and not exists (
              select from device_alias a join device d on d.id = a.device_id
              where a.source = w.source and a.alias = w.name and d.erased_at is null)
        on conflict (source, name) do nothing
        returning id, source, name, begins_at),
    devices as (
        select w.number, made.id, made.begins_at
        from unnest($1::text[], $2::text[]) with ordinality as w (source, name, number) join made using (source, name)),
    made_streams as (
        insert into stream (device_id, channel)
        select d.id, w.channel
        from unnest($5::integer[], $6::text[]) as w (device, channel) join devices d on d.number = w.device
        returning id, device_id, channel),
    streams as (
        select w.device, w.number, s.id
        from unnest($5::integer[], $6::text[]) with ordinality as w (device, channel, number)
        join devices d on d.number = w.device
        join made_streams s on s.device_id = d.id and s.channel = w.channel),
    metrics as (
        insert into metric (stream_id, position, name, unit, kind)
        select s.id, w.position, w.name, w.unit, w.kind
        from unnest($7::integer[], $8::smallint[], $9::text[], $10::text[], $11::text[]) as w (stream, position, name, unit, kind)
        join streams s on s.number = w.stream)
    select d.number, d.id, s.number, s.id, d.begins_at from devices d join streams s on s.device = d.number";

/// Those of `wanted`, of which none was there a moment ago, that are made now: as many of the first ones as fit into a statement, but
/// for those that another has made meanwhile.
///
/// # Errors
/// Those of the database; then none is made.
pub(super) async fn make<'a>(
    client: &Client,
    wanted: &BTreeMap<DeviceKey<'a>, &Wanted<'a>>,
) -> Result<BTreeMap<DeviceKey<'a>, Device>, Error> {
    let (mut all_streams, mut all_metrics) = (0, 0);
    let fits = wanted.iter().take_while(|(_, want)| {
        all_streams += want.channels.len();
        all_metrics += want.channels.values().map(BTreeSet::len).sum::<usize>();
        all_streams.max(all_metrics) <= MOST
    });
    let wanted: Vec<(DeviceKey<'a>, &Wanted<'a>)> = fits.map(|(key, want)| (*key, *want)).collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (sources, names): (Vec<&str>, Vec<&str>) = wanted.iter().map(|(key, _)| *key).unzip();
    let times: Vec<Timestamp> = wanted.iter().map(|(_, want)| want.received_at).collect();
    let tags: Vec<_> = wanted.iter().map(|(_, want)| Json(&want.tags)).collect();
    let (mut devices, mut names_of_streams, mut channels) = (Vec::new(), Vec::new(), Vec::new());
    let mut columns = MetricColumns::default();
    for (device, (_, want)) in (1_i32..).zip(&wanted) {
        for (name, keys) in &want.channels {
            devices.push(device);
            names_of_streams.push(*name);
            // By its number, until the statement has said which stream that is.
            let mut channel = Channel { stream: number(names_of_streams.len()), metrics: Vec::new() };
            keys.iter().for_each(|key| columns.add(&mut channel, key));
            channels.push(channel);
        }
    }
    let statement = client.prepare_cached(MAKE).await?;
    let MetricColumns { streams, positions, names: metrics, units, kinds } = &columns;
    let parameters: [&(dyn ToSql + Sync); 11] = [
        &sources,
        &names,
        &times,
        &tags,
        &devices,
        &names_of_streams,
        streams,
        positions,
        metrics,
        units,
        kinds,
    ];
    let mut made: BTreeMap<DeviceKey<'a>, Device> = BTreeMap::new();
    for row in client.query(&statement, &parameters).await? {
        let (device, stream) = (place(row.try_get(0)?), place(row.try_get(2)?));
        let (id, begins_at) = (row.try_get(1)?, row.try_get(4)?);
        let channel = Channel { stream: row.try_get(3)?, ..std::mem::take(&mut channels[stream]) };
        let (key, want) = wanted[device];
        let device = made.entry(key).or_insert_with(|| {
            Device::new(id, want.tags.clone(), BTreeMap::new(), (begins_at, want.received_at))
        });
        device.channels.insert(names_of_streams[stream].to_owned(), channel);
    }
    Ok(made)
}

/// A number of the statement as a place in its columns.
fn place(number: i64) -> usize {
    usize::try_from(number - 1).expect("numbers count from 1")
}

/// The number of the last one of so many.
fn number(count: usize) -> i32 {
    i32::try_from(count).expect("there are no more than fit")
}
