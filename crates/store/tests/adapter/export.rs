use event_model::{Quality, Reading, Sample, Value};
use jiff::Timestamp;
use store::export::{Export, Line, PageSize, Selection};

use crate::world::{World, at, reading};

const NOON: &str = "2024-05-01T12:00:00Z";

fn moment(seconds: i64) -> Timestamp {
    at(NOON) + jiff::SignedDuration::from_secs(seconds)
}

fn sample(device: &str, channel: &str, seconds: i64, readings: &[(&str, Value, Quality)]) -> Sample {
    let readings = readings.iter().map(|(metric, value, quality)| Reading {
        metric: (*metric).into(),
        value: value.clone(),
        unit: matches!(value, Value::Number(_)).then(|| "Cel".into()),
        quality: *quality,
        flags: Vec::new(),
        raw_metric: None,
    });
    Sample {
        device: device.into(),
        channel: channel.into(),
        observed_at: moment(seconds),
        readings: readings.collect(),
    }
}

/// Three devices with channels and months of their own, among them moments with a part of the metrics, and a device without readings.
async fn fleet(world: &World) {
    let mut samples = Vec::new();
    for n in 0..7 {
        let seconds = i64::from(n) * 9 * 24 * 3600;
        let number = ("t", Value::Number(f64::from(n) / 3.0), Quality::Good);
        let flag = ("on", Value::Flag(n % 2 == 0), Quality::Uncertain);
        let text = ("word", Value::Text(format!("{n}, \"x\"\n")), Quality::Good);
        let bytes = ("raw", Value::Bytes(vec![n, 255]), Quality::Bad);
        samples.push(sample("b", "", seconds, &[number.clone(), flag.clone(), text.clone(), bytes]));
        samples.push(sample("b", "2", seconds + 1, std::slice::from_ref(&number)));
        samples.push(sample(
            "a",
            "x",
            seconds,
            if n < 4 { std::slice::from_ref(&flag) } else { std::slice::from_ref(&text) },
        ));
    }
    samples.push(sample("c", "", 5, &[("word", Value::Text(String::new()), Quality::Good)]));
    world.writer.write(world.payload("1", at(NOON), &samples).await).await.unwrap();
    // Of a later payload, for some of the moments.
    let later = [reading("b", "late", 1.0, moment(0)), reading("b", "late", 2.0, moment(9 * 24 * 3600))];
    world.writer.write(world.payload("2", moment(60), &later).await).await.unwrap();
    let more = "
        update device set tags = '{\"site\": \"north\", \"floor\": \"2\"}' where name = 'b';
        update device set tags = '{\"site\": \"north\"}' where name = 'c';
        insert into device (source, name, first_seen_at, last_seen_at) select 'test', n, now(), now() from unnest(array['A', 'bb', 'z']) n;
        insert into stream (device_id, channel) select id, '' from device where name = 'bb'";
    world.client.batch_execute(more).await.unwrap();
}

fn text(line: &Line<'_>) -> String {
    serde_json::to_string(line).unwrap()
}

/// All lines, and the longest page.
async fn exported(world: &World, selection: &Selection, size: PageSize) -> (Vec<String>, usize) {
    let mut client = world.database.client().await.unwrap();
    let mut export = Export::new(selection.clone(), size);
    let (mut lines, mut longest) = (Vec::new(), 0);
    while let Some(page) = export.next_page(&mut client).await.unwrap() {
        let before = lines.len();
        lines.extend(page.lines().map(|line| text(&line)));
        longest = longest.max(lines.len() - before);
    }
    (lines, longest)
}

/// The lines that the view has.
async fn viewed(world: &World, condition: &str) -> Vec<String> {
    let sql = format!(
        "select r.source, device, r.channel, metric, observed_at, value, text, r.unit, r.kind, quality, received_at
         from readings r
         join device d on d.source = r.source and d.name = r.device
         join stream s on s.device_id = d.id and s.channel = r.channel
         join metric m on m.stream_id = s.id and m.name = r.metric
         where {condition} order by r.source, device, r.channel, observed_at, m.position"
    );
    let rows = world.client.query(&sql, &[]).await.unwrap();
    let line = |row: &tokio_postgres::Row| {
        let quality: &str = row.get(9);
        text(&Line {
            source: row.get(0),
            device: row.get(1),
            channel: row.get(2),
            metric: row.get(3),
            observed_at: row.get(4),
            value: row.get(5),
            text: row.get(6),
            unit: row.get(7),
            kind: row.get(8),
            quality: ["good", "uncertain", "bad"].into_iter().find(|known| *known == quality).unwrap(),
            received_at: row.get(10),
        })
    };
    rows.iter().map(line).collect()
}

