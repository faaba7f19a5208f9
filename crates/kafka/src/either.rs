//! The push way or the Kafka way: exactly one.

use std::time::Duration;

use cloudevents::Event;
use runtime::Env;
use runtime::trace::TraceContext;

use sink::{HttpSink, Sink, SinkError};

use crate::KafkaSink;

/// The sink that the environment names.
#[derive(Debug, Clone)]
pub enum EitherSink {
    /// `K_SINK`.
    Http(HttpSink),
    /// `KAFKA_TOPIC`.
    Kafka(KafkaSink),
}

impl EitherSink {
    /// Exactly one of `K_SINK` and `KAFKA_TOPIC`; mistakes are noted in `env`, which then gives `None`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        match (env.text("K_SINK"), env.text("KAFKA_TOPIC")) {
            (Some(_), None) => HttpSink::from_env(env).map(Self::Http),
            (None, Some(_)) => KafkaSink::from_env(env).map(Self::Kafka),
            (None, None) => {
                env.mistake(
                    "K_SINK",
                    "is not set, and neither is KAFKA_TOPIC: one of them says where events go",
                );
                None
            }
            (Some(_), Some(_)) => {
                env.mistake(
                    "KAFKA_TOPIC",
                    "is set beside K_SINK: events go one way or the other, never both",
                );
                None
            }
        }
    }

    /// Waits until nothing is under way any more, at most for `limit`.
    pub async fn flush(&self, limit: Duration) {
        match self {
            // Each event is answered before its request is.
            Self::Http(_) => {}
            Self::Kafka(sink) => sink.flush(limit).await,
        }
    }
}

impl Sink for EitherSink {
    async fn send(&self, event: &Event, trace: Option<&TraceContext>) -> Result<(), SinkError> {
        match self {
            Self::Http(sink) => sink.send(event, trace).await,
            Self::Kafka(sink) => sink.send(event, trace).await,
        }
    }
}

#[cfg(test)]
#[cfg(feature = "client")]
mod tests {
    use runtime::Env;

    use super::EitherSink;

    fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut env = Env::from_pairs(pairs);
        assert!(EitherSink::from_env(&mut env).is_none());
        env.finish().unwrap_err().0.into_iter().map(|mistake| mistake.place).collect()
    }

    #[test]
    fn exactly_one_way_is_taken() {
        let mut push = Env::from_pairs(&[("K_SINK", "http://broker.example/")]);
        assert!(matches!(EitherSink::from_env(&mut push), Some(EitherSink::Http(_))));
        let mut kafka =
            Env::from_pairs(&[("KAFKA_TOPIC", "payloads"), ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]);
        assert!(matches!(EitherSink::from_env(&mut kafka), Some(EitherSink::Kafka(_))));
        assert_eq!(mistakes(&[]), ["K_SINK"]);
        assert_eq!(mistakes(&[("K_SINK", "http://broker.example/"), ("KAFKA_TOPIC", "t")]), ["KAFKA_TOPIC"]);
        assert_eq!(mistakes(&[("KAFKA_TOPIC", "t")]), ["KAFKA_BOOTSTRAP_SERVERS"]);
    }
}
