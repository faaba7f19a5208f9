//! `freshet receipts`.

use cloudevents::AttributesReader as _;
use event_model::RecordedRequest;
use jiff::Timestamp;
use kafka::{Content, KeptRecords, PlainRecord, Record, RecordForm, RecordRange};
use payload::{Accepted, Carried, Origin, PlainPayload, Repetition, plausible};
use pipeline_config::Pipeline;
use serde::Serialize;
use store::queries::{self, ReceiptRow};
use uuid::Uuid;

use crate::kafka_settings;
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
        (Some(bytes), _) => (0, vec![kept_here(&receipt, bytes, &pipeline)?]),
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

fn kept_here(receipt: &ReceiptRow, bytes: &[u8], pipeline: &Pipeline) -> Result<Request, Failure> {
    let request = RecordedRequest::from_bytes(&bytes.to_vec().into())
        .map_err(|error| Failure::because("the request that the receipt keeps cannot be read", &error))?;
    let source = pipeline_file::source(pipeline, &receipt.source)?;
    let received_at = receipt.received_at;
    Ok(Request { offset: None, received_at, preview: preview(source, &request, received_at) })
}

/// How many records of the range are gone, and the requests of the others that are the receipt's.
async fn kept_in_kafka(
    args: &ShowArgs,
    receipt: &ReceiptRow,
    range: RecordRange,
    pipeline: &Pipeline,
) -> Result<(i64, Vec<Request>), Failure> {
    let (first, last) = (range.first, range.last);
    let (settings, form) = match &receipt.topic_source {
        None => (kafka_settings::settings()?, RecordForm::Events),
        Some(source) => {
            let (topics, settings) = kafka_settings::of_source(pipeline, source)?;
            (settings, RecordForm::of_source(topics))
        }
    };
    let asked = kafka::records(settings, (range, form), args.limit as usize).await;
    let KeptRecords { kept_from, end, records } =
        asked.map_err(|error| Failure::because("the records cannot be read", &error))?;
    let is_range = receipt.last_offset.is_some();
    if !is_range && !records.iter().all(|record| is_of_event(record, &receipt.event_id)) {
        return Ok((1, Vec::new()));
    }
    let kept = (end.min(last + 1) - kept_from.max(first)).max(0);
    let not_kept = last + 1 - first - kept;
    let requests = records.into_iter().filter_map(|record| request_of(record, receipt, (pipeline, is_range)));
    Ok((not_kept, requests.collect()))
}

/// Whether the record is the event's. A topic that was deleted and made anew has another at its place.
fn is_of_event(record: &Record, id: &str) -> bool {
    matches!(&record.content, Content::Event(event) if event.id() == id)
}

/// `None` where the record is none of the receipt's: it is of another source, or has a receipt of its own.
fn request_of(
    record: Record,
    receipt: &ReceiptRow,
    (pipeline, is_range): (&Pipeline, bool),
) -> Option<Request> {
    let Record { offset, published_at, content, bytes, .. } = record;
    let now = Clock::system().now();
    let (accepted, has_own_receipt) = match content {
        Content::Event(event) => {
            let carried = Carried::new(*event);
            let accepted = Accepted::of_event(&carried, pipeline, plausible(published_at, now)).ok()?;
            let has_key = Repetition::of(&carried, &accepted).is_some();
            (accepted, has_key)
        }
        Content::Plain(PlainRecord { key, headers, value }) => {
            let origin = Origin::named(pipeline, &receipt.source).ok()?;
            let device = origin.source.record_device();
            let (source, head) = ((origin.name.into(), device), (key.as_deref(), headers));
            let payload = PlainPayload::of_record(source, head, (value, bytes));
            let received_at = PlainPayload::received_at(published_at, offset, now);
            (payload.accept(origin, received_at).ok()?, false)
        }
        Content::NoEvent(_) => return None,
    };
    let is_its = accepted.origin.name == receipt.source && !(is_range && has_own_receipt);
    let received_at = accepted.received_at;
    is_its.then(|| Request {
        offset: Some(offset),
        received_at,
        preview: preview(accepted.origin.source, &accepted.request, received_at),
    })
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
