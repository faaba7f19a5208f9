//! Any bytes as `application/http`: reading never panics, and what was read survives writing and reading again.

#![no_main]

use event_model::RecordedRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = RecordedRequest::parse(bytes) {
        let again = RecordedRequest::parse(&request.to_bytes()).expect("a written request is a request");
        assert_eq!(again, request);
    }
});
