//! `freshet up` as a process of its own, as a person runs it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{eventually, free_port};
use tokio::process::{Child, Command};

use crate::stand::binaries;

/// What the pipelines of such tests name, and the demo's.
pub const SECRETS: [(&str, &str); 3] = [
    ("FIELD_KEY", "up-key-1f"),
    ("GREENHOUSE_KEY", "greenhouse-key-1f"),
    ("OPS_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
];
/// For it to start, to end, and to show what it was sent.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running `freshet up`, which writes what it says into the file `said` of its folder.
pub struct Up {
    folder: PathBuf,
    state: PathBuf,
    /// The process.
    pub process: Child,
    /// Where the source `field` takes requests.
    pub webhook: String,
}

impl Up {
    /// One whose state is in `folder`.
    pub async fn start(folder: &Path) -> Self {
        Self::start_in(folder, &folder.join(".freshet"), &[], &[]).await
    }

    /// One whose state is elsewhere, with more arguments and a larger environment.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_in(
        folder: &Path,
        state: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let port = free_port();
        let said = std::fs::File::create(folder.join("said")).expect("the folder takes a file");
        let process = command(folder)
            .args(["up", "--port", &port.to_string(), "--state-dir"])
            .arg(state)
            .args(arguments)
            .envs(SECRETS)
            .envs(environment.iter().copied())
            .stderr(said)
            .kill_on_drop(true)
            .spawn()
            .expect("freshet is built");
        let published = state.join("database-url");
        let id = process.id().expect("it runs");
        eventually(PATIENCE, || async {
            // A file that a killed one left is older than this process.
            let begun = std::fs::metadata(format!("/proc/{id}")).and_then(|at| at.modified());
            let written = std::fs::metadata(&published).and_then(|at| at.modified());
            matches!((begun, written), (Ok(begun), Ok(written)) if written >= begun)
        })
        .await;
        let webhook = format!("http://127.0.0.1:{port}/hooks/field");
        Self { folder: folder.to_owned(), state: state.to_owned(), process, webhook }
    }

    /// Posts a reading of `device`; whether it was taken.
    ///
    /// # Panics
    /// Where nothing answers.
    pub async fn post(&self, device: &str) -> bool {
        let client = runtime::http_client(&runtime::ClientOptions::default()).expect("a client can be made");
        let request = client
            .post(&self.webhook)
            .header("content-type", "application/json")
            .header("x-api-key", SECRETS[0].1)
            .body(format!(r#"{{"device": "{device}", "temperature": 21.5}}"#));
        request.send().await.expect("it answers").status().is_success()
    }

    /// Waits until `freshet devices`, which is given the state directory at most, shows the device.
    pub async fn shows(&self, device: &str) {
        let state = self.state.display().to_string();
        let named = if self.state.ends_with(".freshet") { vec![] } else { vec!["--state-dir", &state] };
        let arguments = [vec!["devices"], named].concat();
        eventually(PATIENCE, || async {
            let output = freshet(&self.folder, &arguments).await;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if text.contains(device) {
                Ok(())
            } else {
                Err((text, String::from_utf8_lossy(&output.stderr).into_owned()))
            }
        })
        .await;
    }

    /// The URL of its database.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn database_url(&self) -> String {
        std::fs::read_to_string(self.state.join("database-url")).expect("it runs")
    }

    /// Ctrl-C.
    ///
    /// # Panics
    /// Where it does not end.
    pub async fn interrupt(mut self) -> ExitStatus {
        let pid = self.process.id().and_then(|pid| i32::try_from(pid).ok()).expect("it runs");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("it is ours");
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        ended.expect("it ends").expect("it is waited for once")
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(binaries().join("freshet"));
    command.current_dir(folder).env_remove("FRESHET_PIPELINE").env_remove("FRESHET_BROKER");
    command.env_remove("FRESHET_STATE_DIR");
    for name in std::env::vars_os().map(|(name, _)| name) {
        if name == "DATABASE_URL" || name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `freshet` in `folder`.
///
/// # Panics
/// Where it is not built.
pub async fn freshet(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).envs(SECRETS).output().await.expect("freshet is built")
}

/// Whether PostgreSQL is installed; a test that misses it is named.
///
/// # Panics
/// Where it is not and `CI` is `true`.
pub fn has_postgres(test: &str) -> bool {
    let is_there = postgres_local::find_binaries().is_ok();
    if !is_there {
        testkit::report_skipped(test, "PostgreSQL's server binaries were not found");
    }
    is_there
}
