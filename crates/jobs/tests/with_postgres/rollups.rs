//! Rollups against an oracle that looks at all readings.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_model::Quality;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use retention::Retention;
use rollups::{Observation, Part, Point, Values, day_of, hour_of};
use runtime::{Clock, Deadline};
use store::{MomentRow, WriteError, Writer};
use testkit::Random;
use uuid::Uuid;

use crate::readings::payload;
use crate::world::{World, at};

/// Days of Berlin and of Kolkata, whose days begin within an hour of UTC.
const PIPELINE: &str = "
sources:
  attic: {format: json, time_zone: Europe/Berlin}
  yard: {format: json, time_zone: Asia/Kolkata}
rollups: {gap: 20m}
names:
  energy: {aggregate: counter}
  wind: {aggregate: direction}
  level: {aggregate: time_weighted}
";
/// The metrics of each stream: name and kind.
pub(crate) const METRICS: [(&str, &str); 6] = [
    ("temperature", "number"),
    ("note", "text"),
    ("energy", "number"),
    ("wind", "number"),
    ("level", "number"),
    ("open", "flag"),
];
pub(crate) const GAP: SignedDuration = SignedDuration::from_mins(20);
/// What is rolled up ended by then.
pub(crate) const TO: &str = "2026-11-29T20:00:00Z";

/// A device of each source, with a stream of all metrics.
const STREAMS: &str = "
    insert into device (source, name, first_seen_at, last_seen_at)
    select source, 'd', '2026-11-01Z', '2026-11-29Z' from unnest('{attic,yard}'::text[]) source order by source;
    insert into stream (device_id, channel) select id, '' from device order by id;";

pub(crate) fn pipeline() -> Pipeline {
    Pipeline::parse(PIPELINE, "freshet.yaml").unwrap()
}

pub(crate) async fn world() -> Option<World> {
    let world = World::build().await?;
    world.execute(STREAMS).await;
    for (position, (name, kind)) in METRICS.iter().enumerate() {
        world
            .execute(&format!("insert into metric select id, {position}, '{name}', '', '{kind}' from stream"))
            .await;
    }
    world.execute("insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-11-01Z')").await;
    Some(world)
}

pub(crate) fn job(pipeline: Pipeline) -> Cleanup {
    let mut job = Cleanup::new(pipeline);
    job.floor_age = SignedDuration::ZERO;
    job
}

/// One that reads at most so many moments in a slice.
pub(crate) fn paged(pipeline: Pipeline, page: usize) -> Cleanup {
    let mut job = job(pipeline);
    job.page = page;
    job
}

/// Carries out a slot that rolls up what ended by [`TO`] at the latest, and later ones.
pub(crate) async fn roll(world: &World, job: Cleanup, slot: Timestamp) {
    let clock = Clock::manual(slot);
    let database = world.as_cleanup.clone();
    let runner = Runner { name: "cleanup", job, database, clock: clock.clone() };
    world.execute(&format!("insert into job_slot (job, slot) values ('cleanup', '{slot}')")).await;
    while runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done == 0 {
        assert_eq!(store::jobs::failed(&world.client().await).await.unwrap(), []);
        clock.set(clock.now() + SignedDuration::from_mins(1));
    }
}

/// A moment of a stream within the days before [`TO`] or a little after, with some of its values.
pub(crate) fn moment(numbers: &mut Random, stream: i32, id: u128) -> MomentRow {
    let second = at(TO).as_second() + 7200 - numbers.below(4 * 86_400) as i64;
    let mut values = vec![None; METRICS.len()];
    let mut quality = vec![None; METRICS.len()];
    for (position, (name, _)) in METRICS.iter().enumerate() {
        if *name == "note" || numbers.below(4) == 0 {
            continue;
        }
        let drawn = numbers.below(if *name == "open" { 2 } else { 360 }) as f64;
        values[position] = Some(drawn);
        quality[position] = Some([0, 0, 0, 0, 1, 2][numbers.below(6) as usize]);
    }
    let received_at = at(TO) + SignedDuration::from_hours(3);
    let observed_at = Timestamp::from_second(second).unwrap();
    let row = MomentRow::new(stream, observed_at, received_at, Uuid::from_u128(id));
    MomentRow { values, quality: Some(quality), ..row }
}

type Series = BTreeMap<(i32, i16), Vec<Observation>>;

