//! A request that its format can read.

use decoders::{Context, Decoded, Document, Inspection, Problem};
use event_model::RecordedRequest;
use jiff::Timestamp;

use crate::origin::Origin;
use crate::refusal::Refusal;

/// A request whose form was checked. Its body is parsed already, and not parsed again.
pub struct Inspected<'p, 'r> {
    /// Its source.
    pub origin: Origin<'p>,
    /// The request, without its credentials.
    pub request: &'r RecordedRequest,
    /// Device, message id and handshake.
    pub inspection: Inspection,
    document: Box<dyn Document + 'r>,
}

impl<'p, 'r> Inspected<'p, 'r> {
    /// Parses and inspects `request`.
    ///
    /// # Errors
    /// [`Refusal::Form`], or [`Refusal::Panicked`].
    pub fn of(origin: Origin<'p>, request: &'r RecordedRequest) -> Result<Self, Refusal> {
        let (document, inspection) = origin.guarded(|| {
            let document = origin.decoder.parse(request)?;
            let inspection = document.inspect(&origin.source.profile)?;
            Ok::<_, Refusal>((document, inspection))
        })??;
        Ok(Self { origin, request, inspection, document })
    }

    /// Reads the content of a request that was received at `received_at`.
    ///
    /// # Errors
    /// [`Refusal::Panicked`].
    pub fn decoded(&self, received_at: Timestamp) -> Result<Decoded, Refusal> {
        let context = Context { profile: &self.origin.source.profile, received_at };
        self.origin.guarded(|| match self.document.decode(context) {
            Ok(decoded) => decoded.bounded(),
            Err(error) => nothing_but(error.0),
        })
    }
}

/// A payload of which nothing can be taken.
pub(crate) fn nothing_but(problem: Problem) -> Decoded {
    Decoded { problems: vec![problem], ..Decoded::default() }
}
