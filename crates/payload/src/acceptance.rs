//! From a request or an event to an accepted payload, at once or once scripts have decoded its frames.

use decoders::codec::{Frame, Outputs};
use decoders::{Inspection, Problem};
use event_model::RecordedRequest;
use jiff::Timestamp;
use pipeline_config::Pipeline;

use crate::accepted::Accepted;
use crate::event::Carried;
use crate::inspected::{Content, Inspected};
use crate::origin::Origin;
use crate::refusal::Refusal;

/// What a request comes to, as far as it is known without running a script.
#[derive(Debug)]
pub enum Acceptance<'p> {
    /// It is accepted.
    Accepted(Accepted<'p>),
    /// Scripts decode its frames first.
    NeedsCodec(NeedsCodec<'p>),
}

/// A payload that is decoded anew with what scripts make of its frames.
#[derive(Debug)]
pub struct NeedsCodec<'p> {
    pub(crate) origin: Origin<'p>,
    pub(crate) request: RecordedRequest,
    pub(crate) received_at: Timestamp,
    pub(crate) frames: Vec<Frame>,
}

impl<'p> NeedsCodec<'p> {
    /// The frames, at most [`decoders::codec::MAX_FRAMES`].
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The payload, with what scripts made of all its frames.
    ///
    /// # Errors
    /// [`Refusal::Panicked`].
    pub fn with(self, outputs: &Outputs) -> Result<Accepted<'p>, Refusal> {
        let Self { origin, request, received_at, .. } = self;
        let content = Inspected::of(origin, &request)?.finish(received_at, Some(outputs))?;
        Ok(Accepted::whole(request, content))
    }
}

impl<'p> Acceptance<'p> {
    /// The payload where no script is needed.
    pub fn without_codec(self) -> Option<Accepted<'p>> {
        match self {
            Self::Accepted(accepted) => Some(accepted),
            Self::NeedsCodec(_) => None,
        }
    }
}

impl<'p> Accepted<'p> {
    /// What `request` of this source, received at `received_at`, comes to.
    ///
    /// # Errors
    /// [`Refusal::Form`], or [`Refusal::Panicked`].
    pub fn of(
        origin: Origin<'p>,
        request: RecordedRequest,
        received_at: Timestamp,
    ) -> Result<Acceptance<'p>, Refusal> {
        let content = Inspected::of(origin, &request)?.finish(received_at, None)?;
        Ok(Self::accept(request, content))
    }

    /// A request, with all that was read of it before a script has run.
    pub fn accept(request: RecordedRequest, content: Content<'p>) -> Acceptance<'p> {
        if content.decoded.frames.is_empty() {
            return Acceptance::Accepted(Self::whole(request, content));
        }
        let Content { origin, received_at, decoded, .. } = content;
        Acceptance::NeedsCodec(NeedsCodec { origin, request, received_at, frames: decoded.frames })
    }

    /// What an event carries, which was delivered at `delivered_at`. A request that its format cannot read is accepted as one
    /// problem: `ingest` has promised to keep it.
    ///
    /// # Errors
    /// [`Refusal`] where the event leads nowhere.
    pub fn of_event(
        carried: &Carried,
        pipeline: &'p Pipeline,
        delivered_at: Timestamp,
    ) -> Result<Acceptance<'p>, Refusal> {
        let (origin, received_at) = carried.origin(pipeline, delivered_at)?;
        let request = carried.request()?;
        match Self::of(origin, request.clone(), received_at) {
            Err(Refusal::Form(error)) => {
                let decoded = Problem::new("", error.to_string()).into();
                let inspection = Inspection::default();
                Ok(Self::accept(request, Content { origin, inspection, received_at, decoded }))
            }
            accepted => accepted,
        }
    }
}
