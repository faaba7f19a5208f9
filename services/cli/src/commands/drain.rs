//! `freshet drain`.

use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::DEAD_LETTERS_DUE;
use event_model::events::DeadLettersDue;
use jiff::Timestamp;
use runtime::{ClientOptions, Clock};
use serde::{Deserialize, Serialize};
use sink::{HttpSink, Overrides, Sink as _};
use store::Database;
use tokio::time::Instant;
use topology::Delivery;
use uuid::Uuid;

use crate::cluster_args::ClusterArgs;
use crate::database;
use crate::kafka_settings;
use crate::output::{self, Format};
use crate::state_directory::StateDirectory;
use crate::words;
use cluster::doctor::broker::KAFKA_CLASS;
use cluster::inside;
use cluster::status::counts::Counts;
use cluster::status::readers::{DEAD_LETTER, Readers};
use cluster::status::under_way;
use kafka::TopicGroup;
use runtime::Failure;

use super::Done;

/// Wait until nothing is under way in a release: before it changes its mode, or is uninstalled
///
/// Stop the senders first. Drained means: no payload came for a while, every consumer group has read all of its topic,
/// no stream waits for its rules, and no message is due. Where dead letters wait in their topic, the stage
/// dead-letter is woken.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = super::duration)]
    timeout: Duration,
    /// How long no payload may have come; 10s where Kafka shows what is under way, else 195s
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    quiet: Option<Duration>,
    /// What the pod runs: wait from here, and print one line of JSON
    #[arg(long, hide = true)]
    inside: bool,
    /// With --inside: a reader that is to have read everything
    #[arg(long, hide = true, requires = "inside", value_name = "TOPIC:GROUP")]
    reader: Vec<TopicGroup>,
    /// With --inside: the one of the readers that keeps dead letters
    #[arg(long, hide = true, requires = "wake", value_name = "TOPIC:GROUP")]
    dead_letters: Option<TopicGroup>,
    /// With --inside: where that one is woken
    #[arg(long, hide = true, requires = "dead_letters", value_name = "URL", value_parser = words::url)]
    wake: Option<reqwest::Url>,
}

/// The time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Where consumer groups show how far they are.
const QUIET: Duration = Duration::from_secs(10);
/// Where nothing shows it: more than the wait between two attempts of a delivery, for a stage has to start too.
fn quiet_unseen() -> Duration {
    Delivery::PAYLOADS.longest_wait() + QUIET
}
/// The time between two events that wake the stage of dead letters: it reads its topic for 15 s at most.
const WAKE_AGAIN: Duration = Duration::from_secs(20);

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
    let quiet = args.quiet.unwrap_or_else(|| if is_seen { QUIET } else { quiet_unseen() });
    let mut arguments: Vec<String> =
        ["drain", "--inside", "--timeout"].into_iter().map(str::to_owned).collect();
    arguments.extend([
        format!("{}s", args.timeout.as_secs()),
        "--quiet".to_owned(),
        format!("{}s", quiet.as_secs()),
    ]);
    arguments.extend(readers.arguments());
    if let (Some(reader), Some(host)) = (&readers.dead_letters, release.host(DEAD_LETTER)) {
        arguments.extend(["--dead-letters".to_owned(), reader.to_string()]);
        arguments.extend(["--wake".to_owned(), format!("http://{host}/")]);
    }
    let limit = args.timeout + Delivery::PAYLOADS.timeout;
    let answer = inside::run(&cluster, &release, &arguments, super::pod(limit)).await?;
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
            "a Broker of class {class} does not show what it holds: drained means {} s of quiet",
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
    let mut waker = Waker::new(args)?;
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
        if let Some(waker) = &mut waker {
            waker.look(&counts, &args.reader, now).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Wakes the stage that keeps dead letters, as long as some wait in their topic.
struct Waker {
    reader: TopicGroup,
    sink: HttpSink,
    not_before: Instant,
}

impl Waker {
    /// `None` where no dead letter waits in a topic.
    fn new(args: &Args) -> Result<Option<Self>, Failure> {
        let (Some(reader), Some(url)) = (args.dead_letters.clone(), &args.wake) else { return Ok(None) };
        let options = ClientOptions {
            connect_timeout: Delivery::HINTS.timeout,
            timeout: Delivery::HINTS.timeout,
            extra_roots: None,
            idle_connections: 1,
        };
        let sink = HttpSink::new(url, &options, Overrides::default())
            .map_err(|error| Failure::because("dead-letter cannot be woken", &error))?;
        Ok(Some(Self { reader, sink, not_before: Instant::now() }))
    }

    async fn look(&mut self, counts: &Counts, readers: &[TopicGroup], now: Timestamp) {
        let lags = counts.lags.iter().flatten();
        let lag =
            readers.iter().zip(lags).find(|(reader, _)| **reader == self.reader).map_or(0, |(_, lag)| *lag);
        if lag <= 0 || Instant::now() < self.not_before {
            return;
        }
        self.not_before = Instant::now() + WAKE_AGAIN;
        let mut event = cloudevent::new(DEAD_LETTERS_DUE, "/commands/drain", &Uuid::now_v7().to_string());
        cloudevent::set_time(&mut event, now);
        let data = DeadLettersDue { due: None, in_topic: u64::try_from(lag).ok() };
        let sent = match cloudevent::set_json(&mut event, &data) {
            Ok(()) => self.sink.send(&event, None).await.map_err(|error| Failure::of(&error)),
            Err(error) => Err(Failure::of(&error)),
        };
        if let Err(failure) = sent {
            eprintln!("dead-letter was not woken: {}", failure.message());
        }
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
