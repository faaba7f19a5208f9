//! Shows the processes of the stages: on a terminal one line for each, kept up to date; elsewhere a line for each change.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use knative_local::{ServiceStats, Stats};
use topology::{STAGES, WORKER};

/// Where the stages are shown.
pub(crate) enum Screen {
    /// A terminal.
    Terminal {
        /// The lines, by stage.
        lines: BTreeMap<&'static str, ProgressBar>,
        /// All of them.
        all: MultiProgress,
    },
    /// A file or a pipe: the processes that were shown last, by stage.
    Lines(BTreeMap<String, u32>),
}

impl Screen {
    /// Lines on standard error, as it is, for the stages and the worker, where it runs.
    pub(crate) fn open(has_worker: bool) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(BTreeMap::new());
        }
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix:>12}  {msg}").expect("the template is valid");
        let lines = STAGES
            .iter()
            .map(|stage| stage.name)
            .chain(has_worker.then_some(WORKER))
            .map(|name| {
                let line = all.add(ProgressBar::new_spinner().with_style(style.clone()).with_prefix(name));
                (name, line)
            })
            .collect();
        Self::Terminal { lines, all }
    }

    /// Shows `stats`.
    pub(crate) fn show(&mut self, stats: &Stats) {
        match self {
            Self::Terminal { lines, .. } => {
                for (name, line) in lines {
                    let stage = stats.services.get(*name).copied().unwrap_or_default();
                    line.set_message(text(&stage));
                }
            }
            Self::Lines(shown) => {
                for (name, stage) in &stats.services {
                    let before = shown.insert(name.clone(), stage.processes).unwrap_or(0);
                    if before != stage.processes {
                        eprintln!("{name}: {before} -> {}  {}", stage.processes, text(stage));
                    }
                }
            }
        }
    }

    /// A line beside the stages.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Terminal { all, .. } => {
                // A terminal that cannot be written shows nothing.
                let _ = all.println(line);
            }
            Self::Lines(_) => eprintln!("{line}"),
        }
    }

    /// What draws the lines, where there are any.
    pub(crate) fn drawing(&self) -> Option<MultiProgress> {
        match self {
            Self::Terminal { all, .. } => Some(all.clone()),
            Self::Lines(_) => None,
        }
    }

    /// Leaves the lines as they are.
    pub(crate) fn close(self) {
        if let Self::Terminal { lines, .. } = self {
            lines.values().for_each(ProgressBar::abandon);
        }
    }
}

fn text(stage: &ServiceStats) -> String {
    let processes = match stage.processes {
        0 => "0 processes".to_owned(),
        1 => "1 process".to_owned(),
        number => format!("{number} processes"),
    };
    let prewarmed = match stage.woken {
        0 => String::new(),
        times => format!(", {times} of {} starts prewarmed", stage.starts),
    };
    format!(
        "{processes:<12} {:>8} events {:>5} errors   last cold start {:.0} ms{prewarmed}",
        stage.requests, stage.errors, stage.last_cold_start_ms
    )
}
