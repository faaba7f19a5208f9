//! The Broker, its class, and where dead letters go.

use serde_json::Value;

use super::{Finding, code};
use crate::object::{annotation, condition, is_ready, name, text};

/// The class whose events outlive a restart.
pub const KAFKA_CLASS: &str = "Kafka";
const CLASS: &str = "eventing.knative.dev/broker.class";
const KAFKA_SINKS: &str = "kafkasinks.eventing.knative.dev";

/// The Broker's class.
pub fn class(broker: &Value) -> &str {
    annotation(broker, CLASS)
}

/// What the Broker that the Triggers name tells. `definitions` are the cluster's custom resources.
pub fn look(wanted: &str, broker: Option<&Value>, definitions: &[Value]) -> Vec<Finding> {
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
        let what = if reason.is_empty() { "nobody has looked at it yet".to_owned() } else { reason };
        found.push(Finding::new(code::NOT_READY, subject, what));
    } else if !class.starts_with(KAFKA_CLASS) {
        let what =
            format!("its class is {class}: with the in-memory channel it keeps nothing over a restart");
        found.push(Finding::new(code::BROKER_KEEPS_NOTHING, subject, what));
    }
    found
}

/// Triggers whose dead letters go to a service.
pub fn dead_letters(triggers: &[Value]) -> Option<Finding> {
    let to_service = |trigger: &&Value| text(trigger, "/spec/delivery/deadLetterSink/ref/kind") == "Service";
    let without = |trigger: &&Value| trigger.pointer("/spec/delivery/deadLetterSink").is_none();
    let count = triggers.iter().filter(to_service).count();
    let none = triggers.iter().filter(without).count();
    let what = match (count, none) {
        (0, 0) => return None,
        (count, 0) => format!("{count} of {} Triggers send them straight to a service", triggers.len()),
        (_, none) => format!("{none} of {} Triggers have no dead letter sink at all", triggers.len()),
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
    use serde_json::{Value, json};

    use super::{dead_letters, groups, look};

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
        look("plant", broker, &[]).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn each_fault_of_a_broker_has_its_own_code() {
        assert_eq!(codes(None), ["broker-missing"]);
        assert_eq!(codes(Some(&broker("Kafka", "Unknown"))), ["kafka-broker-missing"]);
        assert_eq!(codes(Some(&broker("MTChannelBasedBroker", "False"))), ["not-ready"]);
        assert_eq!(codes(Some(&broker("MTChannelBasedBroker", "True"))), ["broker-keeps-nothing"]);
        assert!(codes(Some(&broker("Kafka", "True"))).is_empty());
    }

    #[test]
    fn dead_letters_that_go_to_a_service_are_told() {
        let trigger = |kind: &str| json!({"spec": {"delivery": {"deadLetterSink": {"ref": {"kind": kind}}}}});
        assert!(dead_letters(&[trigger("KafkaSink")]).is_none());
        let found = dead_letters(&[trigger("KafkaSink"), trigger("Service")]).unwrap();
        assert!(found.what.starts_with("1 of 2"), "{}", found.what);
        assert!(dead_letters(&[json!({"spec": {}})]).unwrap().what.contains("no dead letter sink"));
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
