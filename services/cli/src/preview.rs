//! What a request would become: what `ingest` and `transform` make of it, without a queue and without a database.

use decoders::Problem;
use event_model::{Reading, RecordedRequest};
use jiff::Timestamp;
use payload::{CredentialTraces, Inspected, Origin, Refusal, RequestHead, record};
use pipeline_config::Source;
use serde::Serialize;

/// The fate of one request.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Preview {
    /// Set where `ingest` would refuse it.
    pub refused: Option<Refused>,
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
pub fn preview(source: &Source, request: &RecordedRequest, received_at: Timestamp) -> Preview {
    decoded(source, request, received_at)
        .unwrap_or_else(|refusal| Preview { refused: Some(Refused::of(&refusal)), ..Preview::default() })
}

fn decoded(source: &Source, request: &RecordedRequest, received_at: Timestamp) -> Result<Preview, Refusal> {
    let origin = Origin::new(&source.profile.source, source)?;
    let traces = CredentialTraces::default();
    let request = record(&RequestHead::of(request), request.body.clone(), origin, &traces)?;
    let inspected = Inspected::of(origin, &request)?;
    let known = Preview { message_id: inspected.inspection.message_id.clone(), ..Preview::default() };
    if inspected.inspection.handshake.is_some() {
        return Ok(Preview { handshake: true, ..known });
    }
    let decoded = inspected.decoded(received_at)?;
    Ok(Preview { readings: decoded.readings, problems: decoded.problems, ..known })
}

impl Refused {
    fn of(refusal: &Refusal) -> Self {
        Self { status: refusal.status(), reason: refusal.to_string() }
    }
}
