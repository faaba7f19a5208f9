use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A client whose messages go to our log, as what they are for us: a broker that is away is a warning, because what
/// comes of it is said by whoever sends or reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "kafka"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, message, "kafka"),
            RDKafkaLogLevel::Debug => tracing::debug!(facility, message, "kafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if is_absence(&error) {
            // librdkafka's log says so too, once for a while; this comes at every try.
            tracing::debug!(%error, reason, "kafka");
        } else {
            tracing::warn!(%error, reason, "kafka");
        }
    }
}

impl ConsumerContext for Logged {}

/// Whether an error only says that brokers are away, which the client goes on about until they are back.
pub fn is_absence(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve)
    )
}
