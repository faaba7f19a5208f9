//! `freshet up` as a person runs it: it ends without a trace, goes on where it stopped, and is alone in its folder.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{ExitStatus, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pipeline_tests::left_behind::left_behind;
use pipeline_tests::stand::binaries;
use testkit::{eventually, free_port};
use tokio::process::{Child, Command};

const PIPELINE: &str = "
sources:
  field: {format: json, credentials: [{header: X-Api-Key, secret: {env: FIELD_KEY}}]}
";
const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn up_ends_whole_goes_on_where_it_stopped_and_is_alone_in_its_folder() {
    if postgres_local::find_binaries().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL's server binaries were not found");
        println!(
            "skipped: up_ends_whole_goes_on_where_it_stopped_and_is_alone_in_its_folder: PostgreSQL's server binaries were not found"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("freshet.yaml"), PIPELINE).unwrap();

    let first = Up::start(folder.path()).await;
    assert!(first.post("f-1").await);
    first.shows("f-1").await;
    let second = freshet(folder.path(), &["up", "--port", &free_port().to_string()]).await;
    assert!(!second.status.success());
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("another `freshet up` runs in") && told.contains("--state-dir"), "{told}");
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

/// A running `freshet up`.
struct Up {
    folder: std::path::PathBuf,
    process: Child,
    webhook: String,
}

impl Up {
    async fn start(folder: &Path) -> Self {
        let port = free_port();
        let process = command(folder)
            .args(["up", "--port", &port.to_string()])
            .env("FIELD_KEY", "up-key-1f")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let published = folder.join(".freshet/database-url");
        let id = process.id().unwrap();
        eventually(PATIENCE, || async {
            // A file that a killed one left is older than this process.
            let begun = std::fs::metadata(format!("/proc/{id}")).and_then(|at| at.modified());
            let written = std::fs::metadata(&published).and_then(|at| at.modified());
            matches!((begun, written), (Ok(begun), Ok(written)) if written >= begun)
        })
        .await;
        Self { folder: folder.to_owned(), process, webhook: format!("http://127.0.0.1:{port}/hooks/field") }
    }

    async fn post(&self, device: &str) -> bool {
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        let request = client
            .post(&self.webhook)
            .header("content-type", "application/json")
            .header("x-api-key", "up-key-1f")
            .body(format!(r#"{{"device": "{device}", "temperature": 21.5}}"#));
        request.send().await.unwrap().status().is_success()
    }

    /// Waits until `freshet devices`, which is told nothing of the database, shows the device.
    async fn shows(&self, device: &str) {
        eventually(PATIENCE, || async {
            let output = freshet(&self.folder, &["devices"]).await;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if text.contains(device) {
                Ok(())
            } else {
                Err((text, String::from_utf8_lossy(&output.stderr).into_owned()))
            }
        })
        .await;
    }

    /// Ctrl-C.
    async fn interrupt(mut self) -> ExitStatus {
        let pid = i32::try_from(self.process.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        tokio::time::timeout(PATIENCE, self.process.wait()).await.expect("it ends").unwrap()
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(binaries().join("freshet"));
    command.current_dir(folder).env_remove("FRESHET_PIPELINE").env_remove("FRESHET_BROKER");
    for name in std::env::vars_os().map(|(name, _)| name) {
        if name == "DATABASE_URL" || name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}

async fn freshet(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).env("FIELD_KEY", "up-key-1f").output().await.unwrap()
}
