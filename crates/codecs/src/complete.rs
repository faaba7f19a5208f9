//! Payloads whose frames need a codec.

use decoders::codec::{Frame, Outputs};
use payload::{Acceptance, Accepted, Refusal};
use thiserror::Error;

use crate::{Codecs, Unavailable};

/// Why a payload is not accepted, or not yet.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Its format panicked.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No process has run its script in time: it may be tried again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Codecs {
    /// The payload, once scripts have decoded what they are to decode of it.
    ///
    /// # Errors
    /// [`CodecError`].
    pub async fn complete<'p>(&self, acceptance: Acceptance<'p>) -> Result<Accepted<'p>, CodecError> {
        match acceptance {
            Acceptance::Accepted(accepted) => Ok(accepted),
            Acceptance::NeedsCodec(waiting) => {
                let outputs = self.run_all(waiting.frames()).await?;
                Ok(waiting.with(&outputs)?)
            }
        }
    }

    /// What the scripts make of frames, one after the other.
    ///
    /// # Errors
    /// [`Unavailable`] where one has not run.
    pub async fn run_all(&self, frames: &[Frame]) -> Result<Outputs, Unavailable> {
        let mut outputs = Vec::with_capacity(frames.len());
        for frame in frames {
            outputs.push((frame.clone(), self.run(frame).await?));
        }
        Ok(outputs.into_iter().collect())
    }
}
