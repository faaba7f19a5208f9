//! A record of the log: one CloudEvent in binary mode.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use cloudevents::Event;
use event_model::cloudevent;
use thiserror::Error;

/// Header fields that travel beside the event's own.
pub(crate) const TRACE_HEADERS: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// Kafka's `max.request.size` as eventing-kafka-broker ships it.
const MAX_BYTES: usize = 1_048_576;

/// An event as it lies in the log and as it is delivered: `ce-*` fields, `content-type`, trace fields; and the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// A record in the log cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a record of the log is damaged")]
pub(crate) struct Damaged;

impl Record {
    /// The record of an event; of `fields` only the trace is kept.
    pub(crate) fn new<'a>(event: &Event, fields: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut headers, body) = cloudevent::to_binary(event);
        headers.extend(
            fields
                .filter(|(name, _)| TRACE_HEADERS.contains(name))
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Self { headers, body: Bytes::from(body) }
    }

    /// The attribute of this name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| match field.strip_prefix("ce-") {
                Some(attribute) => attribute == name,
                None => name == "datacontenttype" && field == "content-type",
            })
            .map(|(_, value)| value.as_str())
    }

    /// Sets an attribute, in the place of one of the same name.
    pub(crate) fn set_attribute(&mut self, name: &str, value: String) {
        let field = format!("ce-{name}");
        self.headers.retain(|(other, _)| *other != field);
        self.headers.push((field, value));
    }

    /// Whether Kafka would take it.
    pub(crate) fn fits(&self) -> bool {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        headers + self.body.len() <= MAX_BYTES
    }

    /// Two lengths and a text for each field, behind their number; then the data.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = BytesMut::with_capacity(self.body.len() + self.headers.len() * 64);
        bytes.put_u16(u16::try_from(self.headers.len()).expect("an event has fewer than 65,536 attributes"));
        for (name, value) in &self.headers {
            for text in [name, value] {
                bytes.put_u32(u32::try_from(text.len()).expect("a record is smaller than 4 GiB"));
                bytes.put_slice(text.as_bytes());
            }
        }
        bytes.put_slice(&self.body);
        bytes.to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = Bytes::copy_from_slice(bytes);
        let count = rest.try_get_u16().map_err(|_| Damaged)?;
        let mut headers = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            headers.push((text(&mut rest)?, text(&mut rest)?));
        }
        Ok(Self { headers, body: rest })
    }
}

fn text(rest: &mut Bytes) -> Result<String, Damaged> {
    let length = rest.try_get_u32().map_err(|_| Damaged)? as usize;
    if rest.len() < length {
        return Err(Damaged);
    }
    String::from_utf8(rest.split_to(length).to_vec()).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Record;

    #[test]
    fn a_record_reads_back() {
        let record = Record {
            headers: vec![
                ("ce-id".to_owned(), "1".to_owned()),
                ("content-type".to_owned(), "a/b".to_owned()),
            ],
            body: Bytes::from_static(b"\x00data"),
        };
        let bytes = record.to_bytes();
        assert_eq!(Record::from_bytes(&bytes).as_ref(), Ok(&record));
        assert_eq!(record.attribute("datacontenttype"), Some("a/b"));
        for length in 0..bytes.len() - record.body.len() {
            assert!(Record::from_bytes(&bytes[..length]).is_err());
        }
    }
}
