//! `freshet reprocess`: what a wrong mapping has stored is mended, and nothing else happens.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use persist::Persist;
use store::DatabaseSettings;
use testkit::TestDatabase;

use crate::process::{Run, freshet_with};
use crate::{rules, stage};

/// Degrees Fahrenheit that are taken for Celsius, and a level in meters that is one in millimeters; another source.
const WRONG: &str = "
sources:
  yard: {format: json, units: {temperature: Cel, level: V}}
  other: {format: json, units: {temperature: Cel}}
rules:
  TooHot: {metric: temperature, above: 30}
";

struct World {
    database: TestDatabase,
    folder: tempfile::TempDir,
    start: Timestamp,
}

impl World {
    /// A month of payloads, one a day, which the wrong mapping has stored. `None` where PostgreSQL is not installed.
    async fn build() -> Option<Self> {
        let database = testkit::postgres().await?;
        let folder = tempfile::tempdir().unwrap();
        let start = "2026-10-01T12:00:00Z".parse().unwrap();
        let world = Self { database, folder, start };
        world.file(WRONG);
        store::migrate(&world.settings()).await.unwrap();
        world.activate();
        let persist = world.persist(WRONG);
        for day in 0..30 {
            world.send(&persist, ("yard", day, day), "68").await;
        }
        // A correction that came an hour later.
        let at = world.day(3) + SignedDuration::from_hours(1);
        world.send_at(&persist, ("yard", "correction", at), (world.day(3), "86")).await;
        world.send(&persist, ("other", 100, 3), "20").await;
        world.database.connect().await.batch_execute("delete from evaluation_request").await.unwrap();
        Some(world)
    }

    fn settings(&self) -> DatabaseSettings {
        DatabaseSettings::from_url(self.database.url()).unwrap()
    }

    fn day(&self, day: i64) -> Timestamp {
        self.start + SignedDuration::from_hours(24 * day)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("freshet.yaml")
    }

