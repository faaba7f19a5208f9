//! `freshet activate` and `freshet canary`.

use crate::one_answer::one_answer;
use crate::process::freshet_with;

/// A pipeline file with one source.
fn pipeline(folder: &tempfile::TempDir) -> String {
    let file = folder.path().join("freshet.yaml");
    let text = "sources:\n  probe: {format: json, credentials: [{bearer: {env: PROBE_TOKEN}}]}\n";
    std::fs::write(&file, text).expect("the folder is writable");
    file.display().to_string()
}

#[tokio::test]
async fn a_file_is_put_in_force_once() {
    let Some(database) = testkit::postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let variables = [("DATABASE_URL", database.url())];
    assert_eq!(freshet_with(&["migrate"], &variables).status, 0);
    let file = pipeline(&folder);
    let first = freshet_with(&["activate", &file, "--timeout", "10"], &variables);
    assert_eq!(first.status, 0, "{}", first.stderr);
    let second = freshet_with(&["activate", &file, "-o", "json"], &variables);
    let answer: serde_json::Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(answer["was_in_force"], true);
    let row = database.connect().await.query_one("select hash from active_pipeline", &[]).await.unwrap();
    assert_eq!(answer["hash"], row.get::<_, String>(0).as_str());
}

#[tokio::test]
async fn a_schema_that_does_not_come_is_reported_in_time() {
    let Some(database) = testkit::postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = pipeline(&folder);
    let run = freshet_with(&["activate", &file, "--timeout", "1s"], &[("DATABASE_URL", database.url())]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("migrations have not run yet"), "{}", run.stderr);
}

#[tokio::test]
async fn a_canary_shows_its_token_and_names_what_did_not_come() {
    let Some(database) = testkit::postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml").display().to_string();
    std::fs::write(&file, "canary: {secret: {env: PROBE_TOKEN}}\n").unwrap();
    let variables =
        [("DATABASE_URL", database.url()), ("FRESHET_PIPELINE", &file), ("PROBE_TOKEN", "s3cret")];
    assert_eq!(freshet_with(&["migrate"], &variables).status, 0);
    let (url, request) = one_answer("202 Accepted");
    let arguments = ["canary", "--url", &url, "--timeout", "2s"];
    let run = freshet_with(&arguments, &variables);
    let request = request.join().unwrap().to_lowercase();
    assert!(
        request.starts_with("post /hooks/freshet-canary ") && request.contains("bearer s3cret"),
        "{request}"
    );
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("it was accepted, and not stored in time"), "{}", run.stderr);
    let (url, request) = one_answer("401 Unauthorized");
    let run = freshet_with(&["canary", "--url", &url], &variables);
    request.join().unwrap();
    assert!(run.stderr.contains("it answered 401"), "{}", run.stderr);
}
