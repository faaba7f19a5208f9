use std::time::Duration;

use jiff::SignedDuration;
use jobs::{Runner, make_due};
use pipeline_config::jobs::Job as Planned;
use retention::{Retention, Step};
use runtime::{Clock, Deadline};
use schedule::{CatchUp, Schedule};
use store::Transaction;

use crate::world::{PIPELINE, World, at, cleanup};

pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
pub(crate) const NOW: &str = "2026-11-30T03:10:00Z";

/// Receipts of every day with their requests, three months and three days of them in partitions of their own; keys, dead letters and slots of every age; transitions of an alert that came twice, the second time for good.
const ROWS: &str = "
    select make_month('receipt', date '2026-06-01'), make_month('receipt', date '2026-07-01'), make_month('receipt', date '2026-11-01');
    insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems)
    select at, gen_random_uuid(), 's', '', 'json', 'stored', 0, 0
    from generate_series(timestamptz '2026-06-15', '2026-11-20', interval '1 day') at;
    select make_partition('request', date '2026-09-15'), make_partition('request', date '2026-10-30'), make_partition('request', date '2026-10-31');
    insert into request select received_at, id, 'POST / HTTP/1.1' from receipt;
    insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
    select 's', n::text, now(), timestamptz '2026-11-30 03:10Z' - n * interval '1 day', gen_random_uuid(), 'stored'
    from generate_series(1, 40) n;
    insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, first_at, last_at, deliveries, resolved_at)
    select gen_random_uuid(), 's', n::text, 't', 'transform', 'rejected', 'no', '{}', at, at, 1, at
    from (select n, timestamptz '2026-11-30 03:10Z' - n * interval '1 day' from generate_series(1, 40) n) d (n, at);";

fn all() -> Retention {
    Retention {
        receipts: Some(DAY * 92),
        dead_letters: Some(DAY * 30),
        transitions: Some(DAY * 365),
        ..Retention::default()
    }
}

/// Carries a slot at [`NOW`] out; what it came to.
pub(crate) async fn clean(world: &World, retention: Retention) -> serde_json::Value {
    let clock = Clock::manual(at(NOW) - SignedDuration::from_mins(5));
    let schedule = Schedule::new("10 3 * * *", "UTC").unwrap();
    let jobs = [Planned { name: "cleanup", schedule: &schedule, catch_up: CatchUp::Latest }];
    let client = world.client().await;
    make_due(&client, &jobs, (PIPELINE, clock.now())).await.unwrap();
    // The run is late; its times are those of the slot.
    clock.set(at(NOW) + SignedDuration::from_hours(5));
    assert_eq!(make_due(&client, &jobs, (PIPELINE, clock.now())).await.unwrap(), ["cleanup"]);
    let job = cleanup(retention);
    let runner = Runner { name: "cleanup", job, database: world.as_cleanup.clone(), clock };
    while runner.run(Deadline::within(Duration::from_secs(60))).await.unwrap().done == 0 {
        // The floors are not settled yet where it looks first.
        assert_eq!(store::jobs::failed(&client).await.unwrap(), []);
        runner.clock.set(runner.clock.now() + SignedDuration::from_mins(1));
    }
    store::jobs::newest_slots(&client, "cleanup", 1).await.unwrap().remove(0).result.unwrap()
}

/// The plan of a slot at [`NOW`], and how many rows each step would take.
pub(crate) async fn plan(world: &World, retention: Retention) -> Vec<(Step, i64)> {
    let mut client = world.client().await;
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let mut counted = Vec::new();
    for step in cleanup(retention.clone()).plan(&transaction, at(NOW)).await.unwrap() {
        let (rows, _) = store::retention::count(&transaction, &step).await.unwrap();
        counted.push((step, rows));
    }
    counted
}

