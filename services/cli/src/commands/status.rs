//! `freshet status`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runtime::Clock;
use store::Database;
use store::canary::{Phases, Standing};
use store::fallbacks::Fallbacks;
use store::overview::{Overview, PartitionStanding};

use crate::cluster_args::ClusterArgs;
use crate::database;
use crate::kafka_settings;
use crate::output::{self, Format, Row, printable};
use crate::state_directory::StateDirectory;
use crate::words::seconds;
use cluster::status::counts::Counts;
use cluster::status::readers::Readers;
use cluster::status::{self, ORIGINS, StageLine};
use cluster::{Cluster, Release, inside, kinds};
use kafka::TopicGroup;
use runtime::Failure;

use super::Done;

/// Show a line for each stage of a release: ready, pods, last start from zero, what it did and what waits for it
///
/// What a stage did is counted in the database by a short-lived pod of the release, so that it is known while no stage
/// has a pod.
#[derive(Debug, clap::Args)]
#[command(after_long_help = ORIGINS)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How far back EVENTS and ERRORS go, such as 15m or 1d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = super::duration)]
    since: Duration,
    /// Leave out what needs a pod: all that is counted
    #[arg(long)]
    no_pod: bool,
    /// How long the pod may take to count
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::duration)]
    timeout: Duration,
    /// What the pod runs: count from here, and print one line of JSON
    #[arg(long, hide = true)]
    inside: bool,
    /// With --inside: a reader whose lag is asked for
    #[arg(long, hide = true, requires = "inside", value_name = "TOPIC:GROUP")]
    reader: Vec<TopicGroup>,
}

/// Prints the lines.
///
/// # Errors
/// Where no cluster can be asked, or it has no such release.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    if args.inside {
        return count(args).await;
    }
    let (cluster, release) = args.cluster.release().await?;
    let namespace = Some(cluster.namespace.as_str());
    let pods = cluster.list(kinds::POD, namespace, "serving.knative.dev/service").await?;
    let events = cluster.list(kinds::EVENT, namespace, "").await?;
    let readers = Readers::find(&cluster, &release).await?;
    let counts =
        if args.no_pod { None } else { Some(from_inside(args, &cluster, &release, &readers).await?) };
    let stages = readers.readers.iter().map(|(stage, _)| stage.clone());
    let lags = counts.as_ref().and_then(|counts| counts.lags.as_ref().ok()).cloned().unwrap_or_default();
    let lags: Vec<_> = stages.zip(lags).collect();
    let mut lines = status::lines(&release, (&pods, &events), counts.as_ref(), &lags);
    lines.extend(readers.worker.iter().map(|worker| status::worker_line(worker, &lags)));
    output::rows(format, &lines)?;
    let is_ready = lines.iter().all(|line| line.ready);
    say(args, counts.as_ref(), is_ready);
    let is_counted = counts.is_none_or(|counts| counts.overview.is_ok() && counts.lags.is_ok());
    Ok(if is_ready && is_counted { Done::Well } else { Done::Badly })
}

impl Row for StageLine {
    const HEADINGS: &'static [&'static str] =
        &["STAGE", "READY", "PODS", "LAST START", "TOOK", "EVENTS", "ERRORS", "DEAD", "LAG"];

    fn cells(&self) -> Vec<String> {
        let count = |count: Option<i64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        vec![
            self.stage.to_owned(),
            if self.ready { "yes" } else { "no" }.to_owned(),
            self.pods.to_string(),
            self.last_start_at.map_or_else(|| "-".to_owned(), |at| at.strftime("%H:%M:%SZ").to_string()),
            self.start_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s")),
            count(self.events),
            count(self.errors),
            count(self.dead_letters),
            count(self.lag),
        ]
    }
}

/// What the pod does.
async fn count(args: &Args) -> Result<Done, Failure> {
    let now = Clock::system().now();
    let since = now - SignedDuration::try_from(args.since).unwrap_or(SignedDuration::ZERO);
    let database = Database::new(&database::settings(&StateDirectory::default())?);
    let counts = Counts::now(&database, (since, now), &kafka_settings::settings(), &args.reader).await;
    output::json_line(&counts)?;
    Ok(Done::Well)
}

