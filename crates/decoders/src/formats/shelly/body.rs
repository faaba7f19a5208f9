//! A request, read: the objects of its body, or the fields of its query as one.

use event_model::RecordedRequest;

use super::report::{Report, Topic};
use crate::decode::{FormError, Problem};
use crate::form::{self, FORM, expect_method, object_of_fields, parse_json_or_form};
use crate::json::{Node, Object};

/// What was sent, and what is around it.
pub(super) struct Body {
    root: Node,
    /// The path behind the hook, where there is one: the user's name of the device.
    path: Option<String>,
    /// The topic that a bridge took it from.
    topic: Topic,
    /// The fields whose token the device did not replace.
    pub(super) unfilled: Vec<String>,
    /// What stands before the place of what is in it.
    place: &'static str,
}

impl Body {
    /// A webhook or an action URL has its values in the query; scripts and bridges post JSON or a form.
    pub(super) fn read(request: &RecordedRequest) -> Result<Self, FormError> {
        expect_method(request, &["GET", "POST", "PUT"])?;
        let path = behind_hook(&request.path);
        let topic =
            object_of_fields(&request.query).get("topic").and_then(|member| Topic::of(member.node.as_str()?));
        let root = parse_json_or_form(request)?;
        let is_form = request.media_type().as_deref() == Some(FORM) || request.body.trim_ascii().is_empty();
        let body = |root, topic, place| Self { root, path, topic, unfilled: Vec::new(), place };
        if is_form {
            let (root, unfilled) = without_tokens(root);
            return Ok(Self { unfilled, ..body(root, Topic::default(), "") });
        }
        match bridged(&root)? {
            Some((topic, payload)) => Ok(body(payload, topic, "payload.")),
            None if matches!(root, Node::Object(_) | Node::List(_)) => {
                Ok(body(root, topic.unwrap_or_default(), ""))
            }
            None => Err(form::no_object(&root)),
        }
    }

    /// Each object of the body, as far as it is one.
    pub(super) fn reports(&self) -> impl Iterator<Item = Result<Report<'_>, Problem>> {
        let items = self.root.as_list().unwrap_or(std::slice::from_ref(&self.root));
        let is_list = self.root.as_list().is_some();
        items.iter().enumerate().map(move |(index, item)| {
            let place = if is_list { format!("{}[{index}].", self.place) } else { self.place.to_owned() };
            Report::of(item, &self.topic, place).map(|report| report.named_else(self.path.as_deref()))
        })
    }
}

/// What a user wrote behind `/hooks/<source>/`.
fn behind_hook(path: &str) -> Option<String> {
    let behind = path.trim_start_matches('/').splitn(3, '/').nth(2)?.trim_matches('/');
    (!behind.is_empty()).then(|| event_model::form::percent_decoded(behind).into_owned())
}

/// The fields of a query or a form without those that hold a token (`${ev.tC}`), and the names of those.
fn without_tokens(root: Node) -> (Node, Vec<String>) {
    let Node::Object(mut fields) = root else { return (root, Vec::new()) };
    let mut unfilled = Vec::new();
    fields.retain(|name, member| {
        let is_unfilled = member.node.as_str().is_some_and(|text| text.contains("${"));
        unfilled.extend(is_unfilled.then(|| name.to_string()));
        !is_unfilled
    });
    (Node::Object(fields), unfilled)
}

/// The topic and the message of a bridge's `{"topic": ..., "payload": ...}`; a message may be an object or its text.
fn bridged(root: &Node) -> Result<Option<(Topic, Node)>, FormError> {
    let member =
        |key: &str| root.as_object().and_then(|object: &Object| object.get(key)).map(|member| &member.node);
    let Some(topic) = member("topic").and_then(Node::as_str) else { return Ok(None) };
    let Some(payload) = member("payload") else { return Ok(None) };
    let within = |error: FormError| FormError::Malformed(format!("payload: {error}"));
    let message = match payload {
        Node::Text(text) if text.trim_start().starts_with('{') => {
            form::object_of(text.as_bytes()).map_err(within)?
        }
        Node::Object(_) => payload.clone(),
        // `online`, and the bare values of other topics.
        _ => Node::Object(Box::default()),
    };
    Ok(Some((Topic::of(topic).unwrap_or_default(), message)))
}
