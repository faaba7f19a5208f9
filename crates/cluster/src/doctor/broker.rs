//! The Broker, its class, and where dead letters go.

use serde_json::Value;
use topology::{Delivery, PAYLOADS};

use super::{Finding, code};
use crate::object::{annotation, condition, event_type, is_ready, name, text, variable};

/// The class whose events outlive a restart.
pub const KAFKA_CLASS: &str = "Kafka";
const CLASS: &str = "eventing.knative.dev/broker.class";
const KAFKA_SINKS: &str = "kafkasinks.eventing.knative.dev";

/// The Broker's class.
pub fn class(broker: &Value) -> &str {
    annotation(broker, CLASS)
}

/// The Triggers of what must not be lost in a Broker: of payloads, but for those that `ingest` stores by itself and never gives to
/// the Broker. `ingest` is the pod spec of that stage.
pub fn of_payloads<'a>(triggers: &'a [Value], ingest: Option<&Value>) -> Vec<&'a Value> {
    let says = |name, value| ingest.and_then(|spec| variable(spec, name)) == Some(value);
    let stores = says("MODE", "direct") && says("FALLBACK", "none");
    let is_payload = |trigger: &&Value| {
        let event_type = event_type(trigger);
        Delivery::of(event_type).dead_letters && !(stores && event_type == PAYLOADS.event_type)
    };
    triggers.iter().filter(is_payload).collect()
}

/// What the Broker that the Triggers name tells. `definitions` are the cluster's custom resources; `of_payloads` are the Triggers of
/// what must not be lost.
pub fn look(
    wanted: &str,
    broker: Option<&Value>,
    definitions: &[Value],
    of_payloads: &[&Value],
) -> Vec<Finding> {
    let subject = format!("broker/{wanted}");
    let Some(broker) = broker else {
        return vec![Finding::new(code::BROKER_MISSING, subject, "there is no such Broker in the namespace")];
    };
    let mut found = Vec::new();
    let class = class(broker);
    let has_kafka = definitions.iter().any(|definition| name(definition) == KAFKA_SINKS);
    if class.starts_with(KAFKA_CLASS) && !has_kafka && !is_ready(broker) {
        let what = "its class is Kafka, and the cluster has no Kafka Broker";
        found.push(Finding::new(code::KAFKA_BROKER_MISSING, subject, what));
    } else if !is_ready(broker) {
        let reason = condition(broker, "Ready").map_or_else(String::new, |ready| ready.reason);
        let what =
            if reason.is_empty() { "no controller has reported its state yet".to_owned() } else { reason };
        found.push(Finding::new(code::NOT_READY, subject, what));
    } else if !class.starts_with(KAFKA_CLASS) && !of_payloads.is_empty() {
        let what =
            format!("its class is {class}: with the in-memory channel it keeps nothing over a restart");
        found.push(Finding::new(code::BROKER_KEEPS_NOTHING, subject, what));
    }
    found
}

/// Triggers of payloads whose dead letters go to a service, or nowhere. Hints have none: the next tick asks again.
pub fn dead_letters(triggers: &[&Value]) -> Option<Finding> {
    let sink = |trigger: &Value, kind: &str| text(trigger, "/spec/delivery/deadLetterSink/ref/kind") == kind;
    let to_service = triggers.iter().filter(|trigger| sink(trigger, "Service")).count();
    let none =
        triggers.iter().filter(|trigger| trigger.pointer("/spec/delivery/deadLetterSink").is_none()).count();
    let of = triggers.len();
    let what = match (to_service, none) {
        (0, 0) => return None,
        (count, 0) => format!("{count} of {of} Triggers of payloads send them straight to a service"),
        (_, none) => format!("{none} of {of} Triggers of payloads have no dead letter sink at all"),
    };
    Some(Finding::new(code::DEAD_LETTERS_NOT_DURABLE, "dead letters", what))
}

