//! From what the dead letter sink delivers to what is kept.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use cloudevents::Event;
use event_model::cloudevent::extension;
use event_model::name::one_line;
use jiff::Timestamp;
use store::dead_letters::{Cause, DeadEvent, DeadLetter};
use topology::STAGES;

/// What every dead letter carries: the address of who did not take it.
const ERROR_DEST: &str = "knativeerrordest";
/// The status that was answered; absent where there was no answer.
const ERROR_CODE: &str = "knativeerrorcode";
/// The beginning of the answer's body, in Base64; absent where it was empty.
const ERROR_DATA: &str = "knativeerrordata";

/// Brokers differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether an event comes from the dead letter sink.
pub(crate) fn is_dead(event: &Event) -> bool {
    event.extension(ERROR_DEST).is_some()
}

/// What is kept of a dead letter that came in at `at`.
pub(crate) fn dead_letter(event: &Event, at: Timestamp) -> DeadLetter {
    let text = |name| extension(event, name);
    let stage = stage_of(text(ERROR_DEST).as_deref().unwrap_or_default());
    let code = text(ERROR_CODE);
    let code = code.as_deref().and_then(|code| code.trim().parse().ok());
    let reason = reason(&stage, code, text(ERROR_DATA).as_deref());
    let event = DeadEvent::of(event);
    DeadLetter { event, stage, cause: cause(code), reason, problems: Vec::new(), at }
}

/// The stage that an address belongs to: by its host's first label or by its path; else the address's host.
fn stage_of(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.split(':').next().unwrap_or_default();
    let label = host.split('.').next().unwrap_or_default();
    let stage_named = |name: &str| STAGES.iter().map(|stage| stage.name).find(|stage| *stage == name);
    // The chart names a Knative Service `<release>-<stage>`.
    let stage_ending = |name: &str| {
        STAGES.iter().map(|stage| stage.name).find(|stage| {
            name.strip_suffix(stage).is_some_and(|release| release.len() > 1 && release.ends_with('-'))
        })
    };
    let named = [label].into_iter().chain(path.split('/')).find_map(stage_named);
    match named.or_else(|| stage_ending(label)).unwrap_or(host) {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

/// What a retry helps with is what Knative itself tries again, and silence.
const fn cause(code: Option<u16>) -> Cause {
    match code {
        None | Some(404 | 408 | 409 | 425 | 429 | 500..=599) => Cause::Unavailable,
        Some(400) => Cause::Malformed,
        Some(_) => Cause::Rejected,
    }
}

fn reason(stage: &str, code: Option<u16>, data: Option<&str>) -> String {
    let said = match code {
        Some(code) => format!("{stage} answered {code}"),
        None => format!("{stage} gave no answer"),
    };
    match data.map(decoded) {
        Some(data) if !data.is_empty() => format!("{said}: {data}"),
        _ => said,
    }
}

/// Error data as text; what is no Base64 (other brokers send it plain) as it is.
fn decoded(data: &str) -> String {
    let bytes = BASE64.decode(data.trim()).unwrap_or_else(|_| data.as_bytes().to_vec());
    let text = String::from_utf8_lossy(&bytes);
    one_line(text.trim())
}

#[cfg(test)]
mod tests {
    use event_model::cloudevent;
    use store::dead_letters::Cause;

    use super::{cause, dead_letter, stage_of};

    #[test]
    fn an_address_names_its_stage() {
        assert_eq!(stage_of("http://transform.freshet.svc.cluster.local/"), "transform");
        assert_eq!(stage_of("http://127.0.0.1:8080/services/alert"), "alert");
        assert_eq!(stage_of("http://plant-dead-letter.freshet.svc.cluster.local/"), "dead-letter");
        assert_eq!(stage_of("http://my-plant-alert.freshet.svc.cluster.local"), "alert");
        assert_eq!(stage_of("http://hooks.example.com:8080/x"), "hooks.example.com");
        assert_eq!(stage_of(""), "unknown");
    }

    #[test]
    fn what_a_retry_helps_with_is_unavailable() {
        for code in [None, Some(404), Some(429), Some(500), Some(502), Some(503), Some(504)] {
            assert_eq!(cause(code), Cause::Unavailable, "{code:?}");
        }
        assert_eq!((cause(Some(400)), cause(Some(422))), (Cause::Malformed, Cause::Rejected));
    }

    #[test]
    fn error_data_is_read_and_the_brokers_attributes_are_left_out() {
        let mut event = cloudevent::new("dev.freshet.payload.received.v1", "/sources/greenhouse", "1");
        for (name, value) in [
            ("knativeerrordest", "http://transform.freshet.svc.cluster.local/"),
            ("knativeerrorcode", "422"),
            ("knativeerrordata", "bm8KZGV2aWNl"),
            ("partitionkey", "gh-1"),
        ] {
            event.set_extension(name, value);
        }
        let dead_letter = dead_letter(&event, "2026-03-01T12:00:00Z".parse().unwrap());
        assert_eq!((dead_letter.stage.as_str(), dead_letter.cause), ("transform", Cause::Rejected));
        assert_eq!(dead_letter.reason, "transform answered 422: no device");
        let names: Vec<_> = dead_letter.event.attributes.keys().map(String::as_str).collect();
        assert_eq!(names, ["id", "partitionkey", "source", "specversion", "type"]);
    }
}
