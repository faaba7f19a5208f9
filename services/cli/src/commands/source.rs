//! `freshet source test`.

use std::path::{Path, PathBuf};

use codecs::Codecs;
use decoders::Problem;
use event_model::{RecordedRequest, Value};
use jiff::Timestamp;
use kafka::{Content, PlainRecord, Record, RecordForm};
use payload::{Origin, PlainPayload, PlainValue};
use pipeline_config::{Pipeline, Source};
use serde::Serialize;

use crate::kafka_settings;
use crate::output::{self, Format, Row};
use crate::pipeline_file::{self, PipelineFile};
use crate::preview::{Preview, ReadingLine, preview};
use crate::send::input::{self, Cutting, Input, Item};
use crate::words;
use runtime::Failure;

use super::Done;

/// What can be done with a source.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// `freshet source test`.
    #[command(about = "Show what payloads would become; nothing is sent and nothing stored")]
    Test(TestArgs),
}

/// What `freshet source test` is given.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The source's name in the pipeline file
    name: String,
    /// A body, a recorded request (.http), a table (.csv, .ndjson, .jsonl) or a folder; `-` is NDJSON on standard input
    #[arg(required_unless_present = "topic")]
    file: Option<PathBuf>,
    /// Take the newest records of the source's topic, which is named where the source reads several; no group is joined
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true,
          conflicts_with_all = ["file", "content_type", "received_at"])]
    topic: Option<Option<String>>,
    /// How many records of the topic at most
    #[arg(long, default_value_t = 10, requires = "topic", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    records: u32,
    #[command(flatten)]
    pipeline: PipelineFile,
    /// What a body is, where its file name does not tell
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// When it is taken to have been received: a time, a day or an age such as 24h; now if not given
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    received_at: Option<Timestamp>,
}

/// What an input would become.
#[derive(Serialize)]
struct Previewed {
    input: String,
    #[serde(flatten)]
    preview: Preview,
}

/// A reading on the screen.
#[derive(Serialize)]
#[serde(transparent)]
struct ReadingRow<'a>(&'a ReadingLine);

/// A problem on the screen.
#[derive(Serialize)]
struct ProblemRow<'a> {
    #[serde(skip)]
    input: &'a str,
    #[serde(flatten)]
    problem: &'a Problem,
}

/// Does what the command line says.
///
/// # Errors
/// Where there is no such source, or the input cannot be read.
pub async fn run(command: &Command, format: Format) -> Result<Done, Failure> {
    match command {
        Command::Test(args) => test(args, format).await,
    }
}

async fn test(args: &TestArgs, format: Format) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    let previews = match &args.file {
        Some(file) => of_file(args, file, pipeline_file::source(&pipeline, &args.name)?).await?,
        None => of_topic(args, &pipeline).await?,
    };
    match format {
        Format::Json => output::json(&previews)?,
        Format::Table => print(&previews)?,
    }
    Ok(if previews.iter().all(|previewed| previewed.preview.is_well()) { Done::Well } else { Done::Badly })
}

async fn of_file(args: &TestArgs, file: &Path, source: &Source) -> Result<Vec<Previewed>, Failure> {
    let received_at = args.received_at.unwrap_or_else(|| runtime::Clock::system().now());
    let unreadable = |error: &input::InputError| Failure::because("the input cannot be read", error);
    let (codecs, mut previews) = (Codecs::default(), Vec::new());
    for input in input::items(file, Cutting { batch: 1 }).map_err(|error| unreadable(&error))? {
        let Input { place, item } = input.map_err(|error| unreadable(&error))?;
        let request = args.request(item);
        let preview = preview(source, &request, received_at, &codecs).await;
        previews.push(Previewed { input: place, preview });
    }
    Ok(previews)
}

async fn of_topic(args: &TestArgs, pipeline: &Pipeline) -> Result<Vec<Previewed>, Failure> {
    let chosen = args.topic.iter().flatten().next().map(String::as_str);
    let (topics, settings) = kafka_settings::of_source(pipeline, &args.name)?;
    let there = kafka_settings::topics_there(&args.name, (topics, &settings), chosen).await?;
    let [topic] = &there[..] else {
        let topics = there.join(", ");
        let several = format!("the source {} reads several topics: {topics}", args.name);
        return Err(Failure::new(several).hint("choose one by --topic=NAME"));
    };
    let source = pipeline_file::source(pipeline, &args.name)?;
    let topic = (topic.clone(), RecordForm::of_source(topics));
    let records = kafka::newest(settings, topic, args.records as usize).await;
    let records = records.map_err(|error| Failure::because("the topic cannot be read", &error))?;
    let (codecs, mut previews) = (Codecs::default(), Vec::new());
    for record in records {
        previews.extend(previewed(record, (&args.name, source, pipeline), &codecs).await);
    }
    Ok(previews)
}

