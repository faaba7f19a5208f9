//! Frames that this source's codec decodes, in place of their network.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Frame, leave_out_what_is_stated, name_field};
use crate::codec::{self, Codecs, MAX_FRAME_BYTES, Maker, Output, cayenne_lpp};
use crate::decode::{Decoded, Problem};
use crate::json::Node;

/// Networks write Base64 with its padding, and some without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where what a codec gives stands, in problems.
const PLACE: &str = "codec";

/// A frame as its device sent it, in the words of its network.
pub(in crate::formats) struct Raw<'n> {
    pub(in crate::formats) payload: Payload<'n>,
    /// The LoRaWAN port, as a number.
    pub(in crate::formats) port: Option<&'n Node>,
    /// What the network calls the device's model and profile.
    pub(in crate::formats) models: &'n [String],
    /// Whether the network has decoded it.
    pub(in crate::formats) is_decoded: bool,
    /// Where the payload stands.
    pub(in crate::formats) place: &'n str,
}

/// A frame's payload, as it is written.
#[derive(Clone, Copy)]
pub(in crate::formats) enum Payload<'n> {
    Base64(Option<&'n Node>),
    Hex(Option<&'n Node>),
}

impl<'n> Payload<'n> {
    /// What is written; nothing where the frame is empty.
    fn text(self) -> Option<&'n str> {
        let (Self::Base64(node) | Self::Hex(node)) = self;
        node?.as_name().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The bytes of `text`, which is not longer than the longest frame.
    fn bytes(self, text: &str) -> Result<Vec<u8>, Cow<'static, str>> {
        let longest =
            if matches!(self, Self::Hex(_)) { 2 * MAX_FRAME_BYTES } else { MAX_FRAME_BYTES.div_ceil(3) * 4 };
        if text.len() > longest {
            return Err(format!("a frame of more than {MAX_FRAME_BYTES} bytes").into());
        }
        match self {
            Self::Base64(_) => BASE64.decode(text).map_err(|_| "expected Base64".into()),
            Self::Hex(_) => of_hex(text).ok_or_else(|| "expected hexadecimal digits, two a byte".into()),
        }
    }
}

/// Pairs of hexadecimal digits.
fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

impl Frame<'_> {
    /// Adds what the source's codec makes of a frame, and says whether it has one for it. A script that has not run yet is waited
    /// for: then there is nothing to add but the frame itself. A frame that nothing decodes is counted.
    ///
    /// # Errors
    /// The problem, where there are more readings than one object may hold; then none of them is added.
    pub(in crate::formats) fn add_by_codec(
        &self,
        raw: &Raw<'_>,
        decoded: &mut Decoded,
    ) -> Result<bool, Problem> {
        let Some(text) = raw.payload.text() else { return Ok(false) };
        let models: Vec<&str> = raw.models.iter().map(String::as_str).collect();
        let codecs = self.context.profile.options.get::<Codecs>();
        let Some(codec) = codecs.and_then(|codecs| codecs.find(self.device, &models, raw.is_decoded)) else {
            decoded.raw_frames += usize::from(!raw.is_decoded);
            return Ok(false);
        };
        let bytes = match raw.payload.bytes(text) {
            Ok(bytes) => bytes,
            Err(reason) => {
                decoded.problems.push(Problem::new(raw.place, reason));
                return Ok(true);
            }
        };
        match &codec.maker {
            Maker::CayenneLpp => match cayenne_lpp::decode(&bytes) {
                Ok(object) => self.add(Some(&object), PLACE, &name_field, decoded)?,
                Err(reason) => decoded.problems.push(Problem::new(PLACE, reason)),
            },
            Maker::Script(script) => {
                let port =
                    raw.port.and_then(Node::as_name).and_then(|port| port.parse().ok()).unwrap_or_default();
                let frame = codec::Frame {
                    script: script.clone(),
                    device: self.device.clone(),
                    port,
                    bytes,
                    received_at: self.moment.at,
                    variables: Arc::clone(&codec.variables),
                };
                self.add_by_script(frame, decoded)?;
            }
        }
        Ok(true)
    }

    /// Adds what a script made of `frame`. The schema fixes the units of what it normalised; its other values may be in any.
    fn add_by_script(&self, frame: codec::Frame, decoded: &mut Decoded) -> Result<(), Problem> {
        match self.context.outputs.map(|outputs| outputs.of(&frame)) {
            None => decoded.wait_for(frame),
            Some(None) => {
                decoded.problems.push(Problem::new(PLACE, "no codec has run"));
            }
            Some(Some(Output::Refused(reason))) => {
                decoded.problems.push(Problem::new(PLACE, reason.as_str()));
            }
            Some(Some(Output::Decoded { data, normalised, .. })) => {
                let mut stated = Decoded::default();
                self.add_normalised(normalised.as_ref(), ("", "codec.normalised"), &mut stated)?;
                let mut own = Decoded::default();
                self.add(Some(data), PLACE, &name_field, &mut own)?;
                leave_out_what_is_stated(&mut own, &stated);
                decoded.append(own);
                decoded.append(stated);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