/// All readings of a table like `moment`.
async fn readings(world: &World, table: &str) -> Series {
    let sql = format!(
        r#"select m.stream_id, m.position, r.observed_at, r."values"[m.position + 1], coalesce(r.quality[m.position + 1], 0::smallint)
           from metric m join {table} r on r.stream_id = m.stream_id
           where r."values"[m.position + 1] is not null order by 1, 2, 3"#
    );
    let mut series = Series::new();
    for row in world.client.query(&sql, &[]).await.unwrap() {
        let reading =
            Observation { at: row.get(2), value: row.get(3), quality: Quality::from_code(row.get(4)) };
        series.entry((row.get(0), row.get(1))).or_default().push(reading);
    }
    series
}

/// By stream, position and beginning: the part that the readings have, of spans that `span_of` gives and that ended by [`TO`].
fn parts(
    series: &Series,
    span_of: impl Fn(i32, Timestamp) -> rollups::Span,
) -> BTreeMap<(i32, i16, Timestamp), Part> {
    let mut parts: BTreeMap<_, Vec<Observation>> = BTreeMap::new();
    for ((stream, position), readings) in series {
        for reading in readings {
            let span = span_of(*stream, reading.at);
            if span.to <= at(TO) {
                parts.entry((*stream, *position, span.from)).or_default().push(*reading);
            }
        }
    }
    parts.into_iter().map(|(key, readings)| (key, Part::of(readings, GAP))).collect()
}

pub(crate) fn zone(stream: i32) -> TimeZone {
    TimeZone::get(if stream == 1 { "Europe/Berlin" } else { "Asia/Kolkata" }).unwrap()
}

async fn rolled(world: &World, table: &str, begins: &str) -> BTreeMap<(i32, i16, Timestamp), Part> {
    let sql = format!(
        "select stream_id, position, {begins}, bad, n, sum, min, max, first_at, first, last_at, last, rise, changes, seconds, integral,
                sin_sum, cos_sum from {table}"
    );
    let rows = world.client.query(&sql, &[]).await.unwrap();
    let part = |row: &tokio_postgres::Row| {
        let n = row.get::<_, i64>(4).unsigned_abs();
        let values = (n > 0).then(|| Values {
            n,
            sum: row.get(5),
            min: row.get(6),
            max: row.get(7),
            first: Point { at: row.get(8), value: row.get(9) },
            last: Point { at: row.get(10), value: row.get(11) },
            rise: row.get(12),
            changes: row.get::<_, i64>(13).unsigned_abs(),
            covered: SignedDuration::from_secs(row.get::<_, f64>(14) as i64),
            integral: row.get(15),
            sin_sum: row.get(16),
            cos_sum: row.get(17),
        });
        ((row.get(0), row.get(1), row.get(2)), Part { bad: row.get::<_, i64>(3).unsigned_abs(), values })
    };
    rows.iter().map(part).collect()
}

/// Values are whole and so are seconds: all is exact but the unit vectors.
#[track_caller]
fn assert_same(
    found: BTreeMap<(i32, i16, Timestamp), Part>,
    expected: BTreeMap<(i32, i16, Timestamp), Part>,
) {
    let without_vectors = |parts: BTreeMap<_, Part>| {
        let part = |(key, mut part): (_, Part)| {
            let vector = part
                .values
                .as_mut()
                .map(|values| (std::mem::take(&mut values.sin_sum), std::mem::take(&mut values.cos_sum)));
            (key, (part, vector.unwrap_or_default()))
        };
        parts.into_iter().map(part).collect::<BTreeMap<_, _>>()
    };
    let (found, expected) = (without_vectors(found), without_vectors(expected));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, (part, (sin, cos))) in found {
        let (other, (other_sin, other_cos)) = expected[&key];
        assert_eq!(part, other, "{key:?}");
        assert!((sin - other_sin).abs() < 1e-9 && (cos - other_cos).abs() < 1e-9, "{key:?}");
    }
}

/// Hours and days that ended by [`TO`] are those of all readings of a table like `moment`.
pub(crate) async fn assert_rolled(world: &World, table: &str, zone: impl Fn(i32) -> TimeZone) {
    let series = readings(world, table).await;
    let hours = parts(&series, |_, at| hour_of(at));
    assert!(!hours.is_empty());
    assert_same(rolled(world, "rollup_hour", "hour").await, hours);
    let days = parts(&series, |stream, at| day_of(&zone(stream), at).unwrap().span);
    assert!(!days.is_empty());
    assert_same(rolled(world, "rollup_day", "from_at").await, days);
}

