use store::migrate::{NEEDED_VERSION, ROLES, version};
use store::{Database, DatabaseSettings, StoreError, migrate};

#[tokio::test]
async fn two_processes_migrate_at_once_and_one_of_them_has_nothing_to_do() {
    let Some(database) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(database.url()).unwrap();
    let (first, second) = tokio::join!(migrate(&settings), migrate(&settings));
    let (first, second) = (first.unwrap(), second.unwrap());
    let mut applied = [first.applied.len(), second.applied.len()];
    applied.sort_unstable();
    // One of them did all of it: versions count from 1.
    assert_eq!(applied, [0, usize::try_from(NEEDED_VERSION).unwrap()]);
    assert_eq!((first.version, second.version), (NEEDED_VERSION, NEEDED_VERSION));
}

#[tokio::test]
async fn tables_of_others_in_the_same_database_stay_as_they_are() {
    let Some(database) = testkit::postgres().await else { return };
    let client = database.connect().await;
    client.batch_execute("create table theirs (n int); insert into theirs values (1)").await.unwrap();
    let settings = DatabaseSettings::from_url(database.url()).unwrap();
    migrate(&settings).await.unwrap();
    assert_eq!(migrate(&settings).await.unwrap().applied, Vec::<String>::new());
    assert_eq!(version(&client).await.unwrap(), NEEDED_VERSION);
    let theirs: i64 = client.query_one("select count(*) from theirs", &[]).await.unwrap().get(0);
    assert_eq!(theirs, 1);
}

#[tokio::test]
async fn a_schema_that_is_too_old_is_refused_until_it_is_migrated() {
    let Some(database) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(database.url()).unwrap();
    let pool = Database::new(&settings);
    let error = pool.client().await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaTooOld { found: 0, .. }), "{error:?}");
    assert!(!error.is_data_error());
    migrate(&settings).await.unwrap();
    assert!(pool.client().await.is_ok());
}

#[tokio::test]
async fn the_schema_of_a_later_release_stays_as_it_is() {
    let Some(database) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(database.url()).unwrap();
    migrate(&settings).await.unwrap();
    let pool = Database::new(&settings);
    let later = NEEDED_VERSION + 1;
    let sql = "insert into refinery_schema_history values ($1, 'later', '2024-05-01T00:00:00Z', '1')";
    pool.client().await.unwrap().execute(sql, &[&later]).await.unwrap();
    let migrated = migrate(&settings).await.unwrap();
    assert_eq!((migrated.applied.len(), migrated.version), (0, later));
    assert!(pool.client().await.is_ok());
}

#[tokio::test]
async fn the_pipeline_in_force_is_the_last_one_activated() {
    let Some(database) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(database.url()).unwrap();
    migrate(&settings).await.unwrap();
    let client = Database::new(&settings).client().await.unwrap();
    assert_eq!(store::active_pipeline::hash(&client).await.unwrap(), None);
    for hash in ["a", "b", "b"] {
        store::active_pipeline::activate(&client, hash, crate::world::at("2024-05-01T00:00:00Z"))
            .await
            .unwrap();
    }
    assert_eq!(store::active_pipeline::hash(&client).await.unwrap().as_deref(), Some("b"));
    let generations = async || store::active_pipeline::generations(&client).await.unwrap();
    assert_eq!(generations().await, [(0xa, 1), (0xb, 2)].into());
    // The one of before, once more, is the newest.
    store::active_pipeline::activate(&client, "a", crate::world::at("2024-05-02T00:00:00Z")).await.unwrap();
    assert_eq!(generations().await, [(0xa, 3), (0xb, 2)].into());
}

#[tokio::test]
async fn a_database_of_release_0_1_0_is_refused_with_a_sentence() {
    let Some(database) = testkit::postgres().await else { return };
    let client = database.connect().await;
    let tables = "create table refinery_schema_history (version int4 primary key);
        insert into refinery_schema_history values (1), (2);
        create table reading (stream_id integer)";
    client.batch_execute(tables).await.unwrap();
    let error = migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("Freshet 0.1.0"), "{error}");
}

