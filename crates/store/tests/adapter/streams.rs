use event_model::{Sample, Value};
use store::{NewDevices, NoRoom, PayloadSamples, Streams, Tags};
use uuid::Uuid;

use crate::world::{ANY, World, at, reading};

#[tokio::test]
async fn two_processes_that_meet_the_same_new_device_make_it_once() {
    let Some(world) = World::build().await else { return };
    let time = at("2024-05-01T00:00:00Z");
    let readings: Vec<_> = (0..20)
        .flat_map(|device| {
            ["temperature", "humidity", "battery"]
                .map(|metric| reading(&format!("d{device}"), metric, 1.0, time))
        })
        .collect();
    let reversed: Vec<_> = readings.iter().rev().cloned().collect();
    let tags = Tags::new();
    let samples = |samples| PayloadSamples {
        source: "test",
        source_tags: &tags,
        device_tags: &[],
        received_at: time,
        receipt_id: Uuid::nil(),
        samples,
        new_devices: ANY,
    };
    let other = Streams::new(world.database.clone());
    let (a, b) = (samples(&readings), samples(&reversed));
    let (first, second) = tokio::join!(world.streams.resolve(&a), other.resolve(&b));
    assert_eq!(first.unwrap().streams, second.unwrap().streams);
    assert_eq!((world.count("device").await, world.count("metric").await), (20, 60));
}

#[tokio::test]
async fn a_metric_of_another_unit_or_kind_is_another_position() {
    let Some(world) = World::build().await else { return };
    let time = at("2024-05-01T00:00:00Z");
    let mut readings = vec![reading("d", "level", 1.0, time); 3];
    readings[1].readings[0].unit = None;
    readings[2].readings[0].value = Value::Text("high".into());
    let payload = world.payload("1", time, &readings).await;
    assert_eq!(payload.rows.len(), 1);
    world.writer.write(payload).await.unwrap();
    assert_eq!(world.count("readings where metric = 'level'").await, 3);
    assert_eq!(world.count("readings where text = 'high' and value is null").await, 1);
}

#[tokio::test]
async fn tags_of_the_device_win_over_the_sources_and_stay() {
    let Some(world) = World::build().await else { return };
    let time = at("2024-05-01T00:00:00Z");
    let readings = [reading("d", "temperature", 1.0, time)];
    let source_tags: Tags = [("site".into(), "north".into()), ("room".into(), "?".into())].into();
    let device_tags = [("d".into(), "room".to_owned(), "7".to_owned())];
    let samples = PayloadSamples {
        source: "test",
        source_tags: &source_tags,
        device_tags: &device_tags,
        received_at: time,
        receipt_id: Uuid::nil(),
        samples: &readings,
        new_devices: ANY,
    };
    let expected: Tags = [("site".into(), "north".into()), ("room".into(), "7".into())].into();
    assert_eq!(*world.streams.resolve(&samples).await.unwrap().streams[0].tags, expected);
    let without = PayloadSamples { source_tags: &Tags::new(), device_tags: &[], ..samples };
    assert_eq!(
        *Streams::new(world.database.clone()).resolve(&without).await.unwrap().streams[0].tags,
        expected
    );
}

static NO_TAGS: Tags = Tags::new();

fn samples(samples: &[Sample], new_devices: NewDevices) -> PayloadSamples<'_> {
    PayloadSamples {
        source: "test",
        source_tags: &NO_TAGS,
        device_tags: &[],
        received_at: at("2024-05-01T00:00:00Z"),
        receipt_id: Uuid::nil(),
        samples,
        new_devices,
    }
}

fn with_metrics(device: &str, metrics: impl Iterator<Item = String>) -> Vec<Sample> {
    metrics.map(|metric| reading(device, &metric, 1.0, at("2024-05-01T00:00:00Z"))).collect()
}

#[tokio::test]
async fn a_stream_that_has_all_the_metrics_it_may_have_goes_on_with_those() {
    let Some(world) = World::build().await else { return };
    let named = |request: i32| (0..950).map(move |n| format!("k{request:02}x{n:03}"));
    let mut left_out = Vec::new();
    for request in 0..3 {
        let readings = with_metrics("gw", named(request).chain(["temperature".to_owned()]));
        let resolved = world.streams.resolve(&samples(&readings, ANY)).await.unwrap();
        assert!(resolved.streams[0].metrics.contains(&"temperature".into()));
        left_out.push(resolved.left_out.iter().map(|left| left.readings).collect::<Vec<_>>());
    }
    assert_eq!(left_out, [vec![], vec![901], vec![950]]);
    assert_eq!(world.count("metric").await, 1000);
    // Another process says the same.
    let readings = with_metrics("gw", named(2));
    let other = Streams::new(world.database.clone()).resolve(&samples(&readings, ANY)).await.unwrap();
    assert_eq!(
        other.left_out[0].reason.to_string(),
        "`k02x000` and 949 more: a channel of a device has at most 1000 metrics, and these would be new"
    );
}

