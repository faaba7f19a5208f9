//! `freshet drain`.

use std::time::Duration;

use runtime::Clock;
use serde::{Deserialize, Serialize};
use store::Database;
use tokio::time::Instant;

use crate::cluster_args::ClusterArgs;
use crate::database;
use crate::kafka_settings;
use crate::output::{self, Format};
use crate::state_directory::StateDirectory;
use cluster::doctor::broker::KAFKA_CLASS;
use cluster::inside;
use cluster::status::counts::Counts;
use cluster::status::readers::Readers;
use cluster::status::under_way;
use kafka::TopicGroup;
use runtime::Failure;

use super::Done;

/// Wait until nothing is under way in a release: before it changes its mode, or is uninstalled
///
/// Stop the senders first. Drained means: no payload came for a while, every consumer group has read all of its topic,
/// no stream waits for its rules, and no message is due.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = super::duration)]
    timeout: Duration,
    /// How long no payload may have come; 10s where Kafka tells what is under way, else 40s
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    quiet: Option<Duration>,
    /// What the pod runs: wait from here, and print one line of JSON
    #[arg(long, hide = true)]
    inside: bool,
    /// With --inside: a reader that is to have read everything
    #[arg(long, hide = true, requires = "inside", value_name = "TOPIC:GROUP")]
    reader: Vec<TopicGroup>,
}

/// The time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Where consumer groups tell how far they are.
const QUIET: Duration = Duration::from_secs(10);
/// Where nobody tells: longer than the longest wait between two attempts of a delivery.
const QUIET_UNSEEN: Duration = Duration::from_secs(40);

/// How it ended, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    drained: bool,
    seconds: u64,
    under_way: Vec<String>,
    left: Vec<String>,
}

/// Waits.
///
/// # Errors
/// Where no cluster can be asked, or it has no such release.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    if args.inside {
        let answer = wait(args).await?;
        output::json_line(&answer)?;
        return Ok(if answer.drained { Done::Well } else { Done::Badly });
    }
    let (cluster, release) = args.cluster.release().await?;
    let readers = Readers::find(&cluster, &release).await?;
    let is_seen = readers.broker_class.starts_with(KAFKA_CLASS);
    let quiet = args.quiet.unwrap_or(if is_seen { QUIET } else { QUIET_UNSEEN });
    let mut arguments: Vec<String> =
        ["drain", "--inside", "--timeout"].into_iter().map(str::to_owned).collect();
    arguments.extend([
        format!("{}s", args.timeout.as_secs()),
        "--quiet".to_owned(),
        format!("{}s", quiet.as_secs()),
    ]);
    arguments.extend(readers.arguments());
    let answer = inside::run(&cluster, &release, &arguments, super::pod(args.timeout + QUIET_UNSEEN)).await?;
    let answer: Answer = serde_json::from_value(answer.json)
        .map_err(|error| Failure::because("the pod's answer is not of this release", &error))?;
    match format {
        Format::Json => output::json(&answer)?,
        Format::Table => output::write_line(&answer.sentence(&release.name))?,
    }
    answer.left.iter().for_each(|left| eprintln!("kept in the database: {left}"));
    if !is_seen {
        let class = &readers.broker_class;
        eprintln!(
            "a Broker of class {class} tells nobody what it holds: drained means {} s of quiet",
            quiet.as_secs()
        );
    }
    Ok(if answer.drained { Done::Well } else { Done::Badly })
}

/// What the pod does.
async fn wait(args: &Args) -> Result<Answer, Failure> {
    let database = Database::new(&database::settings(&StateDirectory::default())?);
    let settings = kafka_settings::settings();
    let begin = Instant::now();
    let deadline = begin + args.timeout;
    let quiet = args.quiet.unwrap_or(QUIET);
    let mut said = Vec::new();
    loop {
        let now = Clock::system().now();
        let counts = Counts::now(&database, (now, now), &settings, &args.reader).await;
        let reasons = under_way::reasons(&counts, &args.reader, now, quiet);
        let is_over = Instant::now() + PAUSE > deadline;
        if reasons.is_empty() || is_over {
            return Ok(Answer {
                drained: reasons.is_empty(),
                seconds: begin.elapsed().as_secs(),
                under_way: reasons,
                left: under_way::left(&counts),
            });
        }
        if reasons != said {
            eprintln!("under way: {}", reasons.join("; "));
            said = reasons;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Answer {
    fn sentence(&self, release: &str) -> String {
        if self.drained {
            return format!("{release} is drained: nothing is under way, after {} s", self.seconds);
        }
        format!("{release} is not drained after {} s: {}", self.seconds, self.under_way.join("; "))
    }
}
