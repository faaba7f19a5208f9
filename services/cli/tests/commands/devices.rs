//! `freshet devices`: what is said of devices, and that an erased one is named by no row.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use persist::Persist;
use runtime::Clock;
use serde_json::Value;
use store::registry::{self, erasure, merge};
use store::{Database, DatabaseSettings, Transaction};
use testkit::TestDatabase;

use crate::process::{Run, freshet_with};
use crate::stage;

const PIPELINE: &str = "
sources:
  yard: {format: json}
  other: {format: json}
  gate: {format: json, unknown: hold}
rules:
  TooHot: {metric: temperature, above: 30}
";

struct World {
    database: TestDatabase,
    folder: tempfile::TempDir,
}

impl World {
    /// `None` where PostgreSQL is not installed.
    async fn build() -> Option<Self> {
        let database = testkit::postgres().await?;
        let world = Self { database, folder: tempfile::tempdir().unwrap() };
        std::fs::write(world.path("freshet.yaml"), PIPELINE).unwrap();
        store::migrate(&world.settings()).await.unwrap();
        world.well(&["activate"]);
        Some(world)
    }

    fn settings(&self) -> DatabaseSettings {
        DatabaseSettings::from_url(self.database.url()).unwrap()
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }

    fn process(&self) -> Persist {
        stage::transform(self.database.url(), PIPELINE)
    }

    fn freshet(&self, args: &[&str]) -> Run {
        let path = self.path("freshet.yaml");
        freshet_with(args, &[("DATABASE_URL", self.database.url()), ("FRESHET_PIPELINE", &path)])
    }

    fn well(&self, args: &[&str]) -> Run {
        let run = self.freshet(args);
        assert_eq!(run.status, 0, "{args:?}: {}", run.stderr);
        run
    }

    fn json(&self, args: &[&str]) -> Value {
        let run = self.freshet(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{args:?}: {}", run.stderr))
    }

    async fn count(&self, of: &str) -> i64 {
        let client = self.database.connect().await;
        client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }

    /// The tables with a row that holds this text, or its bytes.
    async fn tables_with(&self, text: &str) -> Vec<String> {
        let client = self.database.connect().await;
        let tables = "select relname::text from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace";
        let mut found = Vec::new();
        for row in client.query(tables, &[]).await.unwrap() {
            let table: String = row.get(0);
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            let sql = format!(
                "select count(*) from {table} t where strpos(lower(t::text), '{text}') > 0 or strpos(t::text, '{hex}') > 0"
            );
            if client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
                found.push(table);
            }
        }
        found
    }
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// An event that waits to be stored.
fn event(id: &str, received_at: Timestamp, body: &str) -> cloudevents::Event {
    event_of("yard", id, received_at, body)
}

fn event_of(source: &str, id: &str, received_at: Timestamp, body: &str) -> cloudevents::Event {
    stage::event((source, id, received_at), ("application/json", body.as_bytes()))
}

async fn store(persist: &Persist, event: &cloudevents::Event) {
    stage::store(persist, event.clone(), now()).await;
}

const OF_ATTIC: &str = r#"{"device":"attic-7","time":"2026-11-01T12:00:00Z","temperature":35}"#;
const OF_BOTH: &str = r#"[{"device":"attic-7","time":"2026-11-01T13:00:00Z","temperature":36},
    {"device":"roof","time":"2026-11-01T13:00:00Z","temperature":10}]"#;
const OF_BOTH_LATER: &str = r#"[{"device":"attic-7","time":"2026-11-01T14:00:00Z","temperature":36},
    {"device":"roof","time":"2026-11-01T14:00:00Z","temperature":10}]"#;

