//! `freshet topic`.

use jiff::Timestamp;
use runtime::Failure;
use serde::Serialize;
use store::{Topic, topic_offsets};

use crate::output::{self, Format, Row};
use crate::pipeline_file::PipelineFile;
use crate::state_directory::StateDirectory;
use crate::{database, kafka_settings, words};

use super::Done;

/// What can be done with the topic of a source.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// `freshet topic seek`.
    #[command(
        about = "Have the workers read a source's topics from a time on; running ones go there within seconds"
    )]
    Seek(SeekArgs),
}

/// What `freshet topic seek` is given.
#[derive(Debug, clap::Args)]
#[command(after_long_help = TWICE)]
pub struct SeekArgs {
    /// The source's name in the pipeline file
    source: String,
    /// When what is read next was published: a time, a day or an age such as 24h
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    to: Timestamp,
    /// This topic alone; all that the source reads if not given
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    state: StateDirectory,
}

const TWICE: &str = "\
What is read a second time is merged with the rows that are there: a moment of a device is one row. What lies between is not read \
where the time is later than where the workers are.";

/// Where a partition is read next.
#[derive(Serialize)]
struct Next {
    topic: String,
    partition: i32,
    next: i64,
}

/// Does what the command line says.
///
/// # Errors
/// Where the source reads no topic, or Kafka or the database cannot be asked.
pub async fn run(command: &Command, format: Format) -> Result<Done, Failure> {
    match command {
        Command::Seek(args) => seek(args, format).await,
    }
}

async fn seek(args: &SeekArgs, format: Format) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    let (topics, settings) = kafka_settings::of_source(&pipeline, &args.source)?;
    let there =
        kafka_settings::topics_there(&args.source, (topics, &settings), args.topic.as_deref()).await?;
    let client = database::client(&args.state).await?;
    let mut sought = Vec::new();
    for topic in there {
        let places = kafka::places_since(settings.clone(), topic.clone(), args.to).await;
        let places = places.map_err(|error| Failure::because("Kafka cannot be asked", &error))?;
        let of_source = Topic::of_source(args.source.as_str(), topic.as_str());
        let written = topic_offsets::seek(&client, &of_source, &places).await;
        written.map_err(|error| database::failed(&error.into()))?;
        sought.extend(places.into_iter().map(|(partition, next)| Next {
            topic: topic.clone(),
            partition,
            next,
        }));
    }
    output::rows(format, &sought)?;
    Ok(Done::Well)
}

impl Row for Next {
    const HEADINGS: &'static [&'static str] = &["TOPIC", "PARTITION", "NEXT"];

    fn cells(&self) -> Vec<String> {
        vec![self.topic.clone(), self.partition.to_string(), self.next.to_string()]
    }
}
