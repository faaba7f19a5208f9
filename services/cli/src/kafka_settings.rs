//! The Kafka that a command works with.

use kafka::KafkaSettings;
use pipeline_config::{Pipeline, SourceTopic};
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

/// The topic of a source, and its Kafka.
///
/// # Errors
/// Where there is no such source, it reads none, or one of its secrets cannot be had.
pub fn of_source<'a>(
    pipeline: &'a Pipeline,
    name: &str,
) -> Result<(&'a SourceTopic, KafkaSettings), Failure> {
    let topic = pipeline_file::source(pipeline, name)?.kafka.as_ref();
    let topic = topic.ok_or_else(|| Failure::new(format!("the source {name} reads no topic")))?;
    let unknown =
        |reason: String| Failure::new(format!("the Kafka of the source {name} is not known: {reason}"));
    let secrets =
        topic.secrets(&|name| Env::process().lookup(name)).map_err(|error| unknown(error.to_string()))?;
    let settings = KafkaSettings::of_source(topic, &secrets).map_err(|reason| unknown(reason.to_owned()))?;
    Ok((topic, settings))
}
