//! From files to a pipeline.

use std::io;
use std::path::PathBuf;

use settings::{Findings, Place, Report, Schema, Shape, merge, yaml};
use thiserror::Error;

use crate::files::{self, Files, VARIABLE};
use crate::hash;
use crate::pipeline::{self, Pipeline};

/// Why files give no pipeline.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files have mistakes.
    #[error(transparent)]
    Mistakes(#[from] Findings),
}

/// The JSON Schema (draft 2020-12) of one file of a pipeline.
pub fn schema() -> serde_json::Value {
    let mut schema = Schema::root(&pipeline::shape());
    schema["title"] = "freshet.yaml".into();
    schema
}

impl Pipeline {
    /// Reads and checks the text of a file; `file_name` is only for people.
    ///
    /// # Errors
    /// Every mistake with its place.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Findings> {
        Self::from_bytes(&[(file_name.to_owned(), text.as_bytes().to_vec())])
    }

    /// Reads and checks files as one pipeline: their names, for people, and their bytes. Scripts lie among them.
    ///
    /// # Errors
    /// Every mistake with its place.
    pub fn from_bytes(files: &[(String, Vec<u8>)]) -> Result<Self, Findings> {
        let (scripts, files): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| files::is_script(name));
        let scripts =
            scripts.into_iter().map(|(name, bytes)| (files::plain_name(name).to_owned(), bytes.clone()));
        let report = Report::of(files.iter().map(|(name, _)| name)).with_attachments(scripts.collect());
        let roots = files.iter().enumerate().filter_map(|(file, (_, bytes))| tree(bytes, file, &report));
        let roots: Vec<_> = roots.collect();
        let is_whole = roots.len() == files.len();
        let root = merge(roots, &pipeline::SECTIONS, &report);
        // What refers to a file that is no YAML would only be called unknown.
        let root = root.filter(|_| is_whole);
        let pipeline = root.as_ref().and_then(|root| pipeline::shape().read(root, &report));
        let scripts = report.used_attachments();
        let findings = report.finish();
        match (pipeline, root) {
            (Some(pipeline), Some(root)) if findings.mistakes.is_empty() => {
                let Findings { warnings, advice, .. } = findings;
                let files = files.into_iter().map(|(name, _)| name.clone()).collect();
                Ok(Self { hash: hash::of(&root, &scripts), files, warnings, advice, ..pipeline })
            }
            _ => Err(findings),
        }
    }

    /// Reads and checks files.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(files: &Files) -> Result<Self, LoadError> {
        let unreadable = |(path, source)| LoadError::Unreadable { path, source };
        let mut read = Vec::new();
        let files = files.list().map_err(unreadable)?;
        for path in files.iter().chain(&files::scripts_beside(&files)) {
            match files::read(path) {
                Ok(bytes) => read.push((path.display().to_string(), bytes)),
                Err(error) => return Err(unreadable((path.clone(), error))),
            }
        }
        Ok(Self::from_bytes(&read)?)
    }

    /// The pipeline of a stage, from the value of [`VARIABLE`]. `note` is given each mistake: first its place
    /// (`freshet.yaml:3:5`), then what it is.
    pub fn configured(named: Option<&str>, mut note: impl FnMut(String, String)) -> Option<Self> {
        let files: Files = named.unwrap_or_default().parse().unwrap_or_default();
        match Self::load(&files) {
            Ok(pipeline) => return Some(pipeline),
            Err(LoadError::Unreadable { path, source }) => {
                note(path.display().to_string(), format!("cannot be read: {source} ({VARIABLE} is {files})"));
            }
            Err(LoadError::Mistakes(found)) => {
                for mistake in found.mistakes {
                    note(format!("{}:{}:{}", mistake.file, mistake.line, mistake.column), mistake.text);
                }
            }
        }
        None
    }
}

/// The tree of one file.
fn tree(bytes: &[u8], file: usize, report: &Report) -> Option<yaml::Node> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            report.mistake(Place { file, line, column }, "the file is not UTF-8");
            return None;
        }
    };
    let before = report.mistakes();
    let root = yaml::load(text, file, report);
    if root.is_none() && report.mistakes() == before {
        report.mistake(Place::start(file), "the file is empty: a pipeline has at least `sources`");
    }
    root
}