#[tokio::test]
async fn an_erased_device_is_named_by_no_row_and_what_was_queued_does_not_bring_it_back() {
    let Some(world) = World::build().await else { return };
    let (process, other) = (world.process(), world.process());
    let received = now();
    store(&process, &event("1", received, OF_ATTIC)).await;
    store(&process, &event("attic-7-2", received, OF_BOTH)).await;
    store(&process, &event("3", received, OF_BOTH_LATER)).await;
    store(&process, &event("4", received, r#"{"device":"ATTIC-7","#)).await;
    // A process that knows the device, and does not hear of it.
    store(&other, &event("5", received, OF_ATTIC)).await;
    world.well(&["devices", "set", "attic-7", "--site", "north", "--label", "row=3"]);
    world.well(&["devices", "rename", "attic-7", "attic-north"]);
    let queued = [("6", OF_ATTIC), ("7", OF_BOTH)].map(|(id, body)| event(id, received, body));

    // It says what goes, and nothing goes.
    let erase = ["devices", "erase", "attic-north", "--source", "yard"];
    let looked = world.freshet(&[&erase[..], &["-o", "json"]].concat());
    assert_eq!(looked.status, 1, "{}", looked.stderr);
    assert!(looked.stderr.contains("nothing was erased"), "{}", looked.stderr);
    let plan: Value = serde_json::from_str(&looked.stdout).unwrap();
    assert_eq!(
        ["moments", "requests_deleted", "requests_rewritten", "dead_letters"]
            .map(|of| plan[0][of].as_i64().unwrap()),
        [3, 3, 2, 1],
        "{plan}"
    );
    assert_eq!(world.count("readings where device = 'attic-7'").await, 3);

    world.well(&[&erase[..], &["--yes"]].concat());
    assert_eq!(world.tables_with("attic").await, [""; 0]);
    assert_eq!(
        (world.count("readings").await, world.count("device").await, world.count("erasure").await),
        (2, 1, 2)
    );
    let left = "request where strpos(encode(body, 'escape'), 'roof') > 0";
    assert_eq!((world.count(left).await, world.count("request").await), (2, 2));
    assert_eq!(world.count("evaluation_request").await, 1);

    // What was queued, by both.
    store(&other, &queued[0]).await;
    store(&process, &queued[0]).await;
    store(&other, &queued[1]).await;
    assert_eq!(world.tables_with("attic").await, [""; 0]);
    // What it sends now is of a new device.
    store(&process, &event("8", now(), OF_ATTIC)).await;
    store(&other, &event("9", received, OF_BOTH)).await;
    let device = world.json(&["devices"]);
    let devices: Vec<_> =
        device.as_array().unwrap().iter().map(|row| row["device"].as_str().unwrap()).collect();
    assert_eq!(devices, ["roof", "attic-7"]);
    assert_eq!(world.count("readings where device = 'attic-7'").await, 1);
    assert!(world.json(&["devices"])[1]["entry"].as_object().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_interrupted_is_finished_by_the_same_command() {
    let Some(world) = World::build().await else { return };
    let process = world.process();
    let received = now();
    store(&process, &event("1", received, OF_ATTIC)).await;
    store(&process, &event("2", received, OF_BOTH)).await;
    let mut client = Database::new(&world.settings()).client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    erasure::begin(&transaction, "yard", "attic-7", false).await.unwrap();
    transaction.commit().await.unwrap();
    // A new device of its name is not touched by what is finished.
    store(&process, &event("3", now(), OF_ATTIC)).await;
    world.well(&["devices", "erase", "attic-7", "--yes"]);
    assert_eq!((world.count("device").await, world.count("readings where device = 'attic-7'").await), (2, 1));
    assert_eq!(world.count("request where strpos(encode(body, 'escape'), 'attic-7') > 0").await, 1);
    assert_eq!((world.count("readings").await, world.count("moment").await), (2, 2));
    // Erased again, it is that one.
    world.well(&["devices", "erase", "attic-7", "--yes"]);
    assert_eq!(world.tables_with("attic").await, [""; 0]);

    store(&process, &event("4", now(), r#"{"device":"new","time":"2026-11-01T12:00:00Z","temperature":1}"#))
        .await;
    let find = registry::find(&client, None, "roof").await.unwrap()[0].id.unwrap();
    let into = registry::find(&client, None, "new").await.unwrap()[0].id.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    merge::begin(&transaction, (find, into)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(world.count("device").await, 2);
    world.well(&["devices", "merge", "roof", "new"]);
    assert_eq!((world.count("device").await, world.count("readings where device = 'new'").await), (1, 2));
}

#[tokio::test]
async fn facts_of_a_device_are_set_shown_and_taken_away() {
    let Some(world) = World::build().await else { return };
    store(&world.process(), &event("1", now(), OF_BOTH)).await;
    world.well(&[
        "devices",
        "set",
        "roof",
        "--site",
        "north",
        "--label",
        "row=3",
        "--label",
        "bed=1",
        "--expected",
        "1h",
    ]);
    world.well(&["devices", "set", "roof", "--label", "bed=", "--model", "WS301"]);
    world.well(&["devices", "retire", "roof"]);
    let roof = |world: &World| {
        let all = world.json(&["devices", "list"]);
        all.as_array().unwrap().iter().find(|row| row["device"] == "roof").unwrap().clone()
    };
    let shown = roof(&world);
    assert_eq!(shown["entry"]["labels"], serde_json::json!({"row": "3"}));
    assert_eq!((&shown["entry"]["expected"], &shown["entry"]["model"]), (&"3600s".into(), &"WS301".into()));
    assert!(shown["entry"]["retired_at"].is_string());
    assert!(!shown["sends_retired"].as_bool().unwrap());
    assert!(world.well(&["devices"]).stdout.contains("retired"));
    // It is stored, and seen.
    let later = now() + jiff::SignedDuration::from_mins(2);
    let body = r#"{"device":"roof","temperature":3}"#;
    store(&world.process(), &event("2", later, body)).await;
    assert!(roof(&world)["sends_retired"].as_bool().unwrap());
    world.well(&["devices", "retire", "roof", "--undo"]);
    assert!(!roof(&world)["sends_retired"].as_bool().unwrap());
    let unknown = world.freshet(&["devices", "retire", "shed"]);
    assert_eq!(unknown.status, 1);
    assert!(unknown.stderr.contains("no device is called shed"), "{}", unknown.stderr);
}

#[tokio::test]
async fn a_table_says_what_is_known_of_devices_before_they_send() {
    let Some(world) = World::build().await else { return };
    let table = world.path("devices.csv");
    std::fs::write(
        &table,
        "dev_eui;name;model_id;app_key\nA84041;Tomatoes;lht65;00FF\nA84042;Roses;lht65;00FF\n",
    )
    .unwrap();
    world.well(&["devices", "import", &table, "--source", "yard"]);
    world.well(&["devices", "import", &table, "--source", "yard"]);
    let all = world.json(&["devices"]);
    let row = |n: usize| (all[n]["device"].as_str().unwrap().to_owned(), all[n]["entry"].clone());
    assert_eq!(row(0), ("a84041".to_owned(), serde_json::json!({"name": "Tomatoes", "model": "lht65"})));
    assert_eq!(row(1).0, "a84042");
    assert!(world.well(&["devices"]).stdout.contains("has not sent"));
    assert_eq!(world.tables_with("00ff").await, [""; 0]);
}

/// One with a time of its own, one without.
const HELD: &str = r#"[{"device":"roof","time":"2026-11-01T12:00:00Z","temperature":35},
    {"device":"shed","temperature":3}, {"device":"attic-7","time":"2026-11-01T12:00:00Z","temperature":1}]"#;

#[tokio::test]
async fn a_device_that_is_expected_is_known_for_as_long_as_that_is_said() {
    let Some(world) = World::build().await else { return };
    let with = |source: &str| format!("{PIPELINE}devices: {{{source}: {{attic-7: {{expected: 1h}}}}}}\n");
    let activate = |text: &str| {
        std::fs::write(world.path("freshet.yaml"), text).unwrap();
        world.well(&["activate"]);
    };
    activate(&with("gate"));
    activate(PIPELINE);
    let process = world.process();
    store(&process, &event_of("gate", "1", now(), OF_ATTIC)).await;
    assert_eq!((world.count("readings").await, world.count("held").await), (0, 1));
    activate(&with("gate"));
    store(&world.process(), &event_of("gate", "2", now(), OF_ATTIC)).await;
    assert_eq!(world.count("readings").await, 1);
    assert_eq!(world.count("device where name = 'attic-7' and first_seen_at = last_seen_at and last_seen_at > '2000-01-01Z'").await, 1);
}

#[tokio::test]
async fn what_was_received_before_an_erasure_is_not_stored_of_a_device_that_is_expected_after_it() {
    let Some(world) = World::build().await else { return };
    let queued = event("1", now(), OF_ATTIC);
    store(&world.process(), &event("0", now(), OF_ATTIC)).await;
    world.well(&["devices", "erase", "attic-7", "--yes"]);
    std::fs::write(
        world.path("freshet.yaml"),
        format!("{PIPELINE}devices: {{yard: {{attic-7: {{expected: 1h}}}}}}\n"),
    )
    .unwrap();
    world.well(&["activate"]);
    let process = world.process();
    store(&process, &event("2", now(), &OF_ATTIC.replace("12:00:00", "13:00:00"))).await;
    store(&process, &queued).await;
    assert_eq!(world.count("readings where observed_at = '2026-11-01 12:00Z'").await, 0);
    assert_eq!(world.count("readings where observed_at = '2026-11-01 13:00Z'").await, 1);
}

#[tokio::test]
async fn what_is_held_is_stored_once_when_its_device_is_adopted() {
    let Some(world) = World::build().await else { return };
    let table = world.path("devices.csv");
    std::fs::write(&table, "device\nattic-7\n").unwrap();
    world.well(&["devices", "import", &table, "--source", "gate"]);
    let (process, other) = (world.process(), world.process());
    let received: Timestamp = "2026-11-01T12:05:00Z".parse().unwrap();
    let held = event_of("gate", "1", received, HELD);
    store(&process, &held).await;
    // It comes again, to the same and to another.
    store(&process, &held).await;
    store(&other, &held).await;
    assert_eq!(world.count("readings where device = 'attic-7'").await, 1);
    assert_eq!(
        (world.count("readings").await, world.count("held").await, world.count("held_device").await),
        (1, 1, 2)
    );
    assert_eq!(world.count("dead_letter").await, 0);
    let shown = world.json(&["devices", "list", "--held"]);
    assert_eq!((&shown[0]["device"], &shown[1]["payloads"]), (&"roof".into(), &1.into()));
    let unheard = world.freshet(&["devices", "adopt", "barn"]);
    assert!(unheard.stderr.contains("0 sources hold payloads of barn"), "{}", unheard.stderr);

    world.database.connect().await.batch_execute("delete from evaluation_request").await.unwrap();
    let run = world.well(&["devices", "adopt", "shed"]);
    assert!(run.stderr.contains("1 held payloads are stored"), "{}", run.stderr);
    assert_eq!((world.count("readings").await, world.count("held").await), (2, 1));
    assert_eq!(
        world
            .count(&format!(
                "readings where device = 'shed' and observed_at = '{received}' and received_at = '{received}'"
            ))
            .await,
        1
    );
    let again = world.well(&["devices", "adopt", "shed", "--source", "gate"]);
    assert!(again.stderr.contains("0 held payloads"), "{}", again.stderr);
    world.well(&["devices", "adopt", "roof"]);
    assert_eq!(
        (world.count("readings").await, world.count("held").await, world.count("held_device").await),
        (3, 0, 0)
    );
    // Rules heard nothing of it, and its claim stands.
    assert_eq!(world.count("evaluation_request").await, 0);
    store(&other, &held).await;
    assert_eq!((world.count("readings").await, world.count("held").await), (3, 0));
    assert_eq!(world.count("readings where revised_at is not null").await, 0);
    // What it sends from now on is stored at once.
    store(&process, &event_of("gate", "2", received, r#"{"device":"roof","temperature":5}"#)).await;
    assert_eq!((world.count("readings").await, world.count("held").await), (4, 0));
}

#[tokio::test]
async fn what_nobody_adopts_becomes_a_dead_letter_that_can_be_sent_back() {
    let Some(world) = World::build().await else { return };
    let process = world.process();
    let held = event_of("gate", "1", now(), HELD);
    store(&process, &held).await;
    let soon = now() + jiff::SignedDuration::from_hours(24);
    let deadline = || runtime::Deadline::within(std::time::Duration::from_secs(60));
    assert_eq!(process.sweep_held(soon, deadline()).await.unwrap().given_up, 0);
    let late = now() + jiff::SignedDuration::from_hours(24 * 8);
    assert_eq!(process.sweep_held(late, deadline()).await.unwrap().given_up, 1);
    assert_eq!((world.count("held").await, world.count("held_device").await), (0, 0));
    let letters = world.json(&["dead-letters", "list"]);
    assert_eq!(letters[0]["reason"], "nobody has adopted its devices within 7 days");
    // Sent back, it is held again: its claim was given back.
    store(&process, &held).await;
    assert_eq!(world.count("held").await, 1);
    // An erased device is held no more, and of a payload with others these are held on.
    world.well(&["devices", "erase", "shed", "--source", "gate", "--yes"]);
    assert_eq!(world.tables_with("shed").await, [""; 0]);
    world.well(&["devices", "adopt", "roof"]);
    world.well(&["devices", "adopt", "attic-7"]);
    assert_eq!((world.count("readings").await, world.count("held").await), (2, 0));
}

#[tokio::test]
async fn of_two_devices_that_become_one_the_later_value_of_each_moment_stays() {
    let Some(world) = World::build().await else { return };
    let (process, other) = (world.process(), world.process());
    let start: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
    let minute = jiff::SignedDuration::from_mins;
    let send =
        async |persist: &Persist, id: &str, received: i64, device: &str, observed: i64, values: &str| {
            let body = format!(r#"{{"device":"{device}","time":"{}",{values}}}"#, start + minute(observed));
            store(persist, &event(id, start + minute(received), &body)).await;
        };
    // The replaced sensor, and the one that took its place: another order of metrics, another channel, and a moment that both have.
    send(&process, "1", 0, "old", 0, r#""temperature":1,"humidity":50"#).await;
    send(&process, "2", 2, "old", 1, r#""temperature":2,"note":"moved""#).await;
    send(&process, "3", 1, "new", 1, r#""humidity":60,"temperature":3"#).await;
    send(&process, "4", 5, "new", 5, r#""humidity":61"#).await;
    send(&other, "5", 6, "old", 6, r#""temperature":6"#).await;
    world.well(&["devices", "set", "old", "--site", "north", "--label", "row=3"]);
    world.well(&["devices", "set", "new", "--site", "south"]);
    world.well(&["devices", "retire", "old"]);
    world.database.connect().await.batch_execute("delete from evaluation_request").await.unwrap();

    world.well(&["devices", "merge", "old", "new"]);
    world.well(&["devices", "merge", "old", "new"]);
    let client = world.database.connect().await;
    let sql = "select metric, observed_at, value, text from readings where device = 'new' order by metric, observed_at";
    let rows = client.query(sql, &[]).await.unwrap();
    let all: Vec<_> = rows
        .iter()
        .map(|row| {
            let after = row.get::<_, Timestamp>(1).duration_since(start).as_mins();
            let value = row.get::<_, Option<f64>>(2).map(|value| value.to_string());
            format!("{} {after} {}", row.get::<_, &str>(0), value.or_else(|| row.get(3)).unwrap())
        })
        .collect();
    assert_eq!(
        all,
        [
            "note 1 moved",
            "relative_humidity 0 50",
            "relative_humidity 1 60",
            "relative_humidity 5 61",
            "temperature 0 1",
            "temperature 1 2",
            "temperature 6 6",
        ]
    );
    assert_eq!(
        (world.count("readings").await, world.count("device").await, world.count("stream").await),
        (7, 1, 1)
    );
    assert_eq!(world.count("moment").await, 4);
    assert_eq!(world.count("evaluation_request").await, 0);
    let shown = world.json(&["devices"]);
    assert_eq!(
        (&shown[0]["aliases"], &shown[0]["entry"]["site"]),
        (&serde_json::json!(["old"]), &"south".into())
    );
    assert_eq!(shown[0]["entry"]["labels"]["row"], "3");
    assert!(shown[0]["entry"]["retired_at"].is_null(), "the other is in service");
    // What comes by the old name is the new one's, from a process that knows only that too.
    send(&other, "6", 7, "old", 7, r#""temperature":7"#).await;
    send(&process, "1", 0, "old", 0, r#""temperature":1,"humidity":50"#).await;
    assert_eq!((world.count("readings where device = 'new'").await, world.count("device").await), (8, 1));
    // Every command takes either name, and exports choose by what people say.
    let by_old = world.json(&["readings", "old", "--source", "yard"]);
    assert_eq!(by_old.as_array().unwrap().len(), 8);
    let lines =
        |args: &[&str]| world.well(&[&["readings", "-o", "csv"][..], args].concat()).stdout.lines().count();
    assert_eq!((lines(&["old"]), lines(&["--label", "row=3"]), lines(&["--label", "row=4"])), (9, 9, 1));
    let gone = world.freshet(&["devices", "merge", "new", "shed"]);
    assert!(gone.stderr.contains("no device is called shed"), "{}", gone.stderr);
}

#[tokio::test]
async fn what_is_held_is_neither_lost_nor_stuck_where_it_cannot_be_stored() {
    let Some(world) = World::build().await else { return };
    let pipeline = PIPELINE.replace("unknown: hold}", "unknown: hold, max_new_devices: 0}");
    std::fs::write(world.path("freshet.yaml"), &pipeline).unwrap();
    world.well(&["activate"]);
    let process = stage::transform(world.database.url(), &pipeline);
    // Somebody has adopted it: no bound on new devices holds for it.
    store(&process, &event_of("gate", "1", now(), r#"{"device":"roof","temperature":5}"#)).await;
    assert!(world.well(&["devices", "adopt", "roof"]).stderr.contains("1 held payloads are stored"));
    // The mapping names another device by now.
    store(&process, &event_of("gate", "2", now(), r#"{"device":"shed","id":"hut","temperature":5}"#)).await;
    let other = pipeline.replace(
        "gate: {format: json,",
        "gate: {format: json, mapping: {device: /id, metrics: {temperature: /temperature}},",
    );
    std::fs::write(world.path("freshet.yaml"), other).unwrap();
    world.well(&["activate"]);
    let adopted = world.well(&["devices", "adopt", "shed"]);
    assert!(adopted.stderr.contains("0 held payloads are stored\n1 are dead letters"), "{}", adopted.stderr);
    let letters = world.json(&["dead-letters", "list"]);
    assert_eq!(letters[0]["reason"], "the pipeline of now finds no reading of shed in it");
    assert_eq!((world.count("held").await, world.count("dead_letter where data is not null").await), (0, 1));
}

#[tokio::test]
async fn an_address_is_known_however_it_is_spelled() {
    let Some(world) = World::build().await else { return };
    let process = world.process();
    let body = r#"{"device":"A4:C1:38:7F:C1:E1","temperature":5}"#;
    store(&process, &event_of("gate", "1", now(), body)).await;
    let devices = format!("{PIPELINE}\ndevices: {{gate: {{'A4:C1:38:7F:C1:E1': {{name: Roof}}}}}}\n");
    std::fs::write(world.path("freshet.yaml"), devices).unwrap();
    world.well(&["activate"]);
    let deadline = runtime::Deadline::within(std::time::Duration::from_secs(60));
    assert_eq!(process.sweep_held(now(), deadline).await.unwrap().stored, 1);
    store(&process, &event_of("gate", "2", now(), body)).await;
    assert_eq!((world.count("held").await, world.count("readings").await), (0, 2));
    // An entry without facts is an entry, and stays.
    std::fs::write(world.path("devices.csv"), "device\nplain\n").unwrap();
    world.well(&["devices", "import", &world.path("devices.csv"), "--source", "gate"]);
    world.well(&["activate"]);
    store(&process, &event_of("gate", "3", now(), r#"{"device":"plain","temperature":5}"#)).await;
    assert_eq!((world.count("held").await, world.count("readings").await), (0, 3));
    // The name that it has already is no mistake.
    world.well(&["devices", "rename", "plain", "barn"]);
    world.well(&["devices", "rename", "plain", "barn"]);
}

#[tokio::test]
async fn what_waits_for_a_name_that_was_erased_is_not_stored_by_another_that_has_it_now() {
    let Some(world) = World::build().await else { return };
    let process = world.process();
    let received = now();
    store(&process, &event("1", received, OF_ATTIC)).await;
    store(
        &process,
        &event("2", received, r#"{"device":"roof","time":"2026-11-01T12:00:00Z","temperature":1}"#),
    )
    .await;
    world.well(&["devices", "erase", "attic-7", "--yes"]);
    world.well(&["devices", "rename", "roof", "attic-7"]);
    store(&process, &event("3", received, OF_BOTH)).await;
    assert_eq!(world.count("readings where device = 'roof'").await, 2, "its own, and no other");
    store(&process, &event("4", now(), OF_ATTIC)).await;
    assert_eq!(world.count("readings where device = 'roof' and value = 35").await, 1);
    // What moves to a device that is erased is erased with it.
    store(&process, &event("5", now(), r#"{"device":"old","time":"2026-11-02T12:00:00Z","temperature":1}"#))
        .await;
    let mut client = Database::new(&world.settings()).client().await.unwrap();
    let id = async |name: &str| registry::find(&client, None, name).await.unwrap()[0].id.unwrap();
    let ids = (id("old").await, id("roof").await);
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let merging = merge::begin(&transaction, ids).await.unwrap();
    transaction.commit().await.unwrap();
    world.well(&["devices", "erase", "roof", "--yes"]);
    let transaction = Transaction::begin(&mut client).await.unwrap();
    assert!(!merging.step(&transaction).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!((world.count("moment").await, world.count("device").await), (0, 0));
}
