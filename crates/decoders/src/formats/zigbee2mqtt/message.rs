//! The messages of a request, each with its topic.

use event_model::RecordedRequest;

use super::topic::{Kind, Topic};
use crate::decode::{FormError, Problem};
use crate::form;
use crate::formats::mqtt;
use crate::json::{Member, Node, Object};

/// In which some bridges pass on the topic.
pub(super) const TOPIC_HEADER: &str = "x-topic";

/// What was posted.
pub(super) struct Body {
    pub(super) messages: Vec<Result<Message, Problem>>,
    /// A list of messages, where a bad one does not lose the others.
    pub(super) is_list: bool,
}

/// A message, and the topic that it came under.
pub(super) struct Message {
    topic: Topic,
    /// The properties; `None` where the message has none.
    pub(super) state: Option<Object>,
    /// What stands before a property in the body: `[1].payload.`, or nothing.
    pub(super) place: String,
    /// The friendly name that the state brings itself (`include_device_information`).
    named: Option<String>,
}

impl Message {
    fn new(topic: Topic, state: Option<Object>, place: String) -> Self {
        let about = state.as_ref().and_then(|state| Some(&state.get("device")?.node));
        let named = about.and_then(|about| about.get("friendlyName").or_else(|| about.get("ieeeAddr")));
        let named = named.and_then(Node::as_str).map(str::to_owned);
        Self { topic, state, place, named }
    }

    /// The friendly name, as written.
    pub(super) fn device(&self) -> Option<&str> {
        self.topic.device.as_deref().or(self.named.as_deref())
    }
}

impl Body {
    /// One message, or a list of them: its text alone, with the topic beside it, or a bridge's `{"topic": ..., "payload": ...}`.
    pub(super) fn read(request: &RecordedRequest) -> Result<Self, FormError> {
        let topic = Topic::of(&topic(request));
        let one = |message| Self { messages: vec![Ok(message)], is_list: false };
        let node = match text(&topic, &request.body)? {
            Text::Json(node) => node,
            Text::Nothing => return Ok(one(Message::new(topic, None, String::new()))),
            Text::Value(node) => return attribute(&topic, node, String::new()).map(one),
        };
        let Node::List(items) = node else { return item(&topic, node, "").map(one) };
        let messages: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(index, node)| {
                let place = format!("[{index}]");
                item(&topic, node, &format!("{place}."))
                    .map_err(|error| Problem::new(place, error.to_string()))
            })
            .collect();
        match messages.first() {
            None => Err(FormError::Unprocessable("the list holds no message".to_owned())),
            Some(Err(problem)) if messages.iter().all(Result::is_err) => {
                Err(FormError::Unprocessable(format!("{}: {}", problem.place, problem.reason)))
            }
            _ => Ok(Self { messages, is_list: true }),
        }
    }
}

/// The topic in the query or the path, else in the header field.
fn topic(request: &RecordedRequest) -> String {
    let topic = mqtt::topic(request);
    let is_named = !topic.trim_matches('/').is_empty();
    if is_named { topic } else { request.header(TOPIC_HEADER).unwrap_or_default().to_owned() }
}

/// What the text of a message is.
enum Text {
    Json(Node),
    /// A value by itself: `21.5`, `ON`.
    Value(Node),
    /// There is none, or it says nothing about values.
    Nothing,
}

/// Reads the text of a message. What says nothing about values is not looked at (`online`), nor is what is not there: that is
/// how MQTT takes back a message that was retained.
fn text(topic: &Topic, text: &[u8]) -> Result<Text, FormError> {
    let trimmed = text.trim_ascii();
    if topic.kind == Kind::Other || trimmed.is_empty() && topic.device.is_some() {
        return Ok(Text::Nothing);
    }
    let is_value = !trimmed.starts_with(b"{") && !trimmed.starts_with(b"[") && topic.attribute().is_some();
    match (Node::parse(text), std::str::from_utf8(trimmed)) {
        (Ok(node), _) if is_value => Ok(Text::Value(node)),
        (Ok(node), _) => Ok(Text::Json(node)),
        (Err(_), Ok(word)) if is_value => Ok(Text::Value(Node::Text(word.into()))),
        (Err(error), _) => Err(FormError::Malformed(error.to_string())),
    }
}

/// A message in JSON: a state, or what a bridge passes on with its topic.
fn item(topic: &Topic, node: Node, place: &str) -> Result<Message, FormError> {
    let Some((own, payload)) = mqtt::bridged(&node) else {
        return state(topic, node, place.to_owned());
    };
    let own = Topic::of(own);
    let place = format!("{place}payload.");
    let within = mqtt::within_payload;
    match payload {
        _ if own.kind == Kind::Other => Ok(Message::new(own, None, place)),
        Node::Null => Ok(Message::new(own, None, place)),
        Node::Text(payload) => match text(&own, payload.as_bytes()).map_err(within)? {
            Text::Json(node) => state(&own, node, place).map_err(within),
            Text::Value(node) => attribute(&own, node, place).map_err(within),
            Text::Nothing => Ok(Message::new(own, None, place)),
        },
        Node::Object(_) => state(&own, payload.clone(), place).map_err(within),
        other => attribute(&own, other.clone(), place).map_err(within),
    }
}

fn state(topic: &Topic, node: Node, place: String) -> Result<Message, FormError> {
    match node {
        Node::Object(state) => Ok(Message::new(topic.clone(), Some(*state), place)),
        other => Err(form::no_object(&other)),
    }
}

/// A single value under `<friendly name>/<attribute>`. The bare `action` is for the triggers of Home Assistant: the state has it too.
fn attribute(topic: &Topic, node: Node, place: String) -> Result<Message, FormError> {
    let (Some((device, attribute)), false) = (topic.attribute(), matches!(node, Node::List(_))) else {
        return Err(form::no_object(&node));
    };
    let topic = Topic { device: Some(device.to_owned()), kind: topic.kind };
    let mut state = Object::default();
    state.insert(attribute.into(), Member { node, repeated: false });
    Ok(Message::new(topic, (attribute != "action").then_some(state), place))
}
