//! The request as it goes on: without credentials, and with no more of its head than its format reads.

use actix_web::HttpRequest;
use actix_web::web::Bytes;
use decoders::Decoder;
use event_model::RecordedRequest;
use event_model::request::MAX_HEADERS;
use percent_encoding::percent_decode_str;

use crate::credentials::Traces;

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

/// Records `request`, whose body is given as it is after decompression.
pub(crate) fn record(
    request: &HttpRequest,
    body: Bytes,
    decoder: &dyn Decoder,
    traces: &Traces,
) -> RecordedRequest {
    let mut recorded = RecordedRequest {
        method: request.method().as_str().to_owned(),
        path: without_segments(request.uri().path(), &traces.segments),
        query: without_parameters(request.uri().query().unwrap_or_default(), &traces.parameters),
        headers: kept_headers(request, decoder, &traces.headers),
        body,
    };
    decoder.redact(&mut recorded);
    recorded
}

/// `/hooks/{source}` stays, whatever the secret is.
fn without_segments(path: &str, secrets: &[String]) -> String {
    const KEPT: usize = 3;
    let segments = path.split('/').enumerate();
    let kept = segments.filter(|(at, segment)| *at < KEPT || !secrets.iter().any(|secret| secret == segment));
    kept.map(|(_, segment)| segment).collect::<Vec<_>>().join("/")
}

fn without_parameters(query: &str, secrets: &[String]) -> String {
    let is_credential = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        let name = percent_decode_str(&name).decode_utf8_lossy();
        secrets.iter().any(|secret| *secret == name)
            || CREDENTIAL_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    query.split('&').filter(|pair| !is_credential(pair)).collect::<Vec<_>>().join("&")
}

fn kept_headers(request: &HttpRequest, decoder: &dyn Decoder, secrets: &[String]) -> Vec<(String, String)> {
    let kept = decoder.kept_headers();
    let is_kept = |name: &str| {
        let is_read = name == "content-type" || kept.contains(&name);
        is_read && !secrets.iter().any(|secret| secret == name)
    };
    let fields = request.headers().iter().filter(|(name, _)| is_kept(name.as_str()));
    let texts = fields.filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
    });
    texts.take(MAX_HEADERS).collect()
}

#[cfg(test)]
mod tests {
    use super::{without_parameters, without_segments};

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
