//! `freshet dead-letters` over a real database and a broker that keeps what it is given.

use crate::one_answer::one_answer;
use crate::process::freshet_with;
use crate::rows;

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
