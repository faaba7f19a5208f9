//! What it takes to roll up a day of many devices, and to read a year of one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use growth_tests::burst::Phase;
use growth_tests::cost::{self, Costs};
use jiff::SignedDuration;
use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use runtime::{Clock, Deadline};
use store::{Database, DatabaseSettings};

/// Devices that send once a minute, where `FRESHET_LONG` does not say that the test may take long.
const FEW: i64 = 100;
const MANY: i64 = 10_000;

/// Devices with four metrics, of which the first has sent for a year and the others for a day of 2026-11-28, once a minute.
const DEVICES: &str = "
    select make_partition('moment', first::date) from generate_series(timestamptz '2025-11-01Z', '2026-11-01Z', '1 month') first;
    insert into device (source, name, first_seen_at, last_seen_at) select 's', 'd' || n, now(), now() from generate_series(1, $DEVICES) n;
    insert into stream (device_id, channel) select id, '' from device order by id;
    insert into metric select id, position, name, '', 'number'
    from stream, unnest('{temperature,energy,wind,level}'::text[]) with ordinality m (name, number), lateral (select number - 1) p (position);
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select 1, at, at, '00000000-0000-0000-0000-000000000000', array[20, extract(epoch from at) % 86400, extract(epoch from at) % 360, 1]
    from generate_series(timestamptz '2025-11-28Z', '2026-11-27 23:59Z', '1 minute') at;
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select s, at, at, '00000000-0000-0000-0000-000000000000', array[20, extract(epoch from at) % 86400, extract(epoch from at) % 360, s]
    from generate_series(timestamptz '2026-11-28Z', '2026-11-28 23:59Z', '1 minute') at, generate_series(1, $DEVICES) s;
    analyze;
    insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-11-01Z');
    insert into job_slot (job, slot) values ('cleanup', '2026-11-28 00:15Z'), ('cleanup', '2026-11-29 00:15Z');";

