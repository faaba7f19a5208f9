//! What a request would become: the walk of `ingest` and `transform` without a queue and without a database.

use decoders::{Context, Decoded, Decoder, FormError, Problem};
use event_model::{Reading, RecordedRequest};
use jiff::Timestamp;
use pipeline_config::Source;
use serde::Serialize;

/// The fate of one request.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Preview {
    /// Set where `ingest` would refuse it.
    pub refused: Option<Refusal>,
    /// Set where `ingest` would answer a subscription handshake, and queue nothing.
    pub handshake: bool,
    /// The platform's message id, by which a re-send is known.
    pub message_id: Option<String>,
    /// What would be stored.
    pub readings: Vec<Reading>,
    /// What would go to the dead letters, with its reason.
    pub problems: Vec<Problem>,
}

/// How `ingest` would refuse a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
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

/// Decodes `request` as one that `source` received at `received_at`. Credentials are not asked for.
pub fn preview(
    source: &Source,
    decoder: &dyn Decoder,
    mut request: RecordedRequest,
    received_at: Timestamp,
) -> Preview {
    let kept = decoder.kept_headers();
    request.headers.retain(|(name, _)| name == "content-type" || kept.contains(&name.as_str()));
    decoder.redact(&mut request);
    let intake = match decoder.inspect(&request, &source.profile) {
        Ok(intake) => intake,
        Err(error) => return Preview { refused: Some(Refusal::of(&error)), ..Preview::default() },
    };
    let known = Preview { message_id: intake.message_id, ..Preview::default() };
    if intake.handshake.is_some() {
        return Preview { handshake: true, ..known };
    }
    let decoded = decoder.decode(&request, Context { profile: &source.profile, received_at });
    match decoded.map(Decoded::bounded) {
        Ok(decoded) => Preview { readings: decoded.readings, problems: decoded.problems, ..known },
        Err(error) => Preview { problems: vec![error.0], ..known },
    }
}

impl Refusal {
    fn of(error: &FormError) -> Self {
        let status = match error {
            FormError::Malformed(_) => 400,
            FormError::MethodNotAllowed { .. } => 405,
            FormError::UnsupportedMediaType { .. } => 415,
            FormError::Unprocessable(_) => 422,
        };
        Self { status, reason: error.to_string() }
    }
}
