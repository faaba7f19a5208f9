//! What formats of MQTT share: a message comes without its broker, posted by a bridge or an automation, and its topic comes
//! beside it.

use event_model::{RecordedRequest, form};

use crate::decode::FormError;
use crate::form::{query_value, source_path};
use crate::json::Node;

/// The topic that the request names: in the query (`?topic=`), else in its path behind `/hooks/<source>/`.
pub(super) fn topic(request: &RecordedRequest) -> String {
    query_value(request, "topic")
        .unwrap_or_else(|| form::percent_decoded(source_path(&request.path)).into_owned())
}

/// Topic and payload of a bridge's `{"topic": ..., "payload": ...}`.
pub(super) fn bridged(node: &Node) -> Option<(&str, &Node)> {
    let members = node.as_object()?;
    let member = |key: &str| members.get(key).map(|member| &member.node);
    Some((member("topic")?.as_str()?, member("payload")?))
}

/// A refusal of what stands in a bridge's `payload`.
pub(super) fn within_payload(error: FormError) -> FormError {
    match error {
        FormError::Malformed(reason) => FormError::Malformed(format!("payload: {reason}")),
        other => FormError::Unprocessable(format!("payload: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use event_model::RecordedRequest;

    use super::{bridged, topic};
    use crate::json::Node;

    #[test]
    fn a_topic_comes_in_the_query_or_in_the_path() {
        let topic = |target: &str| {
            topic(&RecordedRequest::parse(format!("POST {target} HTTP/1.1\n\n").as_bytes()).unwrap())
        };
        assert_eq!(topic("/hooks/home/a/k%C3%BCche"), "a/küche");
        assert_eq!(topic("/hooks/home/a?topic=b%2Fc+d"), "b/c d");
        assert_eq!(topic("/hooks/home"), "");
    }

    #[test]
    fn a_bridges_message_has_both_members() {
        let node = |text: &str| Node::parse(text.as_bytes()).unwrap();
        assert_eq!(bridged(&node(r#"{"topic": "a", "payload": null}"#)), Some(("a", &Node::Null)));
        for other in [r#"{"topic": 1, "payload": 1}"#, r#"{"topic": "a"}"#, r#"{"payload": "a"}"#, "[]"] {
            assert_eq!(bridged(&node(other)), None, "{other}");
        }
    }
}
