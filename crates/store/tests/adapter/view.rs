use crate::world::{World, at, reading};

const NOON: &str = "2024-05-01T12:00:00Z";

#[tokio::test]
async fn the_view_of_one_device_and_metric_reads_by_the_key_alone() {
    let Some(world) = World::build().await else { return };
    for device in 0..50 {
        let readings = ["t", "h"].map(|metric| reading(&format!("d{device}"), metric, 1.0, at(NOON)));
        world.writer.write(world.payload(&device.to_string(), at(NOON), &readings).await).await.unwrap();
    }
    let many = r#"
        insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
        select s.id, r.observed_at + n * interval '1 second', r.received_at, r.receipt_id, r."values"
        from stream s join moment r on r.stream_id = s.id, generate_series(1, 1000) n;
        analyze"#;
    world.client.batch_execute(many).await.unwrap();
    let explain = "explain select observed_at, value from readings where device = 'd7' and metric = 't'
                   and observed_at >= '2024-05-01 12:10:00+00' order by observed_at";
    let plan = world.client.query(explain, &[]).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(!plan.contains("Seq Scan on moment_2024"), "{plan}");
    assert!(plan.contains("moment_2024_05"), "{plan}");
}

#[tokio::test]
async fn what_the_command_shows_is_what_was_stored() {
    let Some(world) = World::build().await else { return };
    let readings = [reading("d", "t", 21.5, at(NOON)), reading("e", "t", 1.0, at(NOON))];
    world.writer.write(world.payload("1", at(NOON), &readings).await).await.unwrap();
    let client = world.database.client().await.unwrap();
    let devices = store::queries::devices(&client, None, 10).await.unwrap();
    assert_eq!(
        devices.iter().map(|row| (row.device.as_str(), row.series)).collect::<Vec<_>>(),
        [("d", 1), ("e", 1)]
    );
    assert!(store::queries::devices(&client, Some(at(NOON)), 10).await.unwrap().is_empty());
    let filter = store::queries::ValueFilter { device: "d", metric: Some("t"), ..Default::default() };
    let values = store::queries::values(&client, &filter, 10).await.unwrap();
    assert_eq!((values.len(), values[0].value, values[0].unit.as_deref()), (1, Some(21.5), Some("Cel")));
    assert!(store::queries::alerts(&client, true, 10).await.unwrap().is_empty());
}