#[tokio::test]
async fn no_page_loses_or_doubles_a_value() {
    let Some(world) = World::build().await else { return };
    fleet(&world).await;
    let all = viewed(&world, "true").await;
    assert_eq!(all.len(), 7 * 6 + 1 + 2);
    let (lines, longest) = exported(&world, &Selection::default(), PageSize::default()).await;
    assert_eq!((&lines, longest), (&all, all.len()));
    let sizes = |n: u32| PageSize { devices: n, metrics: n, moments: n, ..PageSize::default() };
    for n in 1..10 {
        let (lines, longest) = exported(&world, &Selection::default(), sizes(n)).await;
        assert_eq!(lines, all, "{n}");
        // A moment has five values at most.
        assert!(longest <= 5 * n as usize, "{n}: {longest}");
        for size in [
            PageSize { devices: n, ..sizes(3) },
            PageSize { metrics: n, ..sizes(4) },
            PageSize { moments: n, ..sizes(2) },
        ] {
            assert_eq!(exported(&world, &Selection::default(), size).await.0, all, "{size:?}");
        }
    }
}

#[tokio::test]
async fn a_page_ends_where_it_holds_enough() {
    let Some(world) = World::build().await else { return };
    fleet(&world).await;
    let all = viewed(&world, "true").await;
    let size = PageSize::default();
    for values in [1, 5, 6, 11, 40] {
        let (lines, longest) = exported(&world, &Selection::default(), PageSize { values, ..size }).await;
        assert_eq!(lines, all, "{values}");
        assert!(longest < values + 5, "{values}: {longest}");
    }
    // Bytes of less than any moment.
    let (lines, longest) = exported(&world, &Selection::default(), PageSize { bytes: 1, ..size }).await;
    assert_eq!((lines, longest), (all, 5));
}

#[tokio::test]
async fn a_selection_is_what_the_view_has_of_it() {
    let Some(world) = World::build().await else { return };
    fleet(&world).await;
    world
        .writer
        .write(world.payload("3", at(NOON), &[reading("b", "t", 9.0, moment(3))]).await)
        .await
        .unwrap();
    world.client.batch_execute("update device set source = 'other' where name = 'c'").await.unwrap();
    let tags = |tags: &[(&str, &str)]| {
        tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect()
    };
    let any = Selection::default;
    let (from, until) = (moment(9 * 24 * 3600), moment(4 * 9 * 24 * 3600));
    let north = "d.tags @> '{\"site\": \"north\"}'";
    let span = format!("observed_at >= '{from}' and observed_at < '{until}'");
    for (selection, condition) in [
        (Selection { source: Some("other".into()), ..any() }, "r.source = 'other'"),
        (Selection { source: Some("test".into()), ..any() }, "r.source = 'test'"),
        (Selection { device: Some("b".into()), ..any() }, "device = 'b'"),
        (Selection { tags: tags(&[("site", "north")]), ..any() }, north),
        (Selection { tags: tags(&[("site", "north"), ("floor", "2")]), ..any() }, "device = 'b'"),
        (Selection { metric: Some("word".into()), ..any() }, "metric = 'word'"),
        (Selection { from: Some(from), until: Some(until), ..any() }, span.as_str()),
        (Selection { source: Some("none".into()), ..any() }, "false"),
        (Selection { tags: tags(&[("site", "south")]), ..any() }, "false"),
        (Selection { source: Some("other".into()), device: Some("b".into()), ..any() }, "false"),
    ] {
        let expected = viewed(&world, condition).await;
        assert_eq!(expected.is_empty(), condition == "false", "{condition}");
        for n in [1, 3, 4096] {
            let size = PageSize { devices: n, metrics: n, moments: n, ..PageSize::default() };
            assert_eq!(exported(&world, &selection, size).await.0, expected, "{condition}");
        }
    }
}

#[tokio::test]
async fn a_page_that_takes_too_long_is_given_up_and_can_be_asked_for_again() {
    let Some(world) = World::build().await else { return };
    fleet(&world).await;
    let size = PageSize { moments: 8, time: std::time::Duration::from_millis(50), ..PageSize::default() };
    let mut client = world.database.client().await.unwrap();
    let mut export = Export::new(Selection::default(), size);
    let first = export.next_page(&mut client).await.unwrap().unwrap();
    let mut lines: Vec<String> = first.lines().map(|line| text(&line)).collect();
    world.client.batch_execute("begin; lock table moment in access exclusive mode").await.unwrap();
    let error = export.next_page(&mut client).await.unwrap_err();
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::QUERY_CANCELED));
    world.client.batch_execute("commit").await.unwrap();
    while let Some(page) = export.next_page(&mut client).await.unwrap() {
        lines.extend(page.lines().map(|line| text(&line)));
    }
    assert_eq!(lines, viewed(&world, "true").await);
}
