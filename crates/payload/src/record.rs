//! The request as it goes on: without credentials, and with no more of its head than its format reads.

use bytes::Bytes;
use event_model::request::MAX_HEADERS;
use event_model::{RecordedRequest, form};

use crate::origin::Origin;
use crate::record_device::DEVICE_HEADER;
use crate::refusal::Refusal;

/// Parameters that are credentials by their name, whatever the source says it checks: senders put them into addresses,
/// and no format reads them.
const CREDENTIAL_PARAMETERS: [&str; 16] = [
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "confirmationtoken",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sig",
    "signature",
    "subscription-key",
    "token",
    "x-api-key",
];

/// The head of a request as it came.
#[derive(Debug, Clone)]
pub struct RequestHead<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// The query, still percent-encoded, without `?`; empty if there is none.
    pub query: &'a str,
    /// Header fields in order; names in lower case.
    pub headers: Vec<(&'a str, &'a [u8])>,
}

/// What of a request is a credential, and must go no further.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialTraces {
    /// Header fields, in lower case.
    pub headers: Vec<String>,
    /// Parameters of the query, decoded.
    pub parameters: Vec<String>,
    /// Segments of the path behind the source's name, as they are in the path.
    pub segments: Vec<String>,
}

impl<'a> RequestHead<'a> {
    /// The head of a request that was recorded before, by us or by hand.
    pub fn of(request: &'a RecordedRequest) -> Self {
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers = headers.collect();
        Self { method: &request.method, path: &request.path, query: &request.query, headers }
    }
}

/// Records a request, whose body is given as it is after decompression. A header value that is no UTF-8 is read as
/// ISO 8859-1, which is what such bytes were in HTTP (RFC 9110, section 5.5) and what Node.js writes.
///
/// # Errors
/// [`Refusal::Panicked`].
pub fn record(
    head: &RequestHead<'_>,
    body: Bytes,
    origin: Origin<'_>,
    traces: &CredentialTraces,
) -> Result<RecordedRequest, Refusal> {
    let mut recorded = RecordedRequest {
        method: head.method.to_owned(),
        path: without_segments(head.path, &traces.segments),
        query: without_parameters(head.query, &traces.parameters),
        headers: kept_headers(&head.headers, origin, &traces.headers),
        body,
    };
    origin.guarded(|| origin.decoder.redact(&mut recorded))?;
    Ok(recorded)
}

/// `/hooks/{source}` stays, whatever the secret is.
fn without_segments(path: &str, secrets: &[String]) -> String {
    const KEPT: usize = 3;
    let segments = path.split('/').enumerate();
    let kept = segments.filter(|(at, segment)| *at < KEPT || !secrets.iter().any(|secret| secret == segment));
    kept.map(|(_, segment)| segment).collect::<Vec<_>>().join("/")
}

fn without_parameters(query: &str, secrets: &[String]) -> String {
    form::without(query, |name| {
        secrets.iter().any(|secret| secret == name)
            || CREDENTIAL_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

fn kept_headers(headers: &[(&str, &[u8])], origin: Origin<'_>, secrets: &[String]) -> Vec<(String, String)> {
    let (kept, asks_record) = (origin.decoder.kept_headers(), origin.source.record_device().is_some());
    let is_kept = |name: &str| {
        let is_read =
            name == "content-type" || kept.contains(&name) || (asks_record && name == DEVICE_HEADER);
        is_read && !secrets.iter().any(|secret| secret == name)
    };
    let fields = headers.iter().filter(|(name, _)| is_kept(name));
    fields.map(|(name, value)| ((*name).to_owned(), text(value))).take(MAX_HEADERS).collect()
}

fn text(value: &[u8]) -> String {
    let latin_1 = |_| value.iter().copied().map(char::from).collect();
    std::str::from_utf8(value).map_or_else(latin_1, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{text, without_parameters, without_segments};

    #[test]
    fn a_header_value_is_utf_8_or_latin_1() {
        assert_eq!(text("Kühlhaus".as_bytes()), "Kühlhaus");
        assert_eq!(text(b"K\xfchlhaus"), "Kühlhaus");
    }

    #[test]
    fn a_secret_in_the_path_is_cut_out_wherever_it_stands() {
        let secrets = ["s3cret".to_owned()];
        assert_eq!(without_segments("/hooks/a/s3cret", &secrets), "/hooks/a");
        assert_eq!(without_segments("/hooks/a/s3cret/api/v2/write", &secrets), "/hooks/a/api/v2/write");
        assert_eq!(without_segments("/hooks/s3cret/s3cret", &secrets), "/hooks/s3cret");
    }

    #[test]
    fn parameters_that_are_credentials_are_cut_out() {
        let secrets = ["k".to_owned()];
        assert_eq!(without_parameters("k=1&precision=ns&%6b=2&Token=x&kk=3", &secrets), "precision=ns&kk=3");
        assert_eq!(without_parameters("", &secrets), "");
    }
}
