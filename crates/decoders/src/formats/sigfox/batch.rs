//! Text: the lines of a `BATCH_URL` callback, and callbacks of the content type `text/plain`.

use event_model::{RecordedRequest, form};

use super::Item;
use crate::decode::FormError;
use crate::form::{FORM, object_of_fields, query_value};
use crate::json::{Member, Node, Object};

/// The line patterns of Sigfox's documentation and of what is written after it; each has another number of values.
const PATTERNS: [&str; 3] = [
    "device;time;duplicate;snr;station;data;avgSnr;lat;lng;rssi;seqNumber",
    "device;time;temp;batt;duplicate;seqNumber;snr;rssi;lat;lng;station;avgSnr",
    "device;time;duplicate;snr;station;data;avgSnr;lat;lng;rssi;seqNumber;ack;longPolling",
];

/// The callbacks in the lines of a text; `None` where the request holds no such text.
pub(super) fn of(request: &RecordedRequest) -> Result<Option<Vec<Item>>, FormError> {
    let Some(text) = text(request)? else { return Ok(None) };
    let pattern = query_value(request, "line");
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let items: Vec<_> = lines
        .map(|(index, line)| Item {
            fields: fields(line.trim(), pattern.as_deref()).map(|fields| Node::Object(Box::new(fields))),
            place: format!("line {}", index + 1),
        })
        .collect();
    if items.is_empty() {
        return Err(FormError::Malformed("the body holds no lines".to_owned()));
    }
    Ok(Some(items))
}

/// The text: `batch` in the query or a form, or a plain body that is no JSON.
fn text(request: &RecordedRequest) -> Result<Option<String>, FormError> {
    let body = request.body.trim_ascii();
    if body.is_empty() {
        return Ok(query_value(request, "batch"));
    }
    let is_json = body.starts_with(b"{") || body.starts_with(b"[");
    let is_plain = request.media_type().as_deref() == Some("text/plain") && !is_json;
    let is_batch = request.media_type().as_deref() == Some(FORM) && body.starts_with(b"batch=");
    if !is_plain && !is_batch {
        return Ok(None);
    }
    let text = std::str::from_utf8(body);
    let text = text.map_err(|_| FormError::Malformed("the text is not valid UTF-8".to_owned()))?;
    let batch = || form::fields(text).next().map(|field| field.value().into_owned());
    Ok(if is_batch { batch() } else { Some(text.to_owned()) })
}

/// The fields of a line.
fn fields(line: &str, pattern: Option<&str>) -> Result<Object, String> {
    if let Some(pattern) = pattern {
        let separator = if pattern.contains(';') { ';' } else { ',' };
        return paired(pattern, line, separator);
    }
    if let Some(fields) = named(line) {
        return Ok(fields);
    }
    let count = line.split(';').count();
    let known = PATTERNS.iter().find(|pattern| pattern.split(';').count() == count);
    let unknown = || {
        format!(
            "a line of {count} values is of no pattern that is known; name its variables in the address: ?line=device;time;temp"
        )
    };
    paired(known.ok_or_else(unknown)?, line, ';')
}

/// The values of a line under the names of its pattern.
fn paired(pattern: &str, line: &str, separator: char) -> Result<Object, String> {
    let (names, values) = (pattern.split(separator).count(), line.split(separator).count());
    if names != values {
        return Err(format!("expected {names} values, found {values}"));
    }
    let names = pattern.split(separator).map(|name| name.trim().trim_matches(['{', '}']));
    let pairs = names.zip(line.split(separator).map(str::trim));
    Ok(collected(pairs.filter(|(name, _)| !name.is_empty())))
}

/// `device:1D4F7A; data:00; time:1768474800`, or the same with `=`, or as a form.
fn named(line: &str) -> Option<Object> {
    if line.contains('&') && line.contains('=') {
        return Some(object_of_fields(line));
    }
    let pair = |field: &'_ str| {
        let (name, value) = field.split_once([':', '='])?;
        let name = name.trim();
        let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
        is_name.then(|| (name.to_owned(), value.trim().to_owned()))
    };
    let fields = line.split(';').filter(|field| !field.trim().is_empty());
    let pairs: Vec<(String, String)> = fields.map(pair).collect::<Option<_>>()?;
    Some(collected(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
}

fn collected<'t>(pairs: impl Iterator<Item = (&'t str, &'t str)>) -> Object {
    let mut fields = Object::default();
    for (name, value) in pairs {
        let member = Member { node: Node::Text(value.into()), repeated: false };
        let (at, before) = fields.insert_full(name.into(), member);
        fields[at].repeated = before.is_some();
    }
    fields
}
