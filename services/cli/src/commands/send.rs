//! `freshet send`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use event_model::event_types::PAYLOAD_RECEIVED;
use indicatif::{ProgressBar, ProgressStyle};
use runtime::{ClientOptions, Clock};

use crate::broker::Broker;
use crate::cluster_args::ClusterArgs;
use crate::output::{self, Format, Row};
use crate::pipeline_file::{self, PipelineFile};
use crate::send::credential::Shown;
use crate::send::input::{self, Cutting, Input};
use crate::send::report::{Line, Refused, Report};
use crate::send::run::{self, Addressed, Pace, Sent};
use crate::send::target::{Envelope, Target};
use crate::state_directory::StateDirectory;
use crate::words;
use cluster::route::Route;
use runtime::Failure;

use super::Done;

/// Send payloads, recorded requests or the rows of a table to a webhook or a Broker
///
/// INPUT is a file or a folder: `.http` files are recorded requests, the rows of `.csv`, `.ndjson` and `.jsonl` files
/// are JSON payloads of their own, any other file is one body. `-` reads NDJSON from standard input.
///
/// An input that is not taken is named on standard error with the reason, the first 20 of them; `-o json` names them all.
///
/// With -n, --context, --kubeconfig or --release it goes to the ingest of a release on a cluster, through the cluster's own
/// gateway; --source is then one of that release's pipeline.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to send
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The webhook's URL; with --source only its host, to which /hooks/SOURCE is added
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = words::url)]
    to: reqwest::Url,
    /// Send as this source of the pipeline file, with its credential
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Send to this Broker instead, one CloudEvent an item; `up` is that of a running `freshet up`; needs --source
    #[arg(long, value_name = "URL", env = "FRESHET_BROKER", requires = "source")]
    broker: Option<Broker>,
    #[command(flatten)]
    state: StateDirectory,
    /// The type of the events that go to a Broker
    #[arg(long, value_name = "TYPE", default_value = PAYLOAD_RECEIVED)]
    event_type: String,
    /// A header field for every request whose value is in an environment variable; repeatable
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = header_from_env)]
    header_env: Vec<(String, String)>,
    /// Requests a second; as fast as answers come if not given
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Requests under way at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// Rows in one request; several go as a JSON array
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Attempts after the first where there was no answer, or 429 or 503
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=100))]
    retries: u32,
    /// Seconds that one attempt may take
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Row for Line {
    const HEADINGS: &'static [&'static str] = &["ANSWER", "REQUESTS", "P50 MS", "P99 MS", "MAX MS"];

    fn cells(&self) -> Vec<String> {
        let milliseconds = |value: f64| format!("{value:.2}");
        vec![
            self.answer.clone(),
            self.requests.to_string(),
            milliseconds(self.p50_ms),
            milliseconds(self.p99_ms),
            milliseconds(self.max_ms),
        ]
    }
}

/// As many refused inputs are named on standard error.
const NAMED: usize = 20;

/// Sends; ends badly where a request was not taken.
///
/// # Errors
/// Where an input, the pipeline file or the credential cannot be read.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let Destination { target, credential, route } = Destination::find(args).await?;
    let options = ClientOptions { timeout: Duration::from_secs(args.timeout), ..ClientOptions::default() };
    let client =
        runtime::http_client(&options).map_err(|error| Failure::because("no HTTP client", &error))?;
    let pace = Pace {
        rate: args.rate,
        concurrency: args.concurrency.into(),
        retries: args.retries,
        headers: args
            .header_env
            .iter()
            .cloned()
            .chain(route.iter().flat_map(|route| route.headers.clone()))
            .collect(),
    };
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} sent, {per_sec}, {elapsed}")
            .expect("the template is valid"),
    );
    let requests = run::read_ahead(requests(args, target, credential)?);
    // Without a handler of its own the signal ends the process, which is what is left then.
    let interrupted = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    let sent = run::send(&client, requests, pace, (interrupted, name_refused(bar.clone()))).await;
    bar.finish_and_clear();
    print(&sent, format)?;
    match sent {
        Sent { broken: Some(failure), .. } => Err(failure),
        Sent { interrupted: true, .. } => Ok(Done::Interrupted),
        Sent { report, .. } if report.accepted == report.requests => Ok(Done::Well),
        Sent { .. } => Ok(Done::Badly),
    }
}

