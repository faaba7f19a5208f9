//! What of `InfluxDB`'s HTTP API is beside the writing of lines: health, the making of a database, errors.

use event_model::{RecordedRequest, form};

use crate::decode::{Context, DecodeError, Decoded, FormError, Handshake, Inspection, Profile};
use crate::format::{Document, Health};

/// Where version 3 is written to.
pub(super) const WRITE_3: &str = "/api/v3/write_lp";
/// Where versions 3, 2 and 1 are written to, and the parameter that names the database or bucket.
pub(super) const WRITES: [(&str, &str); 3] = [(WRITE_3, "db"), ("/api/v2/write", "bucket"), ("/write", "db")];

/// The last release that has all of `/write`, `/api/v2/write`, `/ping` and `/health`. Clients want the field, and some take the
/// number apart.
const HEADERS: [(&str, &str); 2] = [("x-influxdb-build", "OSS"), ("x-influxdb-version", "1.8.10")];

/// `/ping`: 204, and 200 with `verbose=true` (`InfluxDB` 1 and 2, API reference, `/ping`). `/health`: 200 with the status
/// (`http/health.go` of `InfluxDB` 2).
pub(super) fn health(path: &str, query: &str) -> Option<Health> {
    let (status, body) = match path.rsplit('/').next()? {
        "ping" if form::fields(query).any(|field| field.name() == "verbose" && field.value() == "true") => {
            (200, r#"{"version":"1.8.10"}"#)
        }
        "ping" => (204, ""),
        "health" => (
            200,
            r#"{"name":"influxdb","message":"ready for queries and writes","status":"pass","checks":[],"version":"1.8.10"}"#,
        ),
        _ => return None,
    };
    Some(Health { status, headers: &HEADERS, body })
}

/// `error` is read by clients of version 1, `code` and `message` by those of version 2 (API reference, "errors").
pub(super) fn error_members(status: u16, detail: &str) -> Vec<(&'static str, String)> {
    let code = match status {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        413 => "request too large",
        415 => "unsupported media type",
        422 => "unprocessable entity",
        429 => "too many requests",
        500.. => "unavailable",
        _ => "invalid",
    };
    vec![("code", code.to_owned()), ("message", detail.to_owned()), ("error", detail.to_owned())]
}

/// A query, in the address or in the body: `CREATE DATABASE`, which Telegraf and others send before they write, is answered; a
/// source answers no other. `None` where the request asks nothing.
pub(super) fn query(request: &RecordedRequest) -> Option<Result<Box<dyn Document>, FormError>> {
    if !request.path.ends_with("/query") {
        return None;
    }
    let body = std::str::from_utf8(&request.body).unwrap_or_default();
    let mut fields = form::fields(&request.query).chain(form::fields(body));
    let query = fields.find(|field| field.raw_name == "q")?.value();
    let mut words = query.split_ascii_whitespace();
    let mut is_next = |word: &str| words.next().is_some_and(|next| next.eq_ignore_ascii_case(word));
    if is_next("create") && is_next("database") {
        return Some(Ok(Box::new(CreateDatabase)));
    }
    let reason = "a source takes points, and answers no query but CREATE DATABASE";
    Some(Err(FormError::Unprocessable(reason.to_owned())))
}

/// There is nothing to make: the source is the database.
struct CreateDatabase;

impl Document for CreateDatabase {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        Ok(Inspection { handshake: Some(Handshake::InfluxDatabase), ..Inspection::default() })
    }

    fn read(&self, _context: Context<'_>) -> Result<Decoded, DecodeError> {
        Ok(Decoded::default())
    }
}
