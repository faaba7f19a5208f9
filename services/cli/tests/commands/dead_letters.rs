//! `freshet dead-letters` over a real database and a broker that keeps what it is given.

use crate::one_answer::one_answer;
use crate::process::freshet_with;
use crate::{rows, rules, stage};

const ID: &str = "0b0e8b66-94c6-5f3c-9d35-8c2f7c9f1a11";
/// What a person finds in the dead letter.
const REQUEST: &str =
    "POST /hooks/greenhouse HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{\"temperature\": \"hot\"}";

/// A database that holds one dead letter; `None` where PostgreSQL is not installed.
async fn database() -> Option<testkit::TestDatabase> {
    let database = rows::database().await?;
    let insert = "
        insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, problems, attributes, data, first_at, last_at)
        values ($1::text::uuid, '/sources/greenhouse', 'm-1', 'dev.freshet.payload.received.v1', 'transform', 'rejected',
                'one item makes no sense', '[{\"place\": \"temperature\", \"reason\": \"expected a number, found a text\"}]',
                '{\"specversion\": \"1.0\", \"id\": \"m-1\", \"source\": \"/sources/greenhouse\",
                  \"type\": \"dev.freshet.payload.received.v1\", \"datacontenttype\": \"application/http\"}',
                $2, '2026-03-01T12:00Z', '2026-03-01T12:00Z')";
    let client = database.connect().await;
    client.execute(insert, &[&ID, &REQUEST.as_bytes()]).await.expect("the row fits the schema");
    Some(database)
}

#[tokio::test]
async fn a_dead_letter_is_listed_and_shown_with_its_request() {
    let Some(database) = database().await else { return };
    let variables = [("DATABASE_URL", database.url())];
    let list = freshet_with(&["dead-letters", "list"], &variables);
    assert!(list.stdout.contains(ID) && list.stdout.contains("one item makes no sense"), "{}", list.stdout);
    let show = freshet_with(&["dead-letters", "show", ID], &variables).stdout;
    assert!(show.contains("  temperature: expected a number, found a text\n"), "{show}");
    assert!(show.ends_with("\n\n{\"temperature\": \"hot\"}\n"), "{show}");
    let data = freshet_with(&["dead-letters", "show", ID, "--data"], &variables);
    assert_eq!(data.stdout, REQUEST);
}

#[tokio::test]
async fn a_replay_sends_the_event_as_it_was_and_says_so() {
    let Some(database) = database().await else { return };
    let variables = [("DATABASE_URL", database.url())];
    let (url, request) = one_answer("202 Accepted");
    let replay = freshet_with(&["dead-letters", "replay", ID, "--broker", &url], &variables);
    assert_eq!(replay.status, 0, "{}", replay.stderr);
    let request = request.join().unwrap().to_lowercase();
    let said = ["ce-id: m-1", "content-type: application/http", &format!("ce-deadletter: {ID}")];
    assert!(said.iter().all(|header| request.contains(&format!("{header}\r\n"))), "{request}");
    let list = freshet_with(&["dead-letters", "list", "-o", "json"], &variables);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!((&list[0]["replays"], &list[0]["state"]), (&1.into(), &"sent_back".into()));

    // On its way it is not open.
    let again =
        freshet_with(&["dead-letters", "replay", "--all", "--broker", &url, "-o", "json"], &variables);
    assert_eq!((again.status, again.stdout.trim()), (0, "[]"));
}

#[tokio::test]
async fn what_the_broker_refuses_stays_open() {
    let Some(database) = database().await else { return };
    let variables = [("DATABASE_URL", database.url())];
    let (url, request) = one_answer("503 Service Unavailable");
    let replay = freshet_with(&["dead-letters", "replay", "--all", "--broker", &url], &variables);
    request.join().unwrap();
    assert_eq!(replay.status, 1);
    assert!(replay.stdout.contains("the Broker answered 503"), "{}", replay.stdout);
    assert!(freshet_with(&["dead-letters", "list"], &variables).stdout.contains(ID));
}

