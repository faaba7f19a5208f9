//! Any bytes as a payload: the first byte chooses the format, the second the content type, the rest is the body (or the
//! query, for what comes by GET). No decoder panics, and what was decoded can be stored.

#![no_main]

use decoders::{Context, Profile, all};
use event_model::{RecordedRequest, Value};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

const CONTENT_TYPES: [&str; 9] = [
    "application/json",
    "application/senml+json",
    "application/sensml+json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "application/x-protobuf",
    "text/plain",
];

/// When each payload is received: 2026-01-15T12:00:00Z.
const RECEIVED_AT: Timestamp = Timestamp::constant(1_768_478_400, 0);

fuzz_target!(|bytes: &[u8]| {
    let [format, content_type, body @ ..] = bytes else { return };
    let format = all()[usize::from(*format) % all().len()];
    let content_type = CONTENT_TYPES[usize::from(*content_type) % CONTENT_TYPES.len()];
    let mut request = RecordedRequest {
        method: "POST".into(),
        path: "/hooks/source".into(),
        query: "event=up".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_vec().into(),
    };
    let profile = Profile { source: "source".into(), ..Profile::default() };
    let context = Context::new(&profile, RECEIVED_AT);
    decode(format, &mut request, context);
    if let Ok(query) = String::from_utf8(std::mem::take(&mut request.body).into()) {
        request.method = "GET".into();
        request.query = query;
        decode(format, &mut request, context);
    }
});

fn decode(format: &dyn decoders::Decoder, request: &mut RecordedRequest, context: Context<'_>) {
    format.redact(request);
    let _ = format.inspect(request, context.profile);
    let Ok(decoded) = format.decode(request, context) else { return };
    for (sample, reading) in decoded.readings() {
        assert!(!sample.device.is_empty() && !reading.metric.is_empty());
        match &reading.value {
            Value::Number(number) => assert!(number.is_finite()),
            Value::Text(text) => assert!(!text.contains('\0')),
            Value::Flag(_) | Value::Bytes(_) => {}
        }
    }
}