/// `None` of a record that is no payload, which is a deletion.
async fn previewed(
    record: Record,
    (name, source, pipeline): (&str, &Source, &Pipeline),
    codecs: &Codecs,
) -> Option<Previewed> {
    let Record { partition, offset, published_at, content, bytes, .. } = record;
    let Content::Plain(PlainRecord { key, headers, value }) = content else { return None };
    let device = source.record_device();
    let payload = PlainPayload::of_record((name.into(), device), (key.as_deref(), headers), (value, bytes));
    if payload.value == PlainValue::Tombstone {
        return None;
    }
    let received_at = PlainPayload::received_at(published_at, offset, runtime::Clock::system().now());
    let acceptance = payload.accept(Origin::named(pipeline, name).ok()?, received_at).ok()?;
    let accepted = codecs.complete(acceptance).await.ok()?;
    let problems = &accepted.decoded.problems;
    let preview = if accepted.decoded.samples.is_empty() && !problems.is_empty() {
        // There is nobody to refuse it to.
        Preview { problems: problems.to_vec(), problem_count: problems.count(), ..Preview::default() }
    } else {
        preview(source, &accepted.request, received_at, codecs).await
    };
    Some(Previewed { input: format!("{partition}/{offset}"), preview })
}

impl TestArgs {
    /// The item as a request to the source's webhook.
    fn request(&self, item: Item) -> RecordedRequest {
        match item {
            Item::Request(request) => request,
            Item::Body { content_type, bytes } => RecordedRequest {
                method: "POST".to_owned(),
                path: format!("/hooks/{}", self.name),
                query: String::new(),
                headers: vec![(
                    "content-type".to_owned(),
                    self.content_type.clone().unwrap_or_else(|| content_type.to_owned()),
                )],
                body: bytes.into(),
            },
        }
    }
}

/// Readings and problems to standard output, what they amount to to standard error.
fn print(previews: &[Previewed]) -> Result<(), Failure> {
    for Previewed { input, preview } in previews {
        if let Some(refusal) = &preview.refused {
            let line = format!("{input}: refused with {}: {}", refusal.status, refusal.reason);
            output::write_line(&output::printable(&line))?;
        }
        if preview.handshake {
            let line = format!("{input}: a question of the sender: ingest answers it, nothing is stored");
            output::write_line(&output::printable(&line))?;
        }
    }
    let all = || previews.iter().map(|previewed| &previewed.preview);
    let readings: Vec<_> = all().flat_map(|preview| &preview.readings).map(ReadingRow).collect();
    let problems: Vec<_> = previews.iter().flat_map(problems_of).collect();
    if !readings.is_empty() {
        output::rows(Format::Table, &readings)?;
    }
    if !problems.is_empty() {
        if !readings.is_empty() {
            output::write_line("")?;
        }
        output::rows(Format::Table, &problems)?;
    }
    eprintln!(
        "payloads: {}, readings: {}, problems: {}, refused: {}",
        previews.len(),
        readings.len(),
        all().map(|preview| preview.problem_count).sum::<usize>(),
        all().filter(|preview| preview.refused.is_some()).count()
    );
    let raw_frames: usize = all().map(|preview| preview.raw_frames).sum();
    if raw_frames > 0 {
        eprintln!(
            "frames that nothing decodes: {raw_frames}; give the source a `codec`, or have the network decode them"
        );
    }
    Ok(())
}

fn problems_of(previewed: &Previewed) -> impl Iterator<Item = ProblemRow<'_>> {
    previewed.preview.problems.iter().map(|problem| ProblemRow { input: &previewed.input, problem })
}

impl Row for ReadingRow<'_> {
    const HEADINGS: &'static [&'static str] =
        &["DEVICE", "CHANNEL", "METRIC", "VALUE", "UNIT", "TIME", "QUALITY", "NOTES"];

    fn cells(&self) -> Vec<String> {
        let reading = self.0;
        let value = match &reading.value {
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(_) | Value::Bytes(_) => reading.value.as_text().unwrap_or_default(),
        };
        vec![
            reading.device.to_string(),
            reading.channel.to_string(),
            reading.metric.to_string(),
            value,
            reading.unit.clone().unwrap_or_default().to_string(),
            reading.observed_at.to_string(),
            reading.quality.to_string(),
            reading.flags.join(","),
        ]
    }
}

impl Row for ProblemRow<'_> {
    const HEADINGS: &'static [&'static str] = &["INPUT", "PLACE", "PROBLEM"];

    fn cells(&self) -> Vec<String> {
        vec![self.input.to_owned(), self.problem.place.clone(), self.problem.reason.clone()]
    }
}
