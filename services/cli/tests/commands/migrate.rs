//! `freshet migrate`.

use crate::process::{freshet, freshet_with};

#[tokio::test]
async fn an_empty_database_is_brought_up_to_date_once() {
    let Some(database) = testkit::postgres().await else { return };
    let variables = [("DATABASE_URL", database.url())];
    let first = freshet_with(&["migrate"], &variables);
    assert_eq!(first.status, 0, "{}", first.stderr);
    assert!(first.stdout.starts_with("applied V1__pipeline\n"), "{}", first.stdout);
    let second = freshet_with(&["migrate", "-o", "json"], &variables);
    let answer: serde_json::Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(answer["applied"], serde_json::json!([]));
}

#[test]
fn a_database_that_nobody_named_is_asked_for() {
    let run = freshet(&["migrate"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("set DATABASE_URL"), "{}", run.stderr);
}
