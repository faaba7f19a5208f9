//! `freshet check`.

use pipeline_config::{Files, Findings, LoadError, Mistake, Pipeline, VARIABLE};
use serde::Serialize;

use crate::output::{self, Format, printable};
use runtime::Failure;

use super::Done;

/// Check a pipeline: print every mistake with its file, line and column, and warn of what will hurt
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline: files and folders; several are one pipeline
    #[arg(value_name = "FILE", env = VARIABLE, default_value = "freshet.yaml")]
    files: Vec<Files>,
}

/// A mistake or a warning, for programs.
#[derive(Debug, Serialize)]
struct Finding<'a> {
    kind: &'static str,
    file: &'a str,
    line: usize,
    column: usize,
    text: &'a str,
}

/// Prints what was found; mistakes end badly, warnings alone do not.
///
/// # Errors
/// Where a file cannot be read, or standard output not be written.
pub fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let files: Files = args.files.iter().cloned().collect();
    let Findings { mistakes, warnings } = match Pipeline::load(&files) {
        Ok(pipeline) => Findings { mistakes: Vec::new(), warnings: pipeline.warnings },
        Err(LoadError::Mistakes(found)) => found,
        Err(error @ LoadError::Unreadable { .. }) => {
            return Err(Failure::because("there is nothing to check", &error)
                .hint("name the file: freshet check FILE"));
        }
    };
    let findings: Vec<_> = findings("mistake", &mistakes).chain(findings("warning", &warnings)).collect();
    match format {
        Format::Json => output::json(&findings)?,
        Format::Table => findings.iter().try_for_each(|finding| output::write_line(&finding.to_line()))?,
    }
    eprintln!("{files}: {}", summary(mistakes.len(), warnings.len()));
    Ok(if mistakes.is_empty() { Done::Well } else { Done::Badly })
}

fn findings<'a>(kind: &'static str, list: &'a [Mistake]) -> impl Iterator<Item = Finding<'a>> {
    list.iter().map(move |found| Finding {
        kind,
        file: &found.file,
        line: found.line,
        column: found.column,
        text: &found.text,
    })
}

impl Finding<'_> {
    /// The form that editors and compilers' users know: `file:line:column: kind: text`.
    fn to_line(&self) -> String {
        let Self { kind, file, line, column, text } = self;
        format!("{file}:{line}:{column}: {kind}: {}", printable(text))
    }
}

fn summary(mistakes: usize, warnings: usize) -> String {
    let count = |number: usize, noun: &str| match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    format!("{}, {}", count(mistakes, "mistake"), count(warnings, "warning"))
}