#[tokio::test]
async fn a_device_whose_channels_never_repeat_goes_on_with_those_that_it_has() {
    let Some(world) = World::build().await else { return };
    let channels = |from: usize, many: usize| {
        (from..from + many).map(|n| Sample {
            channel: format!("c{n:05}").as_str().into(),
            ..reading("gw", "t", 1.0, at("2024-05-01T00:00:00Z"))
        })
    };
    let readings: Vec<_> = channels(0, 9_990).collect();
    assert!(world.streams.resolve(&samples(&readings, ANY)).await.unwrap().left_out.is_empty());
    let readings: Vec<_> = channels(9_980, 40).collect();
    let resolved = world.streams.resolve(&samples(&readings, ANY)).await.unwrap();
    assert_eq!((resolved.streams.len(), resolved.left_out.len()), (20, 20));
    assert!(
        matches!(&resolved.left_out[0].reason, NoRoom::DeviceMetrics { first, metrics: 1 } if first == "t")
    );
    assert_eq!((world.count("stream").await, world.count("metric").await), (10_000, 10_000));
}

#[tokio::test]
async fn no_more_new_devices_are_taken_than_the_source_says() {
    let Some(world) = World::build().await else { return };
    let devices = |from: usize, many: usize| {
        (from..from + many)
            .map(|n| reading(&format!("d{n:05}"), "t", 1.0, at("2024-05-01T00:00:00Z")))
            .collect::<Vec<_>>()
    };
    let bound = NewDevices { per_payload: 1000, per_hour: Some(1500), known_only: false };
    let readings = devices(0, 12_000);
    let resolved = world.streams.resolve(&samples(&readings, bound)).await.unwrap();
    assert_eq!((resolved.streams.len(), resolved.left_out[0].readings), (1000, 11_000));
    assert!(
        matches!(&resolved.left_out[0].reason, NoRoom::Devices { first, devices: 11_000 } if first == "d01000")
    );
    // Known ones are no new ones, and the hour has room for 500 more.
    let resolved = world.streams.resolve(&samples(&readings, bound)).await.unwrap();
    assert_eq!((resolved.streams.len(), world.count("device").await), (1500, 1500));
    // Payloads that come together share the hour.
    let (a, b) = (devices(20_000, 400), devices(30_000, 400));
    let bound = NewDevices { per_payload: 1000, per_hour: Some(2000), known_only: false };
    let resolved = world.streams.resolve_all(&[samples(&a, bound), samples(&b, bound)]).await.unwrap();
    assert_eq!(resolved.iter().map(|one| one.streams.len()).collect::<Vec<_>>(), [400, 100]);
    let nobody = NewDevices { per_payload: 0, per_hour: None, known_only: false };
    let readings = devices(40_000, 1);
    assert!(world.streams.resolve(&samples(&readings, nobody)).await.unwrap().streams.is_empty());
}

#[tokio::test]
async fn many_new_devices_are_made_by_a_handful_of_statements() {
    let Some(world) = World::build().await else { return };
    let time = at("2024-05-01T00:00:00Z");
    let readings: Vec<_> = (0..3000).map(|n| reading(&format!("d{n}"), "t", 1.0, time)).collect();
    // A statement is seen by the trigger once, whatever it writes.
    let counting = "
        create table statement (on_table text);
        create function count_statement() returns trigger language plpgsql as $$
            begin insert into statement values (tg_table_name); return null; end $$;
        create trigger counted after insert on device for each statement execute function count_statement();
        create trigger counted after insert on stream for each statement execute function count_statement();
        create trigger counted after insert on metric for each statement execute function count_statement();";
    world.client.batch_execute(counting).await.unwrap();
    world.streams.resolve(&samples(&readings, ANY)).await.unwrap();
    // One into each table for those that fit into the statement of new devices, one for the others.
    assert_eq!((world.count("device").await, world.count("statement").await), (3000, 6));
    // A process that has just started finds them without writing.
    let other = Streams::new(world.database.clone());
    assert_eq!(other.resolve(&samples(&readings, ANY)).await.unwrap().streams.len(), 3000);
    assert_eq!(world.count("statement").await, 6);
}

#[tokio::test]
async fn payloads_that_wait_for_new_devices_are_registered_together_and_harm_each_other_in_nothing() {
    let Some(world) = World::build().await else { return };
    let readings: Vec<Vec<Sample>> = (0..64)
        .map(|n| {
            // No text of PostgreSQL holds NUL.
            let device = if n == 7 { "gw\0".to_owned() } else { format!("gw{:02}", n / 2) };
            with_metrics(&device, [format!("k{n:02}"), "temperature".to_owned()].into_iter())
        })
        .collect();
    let asked: Vec<_> = readings.iter().map(|readings| samples(readings, ANY)).collect();
    let resolved =
        futures_util::future::join_all(asked.iter().map(|asked| world.streams.resolve(asked))).await;
    for (n, resolved) in resolved.into_iter().enumerate() {
        match resolved {
            Ok(resolved) => {
                assert_eq!((resolved.streams[0].metrics.len(), resolved.left_out.len()), (2, 0), "{n}");
            }
            Err(error) => assert!(n == 7 && error.is_data_error(), "{n}: {error}"),
        }
    }
    assert_eq!((world.count("device").await, world.count("stream").await), (32, 32));
    assert_eq!(world.count("metric").await, 32 + 63);
}
