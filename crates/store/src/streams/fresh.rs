//! Makes devices that nobody has met, with all that they need, in one statement: payloads wait for each round trip.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Client;
use jiff::Timestamp;
use tokio_postgres::Error;
use tokio_postgres::types::{Json, ToSql};

use super::device::{Channel, Device, DeviceKey, Metric, MetricKey, Wanted};
use super::{MAX_DEVICE_METRICS, MAX_METRICS, Tags};

/// Streams, and metrics, that one statement makes: it joins them with what was made before it.
const MOST: usize = 1000;

/// $1 sources, $2 names, $3 receive times, $4 tags of devices; $5 the number of its device, $6 the channel of each stream; $7 the number of
/// its stream, $8 position, $9 name, $10 unit, $11 kind of each metric. Numbers count from 1. A device that another has made meanwhile
/// is left out, with its streams.
const MAKE: &str = "
    with made as (
        insert into device (source, name, first_seen_at, last_seen_at, tags)
        select source, name, at, at, tags
        from unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[]) as w (source, name, at, tags)
        on conflict (source, name) do nothing
        returning id, source, name),
    devices as (
        select w.number, made.id
        from unnest($1::text[], $2::text[]) with ordinality as w (source, name, number) join made using (source, name)),
    made_streams as (
        insert into stream (device_id, channel)
        select d.id, w.channel
        from unnest($5::bigint[], $6::text[]) as w (device, channel) join devices d on d.number = w.device
        returning id, device_id, channel),
    streams as (
        select w.device, w.number, s.id
        from unnest($5::bigint[], $6::text[]) with ordinality as w (device, channel, number)
        join devices d on d.number = w.device
        join made_streams s on s.device_id = d.id and s.channel = w.channel),
    metrics as (
        insert into metric (stream_id, position, name, unit, kind)
        select s.id, w.position, w.name, w.unit, w.kind
        from unnest($7::bigint[], $8::smallint[], $9::text[], $10::text[], $11::text[]) as w (stream, position, name, unit, kind)
        join streams s on s.number = w.stream)
    select d.number, d.id, s.number, s.id from devices d join streams s on s.device = d.number";

/// Those of `wanted`, of which none was there a moment ago, that are made now: as many of the first ones as fit into a statement, but
/// for those that another has made meanwhile.
///
/// # Errors
/// Those of the database; then none is made.
pub(super) async fn make<'a>(
    client: &Client,
    wanted: &BTreeMap<DeviceKey<'a>, &Wanted<'a>>,
) -> Result<BTreeMap<DeviceKey<'a>, Device>, Error> {
    let mut columns = Columns::default();
    let fits = wanted.iter().take_while(|((source, name), want)| columns.add((source, name), want));
    let keys: Vec<DeviceKey<'a>> = fits.map(|(key, _)| *key).collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let statement = client.prepare_cached(MAKE).await?;
    let Columns {
        sources,
        names,
        times,
        tags,
        devices,
        channels,
        streams,
        positions,
        metrics,
        units,
        kinds,
        ..
    } = &columns;
    let parameters: [&(dyn ToSql + Sync); 11] =
        [sources, names, times, tags, devices, channels, streams, positions, metrics, units, kinds];
    let mut made: BTreeMap<usize, (i32, BTreeMap<String, Channel>)> = BTreeMap::new();
    for row in client.query(&statement, &parameters).await? {
        let (device, stream) = (place(row.try_get(0)?), place(row.try_get(2)?));
        let channel =
            Channel { stream: row.try_get(3)?, metrics: std::mem::take(&mut columns.metrics_of[stream]) };
        let (_, channels) = made.entry(device).or_insert((row.try_get(1)?, BTreeMap::new()));
        channels.insert(columns.channels[stream].to_owned(), channel);
    }
    let device = |(at, (id, channels)): (usize, (i32, _))| {
        let Json(tags) = columns.tags[at];
        (keys[at], Device::new(id, tags.clone(), channels, columns.times[at]))
    };
    Ok(made.into_iter().map(device).collect())
}

/// A number of the statement as a place in its columns.
fn place(number: i64) -> usize {
    usize::try_from(number - 1).expect("numbers count from 1")
}

#[derive(Default)]
struct Columns<'a> {
    sources: Vec<&'a str>,
    names: Vec<&'a str>,
    times: Vec<Timestamp>,
    tags: Vec<Json<&'a Tags>>,
    devices: Vec<i64>,
    channels: Vec<&'a str>,
    streams: Vec<i64>,
    positions: Vec<i16>,
    metrics: Vec<&'a str>,
    units: Vec<&'a str>,
    kinds: Vec<&'static str>,
    /// The metrics of each stream, by position.
    metrics_of: Vec<Vec<Metric>>,
}

impl<'a> Columns<'a> {
    /// Adds a device, as far as it may have streams and metrics; `false` where there is no room for it.
    fn add(&mut self, (source, name): DeviceKey<'a>, want: &'a Wanted<'a>) -> bool {
        let mut room = MAX_DEVICE_METRICS;
        let bounded = |(name, keys): (&&'a str, &'a BTreeSet<MetricKey<'a>>)| {
            let keys: Vec<&MetricKey<'a>> = keys.iter().take(room.min(MAX_METRICS)).collect();
            room -= keys.len();
            (*name, keys)
        };
        let channels: Vec<_> = want.channels.iter().take(MAX_DEVICE_METRICS).map(bounded).collect();
        let metrics: usize = channels.iter().map(|(_, keys)| keys.len()).sum();
        if self.channels.len() + channels.len() > MOST || self.metrics.len() + metrics > MOST {
            return false;
        }
        self.sources.push(source);
        self.names.push(name);
        self.times.push(want.received_at);
        self.tags.push(Json(&want.tags));
        let device = number(self.names.len());
        for (name, keys) in channels {
            self.devices.push(device);
            self.channels.push(name);
            let stream = number(self.channels.len());
            for (position, key) in (0..).zip(&keys) {
                self.streams.push(stream);
                self.positions.push(position);
                self.metrics.push(key.name);
                self.units.push(key.unit);
                self.kinds.push(key.kind.as_str());
            }
            self.metrics_of.push(keys.into_iter().map(Metric::from).collect());
        }
        true
    }
}

/// The number of the last one of so many.
fn number(count: usize) -> i64 {
    i64::try_from(count).expect("there are no more than fit")
}
