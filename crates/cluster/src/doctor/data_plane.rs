//! The processes of the Broker class Kafka that events go through: how many of each are ready.

use serde_json::Value;

use super::{Finding, code};
use crate::api::{Kind, kinds};

/// One of them, in Knative Eventing's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Deployment or StatefulSet.
    pub kind: Kind,
    /// Its name, as eventing-kafka-broker's manifests have it (`data-plane/config`).
    pub name: &'static str,
    /// What is so while none of its pods is ready.
    pub away: &'static str,
}

/// Those of a Broker.
pub const OF_BROKER: [Workload; 2] = [
    Workload {
        kind: kinds::DEPLOYMENT,
        name: "kafka-broker-receiver",
        away: "`ingest` answers 503, and senders that do not try again lose what they sent",
    },
    Workload {
        kind: kinds::STATEFUL_SET,
        name: "kafka-broker-dispatcher",
        away: "nothing is delivered; what is accepted waits in Kafka",
    },
];

/// That of a KafkaSink.
pub const OF_SINK: Workload = Workload {
    kind: kinds::DEPLOYMENT,
    name: "kafka-sink-receiver",
    away: "no dead letter is taken, and one that was tried for an hour is lost",
};

/// The finding of a workload's object; `None` where there is none.
pub fn judge(workload: &Workload, object: Option<&Value>) -> Option<Finding> {
    let Workload { kind, name, away } = workload;
    let subject = format!("{}/{name}", kind.singular());
    let Some(object) = object else {
        let what = format!("it is not in Knative Eventing's namespace: {away}");
        return Some(Finding::new(code::NOT_READY, subject, what));
    };
    match object["status"]["readyReplicas"].as_u64().unwrap_or(0) {
        0 => Some(Finding::new(code::NOT_READY, subject, format!("none of its pods is ready: {away}"))),
        1 => {
            let what = format!("one of its pods is ready; while that is away, {away}");
            Some(Finding::new(code::SINGLE_REPLICA, subject, what))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{OF_BROKER, OF_SINK, judge};

    #[test]
    fn fewer_than_two_ready_pods_are_found() {
        for workload in OF_BROKER.into_iter().chain([OF_SINK]) {
            let found = |ready: u64| judge(&workload, Some(&json!({"status": {"readyReplicas": ready}})));
            assert_eq!(found(2), None, "{}", workload.name);
            let single = found(1).unwrap();
            assert_eq!((single.code, single.level.as_str()), ("single-replica", "warning"));
            assert!(single.what.contains(workload.away), "{}", single.what);
            assert_eq!(found(0).unwrap().code, "not-ready");
        }
    }

    #[test]
    fn one_that_is_not_there_or_has_no_pod_yet_is_found() {
        assert_eq!(judge(&OF_SINK, None).unwrap().subject, "deployment/kafka-sink-receiver");
        let scaled_down = json!({"spec": {"replicas": 0}, "status": {}});
        let found = judge(&OF_BROKER[1], Some(&scaled_down)).unwrap();
        assert_eq!(
            (found.subject.as_str(), found.code),
            ("statefulset/kafka-broker-dispatcher", "not-ready")
        );
    }
}
