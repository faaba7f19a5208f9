//! The shape of version 3, which servers send to endpoints that were set up before they were migrated: fields at the
//! top, the DevEUI in Base64, the decoded object as JSON in a text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::RecordedRequest;

use super::event::Kind;
use super::{Frame, eui_or_name};
use crate::decode::{DecodeError, Decoded, Problem};
use crate::form;
use crate::formats::lorawan;
use crate::json::Node;
use crate::walk::Walk;

/// Whether a body is an event of version 3.
pub(super) fn is_one(body: &Node) -> bool {
    body.get("devEUI").is_some_and(|eui| eui.as_str().is_some())
}

/// The kind of event.
pub(super) fn kind(request: &RecordedRequest, body: &Node) -> Kind {
    match form::query_value(request, "event").as_deref() {
        Some("up") => Kind::LegacyUp,
        Some("status") => Kind::Status,
        None if body.get("objectJSON").is_some() || body.get("object").is_some() => Kind::LegacyUp,
        _ => Kind::Other,
    }
}

/// The DevEUI: eight bytes in Base64, or hexadecimal where the marshaler was set to `json_v3`.
pub(super) fn device(body: &Node) -> Result<Option<String>, &'static str> {
    let Some(eui) = body.get("devEUI").and_then(Node::as_str).filter(|eui| !eui.trim().is_empty()) else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(eui).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    if let (Some(bytes), None) = (bytes, lorawan::dev_eui(eui)) {
        return Ok(Some(format!("{:016x}", u64::from_be_bytes(bytes))));
    }
    eui_or_name(eui).map(Some)
}

/// Adds what the codec decoded.
pub(super) fn decode(frame: &Frame<'_>, body: &Node, decoded: &mut Decoded) -> Result<(), DecodeError> {
    let Some(text) = body.get("objectJSON").and_then(Node::as_str) else {
        return frame.object(body, "object", decoded);
    };
    match Node::parse(text.as_bytes()) {
        Ok(Node::Object(object)) => {
            let walk = Walk {
                place_prefix: "objectJSON.",
                name: &lorawan::name_field,
                reads_quantities: true,
                ..Walk::by_table(frame.context, frame.device, frame.moment)
            };
            walk.add(&object, decoded).map_err(DecodeError)?;
        }
        Ok(Node::Null) => {}
        Ok(other) => {
            let reason = format!("expected an object, found {}", other.kind());
            decoded.problems.push(Problem::new("objectJSON", reason));
        }
        // A device profile without a codec sends the empty text.
        Err(_) if text.trim().is_empty() => {}
        Err(error) => decoded.problems.push(Problem::new("objectJSON", error.to_string())),
    }
    Ok(())
}
