use event_model::Value;
use store::{PayloadSamples, Streams, Tags};
use uuid::Uuid;

use crate::world::{World, at, reading};

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
    };
    let expected: Tags = [("site".into(), "north".into()), ("room".into(), "7".into())].into();
    assert_eq!(world.streams.resolve(&samples).await.unwrap().streams[0].tags, expected);
    let without = PayloadSamples { source_tags: &Tags::new(), device_tags: &[], ..samples };
    assert_eq!(
        Streams::new(world.database.clone()).resolve(&without).await.unwrap().streams[0].tags,
        expected
    );
}
