//! Helm on the chart.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::object::Object;
use crate::tools::{Tools, repository};
use crate::yaml;

/// The version of Kubernetes that is rendered for; what Helm assumes by itself depends on Helm.
const KUBERNETES: &str = "1.35.0";

/// The chart, with the values of one rendering.
#[derive(Debug, Clone)]
pub struct Chart {
    tools: &'static Tools,
    helm: PathBuf,
    release: String,
    arguments: Vec<String>,
}

/// What Helm said when it refused.
#[derive(Debug)]
pub struct Refusal(pub String);

/// Every file of values that the chart is tried with.
pub fn values_files() -> Vec<PathBuf> {
    let folder = repository().join("charts/freshet/ci");
    let entries = folder.read_dir().expect("charts/freshet/ci is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("its entries can be listed").path())
        .filter(|path| path.extension() == Some(OsStr::new("yaml")))
        .collect();
    files.sort();
    files
}

impl Chart {
    /// The chart under the release name `farm` in the namespace `fields`.
    pub fn new(tools: &'static Tools) -> Self {
        Self { tools, helm: tools.helm.clone(), release: "farm".to_owned(), arguments: Vec::new() }
    }

    /// With the values of `charts/freshet/ci/NAME-values.yaml`.
    #[must_use]
    pub fn ci(self, name: &str) -> Self {
        self.file(&repository().join(format!("charts/freshet/ci/{name}-values.yaml")))
    }

    /// With a file of values.
    #[must_use]
    pub fn file(self, path: &Path) -> Self {
        self.argument("--values").argument(path.display().to_string())
    }

    /// With one value, as `--set` takes it.
    #[must_use]
    pub fn set(self, value: &str) -> Self {
        self.argument("--set").argument(value)
    }

    /// With one more argument of `helm template`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Under another release name.
    #[must_use]
    pub fn release(mut self, name: impl Into<String>) -> Self {
        self.release = name.into();
        self
    }

    /// With another Helm, of `.ci/chart-tools`.
    #[must_use]
    pub fn helm(mut self, name: &str) -> Self {
        self.helm = self.tools.folder.join(name);
        self
    }

    /// What `helm template` prints.
    ///
    /// # Errors
    /// What Helm says against it.
    pub fn text(&self) -> Result<String, Refusal> {
        let answer = self.run(&["template", &self.release]);
        if answer.status.success() {
            Ok(String::from_utf8(answer.stdout).expect("Helm prints UTF-8"))
        } else {
            Err(Refusal(String::from_utf8_lossy(&answer.stderr).into_owned()))
        }
    }

    /// The objects that are rendered.
    ///
    /// # Panics
    /// Where Helm refuses, or prints what is no YAML.
    pub fn objects(&self) -> Vec<Object> {
        let text = self.text().unwrap_or_else(|refusal| panic!("{}", refusal.0));
        let documents = yaml::documents(&text).unwrap_or_else(|error| panic!("{error}"));
        documents.into_iter().map(Object).collect()
    }

    /// The mistakes that the chart finds.
    ///
    /// # Panics
    /// Where it finds none.
    pub fn refusal(&self) -> String {
        self.text().err().unwrap_or_else(|| panic!("these values are taken: {:?}", self.arguments)).0
    }

    /// `helm lint --strict`.
    ///
    /// # Errors
    /// What Helm says against it.
    pub fn lint(&self) -> Result<(), Refusal> {
        let answer = self.run(&["lint", "--strict"]);
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        if answer.status.success() { Ok(()) } else { Err(Refusal(said)) }
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(&self.helm)
            .args(words)
            .arg(repository().join("charts/freshet"))
            .args(["--namespace", "fields", "--kube-version", KUBERNETES])
            .args(&self.arguments)
            // Nothing is asked of a cluster that may be at hand.
            .env("KUBECONFIG", "/dev/null")
            .output()
            .expect("Helm starts")
    }
}
