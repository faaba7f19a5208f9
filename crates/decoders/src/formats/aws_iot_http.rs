#![doc = include_str!("aws_iot_http.md")]

use std::time::Duration;

use event_model::RecordedRequest;
use settings::Fields;

use super::json::{self, Usual};
use crate::decode::{Context, DecodeError, Decoded, FormError, Handshake, Inspection, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::{Node, Object};
use crate::mapping::Mapping;
use crate::options::Options;

/// The HTTP action of AWS IoT Core's rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct AwsIotHttp;

/// What a rule's SQL usually calls device and time: `clientid()`, `principal()`, `topic(3) AS device`,
/// `timestamp() AS ts`, and `user_id` of AWS's own example of a batch.
const USUAL: Usual = Usual {
    device: &[
        "device",
        "deviceid",
        "devicename",
        "thing",
        "thingname",
        "clientid",
        "sensor",
        "sensorid",
        "serial",
        "serialnumber",
        "principal",
        "topic",
        "userid",
    ],
    time: &["time", "timestamp", "ts", "eventtime", "datetime", "measuredat", "recordedat", "observedat"],
    about: |message| if is_shadow(message) { &["metadata", "version", "clientToken"] } else { &[] },
};

/// Whether a message is a device's shadow ("Device Shadow service documents"): what is in it, and about it.
fn is_shadow(message: &Object) -> bool {
    ["state", "metadata"]
        .iter()
        .all(|key| message.get(*key).is_some_and(|member| member.node.as_object().is_some()))
}

const MESSAGE_TYPE: &str = "x-amz-rules-engine-message-type";
const CONFIRMATION: &str = "DestinationConfirmation";

impl Decoder for AwsIotHttp {
    fn name(&self) -> &'static str {
        "aws_iot_http"
    }

    fn default_resend_window(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Mapping::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST"])?;
        match confirmation(request)? {
            Some(confirmation) => Ok(Box::new(confirmation)),
            None => Ok(Box::new(json::Items::parse(request, &USUAL)?)),
        }
    }
}

/// The first message to a destination, which nothing follows before it is confirmed.
struct Confirmation {
    enable_url: String,
}

impl Document for Confirmation {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let handshake = Handshake::AwsIot { enable_url: self.enable_url.clone() };
        Ok(Inspection { handshake: Some(handshake), ..Inspection::default() })
    }

    fn read(&self, _context: Context<'_>) -> Result<Decoded, DecodeError> {
        Ok(Decoded::default())
    }
}

fn confirmation(request: &RecordedRequest) -> Result<Option<Confirmation>, FormError> {
    let by_header = request.header(MESSAGE_TYPE) == Some(CONFIRMATION);
    if !by_header && !contains(&request.body, CONFIRMATION) {
        return Ok(None);
    }
    let body = form::parse_json(request)?;
    let by_body = body.get("messageType").and_then(Node::as_str) == Some(CONFIRMATION);
    if !by_header && !by_body {
        return Ok(None);
    }
    match body.get("enableUrl").and_then(Node::as_str) {
        Some(url) => Ok(Some(Confirmation { enable_url: url.to_owned() })),
        None => {
            Err(FormError::Unprocessable("enableUrl: expected the address to confirm, found none".to_owned()))
        }
    }
}

fn contains(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|window| window == word.as_bytes())
}

#[cfg(test)]
mod tests {
    use event_model::RecordedRequest;

    use super::AwsIotHttp;
    use crate::decode::{Context, FormError, Handshake, Profile};
    use crate::format::Decoder;

    fn request(head: &str, body: &str) -> RecordedRequest {
        RecordedRequest::parse(format!("POST /hooks/aws HTTP/1.1\n{head}\n{body}").as_bytes()).unwrap()
    }

    #[test]
    fn a_confirmation_is_a_handshake_by_its_header_or_its_body() {
        let url = "https://iot.eu-west-1.amazonaws.com/confirmdestination/abc";
        let header = "x-amz-rules-engine-message-type: DestinationConfirmation\n";
        let by_header = request(header, &format!("{{\"enableUrl\":\"{url}\"}}"));
        let by_body =
            request("", &format!("{{\"messageType\":\"DestinationConfirmation\",\"enableUrl\":\"{url}\"}}"));
        for request in [by_header, by_body] {
            let inspection = AwsIotHttp.inspect(&request, &Profile::default()).unwrap();
            assert_eq!(inspection.handshake, Some(Handshake::AwsIot { enable_url: url.into() }));
        }
        let without = AwsIotHttp.inspect(&request(header, "{}"), &Profile::default());
        assert!(matches!(without, Err(FormError::Unprocessable(_))));
    }

    #[test]
    fn a_batch_has_one_device_per_element() {
        let profile = Profile { source: "aws".into(), ..Profile::default() };
        let context =
            Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
        let body = r#"[{"clientid": "a", "ts": 1768478340000, "temperature": 1}, {"topic": "x/b", "temperature": 2}]"#;
        let decoded: crate::testing::Decoded = AwsIotHttp.decode(&request("", body), context).unwrap().into();
        let rows: Vec<_> =
            decoded.readings.iter().map(|r| (r.device.as_str(), r.observed_at.to_string())).collect();
        assert_eq!(rows, [("a", "2026-01-15T11:59:00Z".into()), ("x/b", "2026-01-15T12:00:00Z".into())]);
    }

    #[test]
    fn what_a_shadow_says_about_its_values_is_no_reading() {
        let profile = Profile { source: "aws".into(), ..Profile::default() };
        let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
        let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
        let body = r#"{"thing":"pump-4","state":{"reported":{"temperature":21.5}},"timestamp":1768478340,"version":12,
            "metadata":{"reported":{"temperature":{"timestamp":1768478300}}},"clientToken":"c-1"}"#;
        let decoded: crate::testing::Decoded = AwsIotHttp.decode(&request("", body), context).unwrap().into();
        let rows: Vec<_> =
            decoded.readings.iter().map(|r| (&*r.channel, &*r.metric, r.observed_at)).collect();
        assert_eq!(rows, [("state.reported", "temperature", "2026-01-15T11:59:00Z".parse().unwrap())]);
    }
}
