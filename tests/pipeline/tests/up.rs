//! `freshet up` as a person runs it: it ends without a trace, goes on where it stopped, and is alone in its folder.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pipeline_tests::left_behind::{left_behind, listeners};
use pipeline_tests::up::{PATIENCE, Up, freshet, has_postgres};
use testkit::free_port;

const PIPELINE: &str = "
sources:
  field: {format: json, credentials: [{header: X-Api-Key, secret: {env: FIELD_KEY}}]}
";

#[tokio::test]
async fn up_ends_whole_goes_on_where_it_stopped_and_is_alone_in_its_folder() {
    let Some(folder) =
        folder_with_a_pipeline("up_ends_whole_goes_on_where_it_stopped_and_is_alone_in_its_folder")
    else {
        return;
    };

    // In broker mode `transform` listens too; the others are in direct mode, which is the default.
    let first = folder.path().join(".freshet");
    let first = Up::start_in(folder.path(), &first, &["--mode", "broker"], &[]).await;
    assert!(first.post("f-1").await);
    first.shows("f-1").await;
    let listeners = listeners(folder.path());
    // The broker, the activator's address, and at least `ingest` and `transform`.
    assert!(listeners.len() >= 4, "{listeners:?}");
    for address in &listeners {
        assert!(address.starts_with("0100007F:"), "{address} is not 127.0.0.1");
    }
    let second = freshet(folder.path(), &["up", "--port", &free_port().to_string()]).await;
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another `freshet up` runs in") && said.contains("--state-dir"), "{said}");
    let broker = freshet(folder.path(), &["dead-letters", "replay", "--all"]).await;
    assert!(broker.status.success(), "{}", String::from_utf8_lossy(&broker.stderr));
    assert!(first.interrupt().await.success());
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
    assert!(!folder.path().join(".freshet/database-url").exists());

    let mut killed = Up::start(folder.path()).await;
    assert!(killed.post("f-2").await);
    killed.process.kill().await.unwrap();

    let third = Up::start(folder.path()).await;
    third.shows("f-1").await;
    third.shows("f-2").await;
    assert!(third.interrupt().await.success());
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn up_says_once_that_its_port_is_taken() {
    let Some(folder) = folder_with_a_pipeline("up_says_once_that_its_port_is_taken") else { return };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = freshet(folder.path(), &["up", "--port", &port]).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success(), "{said}");
    assert_eq!(said.matches("Address already in use").count(), 1, "{said}");
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
}

#[tokio::test]
async fn up_ends_and_says_so_where_its_postgresql_has_ended() {
    let Some(folder) = folder_with_a_pipeline("up_ends_and_says_so_where_its_postgresql_has_ended") else {
        return;
    };
    let mut up = Up::start(folder.path()).await;
    let pid_file =
        std::fs::read_to_string(folder.path().join(".freshet/postgres/data/postmaster.pid")).unwrap();
    let server: i32 = pid_file.lines().next().unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    let status = tokio::time::timeout(PATIENCE, up.process.wait()).await.expect("it ends").unwrap();
    assert!(!status.success());
    let said = std::fs::read_to_string(folder.path().join("said")).unwrap();
    assert!(said.contains("PostgreSQL has ended") && said.contains("postgres.log"), "{said}");
    for variable in ["DATABASE_URL", "FRESHET_BROKER"] {
        assert!(said.contains(&format!("export {variable}='")), "{said}");
    }
}

/// What the README shows, in a folder of its own, with the state directory elsewhere.
#[tokio::test]
async fn what_the_readme_sends_is_stored() {
    if !has_postgres("what_the_readme_sends_is_stored") {
        return;
    }
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, pipeline) = readme.split_once("```yaml\n# freshet.yaml\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("freshet.yaml"), pipeline.split_once("```").unwrap().0).unwrap();
    std::fs::create_dir(folder.path().join("uplinks")).unwrap();
    let uplink = r#"{"end_device_ids": {"device_id": "bed-3", "application_ids": {"application_id": "greenhouse"}},
        "uplink_message": {"f_port": 1, "f_cnt": 7, "decoded_payload": {"temperature": 21.5}}}"#;
    std::fs::write(folder.path().join("uplinks/1.json"), uplink).unwrap();
    let state = folder.path().join("state");
    let up = Up::start_in(folder.path(), &state, &[], &[]).await;
    assert!(readme.contains("freshet send --source greenhouse uplinks/"), "the README shows it");
    let address = up.webhook.rsplit_once("/hooks/").unwrap().0.to_owned();
    let sent = ["send", "--source", "greenhouse", "uplinks/", "--to", &address];
    let sent = freshet(folder.path(), &sent).await;
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    up.shows("bed-3").await;
    assert!(up.interrupt().await.success());
}

/// A folder with [`PIPELINE`] in it; `None` where PostgreSQL is not installed.
fn folder_with_a_pipeline(test: &str) -> Option<tempfile::TempDir> {
    let folder = has_postgres(test).then(|| tempfile::tempdir().unwrap())?;
    std::fs::write(folder.path().join("freshet.yaml"), PIPELINE).unwrap();
    Some(folder)
}
