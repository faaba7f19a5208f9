//! Helm and the schemas.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the tests run and compare with.
#[derive(Debug)]
pub struct Tools {
    /// The folder that `.ci/chart-tools` filled.
    pub folder: PathBuf,
    /// Helm: the one on the path, else the one that was fetched.
    pub helm: PathBuf,
}

/// The folder of the whole repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Tools {
    /// The tools; `None` where they can't be had, which is then said with the test's name.
    ///
    /// # Panics
    /// Where they can't be had and `CI` is `true`.
    pub fn of_this_test() -> Option<&'static Self> {
        static TOOLS: OnceLock<Result<Tools, String>> = OnceLock::new();
        match TOOLS.get_or_init(fetch) {
            Ok(tools) => Some(tools),
            Err(why) => {
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{test} cannot run: {why}");
                println!("skipped: {test}: {why}");
                None
            }
        }
    }

    /// Whether Helm 3 was fetched too.
    pub fn has_helm_3(&self) -> bool {
        self.folder.join("helm-3").exists()
    }
}

fn fetch() -> Result<Tools, String> {
    let repository = repository();
    let folder = repository.join("target/chart-tools");
    let answer = Command::new(repository.join(".ci/chart-tools"))
        .arg(&folder)
        .output()
        .map_err(|error| format!(".ci/chart-tools does not start: {error}"))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        return Err(said.lines().next_back().unwrap_or("`.ci/chart-tools` failed").to_owned());
    }
    let fetched = folder.join("helm");
    let helm = if fetched.exists() { fetched } else { PathBuf::from("helm") };
    Ok(Tools { folder, helm })
}
