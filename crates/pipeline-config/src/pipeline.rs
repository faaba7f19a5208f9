//! A pipeline: all of one `freshet.yaml`, checked.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::SignedDuration;
use rules::Rule;

use crate::canonical;
use crate::mistake::{LoadError, Mistake, Mistakes};
use crate::network::Network;
use crate::read;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::route::{AlertFacts, Route};
use crate::source::Source;
use crate::yaml::{self, Place};

/// The lateness window where the file names none: 15 minutes.
pub const DEFAULT_LATENESS: SignedDuration = SignedDuration::from_mins(15);
/// The time between two ticks where the file names none: 5 minutes.
pub const DEFAULT_TICK: SignedDuration = SignedDuration::from_mins(5);

/// A checked pipeline: names that it uses exist, thresholds are in canonical units.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The sources by name.
    pub sources: BTreeMap<String, Source>,
    /// The rules, by name in the order of the alphabet.
    pub rules: Vec<Rule>,
    /// The receivers by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// The routes, in the order of the file. Where the file has none: one, to every receiver that is no fallback.
    pub routes: Vec<Route>,
    /// Receivers for what no route takes and for what other receivers gave up.
    pub fallback: Vec<String>,
    /// Which private addresses notifications may go to.
    pub network: Network,
    /// How late, by its own series' time, a reading may be and still change alerts.
    pub lateness: SignedDuration,
    /// The time between two ticks.
    pub tick: SignedDuration,
    /// Whether `readings.recorded` is published.
    pub emit: Emit,
    /// SHA-256, in hex, of the file's content: comments, order of keys and spacing do not change it.
    pub hash: String,
    /// What will hurt, though it is no mistake.
    pub warnings: Vec<Mistake>,
}

/// Whether stages publish what they stored, for programs of third parties; no stage of ours needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Emit {
    /// For every payload that stored a reading.
    Always,
    /// Not at all.
    #[default]
    Never,
}

impl Pipeline {
    /// Reads and checks the text of a file; `file_name` is only for people.
    ///
    /// # Errors
    /// [`Mistakes`]: every mistake with its line and column.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let root = yaml::load(text, &mut mistakes);
        let report = Report::new(mistakes);
        let pipeline = match &root {
            Some(root) => read::pipeline(root, &report),
            None => {
                if report.is_clean() {
                    report.mistake(Place::START, "the file is empty: a pipeline has at least `sources`");
                }
                None
            }
        };
        let (mistakes, warnings) = report.finish();
        match (pipeline, root) {
            (Some(pipeline), Some(root)) if mistakes.is_empty() => {
                Ok(Self { hash: canonical::hash(&root), warnings, ..pipeline })
            }
            _ => Err(Mistakes { file: file_name.to_owned(), mistakes, warnings }),
        }
    }

    /// Reads and checks the bytes of a file.
    ///
    /// # Errors
    /// [`Mistakes`], also where the bytes are no UTF-8.
    pub fn from_bytes(bytes: &[u8], file_name: &str) -> Result<Self, Mistakes> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text.strip_prefix('\u{feff}').unwrap_or(text), file_name),
            Err(error) => {
                let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                let mistake = Mistake { line, column, text: "the file is not UTF-8".to_owned() };
                Err(Mistakes { file: file_name.to_owned(), mistakes: vec![mistake], warnings: Vec::new() })
            }
        }
    }

    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Ok(Self::from_bytes(&bytes, &path.display().to_string())?)
    }

    /// The same for a stage at its start: `note` is told of each mistake, first its place (`freshet.yaml:3:5`), then what it is.
    pub fn load_noting(path: &Path, mut note: impl FnMut(String, String)) -> Option<Self> {
        match Self::load(path) {
            Ok(pipeline) => return Some(pipeline),
            Err(LoadError::Unreadable { path, source }) => {
                note(path.display().to_string(), format!("cannot be read: {source}"));
            }
            Err(LoadError::Mistakes(Mistakes { file, mistakes, .. })) => {
                for mistake in mistakes {
                    note(format!("{file}:{}:{}", mistake.line, mistake.column), mistake.text);
                }
            }
        }
        None
    }

    /// The receivers that are told of an alert, each once: those of every route that takes it, else the fallback.
    pub fn receivers_for(&self, alert: AlertFacts<'_>) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.routes.iter().filter(|route| route.takes(alert)).flat_map(|route| &route.to) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        if names.is_empty() { self.fallback.iter().map(String::as_str).collect() } else { names }
    }
}