#[tokio::test]
async fn an_unknown_id_says_where_to_look() {
    let Some(database) = database().await else { return };
    let id = "00000000-0000-0000-0000-000000000000";
    let run = freshet_with(&["dead-letters", "show", id], &[("DATABASE_URL", database.url())]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("`freshet dead-letters list --all`"), "{}", run.stderr);
}

/// Dead letters of two devices beside the one of [`database`]: of one its value is stored already, of the other another one.
const OTHERS: &str = r#"
    insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, data, first_at, last_at)
    select gen_random_uuid(), '/sources/yard', name, 'dev.freshet.payload.received.v1', 'transform', 'unavailable', 'the Database is away',
           jsonb_build_object('specversion', '1.0', 'id', name, 'source', '/sources/yard', 'type', 'dev.freshet.payload.received.v1',
                              'time', '2026-03-01T12:00:00Z', 'partitionkey', name, 'datacontenttype', 'application/http'),
           convert_to(e'POST /hooks/yard HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{"device": "' || name
                      || '", "time": "2026-03-01T11:00:00Z", "temperature": 21.5, "humidity": 40}', 'UTF8'),
           '2026-03-02T12:00Z', '2026-03-02T12:00Z'
    from unnest('{a,b,c}'::text[]) name;
    insert into device (source, name, first_seen_at, last_seen_at)
    select 'yard', name, '2026-03-01Z', '2026-03-01Z' from unnest('{a,b}'::text[]) name;
    with added as (insert into stream (device_id, channel) select id, '' from device where source = 'yard' returning id),
         measured as (insert into metric select id, 0, 'temperature', case when id = min(id) over () then 'Cel' else 'K' end, 'number' from added)
    insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
    select id, '2026-03-01T11:00Z', '2026-03-01T11:00Z', gen_random_uuid(), '{20}' from added;
"#;

const PIPELINE: &str =
    "sources: {yard: {format: json, units: {temperature: Cel}}, greenhouse: {format: json}}";

