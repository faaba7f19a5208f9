//! The Kafka that a command works with.

use kafka::KafkaSettings;
use pipeline_config::{Pipeline, SourceTopics};
use runtime::{Env, Failure};

use crate::pipeline_file;

/// The Kafka of the `KAFKA_*` variables.
///
/// # Errors
/// With every mistake of the variables.
pub fn settings() -> Result<KafkaSettings, Failure> {
    let mut env = Env::process();
    let settings = KafkaSettings::from_env(&mut env);
    match (env.finish(), settings) {
        (Ok(()), Some(settings)) => Ok(settings),
        (Err(mistakes), _) => Err(Failure::new(format!("Kafka is not known: {mistakes}"))),
        (Ok(()), None) => Err(Failure::new("Kafka is not known: KAFKA_BOOTSTRAP_SERVERS is not set")),
    }
}

/// The topics of a source, and its Kafka.
///
/// # Errors
/// Where there is no such source, it reads none, or one of its secrets cannot be had.
pub fn of_source<'a>(
    pipeline: &'a Pipeline,
    name: &str,
) -> Result<(&'a SourceTopics, KafkaSettings), Failure> {
    let topics = pipeline_file::source(pipeline, name)?.kafka.as_ref();
    let topics = topics.ok_or_else(|| Failure::new(format!("the source {name} reads no topic")))?;
    let unknown =
        |reason: String| Failure::new(format!("the Kafka of the source {name} is not known: {reason}"));
    let secrets =
        topics.secrets(&|name| Env::process().lookup(name)).map_err(|error| unknown(error.to_string()))?;
    let settings = KafkaSettings::of_source(topics, &secrets).map_err(|reason| unknown(reason.to_owned()))?;
    Ok((topics, settings))
}

/// The topics of the source `name` that there are, in the order of their names: all, or the one that was `chosen`.
///
/// # Errors
/// Where Kafka cannot be asked, or there is no such topic.
pub async fn topics_there(
    name: &str,
    (topics, settings): (&SourceTopics, &KafkaSettings),
    chosen: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let asked = kafka::topics(settings.clone()).await;
    let there = topics.among(asked.map_err(|error| Failure::because("Kafka cannot be asked", &error))?);
    let there: Vec<String> =
        there.into_iter().filter(|topic| chosen.is_none_or(|chosen| chosen == topic)).collect();
    match chosen {
        _ if !there.is_empty() => Ok(there),
        Some(chosen) => Err(Failure::new(format!("the source {name} reads no topic {chosen} that is there"))),
        None => Err(Failure::new(format!("no topic of the source {name} is there"))),
    }
}
