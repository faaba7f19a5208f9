//! One sample: the request to replay and what it is worth.

use std::path::Path;

use event_model::RecordedRequest;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// A sample of the corpus.
pub(crate) struct Sample {
    /// `format/name`.
    pub(crate) name: String,
    pub(crate) request: RecordedRequest,
    pub(crate) received_at: Timestamp,
    /// The whole meta file.
    pub(crate) meta: Value,
}

impl Sample {
    /// The samples of a format's folder, by name.
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).expect("the corpus has a folder of the format");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
        files.sort();
        files
            .iter()
            .filter(|file| file.to_string_lossy().ends_with(".meta.json"))
            .map(|file| Self::read(file))
            .collect()
    }

    fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("a readable meta file");
        let meta: Value = serde_json::from_str(&text).expect("a meta file is JSON");
        let format = meta["format"].as_str().expect("a format");
        let payload_file = meta["payload_file"].as_str().expect("a payload file");
        let payload = std::fs::read(file.with_file_name(payload_file)).expect("a readable payload");
        let stem = file.file_name().expect("a file name").to_string_lossy().replace(".meta.json", "");
        // Lines without a timestamp get the time at which their authors ran them; a signature is checked in its own time.
        let received_at = match meta["verify_at"].as_i64() {
            Some(second) => Timestamp::from_second(second),
            None => meta["default_time"]
                .as_str()
                .or(meta["received_at"].as_str())
                .expect("a receive time")
                .parse(),
        };
        Self {
            name: format!("{format}/{stem}"),
            request: request(&meta, payload, format),
            received_at: received_at.expect("a time"),
            meta,
        }
    }
}

fn request(meta: &Value, payload: Vec<u8>, format: &str) -> RecordedRequest {
    let method = meta["method"].as_str().expect("a method").to_owned();
    let mut headers = Vec::new();
    let content_type = meta["content_type"].as_str().filter(|value| value.contains('/'));
    headers.extend(content_type.map(|value| ("content-type".to_owned(), value.to_owned())));
    for (name, value) in meta["headers"].as_object().into_iter().flatten() {
        headers.push((name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()));
    }
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = meta["query"].as_object().into_iter().flatten();
    let pairs: Vec<_> = pairs
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(value.as_str().unwrap_or_default())))
        .collect();
    // A sample that is sent by GET has its payload in the query.
    let in_query = method == "GET";
    let query =
        if in_query { String::from_utf8(payload.clone()).expect("a query is text") } else { pairs.join("&") };
    let path = match meta["path"].as_str() {
        Some(path) if path.starts_with("/hooks/") => path.to_owned(),
        path => format!("/hooks/{format}{}", path.unwrap_or_default()),
    };
    let body = if in_query { Vec::new() } else { payload };
    RecordedRequest { method, path, query: query.trim().to_owned(), headers, body: body.into() }
}