    fn file(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    /// A process that has this pipeline.
    fn persist(&self, text: &str) -> Persist {
        std::fs::write(self.folder.path().join("process.yaml"), text).unwrap();
        stage::transform(self.database.url(), text)
    }

    async fn send(&self, persist: &Persist, (source, id, day): (&str, i64, i64), temperature: &str) {
        let at = self.day(day);
        self.send_at(persist, (source, &id.to_string(), at), (at, temperature)).await;
    }

    /// A payload received at `received_at` of what was measured at `observed_at`.
    async fn send_at(
        &self,
        persist: &Persist,
        (source, id, received_at): (&str, &str, Timestamp),
        (observed_at, temperature): (Timestamp, &str),
    ) {
        let body =
            format!(r#"{{"device":"d","time":"{observed_at}","temperature":{temperature},"level":250}}"#);
        let event = stage::event((source, id, received_at), ("application/json", body.as_bytes()));
        stage::store(persist, event, received_at).await;
    }

    fn freshet(&self, args: &[&str]) -> Run {
        let path = self.path();
        freshet_with(
            args,
            &[("DATABASE_URL", self.database.url()), ("FRESHET_PIPELINE", path.to_str().unwrap())],
        )
    }

    fn activate(&self) {
        let run = self.freshet(&["activate"]);
        assert_eq!(run.status, 0, "{}", run.stderr);
    }

    /// What the file should have said, in force.
    fn mend(&self) -> String {
        let right = WRONG.replacen("{temperature: Cel, level: V}", "{temperature: '[degF]', level: mm}", 1);
        self.file(&right);
        self.activate();
        right
    }

    fn reprocess(&self, more: &[&str]) -> Run {
        let args =
            ["reprocess", "--source", "yard", "--from", "2026-10-01", "--to", "2026-11-05", "-o", "json"];
        self.freshet(&[&args[..], more].concat())
    }

    /// The counts that a run prints: requests, those that changed something, moments that are new or revised.
    fn counts(run: &Run) -> [u64; 4] {
        assert_eq!(run.status, 0, "{}", run.stderr);
        let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        ["requests", "changing", "new", "revised"].map(|count| printed[0][count].as_u64().unwrap())
    }

    async fn count(&self, of: &str) -> i64 {
        let client = self.database.connect().await;
        client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }

    /// All that the view says, without where it comes from.
    async fn readings(&self) -> Vec<String> {
        let sql = "
            select concat_ws(' ', source, metric, round(value::numeric, 2), unit, received_at, observed_at)
            from readings order by source, metric, unit, observed_at";
        self.database.connect().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn a_wrong_unit_of_a_month_is_mended_with_one_command_and_nobody_is_notified() {
    let Some(world) = World::build().await else { return };
    let right = world.mend();
    let run = world.reprocess(&[]);
    assert_eq!(World::counts(&run), [31, 31, 0, 30]);
    assert!(run.stderr.contains("31 requests are kept"), "{}", run.stderr);
    assert_eq!(world.count("readings where source = 'yard' and metric = 'temperature'").await, 30);
    let is_mended = "readings where source = 'yard' and metric = 'temperature' and round(value::numeric, 1) = 20.0 and unit = 'Cel'";
    assert_eq!(world.count(is_mended).await, 29);
    // The correction still wins; it is 30 degrees.
    let corrected =
        "readings where source = 'yard' and metric = 'temperature' and round(value::numeric, 1) = 30.0
                     and observed_at = '2026-10-04 12:00Z' and received_at = '2026-10-04 13:00Z'";
    assert_eq!(world.count(corrected).await, 1);
    // Nothing of the wrong unit is left, and the other source is as it was.
    assert_eq!(world.count("readings where source = 'yard' and metric = 'level' and unit = 'V'").await, 0);
    assert_eq!(world.count("readings where source = 'yard' and metric = 'level' and unit <> 'V'").await, 30);
    assert_eq!(world.count("readings where source = 'other' and value = 20").await, 1);
    assert_eq!(
        world.count("receipt where rereads is not null and received_at > now() - interval '1 hour'").await,
        31
    );
    for of in ["evaluation_request", "alert_transition", "notification", "dead_letter", "reprocess_row"] {
        assert_eq!(world.count(of).await, 0, "{of}");
    }

    // A second run changes nothing, nor does the mapping of before, once more.
    let (readings, receipts) = (world.readings().await, world.count("receipt").await);
    assert_eq!(World::counts(&world.reprocess(&[])), [31, 0, 0, 0]);
    let old = world.persist(WRONG);
    world.send(&old, ("yard", 7, 7), "68").await;
    assert_eq!((world.readings().await, world.count("receipt").await), (readings, receipts));
    // What comes now is stored as ever.
    let live = world.persist(&right);
    world.send(&live, ("yard", 40, 40), "50").await;
    assert_eq!(world.count("readings where source = 'yard' and round(value::numeric, 1) = 10.0").await, 1);
    // A receipt of what was read again says of which it is.
    let id: uuid::Uuid = world
        .database
        .connect()
        .await
        .query_one("select id from receipt where rereads is not null limit 1", &[])
        .await
        .unwrap()
        .get(0);
    let shown = world.freshet(&["receipts", "show", &id.to_string()]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
}

#[tokio::test]
async fn a_changed_calibration_mends_what_is_stored() {
    let Some(world) = World::build().await else { return };
    let temperature = async |is: &str| {
        let of = format!("readings where source = 'yard' and metric = 'temperature' and {is}");
        world.count(&of).await
    };
    let device = |said: &str| format!("{WRONG}devices: {{yard: {{d: {{{said}}}}}}}\n");
    let calibrated = device("calibration: {temperature: {offset: -0.4, from: 2026-10-11T00:00:00Z}}");
    world.file(&calibrated);
    world.activate();
    // The days from the 10th on: the 20 of 30 that were measured since.
    assert_eq!(World::counts(&world.reprocess(&[])), [31, 20, 0, 20]);
    let since = "observed_at >= '2026-10-11Z'";
    assert_eq!(temperature(&format!("value = 67.6 and quality = 'good' and {since}")).await, 20);
    assert_eq!(temperature(&format!("value in (68, 86) and not {since}")).await, 10);
    let readings = world.readings().await;
    assert_eq!(World::counts(&world.reprocess(&[])), [31, 0, 0, 0]);
    assert_eq!(world.readings().await, readings);

    // Another calibration corrects what was sent, not what is stored; a range alone changes the quality.
    world.file(&calibrated.replace("-0.4", "0.5"));
    world.activate();
    assert_eq!(World::counts(&world.reprocess(&[])), [31, 20, 0, 20]);
    assert_eq!(temperature("value = 68.5").await, 20);
    world.file(&device("ranges: {temperature: {max: 80}}"));
    world.activate();
    // The moment that was corrected is written by both of its requests.
    assert_eq!(World::counts(&world.reprocess(&[])), [31, 22, 0, 21]);
    assert_eq!(temperature("value = 68 and quality = 'good'").await, 29);
    assert_eq!(temperature("value = 86 and quality = 'uncertain'").await, 1);
    assert_eq!(World::counts(&world.reprocess(&[])), [31, 0, 0, 0]);
}

#[tokio::test]
async fn the_file_that_was_put_in_force_last_counts_also_where_it_is_the_one_of_before() {
    let Some(world) = World::build().await else { return };
    let right = world.mend();
    let level = async |meters: &str| {
        let is = format!(
            "readings where source = 'yard' and metric = 'level' and unit = 'm' and round(value::numeric, 2) = {meters}"
        );
        (world.count(&is).await, world.count("readings where source = 'yard' and metric = 'level'").await)
    };
    for (file, meters) in [
        (right.clone(), "0.25"),
        (right.replacen("level: mm", "level: cm", 1), "2.50"),
        (right.clone(), "0.25"),
    ] {
        world.file(&file);
        world.activate();
        assert_eq!(World::counts(&world.reprocess(&[])), [31, 31, 0, 30]);
        assert_eq!(level(meters).await, (30, 30));
    }
    world.file(WRONG);
    world.activate();
    assert_eq!(World::counts(&world.reprocess(&[])), [31, 31, 0, 30]);
    assert_eq!(level("0.25").await, (0, 30));
}

#[tokio::test]
async fn rules_look_at_what_changes_only_where_they_are_asked_to() {
    let Some(world) = World::build().await else { return };
    world.mend();
    assert_eq!(World::counts(&world.reprocess(&["--evaluate", "--rate", "100000"])), [31, 31, 0, 30]);
    assert_eq!(world.count("evaluation_request where from_at = '2026-10-01 12:00Z'").await, 1);
}

#[tokio::test]
async fn what_a_request_made_before_stays_where_that_is_wanted() {
    let Some(world) = World::build().await else { return };
    world.mend();
    assert_eq!(World::counts(&world.reprocess(&["--keep-old"])), [31, 31, 0, 30]);
    assert_eq!(world.count("readings where source = 'yard' and metric = 'level'").await, 60);
}

fn pruned(run: &Run) -> [u64; 3] {
    assert_eq!(run.status, 0, "{}", run.stderr);
    let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    ["series", "devices", "waiting"].map(|count| printed[0]["pruned"][count].as_u64().unwrap())
}

#[tokio::test]
async fn a_series_without_values_is_pruned_and_its_place_is_nobody_elses() {
    let Some(world) = World::build().await else { return };
    let old = world.persist(WRONG);
    // A process that remembers what its positions mean.
    world.send(&old, ("yard", 30, 29), "68").await;
    let right = world.mend();
    let rows = "
        insert into rollup_hour (stream_id, position, hour, n, bad) select stream_id, position, '2026-10-01 12:00Z', 1, 0 from metric where name = 'level' and unit = 'V'";
    world.database.connect().await.batch_execute(rows).await.unwrap();
    assert_eq!(pruned(&world.reprocess(&["--prune"])), [1, 0, 0]);
    let readings = world.readings().await;
    let names = "metric m join stream s on s.id = m.stream_id join device d on d.id = s.device_id where d.source = 'yard' and m.name like";
    assert_eq!(world.count(&format!("{names} 'level' and unit = 'V'")).await, 0);
    assert_eq!(world.count(&format!("{names} 'pruned %'")).await, 1);
    assert_eq!(world.count("rollup_hour").await, 0);
    assert_eq!(pruned(&world.reprocess(&["--prune"])), [0, 0, 0]);
    assert_eq!(world.readings().await, readings);
    // Those that come now are stored as ever, by this process and by the one that remembers.
    world.send(&world.persist(&right), ("yard", 31, 31), "68").await;
    assert_eq!(world.count("readings where metric = 'level' and unit = 'm' and value = 0.25").await, 31);
    world.send(&old, ("yard", 32, 32), "68").await;
    let (volts, place) = (
        "readings where metric = 'level' and unit = 'V' and value = 250",
        "metric where name = 'level' and unit = 'V' and position = 3",
    );
    assert_eq!((world.count(volts).await, world.count(place).await), (1, 1));
}

#[tokio::test]
async fn a_device_that_only_a_wrong_mapping_made_is_pruned() {
    let Some(world) = World::build().await else { return };
    let mapped = |device: &str| {
        let mapping = format!(
            "mapping: {{device: {device}, time: /time, metrics: {{temperature: {{value: /temperature, unit: Cel}}}}}}"
        );
        WRONG.replacen("units: {temperature: Cel, level: V}", &mapping, 1)
    };
    let wrong = mapped("/level");
    world.file(&wrong);
    world.activate();
    let of_yard = async || {
        let sql =
            "select coalesce(string_agg(name, ', ' order by name), '') from device where source = 'yard'";
        world.database.connect().await.query_one(sql, &[]).await.unwrap().get::<_, String>(0)
    };
    world.send(&world.persist(&wrong), ("yard", 40, 40), "20").await;
    assert_eq!(of_yard().await, "250, d");
    world.file(&mapped("/device"));
    world.activate();
    let run = world.freshet(&[
        "reprocess",
        "--source",
        "yard",
        "--from",
        "2026-11-05",
        "--to",
        "2026-11-30",
        "--prune",
        "-o",
        "json",
    ]);
    assert_eq!(pruned(&run), [1, 1, 0]);
    assert_eq!(of_yard().await, "d");
    assert_eq!(world.count("moment where observed_at > '2026-11-05Z'").await, 1);
    // Of one that people speak of the name stays.
    let Some(world) = World::build().await else { return };
    world.file(&wrong);
    world.activate();
    world.send(&world.persist(&wrong), ("yard", 40, 40), "20").await;
    assert_eq!(world.freshet(&["devices", "set", "250", "--source", "yard", "--model", "Well"]).status, 0);
    world.file(&mapped("/device"));
    world.activate();
    let run = world.freshet(&[
        "reprocess",
        "--source",
        "yard",
        "--from",
        "2026-11-05",
        "--to",
        "2026-11-30",
        "--prune",
        "-o",
        "json",
    ]);
    assert_eq!(pruned(&run), [1, 1, 0]);
    assert_eq!(
        world
            .count(
                "devices where source = 'yard' and device = '250' and model = 'Well' and last_seen_at is null"
            )
            .await,
        1
    );
}

#[tokio::test]
async fn a_series_whose_alert_fires_is_pruned_once_that_has_ended() {
    let Some(world) = World::build().await else { return };
    world.mend();
    let fires = "
        insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, since_at, updated_at)
        select 'TooHot', stream_id, position, 'h', '2026-10-01Z', '{}', 'firing', '2026-10-01Z', now() from metric where name = 'level' and unit = 'V'";
    world.database.connect().await.batch_execute(fires).await.unwrap();
    let run = world.reprocess(&["--prune"]);
    assert_eq!(pruned(&run), [0, 0, 1]);
    assert!(run.stderr.contains("run it again"), "{}", run.stderr);
    assert_eq!(world.count("metric where emptied_at is not null").await, 1);
    assert_eq!(world.count("evaluation_request").await, 1);
    let ended = "delete from alert_state; update metric set emptied_at = null";
    world.database.connect().await.batch_execute(ended).await.unwrap();
    assert_eq!(pruned(&world.reprocess(&["--prune"])), [1, 0, 0]);
}

#[tokio::test]
async fn what_was_rolled_up_for_the_last_time_keeps_its_series() {
    let Some(world) = World::build().await else { return };
    world.mend();
    let rows = "
        insert into retention_floor (source, at, frozen_at, moved_at) values ('yard', '2026-09-01Z', '2026-09-01Z', now())
            on conflict (source) do update set at = excluded.at, frozen_at = excluded.frozen_at;
        insert into rollup_hour (stream_id, position, hour, n, bad) select stream_id, position, '2026-08-01 12:00Z', 5, 0 from metric where name = 'level' and unit = 'V'";
    world.database.connect().await.batch_execute(rows).await.unwrap();
    assert_eq!(pruned(&world.reprocess(&["--prune"])), [0, 0, 0]);
    assert_eq!(world.count("rollup_hour").await, 1);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let Some(world) = World::build().await else { return };
    world.mend();
    let (readings, receipts) = (world.readings().await, world.count("receipt").await);
    let run = world.reprocess(&["--dry-run"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    // Of the corrected moment the first account would not count, and is not what is emptied.
    assert!(run.stderr.contains("other unit 31, changed 30, emptied 30, superseded 1"), "{}", run.stderr);
    let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let first = &printed["readings"][0];
    assert_eq!(
        (&first["change"], &first["before"], &first["after"]),
        (&"changed".into(), &"68 Cel".into(), &"20 Cel".into())
    );
    assert_eq!((world.readings().await, world.count("receipt").await), (readings, receipts));
    assert_eq!(world.count("reprocess_row").await, 0);
}

#[tokio::test]
async fn a_dry_run_names_the_alerts_that_an_evaluation_then_changes() {
    let Some(world) = World::build().await else { return };
    // Of the newest day also a device whose alert has begun within the lateness window.
    let body = format!(r#"{{"device":"e","time":"{}","temperature":68}}"#, world.day(29));
    let event = stage::event(("yard", "e", world.day(29)), ("application/json", body.as_bytes()));
    stage::store(&world.persist(WRONG), event, world.day(29)).await;
    let all = "insert into evaluation_request (stream_id, from_at, token)
               select s.id, '2026-10-01Z', nextval('evaluation_token') from stream s join device d on d.id = s.device_id where d.source = 'yard'
               on conflict (stream_id) do update set from_at = excluded.from_at";
    world.database.connect().await.batch_execute(all).await.unwrap();
    rules::evaluate(world.database.url(), WRONG).await;
    let newest = rules::transitions(&world.database, 0).await;
    assert_eq!(newest.len(), 2, "{newest:?}");

    let right = world.mend();
    let (transitions, states) = (world.count("alert_transition").await, world.count("alert_state").await);
    let run = world.reprocess(&["--dry-run", "--limit", "1"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(printed["alerts"].as_array().unwrap().len(), 1);
    let run = world.reprocess(&["--dry-run"]);
    assert!(run.stderr.contains("\nalerts: 1 ends, 1 is retracted\n"), "{}", run.stderr);
    let foreseen = rules::foreseen(&run);
    assert_eq!(
        foreseen,
        [
            "beginning_retracted TooHot e temperature 2026-10-30T12:00:00Z",
            "ends TooHot d temperature 2026-10-30T12:00:00Z"
        ]
    );
    for of in ["evaluation_request", "reprocess_row", "alert_transition where retracted_by is not null"] {
        assert_eq!(world.count(of).await, 0, "{of}");
    }
    assert_eq!(
        (world.count("alert_transition").await, world.count("alert_state").await),
        (transitions, states)
    );

    let before = rules::newest(&world.database).await;
    assert_eq!(World::counts(&world.reprocess(&["--evaluate"])), [32, 32, 0, 31]);
    rules::evaluate(world.database.url(), &right).await;
    assert_eq!(rules::transitions(&world.database, before).await, foreseen);

    // Nothing changes any more, and the table is that of readings alone.
    let run = world.freshet(&["reprocess", "--source", "yard", "--from", "2026-10-01", "--dry-run"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.ends_with("no alert changes\n"), "{}", run.stderr);
    assert!(!run.stdout.contains("ALERT"), "{}", run.stdout);
}

#[tokio::test]
async fn a_span_whose_requests_are_gone_and_a_file_that_is_not_in_force_are_refused() {
    let Some(world) = World::build().await else { return };
    let right = WRONG.replacen("temperature: Cel, level: V", "temperature: '[degF]'", 1);
    world.file(&right);
    let run = world.reprocess(&[]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("not the one in force"), "{}", run.stderr);
    world.mend();
    let gone = "delete from request where received_at < '2026-10-11Z'";
    world.database.connect().await.batch_execute(gone).await.unwrap();
    let run = world.reprocess(&[]);
    assert_eq!(run.status, 1);
    assert!(
        run.stderr
            .contains("11 are not, of those received from 2026-10-01T12:00:00Z to 2026-10-10T12:00:00Z"),
        "{}",
        run.stderr
    );
    assert_eq!(World::counts(&world.reprocess(&["--partial"])), [20, 20, 0, 20]);
}

#[tokio::test]
async fn live_payloads_and_a_second_run_go_on_beside_it() {
    let Some(world) = World::build().await else { return };
    let right = world.mend();
    let (live, old) = (world.persist(&right), world.persist(WRONG));
    let runs = async {
        let run = |_| {
            let (url, path) = (world.database.url().to_owned(), world.path());
            tokio::task::spawn_blocking(move || {
                let args = [
                    "reprocess",
                    "--source",
                    "yard",
                    "--from",
                    "2026-10-01",
                    "--to",
                    "2026-11-05",
                    "-o",
                    "json",
                ];
                freshet_with(&args, &[("DATABASE_URL", &url), ("FRESHET_PIPELINE", path.to_str().unwrap())])
            })
        };
        let (one, another) = tokio::join!(run(1), run(2));
        [one.unwrap(), another.unwrap()]
    };
    let beside = async {
        for n in 0..30 {
            // The same once more, by an old process; and what is new.
            world.send(&old, ("yard", n, n), "68").await;
            world.send(&live, ("yard", 1000 + n, 200 + n), "50").await;
        }
    };
    let (runs, ()) =
        tokio::time::timeout(Duration::from_secs(120), async { tokio::join!(runs, beside) }).await.unwrap();
    for run in runs {
        assert_eq!(run.status, 0, "{}", run.stderr);
    }
    let of = |degrees: &str| {
        format!(
            "readings where source = 'yard' and metric = 'temperature' and round(value::numeric, 1) = {degrees}"
        )
    };
    assert_eq!(
        (world.count(&of("20.0")).await, world.count(&of("30.0")).await, world.count(&of("10.0")).await),
        (29, 1, 30)
    );
    assert_eq!(world.count("readings where source = 'yard' and metric = 'level' and unit = 'V'").await, 0);
    assert_eq!(
        world
            .count("(select rereads from receipt where rereads is not null group by 1 having count(*) > 1) r")
            .await,
        0
    );
}
