//! A recorded HTTP request, as `application/http` text (RFC 9112): what `ingest` queues, what tests read,
//! what `freshet dead-letters show` prints and what `freshet send` replays.
//!
//! ```text
//! POST /hooks/greenhouse?event=up HTTP/1.1
//! content-type: application/json
//!
//! {"temperature": 21.5}
//! ```
//!
//! Written with CRLF; read with CRLF or LF. The body is everything after the empty line, byte for byte.

use std::fmt::Write as _;

use bytes::Bytes;
use thiserror::Error;

/// How many header fields a recorded request may have.
pub const MAX_HEADERS: usize = 64;

/// A request without what only mattered on its connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedRequest {
    /// The method, upper case.
    pub method: String,
    /// The path, still percent-encoded, without the query.
    pub path: String,
    /// The query, still percent-encoded, without `?`; empty if there is none.
    pub query: String,
    /// Header fields in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came; clones share it.
    pub body: Bytes,
}

/// Why a text is no recorded request.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum RequestError {
    /// The request line or a header field does not follow RFC 9112.
    #[error("not an HTTP request: {0}")]
    Syntax(#[from] httparse::Error),
    /// There is no empty line after the header fields.
    #[error("the request ends before the empty line that closes its header fields")]
    Truncated,
    /// A header value holds bytes that are no UTF-8.
    #[error("the value of header field `{0}` is not UTF-8")]
    HeaderNotText(String),
}

impl RecordedRequest {
    /// The first value of the header field `name` (given in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The media type of `content-type`, in lower case and without parameters.
    pub fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        let media_type = value.split(';').next().unwrap_or_default().trim();
        (!media_type.is_empty()).then(|| media_type.to_ascii_lowercase())
    }

    /// Path and query, as in the request line.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The request as `application/http` text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = String::with_capacity(128);
        // Writing into a String cannot fail.
        let _ = write!(head, "{} {} HTTP/1.1\r\n", self.method, self.target());
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads `application/http` text, which is copied once.
    ///
    /// # Errors
    /// As [`RecordedRequest::from_bytes`].
    pub fn parse(text: &[u8]) -> Result<Self, RequestError> {
        Self::from_bytes(&Bytes::copy_from_slice(text))
    }

    /// Reads `application/http` text; the body is a part of `text` and no copy.
    ///
    /// A target in absolute form (`POST http://host/path`) is taken without its scheme and authority.
    ///
    /// # Errors
    /// [`RequestError`] where the head does not follow RFC 9112.
    pub fn from_bytes(text: &Bytes) -> Result<Self, RequestError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(body_at) = head.parse(text)? else {
            return Err(RequestError::Truncated);
        };
        let target = without_authority(head.path.unwrap_or("/"));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = head
            .headers
            .iter()
            .map(|field| {
                let name = field.name.to_ascii_lowercase();
                match std::str::from_utf8(field.value) {
                    Ok(value) => Ok((name, value.to_owned())),
                    Err(_) => Err(RequestError::HeaderNotText(name)),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            method: head.method.unwrap_or("POST").to_ascii_uppercase(),
            // RFC 9112, section 3.2.1: a client sends an empty path as `/`.
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.to_owned(),
            headers,
            body: text.slice(body_at..),
        })
    }
}

/// The origin form of a request target.
fn without_authority(target: &str) -> &str {
    let Some((scheme, rest)) = target.split_once("://") else { return target };
    if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        rest.find(['/', '?']).map_or("/", |at| &rest[at..])
    } else {
        target
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, RecordedRequest, RequestError};

    #[test]
    fn what_is_written_is_read_back() {
        let request = RecordedRequest {
            method: "POST".into(),
            path: "/hooks/a%20b".into(),
            query: "event=up".into(),
            headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
            body: Bytes::from_static(b"{\"a\":1}\r\n\r\n\0"),
        };
        assert_eq!(RecordedRequest::parse(&request.to_bytes()), Ok(request.clone()));
        assert_eq!(request.media_type().as_deref(), Some("application/json"));
    }

    #[test]
    fn a_hand_written_file_with_bare_line_feeds_is_read() {
        let request =
            RecordedRequest::parse(b"post http://localhost:8080/hooks/x HTTP/1.1\nX-A: b\n\nbody\n").unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks/x"));
        assert_eq!(request.header("x-a"), Some("b"));
        assert_eq!(request.body.as_ref(), b"body\n");
    }

    #[test]
    fn a_target_without_a_path_is_the_root() {
        for target in ["?a=b", "http://localhost?a=b", "http://localhost/?a=b"] {
            let request =
                RecordedRequest::parse(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
            assert_eq!((request.path.as_str(), request.query.as_str()), ("/", "a=b"), "{target}");
        }
    }

    #[test]
    fn a_head_without_its_empty_line_is_refused() {
        assert_eq!(RecordedRequest::parse(b"GET / HTTP/1.1\r\nA: b\r\n"), Err(RequestError::Truncated));
    }
}
