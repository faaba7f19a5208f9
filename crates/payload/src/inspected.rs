//! A request that its format can read.

use decoders::codec::Outputs;
use decoders::{Context, Decoded, Document, Inspection};
use event_model::RecordedRequest;
use jiff::Timestamp;

use crate::calibration;
use crate::origin::Origin;
use crate::record_device::record_device;
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
    /// What the record around the payload calls the device, where the source asks it.
    device: Option<String>,
}

/// All that was read of a request.
#[derive(Debug)]
pub struct Content<'p> {
    /// Its source.
    pub origin: Origin<'p>,
    /// Device and message id.
    pub inspection: Inspection,
    /// When it was received.
    pub received_at: Timestamp,
    /// Samples and problems.
    pub decoded: Decoded,
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
        let device = record_device(origin, request);
        Ok(Self { origin, request, inspection, document, device })
    }

    /// Reads the content of a request that was received at `received_at`.
    ///
    /// # Errors
    /// [`Refusal::Panicked`].
    pub fn decoded(&self, received_at: Timestamp) -> Result<Decoded, Refusal> {
        self.decode(received_at, None, false)
    }

    /// The same for people who look at a format: each reading keeps the name of the field that it came from. `outputs` is what scripts
    /// made of the frames, where they have run.
    ///
    /// # Errors
    /// [`Refusal::Panicked`].
    pub fn decoded_with_raw_names(
        &self,
        received_at: Timestamp,
        outputs: Option<&Outputs>,
    ) -> Result<Decoded, Refusal> {
        self.decode(received_at, outputs, true)
    }

    /// Reads the content, and lets go of the request.
    ///
    /// # Errors
    /// [`Refusal::Panicked`].
    pub fn finish(self, received_at: Timestamp, outputs: Option<&Outputs>) -> Result<Content<'p>, Refusal> {
        let decoded = self.decode(received_at, outputs, false)?;
        Ok(Content { origin: self.origin, inspection: self.inspection, received_at, decoded })
    }

    fn decode(
        &self,
        received_at: Timestamp,
        outputs: Option<&Outputs>,
        raw_names: bool,
    ) -> Result<Decoded, Refusal> {
        let (profile, device) = (&self.origin.source.profile, self.device.as_deref());
        let context = Context { profile, received_at, raw_names, device, outputs };
        let decode = || self.document.decode(context).unwrap_or_else(|error| error.0.into());
        let mut decoded = self.origin.guarded(decode)?;
        if let Some(devices) = &self.origin.source.calibrated {
            calibration::apply(devices, &mut decoded);
        }
        Ok(decoded)
    }
}