/// A hundred devices whose hours of $DAYS days are rolled up, and a day of readings that is not; in each week three hours have changed of every fifth.
const HISTORY: &str = "
    select make_partition('moment', first::date) from generate_series(timestamptz '2025-11-01Z', '2026-11-01Z', '1 month') first;
    insert into device (source, name, first_seen_at, last_seen_at) select 's', 'd' || n, now(), now() from generate_series(1, 100) n;
    insert into stream (device_id, channel) select id, '' from device order by id;
    insert into metric select id, p, 'm' || p, '', 'number' from stream, generate_series(0, 2) p;
    insert into rollup_hour (stream_id, position, hour, bad, n, sum, min, max, first_at, first, last_at, last, rise, changes, seconds, integral, sin_sum, cos_sum)
    select m.stream_id, m.position, hour, 0, 1, 1, 1, 1, hour, 1, hour, 1, 0, 0, 0, 0, 0, 1
    from metric m, generate_series('2026-11-27Z'::timestamptz - $DAYS * interval '1 day', '2026-11-26 23:00Z', interval '1 hour') hour;
    insert into rollup_day (stream_id, position, from_at, to_at, day, zone, bad, n, sum, min, max, first_at, first, last_at, last, rise, changes, seconds, integral, sin_sum, cos_sum)
    select m.stream_id, m.position, at, at + interval '1 day', at::date, 'UTC', 0, 24, 24, 1, 1, at, 1, at, 1, 0, 0, 0, 0, 0, 1
    from metric m, generate_series('2026-11-27Z'::timestamptz - $DAYS * interval '1 day', '2026-11-26Z', interval '1 day') at;
    insert into moment (stream_id, observed_at, received_at, receipt_id, \"values\")
    select s.id, at, at, '00000000-0000-0000-0000-000000000000', '{1,2,3}'
    from stream s, generate_series('2026-11-27Z'::timestamptz - $DAYS * interval '1 day', '2026-11-27 23:00Z', interval '1 hour') at;
    insert into rollup_due select s, timestamptz '2026-11-20Z' + n * interval '1 hour', s from generate_series(1, 100, 5) s, generate_series(0, 2) n;
    update rollup_progress set hours_to = '2026-11-27Z', days_to = '2026-11-27Z';
    update device set zone = 'UTC';
    insert into job values ('cleanup', '10 3 * * *', 'UTC', '2026-11-01Z');
    insert into job_slot (job, slot) values ('cleanup', '2026-11-28 00:15Z');";

const PIPELINE: &str = "sources: {s: {format: json, time_zone: Europe/Berlin}}\nnames: {energy: {aggregate: counter}, wind: {aggregate: direction}}";

#[tokio::test]
async fn a_day_of_many_devices_is_rolled_up_and_a_year_of_one_is_read() {
    let Some(place) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(place.url()).unwrap();
    store::migrate(&settings).await.unwrap();
    let devices = if std::env::var_os("FRESHET_LONG").is_some() { MANY } else { FEW };
    let client = place.connect().await;
    client.batch_execute(&DEVICES.replace("$DEVICES", &devices.to_string())).await.unwrap();
    let runner = Runner {
        name: "cleanup",
        job: Cleanup::new(Pipeline::parse(PIPELINE, "freshet.yaml").unwrap()),
        database: Database::new(&settings),
        clock: Clock::manual("2026-11-29T00:20:00Z".parse().unwrap()),
    };
    for of in ["a year of one device", "a day of all"] {
        client
            .batch_execute("update job_slot set not_before = '2027-01-01Z' where state = 'open'")
            .await
            .unwrap();
        client.batch_execute("update job_slot set not_before = null where slot = (select min(slot) from job_slot where state = 'open')").await.unwrap();
        let (began, mut slices) = (Instant::now(), 0);
        loop {
            let ran = runner.run(Deadline::within(Duration::from_secs(45))).await.unwrap();
            slices += ran.slices;
            if ran.done > 0 {
                break;
            }
            assert_eq!(store::jobs::failed(&runner.database.client().await.unwrap()).await.unwrap(), []);
            runner.clock.set(runner.clock.now() + SignedDuration::from_mins(1));
        }
        println!("{devices} devices: {of} rolled up in {:?}, {slices} slices", began.elapsed());
    }
    let hours: i64 = client
        .query_one("select count(*) from rollup_hour where hour >= '2026-11-28Z'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(hours, devices * 24 * 4);
    for (range, span, expected) in
        [("366 days", "day", 1..368), ("60 days", "hour", 1400..1442), ("2 days", "raw", 2800..2882)]
    {
        let sql = format!(
            "select span, count(*) from readings_between('s', 'd1', 'energy', timestamptz '2026-11-29Z' - interval '{range}', '2026-11-29Z') group by 1 order by 2"
        );
        let began = Instant::now();
        let rows = client.query(&sql, &[]).await.unwrap();
        let took = began.elapsed();
        let most = rows.last().unwrap();
        println!("{} readings of {range} by {span} in {took:?}", most.get::<_, i64>(1));
        assert_eq!(most.get::<_, &str>(0), span);
        assert!(expected.contains(&most.get::<_, i64>(1)), "{}", most.get::<_, i64>(1));
    }
}

/// Pages that each statement looks at, beside ten days of rollups and beside a year.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_takes_to_roll_up_does_not_grow_with_what_is_rolled_up() {
    let Some(server) = cost::counting_server().await else { return };
    let mut of_each = Vec::new();
    for days in [10, 360] {
        let name = format!("history_{days}");
        server.database().connect().await.batch_execute(&format!("create database {name}")).await.unwrap();
        let place = server.named(&name);
        let settings = DatabaseSettings::from_url(place.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let client = place.connect().await;
        client.batch_execute(&HISTORY.replace("$DAYS", &days.to_string())).await.unwrap();
        client.batch_execute("vacuum analyze").await.unwrap();
        cost::reset(&client).await;
        let job = Cleanup::new(Pipeline::parse("sources: {s: {format: json}}", "freshet.yaml").unwrap());
        let clock = Clock::manual("2026-11-28T00:20:00Z".parse().unwrap());
        let runner = Runner { name: "cleanup", job, database: Database::new(&settings), clock };
        assert_eq!(runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done, 1);
        let mut costs = Costs::new();
        cost::take(&client, Phase::Ticks, &mut costs).await;
        of_each.push(costs);
        let count = async |of: &str| client.query_one(of, &[]).await.unwrap().get::<_, i64>(0);
        assert_eq!(count("select count(*) from rollup_hour where hour >= '2026-11-27Z'").await, 100 * 3 * 24);
        assert_eq!(count("select count(*) from rollup_day where from_at = '2026-11-27Z'").await, 100 * 3);
        assert_eq!(count("select count(*) from rollup_due").await, 0);
    }
    let (table, too_much) = cost::compare(&of_each[0], &of_each[1]);
    println!("{table}");
    assert_eq!(too_much, Vec::<String>::new(), "statements that look at too many pages");
}