pub(crate) async fn write(writer: &Writer, rows: Vec<MomentRow>, id: u128) {
    let mut rows = rows;
    rows.sort_by_key(MomentRow::key);
    rows.dedup_by_key(|row| row.key());
    writer.write(payload(id, rows[0].received_at, rows)).await.unwrap();
}

pub(crate) fn slot(hours: i64) -> Timestamp {
    at(TO) + SignedDuration::from_mins(20) - SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn hours_and_days_are_those_of_all_readings_in_whatever_order_they_arrive() {
    let Some(world) = world().await else { return };
    let writer = Writer::start(&world.database);
    for seed in 1..=6u64 {
        let mut numbers = Random::new(seed * 7919);
        // What was there before anything is rolled up, what comes late, and what is revised.
        for round in 0..3 {
            let rows = (0..40).map(|_| {
                let stream = 1 + numbers.below(2) as i32;
                moment(&mut numbers, stream, u128::from(seed))
            });
            write(&writer, rows.collect(), u128::from(seed * 10 + round)).await;
            let page = if seed % 2 == 0 { 3 } else { 40_000 };
            roll(&world, paged(pipeline(), page), slot(i64::try_from(21 - 3 * seed - round).unwrap())).await;
        }
    }
    roll(&world, job(pipeline()), slot(0)).await;
    assert_rolled(&world, "moment", zone).await;
    assert_eq!(world.count(&format!("rollup_due where hour < '{TO}'")).await, 0);
    values_are_those_of_the_parts(&world).await;
    // While hours are being rolled up, some are there that do not count yet.
    world.execute("update rollup_progress set hours_to = hours_to - interval '5 hours'").await;
    values_are_those_of_the_parts(&world).await;
}

/// The views, whose last hours are not rolled up yet, say what the parts do.
async fn values_are_those_of_the_parts(world: &World) {
    let pipeline = pipeline();
    let series = readings(world, "moment").await;
    let sql = "
        select s.id, m.position, h.hour, h.value, h.min, h.max, h.n, h.bad, h.aggregate
        from readings_hourly h
        join device d on d.source = h.source and d.name = h.device
        join stream s on s.device_id = d.id
        join metric m on m.stream_id = s.id and m.name = h.metric";
    let daily = "
        select s.id, m.position, h.from_at, h.value, h.min, h.max, h.n, h.bad, h.aggregate
        from readings_daily h
        join device d on d.source = h.source and d.name = h.device
        join stream s on s.device_id = d.id
        join metric m on m.stream_id = s.id and m.name = h.metric";
    for (sql, is_hourly) in [(sql, true), (daily, false)] {
        let span_of =
            |stream, at| if is_hourly { hour_of(at) } else { day_of(&zone(stream), at).unwrap().span };
        let mut expected = BTreeMap::new();
        for ((stream, position), readings) in &series {
            let metric = METRICS[usize::try_from(*position).unwrap()];
            let aggregate = pipeline.aggregate_of(metric.0, metric.1.parse().unwrap());
            for reading in readings {
                let span = span_of(*stream, reading.at);
                if !is_hourly && span.to > at(TO) {
                    continue;
                }
                let of = |within: bool| {
                    let chosen =
                        move |at| if within { (span.from..span.to).contains(&at) } else { at < span.from };
                    readings.iter().copied().filter(move |reading| chosen(reading.at))
                };
                let before = Part::of(of(false), GAP).values.map(|values| values.last);
                let part = Part::of(of(true), GAP);
                let value = part.value_after(before, aggregate, GAP);
                expected.insert((*stream, *position, span.from), (part, value, aggregate));
            }
        }
        let rows = world.client.query(sql, &[]).await.unwrap();
        assert_eq!(rows.len(), expected.len());
        assert!(!is_hourly || expected.values().any(|(_, value, _)| value.is_none()));
        for row in rows {
            let key: (i32, i16, Timestamp) = (row.get(0), row.get(1), row.get(2));
            let (part, value, aggregate) = &expected[&key];
            let found: Option<f64> = row.get(3);
            let near = match (found, value) {
                (Some(one), Some(other)) => (one - other).abs() < 1e-6,
                (one, other) => one.is_none() && other.is_none(),
            };
            assert!(near, "{key:?}: {aggregate} is {found:?}, not {value:?}");
            assert_eq!(row.get::<_, Option<f64>>(4), part.values.map(|values| values.min), "{key:?}");
            assert_eq!(row.get::<_, Option<f64>>(5), part.values.map(|values| values.max), "{key:?}");
            let counts = (row.get::<_, i64>(6).unsigned_abs(), row.get::<_, i64>(7).unsigned_abs());
            assert_eq!(counts, (part.values.map_or(0, |values| values.n), part.bad), "{key:?}");
            assert_eq!(row.get::<_, &str>(8), aggregate.as_str());
        }
    }
}

#[tokio::test]
async fn another_zone_has_its_days_of_all_that_there_is() {
    let Some(world) = world().await else { return };
    let writer = Writer::start(&world.database);
    let mut numbers = Random::new(11);
    let rows = (0..300).map(|n| moment(&mut numbers, 1 + n % 2, 1));
    write(&writer, rows.collect(), 1).await;
    roll(&world, job(pipeline()), slot(9)).await;
    let moved =
        PIPELINE.replace("Europe/Berlin", "Asia/Kathmandu").replace("Asia/Kolkata", "America/New_York");
    let moved = Pipeline::parse(&moved, "freshet.yaml").unwrap();
    roll(&world, paged(moved, 5), slot(0)).await;
    let zone =
        |stream| TimeZone::get(if stream == 1 { "Asia/Kathmandu" } else { "America/New_York" }).unwrap();
    assert_rolled(&world, "moment", zone).await;
    assert_eq!(world.count("rollup_day where zone not in ('Asia/Kathmandu', 'America/New_York')").await, 0);
}

/// All that was ever stored, of what is gone too.
const KEEP_ALL: &str = r#"
    create table all_moments (like moment, primary key (stream_id, observed_at));
    create function keep_all() returns trigger language plpgsql security definer as $$
    begin
        insert into all_moments select (new).* on conflict (stream_id, observed_at) do update
        set "values" = excluded."values", quality = excluded.quality;
        return null;
    end $$;
    create trigger keep_all after insert or update on moment for each row execute function keep_all();"#;

/// Writers store readings of every age while they are rolled up, and taken away, over and over. In the end each hour and day is that of all
/// readings that were ever stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_meanwhile_is_rolled_up_and_what_goes_was() {
    let seeds: u64 = std::env::var("FRESHET_ROLLUP_SEEDS").map_or(2, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        let Some(world) = world().await else { return };
        world.execute(KEEP_ALL).await;
        let age = SignedDuration::from_millis(100);
        let ended = AtomicBool::new(false);
        let write_all = async |writer: Writer, first: u64| {
            let (mut numbers, mut id) = (Random::new(seed * 31 + first), u128::from(first) << 64);
            while !ended.load(Ordering::Relaxed) {
                id += 1;
                let mut rows: Vec<MomentRow> = (0..8).map(|n| moment(&mut numbers, 1 + n % 2, id)).collect();
                rows.sort_by_key(MomentRow::key);
                rows.dedup_by_key(|row| row.key());
                match writer.write(payload(id, rows[0].received_at, rows)).await {
                    // It held on to its floors for too long.
                    Ok(_) | Err(WriteError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let work = async {
            for (hours, kept) in
                [(14, None), (12, Some(80)), (9, Some(60)), (6, None), (4, Some(40)), (2, Some(30))]
            {
                let kept = kept.map(SignedDuration::from_hours);
                let readings_of = BTreeMap::from([("attic".to_owned(), kept)]);
                let retention = Retention { readings_of, ..Retention::default() };
                let mut job = job(Pipeline { retention, ..pipeline() });
                job.floor_age = age;
                if seed % 2 == 0 {
                    job.page = 1000;
                }
                roll(&world, job, slot(hours)).await;
            }
            ended.store(true, Ordering::Relaxed);
        };
        let [first, second] = [1, 2].map(|n| write_all(Writer::with_floor_age(&world.database, age), n));
        tokio::join!(work, first, second);
        roll(&world, job(pipeline()), slot(0)).await;
        assert!(world.count("all_moments").await > world.count("moment").await, "some are gone");
        assert_rolled(&world, "all_moments", zone).await;
    }
}
