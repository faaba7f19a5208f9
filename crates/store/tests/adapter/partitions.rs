use crate::world::{World, at, reading};

#[tokio::test]
async fn a_month_is_made_when_a_payload_needs_it() {
    let Some(world) = World::build().await else { return };
    let received = at("2024-06-02T00:00:00Z");
    let readings = [
        reading("d", "t", 1.0, at("2024-05-31T23:59:59Z")),
        reading("d", "t", 2.0, at("2024-06-01T00:00:00Z")),
    ];
    world.writer.write(world.payload("1", received, &readings).await).await.unwrap();
    assert_eq!(world.count("moment_2024_05").await, 1);
    assert_eq!(world.count("moment_2024_06").await, 1);
    assert_eq!(world.count("receipt_2024_06").await, 1);
    assert_eq!((world.count("request_2024_06_02").await, world.count("request_default").await), (1, 0));
    assert_eq!(world.count("moment_default").await, 0);
}

#[tokio::test]
async fn times_far_from_the_receive_time_stay_in_the_default_partition() {
    let Some(world) = World::build().await else { return };
    let received = at("2024-06-02T00:00:00Z");
    let readings = [
        reading("d", "t", 1.0, at("1998-05-31T00:00:00Z")),
        reading("d", "t", 2.0, at("2031-06-01T00:00:00Z")),
    ];
    world.writer.write(world.payload("1", received, &readings).await).await.unwrap();
    assert_eq!(world.count("moment_default").await, 2);
    assert_eq!(world.values("d").await.len(), 2);
}

#[tokio::test]
async fn a_payload_of_many_years_makes_no_more_than_two_years_of_months() {
    let Some(world) = World::build().await else { return };
    let received = at("2024-06-02T00:00:00Z");
    let months =
        (1990..=2024).flat_map(|year| (1..=12).map(move |month| format!("{year}-{month:02}-01T00:00:00Z")));
    let readings: Vec<_> = months.map(|month| reading("d", "t", 1.0, at(&month))).collect();
    world.writer.write(world.payload("1", received, &readings).await).await.unwrap();
    assert_eq!(
        world.count("pg_inherits where inhparent = 'moment'::regclass").await,
        26,
        "25 months and the default"
    );
    let all = i64::try_from(readings.len()).unwrap();
    assert_eq!((world.count("moment").await, world.count("moment_default").await), (all, all - 25));
}

#[tokio::test]
async fn old_history_goes_to_months_that_an_operator_has_made() {
    let Some(world) = World::build().await else { return };
    let month = "create table moment_2015_03 partition of moment for values from ('2015-03-01 00:00:00+00') to ('2015-04-01 00:00:00+00')";
    world.client.batch_execute(month).await.unwrap();
    let old = [reading("d", "t", 1.0, at("2015-03-07T00:00:00Z"))];
    world.writer.write(world.payload("1", at("2024-06-02T00:00:00Z"), &old).await).await.unwrap();
    assert_eq!((world.count("moment_2015_03").await, world.count("moment_default").await), (1, 0));
}

#[tokio::test]
async fn what_comes_for_a_month_that_was_detached_holds_nobody_up() {
    let Some(world) = World::build().await else { return };
    let (then, now) = (at("2024-02-10T00:00:00Z"), at("2024-06-02T00:00:00Z"));
    world.writer.write(world.payload("1", then, &[reading("d", "t", 1.0, then)]).await).await.unwrap();
    let client = store::Database::new(&world.settings).client().await.unwrap();
    client.batch_execute("alter table moment detach partition moment_2024_02").await.unwrap();
    // Another process, which does not know the month yet.
    let writer = store::Writer::start(&store::Database::new(&world.settings));
    let late = [reading("d", "t", 2.0, then), reading("d", "t", 3.0, now)];
    let payload = world.payload("2", now, &late).await;
    assert_eq!(writer.write(payload).await.unwrap(), store::Written::Stored);
    assert_eq!(world.count("moment_default").await, 1);
    assert_eq!(world.count("moment_2024_02").await, 1);
    assert_eq!(world.count("moment_2024_06").await, 1);
}

#[tokio::test]
async fn rows_that_fell_into_the_default_partition_move_when_their_month_is_made() {
    let Some(world) = World::build().await else { return };
    // Far ahead when it came; its month came true later.
    let early = [reading("d", "t", 1.0, at("2024-07-15T00:00:00Z"))];
    world.writer.write(world.payload("1", at("2024-06-02T00:00:00Z"), &early).await).await.unwrap();
    assert_eq!(world.count("moment_default").await, 1);
    let now = at("2024-07-20T00:00:00Z");
    world.writer.write(world.payload("2", now, &[reading("d", "t", 2.0, now)]).await).await.unwrap();
    assert_eq!(world.count("moment_default").await, 0);
    assert_eq!(world.count("moment_2024_07").await, 2);
    // The moved row is found by its key again.
    let again = [reading("d", "t", 3.0, at("2024-07-15T00:00:00Z"))];
    world.writer.write(world.payload("3", now, &again).await).await.unwrap();
    assert_eq!(world.values("d").await, [("t".into(), 3.0), ("t".into(), 2.0)]);
}

#[tokio::test]
async fn many_processes_that_need_the_same_new_month_make_it_once() {
    let Some(first) = World::build().await else { return };
    let received = at("2024-06-02T00:00:00Z");
    let mut writes = tokio::task::JoinSet::new();
    for n in 0..6 {
        // A writer of its own is what another process would have.
        let writer = store::Writer::start(&store::Database::new(&first.settings));
        let moment = at("2023-01-05T00:00:00Z") + std::time::Duration::from_secs(n);
        let payload = first.payload(&n.to_string(), received, &[reading("d", "t", 1.0, moment)]).await;
        writes.spawn(async move { writer.write(payload).await });
    }
    let written = writes.join_all().await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    assert_eq!(first.count("moment_2023_01").await, 6);
}
