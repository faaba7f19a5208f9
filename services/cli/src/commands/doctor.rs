//! `freshet doctor`.

use std::time::Duration;

use cluster::doctor::inside::{ReadTopics, Report};
use cluster::doctor::{self, Finding, Level};
use runtime::Failure;
use store::Database;

use crate::cluster_args::ClusterArgs;
use crate::output::{self, Format};
use crate::state_directory::StateDirectory;
use crate::{database, kafka_settings};

use super::Done;

/// Look for what is missing or misconfigured on a cluster, and say what to do about it
///
/// Looks at Kubernetes, Knative and the release's objects through the API server, and at the database and Kafka from
/// a short-lived pod of the release. Ends with status 1 where an error was found; warnings alone do not.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Leave out what needs a pod: database and Kafka
    #[arg(long)]
    no_pod: bool,
    /// How long the pod may take to look
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::duration)]
    timeout: Duration,
    /// What the pod runs: look at database and Kafka from here, and print one line of JSON
    #[arg(long, hide = true)]
    inside: bool,
    /// With --inside: a topic that is to be there
    #[arg(long, hide = true, requires = "inside", value_name = "NAME")]
    topic: Vec<String>,
    /// With --inside: a source that reads topics of others
    #[arg(long, hide = true, requires = "inside", value_name = "NAME")]
    source: Vec<String>,
    /// With --inside: a topic that a source names
    #[arg(long, hide = true, requires = "inside", value_name = "SOURCE/NAME")]
    topic_of: Vec<String>,
}

/// Prints what was found, the worst first.
///
/// # Errors
/// Where no cluster can be asked.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    if args.inside {
        let Args { topic: own, source: sources, topic_of: of_sources, .. } = args;
        return report(ReadTopics { own, sources, of_sources }).await;
    }
    let cluster = args.cluster.connect().await?;
    let pod = (!args.no_pod).then(|| super::pod(args.timeout));
    let mut findings = doctor::look(&cluster, args.cluster.release.as_deref(), pod).await?;
    findings.sort_by(|a, b| (a.level, a.code, &a.subject).cmp(&(b.level, b.code, &b.subject)));
    match format {
        Format::Json => output::json(&findings)?,
        Format::Table => print(&findings)?,
    }
    let has_error = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if has_error { Done::Badly } else { Done::Well })
}

/// What the pod does.
async fn report(read: ReadTopics<'_>) -> Result<Done, Failure> {
    let database = Database::new(&database::settings(&StateDirectory::default())?);
    let has_kafka = std::env::var_os("KAFKA_BOOTSTRAP_SERVERS").is_some_and(|servers| !servers.is_empty());
    let kafka = has_kafka.then(kafka_settings::settings);
    output::json_line(&Report::now(&database, kafka, read).await)?;
    Ok(Done::Well)
}

/// Findings as paragraphs: their sentences are too long for columns.
fn print(findings: &[Finding]) -> Result<(), Failure> {
    for Finding { code, level, subject, what, todo } in findings {
        let subject = output::printable(subject);
        output::write_line(&format!("{} {code}: {subject}: {}", level.as_str(), output::printable(what)))?;
        output::write_line(&format!("  {todo}"))?;
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    eprintln!(
        "errors: {}, warnings: {}, notes: {}",
        count(Level::Error),
        count(Level::Warning),
        count(Level::Note)
    );
    Ok(())
}
