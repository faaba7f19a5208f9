//! Kafka's own programs, from Maven Central into `target/`, once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const POM: &str = include_str!("../../kafka/pom.xml");
/// The version that the POM names.
const VERSION: &str = "4.3.1";
/// Every broker is a cluster of one, and none meets another.
const CLUSTER_ID: &str = "ZnJlc2hldC10ZXN0cy0wMA";

/// Where the programs and an empty, formatted data folder are.
#[derive(Debug, Clone)]
pub(super) struct Distribution {
    folder: PathBuf,
}

impl Distribution {
    /// Finds it, or makes it; the reason in one sentence where that is not possible.
    pub(super) fn find() -> Result<Self, String> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let folder = target.join(format!("kafka-{VERSION}"));
        if !runs("java") {
            return Err("`java` is not on the path, and KAFKA_BOOTSTRAP is not set".to_owned());
        }
        if !folder.exists() {
            std::fs::create_dir_all(&target).map_err(|error| format!("target/ cannot be made: {error}"))?;
            let made =
                tempfile::tempdir_in(&target).map_err(|error| format!("target/ cannot be used: {error}"))?;
            fetch(made.path())?;
            format(made.path(), &made.path().join("data"), &[])?;
            // Another process may have been faster: its folder is as good.
            if std::fs::rename(made.path(), &folder).is_ok() {
                let _ = made.keep();
            }
        }
        Ok(Self { folder })
    }

    /// The arguments of `java` before the main class.
    pub(super) fn java(&self) -> Vec<String> {
        java(&self.folder)
    }

    /// Copies the formatted, empty data folder to `to`.
    pub(super) fn copy_data(&self, to: &Path) -> Result<(), String> {
        copy(&self.folder.join("data"), to)
            .map_err(|error| format!("the data folder cannot be made: {error}"))
    }

    /// Formats `data` as the folder of a cluster that knows a user by SCRAM-SHA-512.
    pub(super) fn format_with_user(&self, data: &Path, name: &str, password: &str) -> Result<(), String> {
        let user = format!("SCRAM-SHA-512=[name={name},password={password}]");
        format(&self.folder, data, &["--add-scram", &user])
    }
}

fn runs(program: &str) -> bool {
    let asked = Command::new(program).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn java(folder: &Path) -> Vec<String> {
    let classes = folder.join("libs").join("*");
    // Quick to start, small, one of its threads at a time: there are other tests.
    [
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([classes.display().to_string()])
    .collect()
}

fn fetch(folder: &Path) -> Result<(), String> {
    if !runs("mvn") {
        return Err("`mvn` is not on the path, which fetches a broker from Maven Central".to_owned());
    }
    std::fs::write(folder.join("pom.xml"), POM)
        .map_err(|error| format!("target/ cannot be written: {error}"))?;
    let mut maven = Command::new("mvn");
    maven.current_dir(folder).args([
        "-q",
        "-B",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        "-DoutputDirectory=libs",
    ]);
    finish(maven, "Maven could not fetch Kafka")
}

fn format(folder: &Path, data: &Path, more: &[&str]) -> Result<(), String> {
    let properties = data.with_extension("properties");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\nlog.dirs={}\ncontroller.listener.names=CONTROLLER\n\
         controller.quorum.voters=1@127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n",
        data.display()
    );
    std::fs::write(&properties, text).map_err(|error| format!("the data folder cannot be made: {error}"))?;
    let mut tool = Command::new("java");
    tool.args(java(folder))
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(&properties)
        .args(more);
    finish(tool, "Kafka's data folder could not be formatted")
}

fn finish(mut command: Command, what: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let last = String::from_utf8_lossy(&said);
    Err(format!("{what}: {}", last.lines().next_back().unwrap_or_default()))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
