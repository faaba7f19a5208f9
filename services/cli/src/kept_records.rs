//! Requests that a topic keeps.

use cloudevents::AttributesReader as _;
use codecs::{CodecError, Codecs};
use jiff::Timestamp;
use kafka::{Content, KafkaSettings, PlainRecord, Record, RecordForm};
use payload::{Accepted, Carried, Origin, PlainPayload, Refusal, Repetition, plausible};
use pipeline_config::Pipeline;
use runtime::Failure;

use crate::kafka_settings;

/// How the records of a topic are asked for: of the topics of `source`, or of that of topic mode.
///
/// # Errors
/// Where its Kafka is not known.
pub fn asked(pipeline: &Pipeline, source: Option<&str>) -> Result<(KafkaSettings, RecordForm), Failure> {
    let Some(source) = source else { return Ok((kafka_settings::settings()?, RecordForm::Events)) };
    let (topics, settings) = kafka_settings::of_source(pipeline, source)?;
    Ok((settings, RecordForm::of_source(topics)))
}

/// Whether the record is the event's. A topic that was deleted and made anew has another at its place.
pub fn is_of_event(record: &Record, id: &str) -> bool {
    matches!(&record.content, Content::Event(event) if event.id() == id)
}

/// A receipt whose requests are records.
#[derive(Debug, Clone, Copy)]
pub struct OfReceipt<'a> {
    /// Its source.
    pub source: &'a str,
    /// Whether it is of a range of records.
    pub is_range: bool,
    /// When its records were read.
    pub read_at: Timestamp,
}

/// What a record comes to; `None` where it is none of the receipt's: it is of another source, or has a receipt of its own.
pub async fn accept<'p>(
    record: &Record,
    of: OfReceipt<'_>,
    (pipeline, codecs): (&'p Pipeline, &Codecs),
) -> Option<Result<Accepted<'p>, CodecError>> {
    let Record { offset, published_at, content, bytes, .. } = record;
    match content {
        Content::Event(event) => {
            let carried = Carried::new((**event).clone());
            let accepted = match Accepted::of_event(&carried, pipeline, plausible(*published_at, of.read_at))
            {
                Ok(acceptance) => codecs.complete(acceptance).await,
                Err(refusal) => Err(refusal.into()),
            };
            match accepted {
                Ok(accepted) => {
                    let has_own_receipt = of.is_range && Repetition::of(&carried, &accepted).is_some();
                    (accepted.origin.name == of.source && !has_own_receipt).then_some(Ok(accepted))
                }
                // Of which source it is nobody knows.
                Err(CodecError::Refused(Refusal::Panicked(_)) | CodecError::Unavailable(_)) => Some(accepted),
                Err(CodecError::Refused(_)) => None,
            }
        }
        Content::Plain(PlainRecord { key, headers, value }) => {
            let origin = Origin::named(pipeline, of.source).ok()?;
            let device = origin.source.record_device();
            let (source, head) = ((origin.name.into(), device), (key.as_deref(), headers.clone()));
            let payload = PlainPayload::of_record(source, head, (value.clone(), *bytes));
            let received_at = PlainPayload::received_at(*published_at, *offset, of.read_at);
            match payload.accept(origin, received_at) {
                Ok(acceptance) => Some(codecs.complete(acceptance).await),
                Err(refusal) => Some(Err(refusal.into())),
            }
        }
        Content::NoEvent(_) => None,
    }
}
