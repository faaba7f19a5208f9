//! `freshet receipts`.

use codecs::Codecs;
use event_model::RecordedRequest;
use jiff::Timestamp;
use kafka::{KeptRecords, RecordRange};
use payload::Accepted;
use pipeline_config::Pipeline;
use serde::Serialize;
use store::queries::{self, ReceiptRow};
use uuid::Uuid;

use crate::kept_records::{self, OfReceipt, accept, is_of_event};
use crate::output::{self, Format, Row};
use crate::pipeline_file::{self, PipelineFile};
use crate::preview::{Preview, preview};
use crate::state_directory::StateDirectory;
use crate::{database, words};
use runtime::{Clock, Failure};

use super::Done;

/// What can be done with receipts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// `freshet receipts show`.
    #[command(about = "Show a receipt, and what its requests become by the pipeline file of now")]
    Show(ShowArgs),
}

/// What `freshet receipts show` is given.
#[derive(Debug, clap::Args)]
#[command(after_long_help = KEPT)]
pub struct ShowArgs {
    /// The receipt's id: `receipt_id` of the view `readings`
    id: Uuid,
    /// When the reading was received: `received_at` of the view; without it the newest receipts are looked through first
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    at: Option<Timestamp>,
    /// How many requests at most
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    state: StateDirectory,
}

const KEPT: &str = "\
In topic mode the requests are in Kafka's records, as long as Kafka keeps them: KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_* \
variables say where. A receipt may be of a range of records, then each of them is a line.";

/// A receipt with its requests.
#[derive(Serialize)]
struct Shown {
    receipt: ReceiptRow,
    /// How many of its requests Kafka does not keep any more.
    not_kept: i64,
    requests: Vec<Request>,
}

/// A request, and what it becomes.
#[derive(Serialize)]
struct Request {
    /// Of the record that keeps it.
    offset: Option<i64>,
    received_at: Timestamp,
    #[serde(flatten)]
    preview: Preview,
}

/// Does what the command line says.
///
/// # Errors
/// Where there is no such receipt, or database, pipeline or Kafka cannot be asked.
pub async fn run(command: &Command, format: Format) -> Result<Done, Failure> {
    match command {
        Command::Show(args) => show(args, format).await,
    }
}

async fn show(args: &ShowArgs, format: Format) -> Result<Done, Failure> {
    let client = database::client(&args.state).await?;
    let found = queries::receipt(&client, args.id, args.at).await;
    let receipt = found.map_err(|error| database::failed(&error.into()))?.ok_or_else(|| {
        Failure::new(format!("there is no receipt {}", args.id))
            .hint("the view `readings` has the receipt of each value as receipt_id")
    })?;
    let pipeline = args.pipeline.load()?;
    let (not_kept, requests) = match (&receipt.request, range(&receipt)) {
        (Some(bytes), _) => (0, vec![kept_here(&receipt, bytes, &pipeline).await?]),
        (None, Some(RecordRange { first, last, .. })) if receipt.topic_made_anew => {
            (last + 1 - first, Vec::new())
        }
        (None, Some(range)) => kept_in_kafka(args, &receipt, range, &pipeline).await?,
        (None, None) => (0, Vec::new()),
    };
    let shown = Shown { receipt, not_kept, requests };
    match format {
        Format::Json => output::json(&shown)?,
        Format::Table => print(&shown)?,
    }
    Ok(if shown.not_kept == 0 { Done::Well } else { Done::Badly })
}

/// The records that keep the receipt's requests.
fn range(receipt: &ReceiptRow) -> Option<RecordRange> {
    let (topic, partition, first) = (receipt.topic.clone()?, receipt.partition?, receipt.offset?);
    Some(RecordRange { topic, partition, first, last: receipt.last_offset.unwrap_or(first) })
}

