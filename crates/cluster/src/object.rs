//! Facts of Kubernetes objects as JSON.

use serde_json::Value;

/// What a condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Reason and message in one.
    pub reason: String,
    /// When it became so.
    pub since: Option<jiff::Timestamp>,
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The text at `pointer`; empty where there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The `type` of the events that a Trigger takes.
pub fn event_type(trigger: &Value) -> &str {
    text(trigger, "/spec/filter/attributes/type")
}

/// The elements of the list at `pointer`.
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The label `key`.
pub fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["labels"][key].as_str().unwrap_or_default()
}

/// The annotation `key`.
pub fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["annotations"][key].as_str().unwrap_or_default()
}

/// The time at `pointer`.
pub fn time(object: &Value, pointer: &str) -> Option<jiff::Timestamp> {
    text(object, pointer).parse().ok()
}

/// The condition of this type.
pub fn condition(object: &Value, kind: &str) -> Option<Condition> {
    let found = list(object, "/status/conditions").iter().find(|condition| condition["type"] == kind)?;
    let parts = [text(found, "/reason"), text(found, "/message")];
    let reason = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    Some(Condition {
        status: text(found, "/status").to_owned(),
        reason,
        since: time(found, "/lastTransitionTime"),
    })
}

/// Whether the condition `Ready` is `True` for the newest generation.
pub fn is_ready(object: &Value) -> bool {
    let seen = object["status"]["observedGeneration"].as_i64();
    let newest = object["metadata"]["generation"].as_i64();
    let is_current = seen.is_none() || newest.is_none() || seen >= newest;
    is_current && condition(object, "Ready").is_some_and(|ready| ready.status == "True")
}

/// The value of the variable `name` of the pod spec's first container.
pub fn variable<'a>(pod_spec: &'a Value, name: &str) -> Option<&'a str> {
    let variables = list(pod_spec, "/containers/0/env");
    variables.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{condition, is_ready};

    #[test]
    fn an_object_is_ready_when_its_newest_generation_is() {
        let object = |seen: i64| {
            json!({
                "metadata": {"generation": 2},
                "status": {"observedGeneration": seen, "conditions": [{"type": "Ready", "status": "True"}]},
            })
        };
        assert!(is_ready(&object(2)));
        assert!(!is_ready(&object(1)));
        assert!(!is_ready(&json!({})));
    }

    #[test]
    fn a_condition_tells_its_reason_and_message() {
        let object = json!({"status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "RevisionMissing", "message": "no revision"}]}});
        assert_eq!(condition(&object, "Ready").unwrap().reason, "RevisionMissing: no revision");
    }
}