/// What each stage does is tried under its role where the stage is tested.
#[tokio::test]
async fn a_stage_with_a_role_of_its_own_needs_no_more() {
    let Some(database) = testkit::postgres().await else { return };
    migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
    for role in
        ["freshet_ingest", "freshet_alert", "freshet_notify", "freshet_dead_letter", "freshet_scheduler"]
    {
        // The second time changes nothing.
        let client = database.as_role(ROLES, role).await.connect().await;
        for forbidden in [
            "drop table notification",
            "alter table moment add column mine text",
            "truncate moment",
            "delete from moment",
            "insert into active_pipeline values (default)",
            "select * from receipt",
            "select * from request",
            "delete from dead_letter",
            "delete from notification",
            "create role mine",
            "create table moment_2031_01 partition of moment for values from ('2031-01-01') to ('2031-02-01')",
        ] {
            let error = client.batch_execute(forbidden).await.expect_err(forbidden);
            let code = error.code().cloned();
            assert_eq!(
                code,
                Some(tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE),
                "{role}: {forbidden}"
            );
        }
        for of_cleanup in [
            "select drop_partition('receipt', '2031-01-01')",
            "insert into retention_floor values ('', now(), now())",
        ] {
            client.batch_execute(of_cleanup).await.expect_err(of_cleanup);
        }
        let of_notify = client.batch_execute("select * from receiver_budget").await;
        assert_eq!(of_notify.is_ok(), role == "freshet_notify", "{role}");
        // What stores payloads makes the partitions that it needs, and nothing else.
        for partition in ["'moment', '2031-01-01'", "'receipt', '2031-01-01'", "'request', '2031-01-02'"] {
            let of_ingest = client.batch_execute(&format!("select make_partition({partition})")).await;
            assert_eq!(of_ingest.is_ok(), role == "freshet_ingest", "{role}: {partition}");
        }
        for other in
            ["'device', '2031-01-01'", "'moment', '2031-01-02'", "null, '2031-01-01'", "'request', null"]
        {
            client.batch_execute(&format!("select make_partition({other})")).await.expect_err(other);
        }
        // How far the worker is, in topic mode.
        let of_scheduler = client.batch_execute("select * from topic_offset").await;
        assert_eq!(of_scheduler.is_ok(), role == "freshet_scheduler", "{role}");
    }
}

#[tokio::test]
async fn who_cleans_up_drops_months_below_the_floor_and_nothing_else() {
    let Some(database) = testkit::postgres().await else { return };
    migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
    let owner = database.connect().await;
    for first in ["2031-01-01", "2031-02-01"] {
        owner.batch_execute(&format!("select make_partition('moment', '{first}')")).await.unwrap();
    }
    let client = database.as_role(ROLES, "freshet_cleanup").await.connect().await;
    client.batch_execute("insert into retention_floor values ('', '2031-02-01Z', now())").await.unwrap();
    let unrolled = "select drop_partition('moment', '2031-01-01')";
    client.batch_execute(unrolled).await.expect_err("what is not rolled up stays");
    client.batch_execute("update retention_floor set frozen_at = at").await.unwrap();
    client.batch_execute(unrolled).await.unwrap();
    for forbidden in [
        "select drop_partition('moment', '2031-02-01')",
        "select drop_partition('moment', '2031-01-01')",
        "select drop_partition('device', '2031-01-01')",
        "select drop_partition(null, null)",
        "select make_partition('moment', '2031-03-01')",
        "drop table moment_2031_02",
        "truncate moment",
        "update moment set values = '{}'",
        "insert into moment_default values (1, now(), now(), gen_random_uuid(), null, '{}')",
        "select * from request",
        "insert into active_pipeline values (default)",
        "delete from device",
        "create role mine",
    ] {
        client.batch_execute(forbidden).await.expect_err(forbidden);
    }
}

/// The SQL of the page about security.
fn samples() -> impl Iterator<Item = &'static str> {
    let page = include_str!("../../../../docs/security.md");
    page.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next())
}

#[test]
fn the_rights_that_the_page_shows_are_those_of_the_roles() {
    let shown = samples().find(|sample| sample.contains("to freshet_ingest")).unwrap();
    assert!(ROLES.contains(shown), "{shown}");
    let granted = |text: &str| text.matches("to freshet_ingest;").count();
    assert_eq!(granted(shown), granted(ROLES));
}

#[tokio::test]
async fn a_dashboard_reads_the_views_and_nothing_else() {
    let Some(database) = testkit::postgres().await else { return };
    migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
    let sample = samples().find(|sample| sample.contains("create role dashboard")).unwrap();
    let client = database.as_role(sample, "dashboard").await.connect().await;
    client.batch_execute("select * from readings; select * from last_readings").await.unwrap();
    for forbidden in ["select * from moment", "select * from dead_letter", "select * from device"] {
        assert!(client.batch_execute(forbidden).await.is_err(), "{forbidden}");
    }
}

#[tokio::test]
async fn of_transitions_that_were_written_twice_the_first_stays_effective() {
    let Some(database) = testkit::postgres().await else { return };
    migrate(&DatabaseSettings::from_url(database.url()).unwrap()).await.unwrap();
    let client = database.connect().await;
    let before = "
        drop index alert_transition_effective;
        alter table evaluation_request drop column attempts, drop column not_before;
        insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, cause, severity, labels, annotations,
                                      recorded_at, retracted_by)
        select 'Hot', 'h', 1, 0, kind, '2026-03-01T10:00:00Z', 'breach', 'critical', '{}', '{}', '2026-03-01T10:00:00Z', by
        from (values ('firing', 7), ('firing', null), ('firing', null), ('resolved', null), ('firing', null),
                     ('retracted', null), ('retracted', null)) as v (kind, by)";
    client.batch_execute(before).await.unwrap();
    let migration = include_str!("../../migrations/V5__evaluation.sql");
    client.batch_execute(&format!("begin; {migration}; commit")).await.unwrap();
    let rows = client.query("select retracted_by from alert_transition order by id", &[]).await.unwrap();
    let retracted_by: Vec<Option<i64>> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(retracted_by, [Some(7), None, Some(2), None, Some(2), None, None]);
}