async fn from_inside(
    args: &Args,
    cluster: &Cluster,
    release: &Release,
    readers: &Readers,
) -> Result<Counts, Failure> {
    let since = format!("{}s", args.since.as_secs());
    let mut arguments = vec!["status".to_owned(), "--inside".to_owned(), "--since".to_owned(), since];
    arguments.extend(readers.arguments());
    let answer = inside::run(cluster, release, &arguments, super::pod(args.timeout)).await?;
    serde_json::from_value(answer.json)
        .map_err(|error| Failure::because("the pod's answer is not of this release", &error))
}

/// What has gone another way than usual, or waits.
fn notices(overview: &Overview) -> Vec<String> {
    let Overview { gaps, fallbacks, refused_at, oldest_request_at, streams_put_off, canary, .. } = overview;
    let mut lines = Vec::new();
    if let Some(Fallbacks { at, payloads }) = fallbacks {
        lines.push(format!("ingest: {payloads} payloads went to the Broker, the last at {}", seconds(*at)));
    }
    lines.extend(
        refused_at.as_ref().map(|at| format!("ingest: a payload was last refused at {}", seconds(*at))),
    );
    let oldest = oldest_request_at.as_ref();
    lines.extend(
        oldest.map(|at| format!("alert: the oldest evaluation request waits since {}", seconds(*at))),
    );
    lines.extend(gaps.iter().map(|gap| format!("worker: {gap}")));
    lines.extend(canary.as_ref().map(|standing| format!("canary: {}", canary_sentence(standing))));
    if *streams_put_off > 0 {
        lines.push(format!("alert: {streams_put_off} streams are put off, whose evaluation failed"));
    }
    lines
}

/// How the canary stands.
fn canary_sentence(Standing { newest, passed, failed }: &Standing) -> String {
    let passed = passed.as_ref().map(|run| {
        let after = |phase: &str, at: Option<Timestamp>| {
            let took = at?.duration_since(run.sent_at?).as_secs_f64().max(0.0);
            Some(format!("{phase} after {took:.1} s"))
        };
        let Phases { stored_at, recorded_at, delivered_at } = run.phases;
        let phases = [
            after("accepted", run.accepted_at),
            after("stored", stored_at),
            after("alert recorded", recorded_at),
            after("delivered", delivered_at),
        ];
        let phases = phases.into_iter().flatten().collect::<Vec<_>>().join(", ");
        format!("{} {phases}", seconds(run.slot))
    });
    let ping = newest.ping_failure.as_ref().map(|why| format!("; the last ping failed: {}", printable(why)));
    let passed = match (*failed, passed) {
        (0, Some(passed)) => passed,
        (_, passed) => format!(
            "{failed} runs failed, the last at {}: {}; before them {}",
            seconds(newest.slot),
            printable(newest.failure.as_deref().unwrap_or_default()),
            passed.as_deref().unwrap_or("none came all the way")
        ),
    };
    passed + &ping.unwrap_or_default()
}

/// How far the worker is in a partition.
fn sentence(standing: &PartitionStanding) -> String {
    let PartitionStanding { topic, partition, next, epoch, caught_up_at, lag } = standing;
    let lag = lag.map(|lag| format!(", {lag} before its end")).unwrap_or_default();
    let caught_up = caught_up_at.map_or_else(|| "no time yet".to_owned(), seconds);
    format!(
        "{topic}/{partition} is stored below offset {next}{lag}, under epoch {epoch}; nothing waited at {caught_up}"
    )
}

/// What the table does not say, to standard error.
fn say(args: &Args, counts: Option<&Counts>, is_ready: bool) {
    match counts {
        None => eprintln!("nothing was counted: --no-pod"),
        Some(counts) => {
            let faults = [counts.overview.as_ref().err(), counts.lags.as_ref().err()];
            faults.into_iter().flatten().for_each(|fault| eprintln!("not counted: {fault}"));
            if let Ok(overview) = &counts.overview {
                let heartbeat = overview.newest_heartbeat_at.map(seconds);
                eprintln!(
                    "counted in the database over {} s; newest heartbeat {}; `freshet help status` says where each figure comes from",
                    args.since.as_secs(),
                    heartbeat.as_deref().unwrap_or("never")
                );
                for line in notices(overview) {
                    eprintln!("{line}");
                }
                for partition in &overview.partitions {
                    eprintln!("worker: {}", sentence(partition));
                }
            }
        }
    }
    if !is_ready {
        eprintln!("not every stage is ready: `freshet doctor` says why");
    }
}
