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

#[tokio::test]
async fn the_newest_value_of_a_metric_is_its_own_line_with_unit_and_time() {
    let Some(world) = World::build().await else { return };
    let later = at("2024-05-01T12:00:10Z");
    let readings = [
        reading("d", "t", 21.5, at(NOON)),
        reading("d", "t", 22.5, later),
        reading("d", "h", 40.0, at(NOON)),
        reading("e", "t", 1.0, at(NOON)),
    ];
    world.writer.write(world.payload("1", at(NOON), &readings).await).await.unwrap();
    let sql = "select metric, value, unit, observed_at from last_readings where device = 'd' order by metric";
    let rows = world.client.query(sql, &[]).await.unwrap();
    let rows: Vec<(String, f64, jiff::Timestamp)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(3))).collect();
    assert_eq!(rows, [("h".to_owned(), 40.0, at(NOON)), ("t".to_owned(), 22.5, later)]);
}

#[tokio::test]
async fn the_newest_values_of_a_device_are_those_of_all_its_channels_in_order() {
    let Some(world) = World::build().await else { return };
    let moment = |n: u32| at(NOON) + std::time::Duration::from_secs(n.into());
    let channel = |n: u32| event_model::Sample {
        channel: ["a", "b"][(n % 2) as usize].into(),
        ..reading("d", if n.is_multiple_of(3) { "h" } else { "t" }, n.into(), moment(n))
    };
    let readings: Vec<_> = (0..40).map(channel).collect();
    world.writer.write(world.payload("1", at(NOON), &readings).await).await.unwrap();
    let client = world.database.client().await.unwrap();
    let values = async |metric, from, until, limit| {
        let filter = store::queries::ValueFilter { device: "d", source: None, metric, from, until };
        let rows = store::queries::values(&client, &filter, limit).await.unwrap();
        rows.iter().map(|row| row.value.unwrap() as u32).collect::<Vec<_>>()
    };
    assert_eq!(values(None, None, None, 4).await, [39, 38, 37, 36]);
    assert_eq!(values(Some("h"), None, None, 3).await, [39, 36, 33]);
    assert_eq!(values(Some("t"), Some(moment(10)), Some(moment(14)), 9).await, [13, 11, 10]);
    assert_eq!(values(Some("none"), None, None, 9).await, Vec::<u32>::new());
}

#[tokio::test]
async fn the_questions_of_the_page_on_the_database_can_be_asked() {
    let Some(world) = World::build().await else { return };
    let page = include_str!("../../../../docs/database.md");
    let samples: Vec<&str> =
        page.split("```sql").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(samples.len() >= 6);
    // Roles are the whole server's.
    let samples = samples.iter().filter(|sample| !sample.contains("create role"));
    for sample in samples {
        world.client.batch_execute(sample).await.unwrap_or_else(|error| panic!("{sample}: {error:?}"));
    }
}
