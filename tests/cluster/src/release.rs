//! The release: Helm, as an operator would call it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::Failure;

/// A release that is installed, or will be.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its name, which is also the full name of its objects.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The chart.
    pub chart: PathBuf,
}

impl Release {
    /// `helm upgrade --install` with these values.
    ///
    /// # Errors
    /// What Helm said.
    pub async fn upgrade(&self, values: &Value) -> Result<(), Failure> {
        let mut file = NamedTempFile::with_suffix(".json")?;
        file.write_all(values.to_string().as_bytes())?;
        let chart = self.chart.display().to_string();
        self.helm(&[
            "upgrade",
            "--install",
            "--timeout",
            "6m",
            &self.name,
            &chart,
            "--values",
            path(file.path())?,
        ])
        .await?;
        Ok(())
    }

    /// `helm rollback` to the revision before.
    ///
    /// # Errors
    /// What Helm said.
    pub async fn rollback(&self) -> Result<(), Failure> {
        self.helm(&["rollback", "--timeout", "6m", &self.name]).await.map(|_| ())
    }

    /// `helm test`.
    ///
    /// # Errors
    /// What Helm said.
    pub async fn test(&self) -> Result<String, Failure> {
        self.helm(&["test", "--timeout", "4m", "--logs", &self.name]).await
    }

    /// `helm uninstall`.
    ///
    /// # Errors
    /// What Helm said.
    pub async fn uninstall(&self) -> Result<(), Failure> {
        self.helm(&["uninstall", "--ignore-not-found", "--timeout", "4m", &self.name]).await.map(|_| ())
    }

    async fn helm(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = Command::new("helm")
            .args(arguments)
            .args(["--namespace", &self.namespace])
            .output()
            .await
            .map_err(|error| format!("helm cannot be started, it has to be in the PATH: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("helm {} failed: {}{said}", arguments[0], complaint.trim()).into())
    }
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| "the temporary folder's name is not UTF-8".into())
}