/// The address of a Broker's topic in Kafka and of its Triggers' groups: `(trigger, topic, group)`.
pub fn groups(broker: &Value, triggers: &[Value]) -> Vec<(String, String, String)> {
    let topic = broker.pointer("/status/annotations/default.topic").and_then(Value::as_str);
    let Some(topic) = topic else { return Vec::new() };
    let of = |trigger: &Value| {
        let group = trigger.pointer("/status/annotations/group.id")?.as_str()?;
        Some((name(trigger).to_owned(), topic.to_owned(), group.to_owned()))
    };
    triggers.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use event_model::event_types::{ALERTS_CHANGED, PAYLOAD_RECEIVED};
    use serde_json::{Value, json};

    use super::{dead_letters, groups, look, of_payloads};

    fn broker(class: &str, status: &str) -> Value {
        json!({
            "metadata": {"name": "plant", "annotations": {"eventing.knative.dev/broker.class": class}},
            "status": {
                "annotations": {"default.topic": "plant.events"},
                "conditions": [{"type": "Ready", "status": status, "reason": "NotSubscribed"}],
            },
        })
    }

    fn codes(broker: Option<&Value>) -> Vec<&'static str> {
        let trigger = trigger(PAYLOAD_RECEIVED, "Service");
        look("plant", broker, &[], &[&trigger]).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn each_fault_of_a_broker_has_its_own_code() {
        assert_eq!(codes(None), ["broker-missing"]);
        assert_eq!(codes(Some(&broker("Kafka", "Unknown"))), ["kafka-broker-missing"]);
        assert_eq!(codes(Some(&broker("MTChannelBasedBroker", "False"))), ["not-ready"]);
        assert_eq!(codes(Some(&broker("MTChannelBasedBroker", "True"))), ["broker-keeps-nothing"]);
        assert!(codes(Some(&broker("Kafka", "True"))).is_empty());
    }

    fn trigger(event_type: &str, kind: &str) -> Value {
        json!({"spec": {
            "filter": {"attributes": {"type": event_type}},
            "delivery": {"deadLetterSink": {"ref": {"kind": kind}}},
        }})
    }

    #[test]
    fn where_ingest_stores_payloads_only_events_of_others_can_be_lost_in_a_broker() {
        let ingest = |variables: Value| json!({"containers": [{"env": variables}]});
        let stores =
            ingest(json!([{"name": "MODE", "value": "direct"}, {"name": "FALLBACK", "value": "none"}]));
        let falls_back =
            ingest(json!([{"name": "MODE", "value": "direct"}, {"name": "FALLBACK", "value": "broker"}]));
        let own = [trigger(PAYLOAD_RECEIVED, "Service"), trigger(ALERTS_CHANGED, "Service")];
        assert!(of_payloads(&own, Some(&stores)).is_empty());
        assert_eq!(of_payloads(&own, Some(&falls_back)).len(), 1);
        assert_eq!(of_payloads(&own, Some(&ingest(json!([])))).len(), 1);
        let foreign = [trigger("com.example.reading", "Service")];
        assert_eq!(of_payloads(&foreign, Some(&stores)).len(), 1);
        let kept_nothing = look("plant", Some(&broker("MTChannelBasedBroker", "True")), &[], &[]);
        assert!(kept_nothing.is_empty(), "{kept_nothing:?}");
    }

    #[test]
    fn dead_letters_of_payloads_that_go_to_a_service_are_found() {
        let hint =
            json!({"spec": {"filter": {"attributes": {"type": ALERTS_CHANGED}}, "delivery": {"retry": 3}}});
        let own = |kind| trigger(PAYLOAD_RECEIVED, kind);
        let dead_letters = |triggers: &[Value]| dead_letters(&of_payloads(triggers, None));
        assert!(dead_letters(&[own("KafkaSink"), hint.clone()]).is_none());
        let found =
            dead_letters(&[own("KafkaSink"), trigger("com.example.reading", "Service"), hint]).unwrap();
        assert!(found.what.starts_with("1 of 2"), "{}", found.what);
        let foreign = json!({"spec": {"filter": {"attributes": {"type": "com.example.reading"}}}});
        assert!(dead_letters(&[foreign]).unwrap().what.contains("no dead letter sink"));
    }

    #[test]
    fn a_triggers_group_is_read_from_its_status() {
        let trigger = json!({"metadata": {"name": "t"}, "status": {"annotations": {"group.id": "g"}}});
        assert_eq!(
            groups(&broker("Kafka", "True"), &[trigger]),
            [("t".to_owned(), "plant.events".to_owned(), "g".to_owned())]
        );
    }
}
