//! Where items go: a webhook, or a Broker as CloudEvents.

use event_model::{RecordedRequest, cloudevent, event_types, events};
use thiserror::Error;
use uuid::Uuid;

use cloudevents::{EventBuilder, EventBuilderV10};

use super::input::Item;

/// Where to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a webhook: recorded requests keep their own path below the URL's host, bodies go to the URL itself.
    Webhook {
        /// The URL that bodies are posted to.
        url: reqwest::Url,
    },
    /// To a Broker's ingress, as one CloudEvent an item.
    Broker {
        /// The Broker's URL.
        url: reqwest::Url,
        /// What the events say of themselves.
        envelope: Envelope,
    },
}

/// The attributes of the events that go to a Broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The source's name in `freshet.yaml`.
    pub source: String,
    /// `payload.received` wraps the item as a recorded request; any other type carries it as it is.
    pub event_type: String,
    /// The format's name, for `payload.received`.
    pub format: String,
}

/// A request ready to go, as often as it takes: every attempt is byte for byte the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why an item cannot be sent to a target.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The event's attributes are no valid CloudEvent.
    #[error("the event cannot be built: {0}")]
    Event(#[from] cloudevents::event::EventBuilderError),
}

/// Header fields of a recorded request that belong to its connection, not to it.
const CONNECTION_HEADERS: [&str; 5] = ["host", "connection", "content-length", "transfer-encoding", "expect"];

impl Target {
    /// `item` as a request to this target. `now` becomes the `time` of an event.
    ///
    /// # Errors
    /// [`TargetError`] where the item makes no valid event.
    pub fn outgoing(&self, item: Item, now: jiff::Timestamp) -> Result<Outgoing, TargetError> {
        match self {
            Self::Webhook { url } => Ok(to_webhook(url, item)),
            Self::Broker { url, envelope } => to_broker(url, envelope, item, now),
        }
    }
}

fn to_webhook(url: &reqwest::Url, item: Item) -> Outgoing {
    match item {
        Item::Body { content_type, bytes } => Outgoing {
            method: "POST".to_owned(),
            url: url.to_string(),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: bytes,
        },
        Item::Request(request) => {
            let mut place = url.clone();
            place.set_path(&request.path);
            place.set_query((!request.query.is_empty()).then_some(request.query.as_str()));
            let mut headers = request.headers;
            headers.retain(|(name, _)| !CONNECTION_HEADERS.contains(&name.as_str()));
            Outgoing { method: request.method, url: place.to_string(), headers, body: request.body.into() }
        }
    }
}

fn to_broker(
    url: &reqwest::Url,
    envelope: &Envelope,
    item: Item,
    now: jiff::Timestamp,
) -> Result<Outgoing, TargetError> {
    let id = Uuid::now_v7().to_string();
    let builder = EventBuilderV10::new()
        .ty(&envelope.event_type)
        .source(format!("/sources/{}", envelope.source))
        .time(now.to_string())
        .extension(events::EXT_PARTITION_KEY, id.as_str())
        .id(id.as_str());
    let event = if envelope.event_type == event_types::PAYLOAD_RECEIVED {
        let request = match item {
            Item::Request(request) => request,
            Item::Body { content_type, bytes } => RecordedRequest {
                method: "POST".to_owned(),
                path: format!("/hooks/{}", envelope.source),
                query: String::new(),
                headers: vec![("content-type".to_owned(), content_type.to_owned())],
                body: bytes.into(),
            },
        };
        builder
            .extension(events::EXT_PAYLOAD_FORMAT, envelope.format.as_str())
            .data(events::APPLICATION_HTTP, request.to_bytes())
            .build()?
    } else {
        let (content_type, bytes) = match item {
            Item::Request(request) => (
                request.header("content-type").unwrap_or("application/octet-stream").to_owned(),
                request.body.into(),
            ),
            Item::Body { content_type, bytes } => (content_type.to_owned(), bytes),
        };
        builder.data(content_type, bytes).build()?
    };
    let (headers, body) = cloudevent::to_binary(&event);
    Ok(Outgoing { method: "POST".to_owned(), url: url.to_string(), headers, body })
}

#[cfg(test)]
mod tests {
    use event_model::RecordedRequest;

    use super::{Item, Target};

    #[test]
    fn a_recorded_request_keeps_its_path_and_loses_its_connection() {
        let target = Target::Webhook { url: "http://127.0.0.1:8080/hooks/other".parse().unwrap() };
        let request = RecordedRequest {
            method: "PUT".into(),
            path: "/hooks/x/tele/pow1/SENSOR".into(),
            query: "event=up".into(),
            headers: vec![("host".into(), "sensors.example".into()), ("x-key".into(), "k".into())],
            body: "{}".into(),
        };
        let outgoing = target.outgoing(Item::Request(request), jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(outgoing.url, "http://127.0.0.1:8080/hooks/x/tele/pow1/SENSOR?event=up");
        assert_eq!(outgoing.headers, [("x-key".to_owned(), "k".to_owned())]);
    }
}
