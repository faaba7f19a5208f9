//! Credentials that the head of a request shows: a header field, `Authorization`, the query, the path.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use event_model::form;
use percent_encoding::percent_decode_str;
use pipeline_config::Credential;

use super::Lock;

pub(super) fn fits(lock: &Lock, request: &HttpRequest, tail: &str) -> bool {
    match &lock.credential {
        Credential::Header { name, .. } => {
            request.headers().get_all(name.as_str()).any(|value| lock.key.is(value.as_bytes()))
        }
        Credential::Bearer { .. } => {
            authorization(request, &["bearer", "token"]).any(|token| lock.key.is(token.as_bytes()))
        }
        Credential::Basic { user, .. } => {
            authorization(request, &["basic"]).any(|text| is_login(lock, user, text))
        }
        Credential::Query { key, .. } => {
            let shown = form::fields(request.query_string()).filter(|field| field.name() == *key);
            // All of them are looked at, whichever fits.
            shown.filter(|field| lock.key.is(field.value().as_bytes())).count() > 0
        }
        Credential::Path { .. } => matching_segments(lock, tail).next().is_some(),
        Credential::Hmac(_) | Credential::StandardWebhooks { .. } => false,
    }
}

/// The segments of the path behind the source's name that are the secret: it is the last one where the sender's address
/// is all ours, and not where the sender adds a path of its own (`/api/v2/write`).
pub(super) fn matching_segments<'a>(lock: &'a Lock, tail: &'a str) -> impl Iterator<Item = &'a str> {
    tail.split('/').filter(|segment| !segment.is_empty()).filter(|segment| {
        let decoded: Cow<'_, [u8]> = percent_decode_str(segment).into();
        lock.key.is(&decoded)
    })
}

/// What stands behind one of `schemes` (in lower case) in `Authorization`.
fn authorization<'a>(request: &'a HttpRequest, schemes: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    request.headers().get_all(AUTHORIZATION).filter_map(move |value| {
        let (scheme, rest) = value.to_str().ok()?.trim().split_once(' ')?;
        schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then(|| rest.trim())
    })
}

/// RFC 7617: Base64 of the user's name, a colon, the password.
fn is_login(lock: &Lock, user: &str, text: &str) -> bool {
    let Ok(login) = BASE64.decode(text) else { return false };
    let Some(colon) = login.iter().position(|byte| *byte == b':') else { return false };
    // Both are looked at in any case; the user's name is no secret.
    let is_password = lock.key.is(&login[colon + 1..]);
    is_password && login[..colon] == *user.as_bytes()
}
