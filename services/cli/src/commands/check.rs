//! `freshet check`.

use std::io::Read as _;

use cluster::doctor::broker::KAFKA_CLASS;
use pipeline_config::source::KeepRequests;
use pipeline_config::{Files, Findings, LoadError, Mistake, Pipeline, Source, VARIABLE, canary};
use serde::Serialize;

use crate::output::{self, Format, printable};
use runtime::Failure;

use super::Done;

/// Check a pipeline: print every mistake with its file, line and column, and warn of what will hurt
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline: files and folders; several are one pipeline. `-` alone is standard input
    #[arg(value_name = "FILE", env = VARIABLE, default_value = "freshet.yaml")]
    files: Vec<Files>,
    /// The class of the Broker that the pipeline will have, for what depends on it
    #[arg(long, value_name = "CLASS", default_value = KAFKA_CLASS)]
    broker_class: String,
}

const STANDARD_INPUT: &str = "standard input";
/// What is read of standard input, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

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
    let is_standard_input = files.to_string() == "-";
    let loaded = if is_standard_input { from_standard_input()? } else { Pipeline::load(&files) };
    let kept = loaded.as_ref().ok().map(|pipeline| (pipeline.retention.to_string(), read_again(pipeline)));
    let Findings { mistakes, mut warnings, advice } = match loaded {
        Ok(Pipeline { warnings, advice, .. }) => Findings { mistakes: Vec::new(), warnings, advice },
        Err(LoadError::Mistakes(found)) => found,
        Err(error @ LoadError::Unreadable { .. }) => {
            return Err(Failure::because("there is nothing to check", &error)
                .hint("name the file: freshet check FILE"));
        }
    };
    if args.broker_class != KAFKA_CLASS {
        warnings.extend(advice);
    }
    let findings: Vec<_> = findings("mistake", &mistakes).chain(findings("warning", &warnings)).collect();
    match format {
        Format::Json => output::json(&findings)?,
        Format::Table => findings.iter().try_for_each(|finding| output::write_line(&finding.to_line()))?,
    }
    let name = if is_standard_input { STANDARD_INPUT.to_owned() } else { files.to_string() };
    eprintln!("{name}: {}", summary(mistakes.len(), warnings.len()));
    if let Some((kept, read_again)) = kept {
        eprintln!("kept: {kept}");
        eprintln!("can be read again: {read_again}");
    }
    Ok(if mistakes.is_empty() { Done::Well } else { Done::Badly })
}

/// How far back `freshet reprocess` can mend each source.
fn read_again(pipeline: &Pipeline) -> String {
    let kept = match pipeline.retention.requests {
        Some(kept) => format!("requests of the last {} days", kept.as_hours() / 24),
        None => "all requests".to_owned(),
    };
    let of = |wanted: &dyn Fn(&Source) -> bool| {
        let is_one = |(name, source): &(&String, &Source)| *name != canary::NAME && wanted(source);
        let sources = pipeline.sources.iter().filter(is_one);
        let names: Vec<_> = sources.map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    };
    let keeps = |wanted: KeepRequests| {
        of(&move |source: &Source| source.kafka.is_none() && source.keep_requests == wanted)
    };
    let (problems, none) = (keeps(KeepRequests::Problems), keeps(KeepRequests::None));
    let topics = of(&|source: &Source| source.kafka.is_some());
    let mut text = kept;
    if !problems.is_empty() {
        text = format!("{text}; of {problems} only those that could not be taken whole");
    }
    if !none.is_empty() {
        text = format!("{text}; of {none} none");
    }
    if !topics.is_empty() {
        text = format!("{text}; of {topics} what their topics keep");
    }
    text
}

fn from_standard_input() -> Result<Result<Pipeline, LoadError>, Failure> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_end(&mut text);
    read.map_err(|error| Failure::because("standard input cannot be read", &error))?;
    if text.len() as u64 > LONGEST {
        return Err(Failure::new(format!("standard input is longer than {LONGEST} bytes")));
    }
    Ok(Pipeline::from_bytes(&[(STANDARD_INPUT.to_owned(), text)]).map_err(LoadError::Mistakes))
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