async fn kept_here(receipt: &ReceiptRow, bytes: &[u8], pipeline: &Pipeline) -> Result<Request, Failure> {
    let request = RecordedRequest::from_bytes(&bytes.to_vec().into())
        .map_err(|error| Failure::because("the request that the receipt keeps cannot be read", &error))?;
    let source = pipeline_file::source(pipeline, &receipt.source)?;
    let received_at = receipt.received_at;
    let preview = preview(source, &request, received_at, &Codecs::default()).await;
    Ok(Request { offset: None, received_at, preview })
}

/// How many records of the range are gone, and the requests of the others that are the receipt's.
async fn kept_in_kafka(
    args: &ShowArgs,
    receipt: &ReceiptRow,
    range: RecordRange,
    pipeline: &Pipeline,
) -> Result<(i64, Vec<Request>), Failure> {
    let (first, last) = (range.first, range.last);
    let (settings, form) = kept_records::asked(pipeline, receipt.topic_source.as_deref())?;
    let asked = kafka::records(settings, (range, form), args.limit as usize).await;
    let KeptRecords { kept_from, end, read_to, records } =
        asked.map_err(|error| Failure::because("the records cannot be read", &error))?;
    let is_range = receipt.last_offset.is_some();
    if !is_range && !records.iter().all(|record| is_of_event(record, &receipt.event_id)) {
        return Ok((1, Vec::new()));
    }
    if read_to <= last {
        eprintln!("the records up to offset {} are shown; --limit shows more, up to 8 MiB", read_to - 1);
    }
    let kept = (end.min(last + 1) - kept_from.max(first)).max(0);
    let not_kept = last + 1 - first - kept;
    let read_at = receipt.stored_at.unwrap_or_else(|| Clock::system().now());
    let of = OfReceipt { source: &receipt.source, is_range, read_at };
    let (codecs, mut requests) = (Codecs::default(), Vec::new());
    for record in &records {
        let Some(Ok(accepted)) = accept(record, of, (pipeline, &codecs)).await else { continue };
        let Accepted { origin, request, received_at, .. } = accepted;
        let preview = preview(origin.source, &request, received_at, &codecs).await;
        requests.push(Request { offset: Some(record.offset), received_at, preview });
    }
    Ok((not_kept, requests))
}

/// What the receipt says to standard error, its requests to standard output.
fn print(shown: &Shown) -> Result<(), Failure> {
    let Shown { receipt, not_kept, requests } = shown;
    let ReceiptRow { source, format, outcome, received_at, records, readings, problems, .. } = receipt;
    eprintln!(
        "{source} ({format}), received at {received_at}: {outcome}; payloads: {records}, readings: {readings}, problems: {problems}"
    );
    if receipt.expired > 0 {
        eprintln!("readings that were too old to be stored: {}", receipt.expired);
    }
    if let (Some(topic), Some(partition), Some(first)) = (&receipt.topic, receipt.partition, receipt.offset) {
        let last = receipt.last_offset.unwrap_or(first);
        eprintln!("records of Kafka: topic {topic}, partition {partition}, offsets {first} to {last}");
    }
    if receipt.topic_made_anew {
        eprintln!("Kafka keeps none of them any more: the topic was deleted and made anew");
    } else if *not_kept > 0 {
        eprintln!("Kafka does not keep {not_kept} of these offsets any more");
    }
    output::rows(Format::Table, requests)
}

impl Row for Request {
    const HEADINGS: &'static [&'static str] = &["OFFSET", "RECEIVED", "READINGS", "PROBLEMS", "FIRST"];

    fn cells(&self) -> Vec<String> {
        let Preview { readings, problems, problem_count, refused, .. } = &self.preview;
        let first = match (refused, problems.first(), readings.first()) {
            (Some(refused), ..) => refused.reason.clone(),
            (None, Some(problem), _) => format!("{}: {}", problem.place, problem.reason),
            (None, None, Some(reading)) => format!("{} {}", reading.device, reading.metric),
            (None, None, None) => String::new(),
        };
        vec![
            self.offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string()),
            self.received_at.to_string(),
            readings.len().to_string(),
            problem_count.to_string(),
            first,
        ]
    }
}
