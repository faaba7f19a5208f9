//! What a request would become: what `ingest` and `transform` make of it, without a queue and without a database.

use codecs::{CodecError, Codecs};
use decoders::Problem;
use event_model::{Name, Quality, Reading, RecordedRequest, Sample, Value};
use jiff::Timestamp;
use payload::{CredentialTraces, Inspected, Origin, RequestHead, record};
use pipeline_config::Source;
use serde::Serialize;

/// The fate of one request.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Preview {
    /// Set where `ingest` would refuse it.
    pub refused: Option<Refused>,
    /// Set where `ingest` would answer by itself, a subscription handshake or a look at the server's health, and queue nothing.
    pub handshake: bool,
    /// The platform's message id, by which a re-send is known.
    pub message_id: Option<String>,
    /// What would be stored.
    pub readings: Vec<ReadingLine>,
    /// What would go to the dead letters, with its reason: as many as are kept.
    pub problems: Vec<Problem>,
    /// How many there are.
    pub problem_count: usize,
    /// Frames that nothing decodes: their network did not, and the source has no codec for them.
    pub raw_frames: usize,
}

/// A value with the stream and moment that it is of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReadingLine {
    /// The device.
    pub device: Name,
    /// The channel; empty where the device has one only.
    pub channel: Name,
    /// The canonical metric name.
    pub metric: Name,
    /// The value, in `unit`.
    pub value: Value,
    /// The canonical unit.
    pub unit: Option<Name>,
    /// When it was measured.
    pub observed_at: Timestamp,
    /// Whether rules may act on it.
    pub quality: Quality,
    /// Why not, or what was assumed.
    pub flags: Vec<&'static str>,
    /// The field's name as the platform wrote it.
    pub raw_metric: Box<str>,
}

impl ReadingLine {
    fn of(sample: &Sample, reading: &Reading) -> Self {
        let reading = reading.clone();
        Self {
            device: sample.device.clone(),
            channel: sample.channel.clone(),
            metric: reading.metric,
            value: reading.value,
            unit: reading.unit,
            observed_at: sample.observed_at,
            quality: reading.quality,
            flags: reading.flags,
            raw_metric: reading.raw_metric.unwrap_or_default(),
        }
    }
}

/// How `ingest` would refuse a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The status of the answer.
    pub status: u16,
    /// Why.
    pub reason: String,
}

impl Preview {
    /// Whether all of the request would be taken.
    pub fn is_well(&self) -> bool {
        self.refused.is_none() && self.problems.is_empty()
    }
}

/// What `source` would make of `request`, received at `received_at`. No credential is checked.
pub async fn preview(
    source: &Source,
    request: &RecordedRequest,
    received_at: Timestamp,
    codecs: &Codecs,
) -> Preview {
    let read = decoded(source, request, received_at, codecs).await;
    read.unwrap_or_else(|error| Preview { refused: Some(Refused::of(&error)), ..Preview::default() })
}

async fn decoded(
    source: &Source,
    request: &RecordedRequest,
    received_at: Timestamp,
    codecs: &Codecs,
) -> Result<Preview, CodecError> {
    let origin = Origin::new(&source.profile.source, source)?;
    let asks_for_health = ["GET", "HEAD"].contains(&request.method.as_str())
        && origin.decoder.health(&request.path, &request.query).is_some();
    if asks_for_health {
        return Ok(Preview { handshake: true, ..Preview::default() });
    }
    let traces = CredentialTraces::default();
    let request = record(&RequestHead::of(request), request.body.clone(), origin, &traces)?;
    let inspected = Inspected::of(origin, &request)?;
    let known = Preview { message_id: inspected.inspection.message_id.clone(), ..Preview::default() };
    if inspected.inspection.handshake.is_some() {
        return Ok(Preview { handshake: true, ..known });
    }
    let mut decoded = inspected.decoded_with_raw_names(received_at, None)?;
    if !decoded.frames.is_empty() {
        let outputs = codecs.run_all(&decoded.frames).await?;
        decoded = inspected.decoded_with_raw_names(received_at, Some(&outputs))?;
    }
    let raw_frames = decoded.raw_frames;
    let readings = decoded.readings().map(|(sample, reading)| ReadingLine::of(sample, reading)).collect();
    let problem_count = decoded.problems.count();
    Ok(Preview { readings, problems: decoded.problems.into_kept(), problem_count, raw_frames, ..known })
}

impl Refused {
    fn of(error: &CodecError) -> Self {
        let status = match error {
            CodecError::Refused(refusal) => refusal.status(),
            CodecError::Unavailable(_) => 503,
        };
        Self { status, reason: error.to_string() }
    }
}
