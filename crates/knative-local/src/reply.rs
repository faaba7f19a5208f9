//! What a subscriber's answer holds.

use cloudevents::Event;
use event_model::cloudevent;
use event_model::events::EXT_PARTITION_KEY;

use crate::http::Answer;
use crate::java_uri::check_uris;
use crate::record::Record;
use crate::strict::{Rule, Violations};

/// An answer below 300, read.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Empty: the event is done with.
    Nothing,
    /// One event, which goes into the same broker.
    Event(Record),
    /// Neither: a failure that is not tried again.
    NotAnEvent(String),
}

/// Reads an answer as the Kafka Broker does; 202 is no exception.
pub(crate) fn read(answer: &Answer) -> Reply {
    let structured =
        answer.header("content-type").is_some_and(|value| value.starts_with(cloudevent::STRUCTURED));
    let event = if structured {
        cloudevent::from_structured(&answer.body)
    } else {
        cloudevent::from_binary(fields(answer), answer.body.as_ref())
    };
    let event = event.map_err(|error| error.to_string()).and_then(|event| {
        check_uris(&event)?;
        Ok(event)
    });
    match event {
        Ok(event) => Reply::Event(record(&event, answer)),
        Err(_) if answer.body.is_empty() => Reply::Nothing,
        Err(reason) => Reply::NotAnEvent(reason),
    }
}

fn record(event: &Event, answer: &Answer) -> Record {
    Record::new(event, fields(answer))
}

fn fields(answer: &Answer) -> impl Iterator<Item = (&str, &str)> {
    answer.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}

/// Notes what a cluster would take in silence and the pipeline would suffer from.
pub(crate) fn check(strict: &Violations, at: &str, cause: &Record, reply: &Record) {
    let event_type = reply.attribute("type").unwrap_or_default();
    if cause.attribute("type") == reply.attribute("type") {
        strict.add(at, Rule::ReplyChangesType, format!("{event_type} is answered with itself"));
    }
    if cause.attribute(EXT_PARTITION_KEY).is_some() && reply.attribute(EXT_PARTITION_KEY).is_none() {
        strict.add(at, Rule::ReplyKeepsPartitionKey, event_type);
    }
    if let Some((name, _)) = reply.headers.iter().find(|(name, _)| name.starts_with("ce-knative")) {
        strict.add(at, Rule::ReplyDropsKnativeAttributes, format!("{event_type} has {name}"));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::StatusCode;

    use super::{Reply, read};
    use crate::http::Answer;

    fn answer(headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let mut answer = Answer::status(StatusCode::ACCEPTED);
        for (name, value) in headers {
            answer.headers.insert(*name, value.parse().unwrap());
        }
        answer.body = Bytes::from_static(body.as_bytes());
        answer
    }

    const EVENT: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/a"), ("ce-type", "t")];

    #[test]
    fn an_event_is_a_reply_even_with_an_empty_body() {
        assert!(matches!(read(&answer(&EVENT, "")), Reply::Event(_)));
        let structured = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t"}"#;
        let headers = [("content-type", "application/cloudevents+json; charset=utf-8")];
        assert!(matches!(read(&answer(&headers, structured)), Reply::Event(_)));
    }

    #[test]
    fn an_empty_body_without_a_whole_event_is_no_reply() {
        assert!(matches!(read(&answer(&[], "")), Reply::Nothing));
        assert!(matches!(read(&answer(&EVENT[..2], "")), Reply::Nothing));
    }

    #[test]
    fn any_other_body_is_a_failure() {
        assert!(matches!(read(&answer(&[], "OK")), Reply::NotAnEvent(_)));
        assert!(matches!(read(&answer(&EVENT[..3], "OK")), Reply::NotAnEvent(_)));
    }
}