#[tokio::test]
async fn what_a_dry_run_plans_is_what_goes() {
    let Some(world) = World::build().await else { return };
    world.execute(ROWS).await;
    let (planned, before) = (plan(&world, all()).await, world.count("receipt").await);
    let rows = |wanted: fn(&Step) -> bool| {
        planned.iter().filter(|(step, _)| wanted(step)).map(|(_, rows)| rows).sum::<i64>()
    };
    assert_eq!(
        rows(|step| matches!(step, Step::Keys { .. })),
        26,
        "40 keys, of which 14 expired in the last 14 days"
    );
    assert_eq!(rows(|step| matches!(step, Step::DeadLetters { .. })), 10);
    assert_eq!(rows(|step| matches!(step, Step::Receipts { .. })), 16 + 31);
    assert_eq!(rows(|step| matches!(step, Step::StrayReceipts { .. })), 30, "of August, to the 30th");
    assert_eq!(rows(|step| matches!(step, Step::Requests { .. })), 2);
    let result = clean(&world, all()).await;
    let done: Vec<Step> =
        result.as_array().unwrap().iter().map(|step| serde_json::from_value(step.clone()).unwrap()).collect();
    assert_eq!(done, planned.iter().map(|(step, _)| step.clone()).collect::<Vec<_>>());
    assert_eq!(world.count("receipt_key").await, 14);
    assert_eq!(world.count("dead_letter").await, 30);
    assert_eq!(world.count("receipt").await, before - 47 - 30);
    assert_eq!(world.count("request").await, 21, "30 days are kept, and the last 10 brought none");
    let dropped = "pg_class where relname in ('receipt_2026_06', 'receipt_2026_07', 'request_2026_09_15', 'request_2026_10_30')";
    assert_eq!(world.count(dropped).await, 0);
    assert!(plan(&world, all()).await.iter().all(|(_, rows)| *rows == 0), "nothing is left of the plan");
}

#[tokio::test]
async fn by_default_keys_and_requests_go_and_nothing_else_and_an_open_dead_letter_keeps_those_of_its_time() {
    let Some(world) = World::build().await else { return };
    world.execute(ROWS).await;
    world.execute("update dead_letter set resolved_at = null where event_id = '10'").await;
    clean(&world, Retention::default()).await;
    // It is 10 days old: of the keys, those stay that expired in the 14 days before it, too.
    assert_eq!(world.count("receipt_key").await, 24);
    assert_eq!((world.count("dead_letter").await, world.count("receipt").await), (40, 159));
    assert_eq!(world.count("request").await, 21);
}

/// More rows of each table than a transaction looks at; those of one alert, of which the newest says where it stands.
const MANY: &str = "
    insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
    select 's', n::text, now(), '2026-01-01Z', gen_random_uuid(), 'stored' from generate_series(1, 10050) n;
    insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, first_at, last_at, resolved_at)
    select gen_random_uuid(), 's', n::text, 't', 'transform', 'rejected', 'no', '{}', '2026-01-01Z', '2026-01-01Z', '2026-01-01Z'
    from generate_series(1, 10050) n;
    insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, cause, severity, labels, annotations, recorded_at)
    select 'Hot', 'h', 1, 0, case when n % 2 = 0 then 'firing' else 'resolved' end, at, 'breach', 'info', '{}', '{}', at
    from (select n, timestamptz '2024-01-01Z' + n * interval '1 minute' from generate_series(1, 10050) n) t (n, at);
    insert into notification (id, transition_id, receiver, alert_key, status, next_attempt_at, give_up_at, created_at)
    select gen_random_uuid(), id, 'ops', 'k', case when id = 5 then 'pending' else 'delivered' end, at, at, at from alert_transition;
    insert into job (name, schedule, zone, known_since) values ('old', '* * * * *', 'UTC', '2026-01-01Z');
    insert into job_slot (job, slot, state, finished_at)
    select 'old', timestamptz '2026-01-01Z' + n * interval '1 minute', 'done', '2026-02-01Z' from generate_series(1, 10050) n;";

#[tokio::test]
async fn what_is_more_than_a_transaction_looks_at_goes_and_an_alert_keeps_what_says_where_it_stands() {
    let Some(world) = World::build().await else { return };
    world.execute(MANY).await;
    clean(&world, all()).await;
    for table in ["receipt_key", "dead_letter", "job_slot where job = 'old'"] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
    // The newest, which fires, and one whose notification is still to be delivered.
    let left = world.client.query("select id from alert_transition order by id", &[]).await.unwrap();
    assert_eq!(left.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [5, 10_050]);
    assert_eq!(world.count("notification").await, 2);
}