#[tokio::test]
async fn a_dry_run_shows_what_a_replay_would_change_and_sends_nothing() {
    let Some(database) = database().await else { return };
    database.connect().await.batch_execute(OTHERS).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, PIPELINE).unwrap();
    let variables = [("DATABASE_URL", database.url()), ("FRESHET_PIPELINE", file.to_str().unwrap())];
    let args = ["dead-letters", "replay", "--all", "--source", "yard", "--dry-run", "-o", "json"];
    let run = freshet_with(&args, &variables);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let lines: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let mut found: Vec<_> = lines["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |member: &str| line[member].as_str().unwrap_or("-").to_owned();
            [text("device"), text("metric"), text("change"), text("before")].join(" ")
        })
        .collect();
    found.sort();
    let humidity = if found[0].contains("relative_humidity") { "relative_humidity" } else { "humidity" };
    let expected = [
        format!("a {humidity} new -"),
        "a temperature changed 20 Cel".to_owned(),
        format!("b {humidity} new -"),
        "b temperature unit 20 K".to_owned(),
        format!("c {humidity} new_device -"),
        "c temperature new_device -".to_owned(),
    ];
    assert_eq!(found, expected);
    assert!(run.stderr.contains("new device 2, new 2, other unit 1, changed 1"), "{}", run.stderr);
    assert!(
        run.stderr.contains("alerts are not looked at: the pipeline is not the one in force"),
        "{}",
        run.stderr
    );
    assert!(lines["alerts"].is_null(), "{lines}");
    let bad = freshet_with(&["dead-letters", "replay", ID, "--dry-run"], &variables);
    assert_eq!(bad.status, 1, "what makes no sense still makes none: {}", bad.stdout);
    let replays = "select count(*) from dead_letter where replays > 0";
    assert_eq!(database.connect().await.query_one(replays, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_dry_run_names_the_alerts_that_begin_once_the_replay_is_stored() {
    let Some(database) = database().await else { return };
    database.connect().await.batch_execute(OTHERS).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    let pipeline = format!("{PIPELINE}\nrules: {{Warm: {{metric: temperature, above: 21}}}}");
    std::fs::write(&file, &pipeline).unwrap();
    let variables = [("DATABASE_URL", database.url()), ("FRESHET_PIPELINE", file.to_str().unwrap())];
    assert_eq!(freshet_with(&["activate"], &variables).status, 0);
    let args = ["dead-letters", "replay", "--all", "--source", "yard", "--dry-run"];
    let run = freshet_with(&[&args[..], &["-o", "json"]].concat(), &variables);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.ends_with("alerts: 3 begin\n"), "{}", run.stderr);
    let foreseen = rules::foreseen(&run);
    let expected =
        ["a", "b", "c"].map(|device| format!("begins Warm {device} temperature 2026-03-01T11:00:00Z"));
    assert_eq!(foreseen, expected);
    let table = freshet_with(&args, &variables).stdout;
    let (readings, alerts) = table.split_once("\n\n").unwrap();
    assert_eq!((readings.lines().count(), alerts.lines().count()), (7, 4), "{table}");
    let nothing = "select count(*) from evaluation_request";
    assert_eq!(database.connect().await.query_one(nothing, &[]).await.unwrap().get::<_, i64>(0), 0);

    let before = rules::newest(&database).await;
    let persist = stage::transform(database.url(), &pipeline);
    for device in ["a", "b", "c"] {
        let body = format!(
            r#"{{"device": "{device}", "time": "2026-03-01T11:00:00Z", "temperature": 21.5, "humidity": 40}}"#
        );
        let received_at = "2026-03-01T12:00:00Z".parse().unwrap();
        let event = stage::event(("yard", device, received_at), ("application/json", body.as_bytes()));
        stage::store(&persist, event, received_at).await;
    }
    rules::evaluate(database.url(), &pipeline).await;
    assert_eq!(rules::transitions(&database, before).await, foreseen);
}

#[tokio::test]
async fn what_is_chosen_is_discarded_with_a_reason_and_nothing_else() {
    let Some(database) = database().await else { return };
    database.connect().await.batch_execute(OTHERS).await.unwrap();
    let variables = [("DATABASE_URL", database.url())];
    let listed = |more: &[&str]| {
        let run = freshet_with(&[&["dead-letters", "list", "-o", "json"], more].concat(), &variables);
        let list: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        list.as_array().unwrap().clone()
    };
    for (filter, expected) in [
        (&["--source", "yard"][..], 3),
        (&["--source", "/sources/yard"], 3),
        (&["--device", "b"], 1),
        (&["--device", "temperature"], 1),
        (&["--reason", "database is"], 3),
        (&["--reason", "found a text"], 1),
        (&["--from", "2026-03-02"], 3),
        (&["--until", "2026-03-02"], 1),
        (&["--cause", "rejected", "--source", "yard"], 0),
    ] {
        assert_eq!(listed(filter).len(), expected, "{filter:?}");
    }
    let discard = |more: &[&str]| freshet_with(&[&["dead-letters", "discard"], more].concat(), &variables);
    assert_eq!(discard(&["--all", "--device", "b"]).status, 2, "it says why");
    assert_eq!(discard(&[ID, "--device", "b", "--because", "no"]).status, 1);
    let run = discard(&["--all", "--device", "b", "--because", "a test device"]);
    assert_eq!((run.status, listed(&[]).len()), (0, 3), "{}", run.stderr);
    let all = listed(&["--all", "--device", "b"]);
    assert_eq!((&all[0]["state"], &all[0]["discarded"]), (&"discarded".into(), &"a test device".into()));
    let id = all[0]["id"].as_str().unwrap().to_owned();
    let again = discard(&[&id, "--because", "twice"]);
    assert_eq!(again.status, 1);
    assert!(again.stdout.contains("no open dead letter"), "{}", again.stdout);
}