/// Counts a request on `bar`, and names the first inputs that were not taken.
fn name_refused(bar: ProgressBar) -> impl Fn(Option<&Refused>) + Send + Sync + 'static {
    let named = AtomicUsize::new(0);
    move |refused| {
        bar.inc(1);
        if let Some(refused) = refused
            && named.fetch_add(1, Ordering::Relaxed) < NAMED
        {
            bar.suspend(|| eprintln!("{}", output::printable(&refused.to_string())));
        }
    }
}

fn print(sent: &Sent, format: Format) -> Result<(), Failure> {
    let report = &sent.report;
    let unnamed = (report.requests - report.accepted).saturating_sub(NAMED);
    if unnamed > 0 {
        eprintln!("{unnamed} more were not taken; -o json names them");
    }
    match format {
        Format::Json => output::json(report)?,
        Format::Table => {
            output::rows(format, &report.answers)?;
            eprintln!("{}", summary(report));
        }
    }
    if sent.interrupted {
        eprintln!("interrupted: {} requests were under way, and may have been taken", report.cut_off);
    }
    Ok(())
}

fn summary(report: &Report) -> String {
    let rate = report.requests as f64 / report.seconds.max(f64::EPSILON);
    format!(
        "{} of {} requests were taken in {:.1} s ({rate:.0}/s), with {} retries",
        report.accepted, report.requests, report.seconds, report.retries
    )
}

/// Where to send, and as whom.
struct Destination {
    target: Target,
    credential: Option<Shown>,
    /// Held open while requests go through it.
    route: Option<Route>,
}

impl Destination {
    async fn find(args: &Args) -> Result<Self, Failure> {
        if args.cluster.is_given() {
            return Self::on_cluster(args).await;
        }
        let Some(name) = &args.source else {
            return Ok(Self {
                target: Target::Webhook { url: args.to.clone() },
                credential: None,
                route: None,
            });
        };
        let pipeline = args.pipeline.load()?;
        let source = pipeline_file::source(&pipeline, name)?;
        if let Some(broker) = &args.broker {
            let envelope = Envelope {
                source: name.clone(),
                event_type: args.event_type.clone(),
                format: source.format.clone(),
            };
            let target = Target::Broker { url: broker.clone().url(&args.state)?, envelope };
            return Ok(Self { target, credential: None, route: None });
        }
        let target = Target::Webhook { url: hook(args.to.clone(), name) };
        Ok(Self { target, credential: Shown::of(source)?, route: None })
    }

    /// To a release's `ingest`, with the pipeline that it has.
    async fn on_cluster(args: &Args) -> Result<Self, Failure> {
        if args.broker.is_some() {
            return Err(Failure::new("a release is sent to through its ingest")
                .hint("leave --broker away, or -n, --context, --kubeconfig and --release"));
        }
        let (cluster, release) = args.cluster.release().await?;
        let credential = match &args.source {
            Some(name) => Shown::of(pipeline_file::source(&release.pipeline(&cluster).await?, name)?)?,
            None => None,
        };
        let route = Route::open(&cluster, &release, "ingest").await?;
        let url = match &args.source {
            Some(name) => hook(route.url(), name),
            None => route.url(),
        };
        Ok(Self { target: Target::Webhook { url }, credential, route: Some(route) })
    }
}

/// The webhook of a source.
fn hook(mut base: reqwest::Url, source: &str) -> reqwest::Url {
    base.set_path(&format!("/hooks/{source}"));
    base
}

/// The requests one after another, each with the place of its input.
fn requests(
    args: &Args,
    target: Target,
    credential: Option<Shown>,
) -> Result<impl Iterator<Item = Result<Addressed, Failure>> + Send + 'static, Failure> {
    let cutting = Cutting { batch: args.batch as usize };
    let inputs = args
        .inputs
        .iter()
        .map(|path| input::items(path, cutting))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure::because("there is nothing to send", &error))?;
    let clock = Clock::system();
    Ok(inputs.into_iter().flatten().map(move |input| {
        let Input { place, item } = input.map_err(|error| Failure::because("an input ends early", &error))?;
        let request = target
            .outgoing(item, clock.now())
            .map_err(|error| Failure::because("an item cannot be sent", &error))?;
        let request = match &credential {
            Some(credential) => credential.on(request, clock.now()),
            None => request,
        };
        Ok((place, request))
    }))
}

fn header_from_env(text: &str) -> Result<(String, String), String> {
    let (name, variable) = text.split_once('=').ok_or("write it as NAME=VARIABLE")?;
    let value = std::env::var(variable).map_err(|_| format!("environment variable {variable} is not set"))?;
    Ok((name.to_ascii_lowercase(), value))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.trim_end_matches("/s").parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("a rate is a positive number of requests a second".to_owned()),
    }
}
