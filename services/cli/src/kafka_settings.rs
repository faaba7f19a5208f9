//! The Kafka that a command works with.

use kafka::KafkaSettings;
use runtime::{Env, Failure};

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
