//! `freshet jobs`.

use jiff::Timestamp;
use jobs::Cleanup;
use retention::Step;
use runtime::{Clock, Failure};
use schedule::Schedule;
use serde::Serialize;
use store::jobs::{self as rows, Job, Slot};
use store::{Client, StoreError, Transaction};

use crate::database;
use crate::output::{self, Format, Row};
use crate::pipeline_file::PipelineFile;
use crate::state_directory::StateDirectory;

use super::Done;

/// What can be done with jobs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// `freshet jobs list`.
    #[command(about = "List the jobs, when they are due, and what the last slot came to")]
    List(ListArgs),
    /// `freshet jobs run`.
    #[command(about = "Have a job done with the next tick, beside its schedule")]
    Run(RunArgs),
    /// `freshet jobs pause`.
    #[command(about = "Have no slot of a job be made or begun")]
    Pause(JobArgs),
    /// `freshet jobs resume`.
    #[command(about = "Have a paused job go on; what it missed is not made up for")]
    Resume(JobArgs),
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    state: StateDirectory,
}

/// A job.
#[derive(Debug, clap::Args)]
pub struct JobArgs {
    /// The job, such as `cleanup`
    job: String,
    #[command(flatten)]
    state: StateDirectory,
}

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Only print what it would do now (cleanup)
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pipeline: PipelineFile,
}

/// Does what the command line says.
///
/// # Errors
/// Where the database cannot be asked, or there is no such job.
pub async fn run(command: &Command, format: Format) -> Result<Done, Failure> {
    let now = Clock::system().now();
    match command {
        Command::List(args) => list(&database::client(&args.state).await?, format, now).await,
        Command::Run(RunArgs { job, dry_run: true, pipeline }) => dry_run(job, pipeline, format, now).await,
        Command::Run(RunArgs { job, .. }) => {
            let client = database::client(&job.state).await?;
            known(rows::request(&client, &job.job, now).await, &job.job)?;
            eprintln!("{} begins with the next tick", job.job);
            Ok(Done::Well)
        }
        Command::Pause(job) => pause(job, true, now).await,
        Command::Resume(job) => pause(job, false, now).await,
    }
}

async fn pause(JobArgs { job, state }: &JobArgs, paused: bool, now: Timestamp) -> Result<Done, Failure> {
    let client = database::client(state).await?;
    known(rows::pause(&client, job, (paused, now)).await, job)?;
    Ok(Done::Well)
}

/// Whether there is the job that something was to be done with.
fn known<E: Into<StoreError>>(found: Result<bool, E>, job: &str) -> Result<(), Failure> {
    match found.map_err(|error| database::failed(&error.into()))? {
        true => Ok(()),
        false => Err(Failure::new(format!("no job is called {job}"))
            .hint("`freshet jobs list` has those that a tick has found in the pipeline")),
    }
}

/// A job on the screen.
#[derive(Debug, Serialize)]
struct JobLine {
    job: String,
    schedule: String,
    zone: String,
    next: Option<Timestamp>,
    paused_at: Option<Timestamp>,
    last: Option<Slot>,
}

async fn list(client: &Client, format: Format, now: Timestamp) -> Result<Done, Failure> {
    let failed = |error: StoreError| database::failed(&error);
    let mut lines = Vec::new();
    for job in rows::list(client).await.map_err(|error| failed(error.into()))? {
        let newest = rows::newest_slots(client, &job.name, 1).await.map_err(|error| failed(error.into()))?;
        lines.push(JobLine::of(job, newest.into_iter().next(), now));
    }
    let is_well = lines.iter().all(|line| line.last.as_ref().is_none_or(|last| last.state != "failed"));
    output::rows(format, &lines)?;
    Ok(if is_well { Done::Well } else { Done::Badly })
}

impl JobLine {
    fn of(job: Job, last: Option<Slot>, now: Timestamp) -> Self {
        let schedule = Schedule::new(&job.schedule, &job.zone).ok();
        let next = schedule.filter(|_| job.paused_at.is_none()).and_then(|schedule| schedule.after(now));
        let Job { name, schedule, zone, paused_at, .. } = job;
        Self { job: name, schedule, zone, next, paused_at, last }
    }
}

impl Row for JobLine {
    const HEADINGS: &'static [&'static str] = &["JOB", "SCHEDULE", "ZONE", "NEXT", "LAST", "STATE", "REASON"];

    fn cells(&self) -> Vec<String> {
        let shown = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let last = self.last.as_ref();
        let state = match (&self.paused_at, last) {
            (Some(_), _) => "paused",
            (None, Some(last)) => &last.state,
            (None, None) => "",
        };
        vec![
            self.job.clone(),
            self.schedule.clone(),
            self.zone.clone(),
            shown(self.next),
            shown(last.map(|last| last.slot)),
            state.to_owned(),
            last.and_then(|last| last.error.clone()).unwrap_or_default(),
        ]
    }
}

/// One step of what cleanup would take away.
#[derive(Debug, Serialize)]
struct StepLine {
    #[serde(flatten)]
    step: Step,
    /// `None` where they are too many to be counted within 5 s.
    rows: Option<i64>,
    /// What the disk has back at once; deleted rows leave room for others.
    bytes: i64,
}

async fn dry_run(
    JobArgs { job, state }: &JobArgs,
    pipeline: &PipelineFile,
    format: Format,
    now: Timestamp,
) -> Result<Done, Failure> {
    if job != "cleanup" {
        return Err(Failure::new(format!("{job} has no dry run")).hint("cleanup has"));
    }
    let cleanup = Cleanup::new(pipeline.load()?);
    let mut client = database::client(state).await?;
    let lines = planned(&mut client, cleanup, now).await.map_err(|error| database::failed(&error))?;
    output::rows(format, &lines)?;
    Ok(Done::Well)
}

async fn planned(client: &mut Client, cleanup: Cleanup, now: Timestamp) -> Result<Vec<StepLine>, StoreError> {
    let steps = cleanup.plan(&Transaction::begin(client).await?, now).await?;
    let mut lines = Vec::new();
    for step in steps {
        let counted = store::retention::count(&Transaction::begin(client).await?, &step).await;
        let (rows, bytes) = match counted {
            Ok((rows, bytes)) => (Some(rows), bytes),
            Err(error) if error.is_too_large() => (None, 0),
            Err(error) => return Err(error),
        };
        lines.push(StepLine { step, rows, bytes });
    }
    Ok(lines)
}

impl Row for StepLine {
    const HEADINGS: &'static [&'static str] = &["STEP", "SOURCE", "TIME", "ROWS", "BYTES"];

    fn cells(&self) -> Vec<String> {
        let step = serde_json::to_value(&self.step).unwrap_or_default();
        let first = |keys: &[&str]| {
            keys.iter().find_map(|key| step.get(key)?.as_str()).unwrap_or_default().to_owned()
        };
        let rows = self.rows.map_or_else(|| "many".to_owned(), |rows| rows.to_string());
        let time = first(&["to", "before", "month", "day"]);
        let source = match &self.step {
            Step::Floor { source, .. } if source == retention::ALL => "(all)".to_owned(),
            _ => first(&["source"]),
        };
        vec![first(&["step"]), source, time, rows, self.bytes.to_string()]
    }
}
