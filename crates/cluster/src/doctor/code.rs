//! The kinds of findings. Their names are stable: scripts and docs/operations.md go by them.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something does not work.
    Error,
    /// Something will hurt.
    Warning,
    /// Good to know.
    Note,
}

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Its stable name.
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What to do.
    pub todo: &'static str,
}

impl Level {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

const fn error(name: &'static str, todo: &'static str) -> Code {
    Code { name, level: Level::Error, todo }
}

const fn warning(name: &'static str, todo: &'static str) -> Code {
    Code { name, level: Level::Warning, todo }
}

const fn note(name: &'static str, todo: &'static str) -> Code {
    Code { name, level: Level::Note, todo }
}

/// Kubernetes is older than Knative takes.
pub const KUBERNETES_TOO_OLD: Code = error(
    "kubernetes-too-old",
    "upgrade Kubernetes to 1.34 or newer: Knative refuses to start on older ones",
);
/// A custom resource of Knative is not there.
pub const KNATIVE_MISSING: Code =
    error("knative-missing", "install Knative Serving and Eventing; k8s/ has pinned manifests");
/// Knative is older than what is tested.
pub const KNATIVE_TOO_OLD: Code = warning("knative-too-old", "upgrade Knative to 1.22 or newer");
/// There is no release, or it cannot be seen.
pub const RELEASE_NOT_SEEN: Code = error(
    "release-not-seen",
    "install one, or name where it is with --namespace and --release; the other findings are of the cluster alone",
);
/// The Broker class Kafka is not installed.
pub const KAFKA_BROKER_MISSING: Code = error(
    "kafka-broker-missing",
    "install Knative's Kafka Broker and KafkaSink, or set broker.class to MTChannelBasedBroker for trying out",
);
/// The Broker that the Triggers name is not there.
pub const BROKER_MISSING: Code =
    error("broker-missing", "set broker.create=true, or broker.name to a Broker of this namespace");
/// An object is not ready.
pub const NOT_READY: Code = error(
    "not-ready",
    "read the reason; `kubectl describe` on the object shows more; right after an install it passes by itself",
);
/// A subscription, or a source of foreign events, has no Trigger.
pub const TRIGGER_MISSING: Code =
    error("trigger-missing", "run `helm upgrade` with the chart of this release: it has every Trigger");
/// The Broker keeps its events in memory.
pub const BROKER_KEEPS_NOTHING: Code = warning(
    "broker-keeps-nothing",
    "take mode=direct, or broker.class=Kafka: a restart of this Broker loses payloads that were accepted, and events of others",
);
/// A process that events go through has no second one beside it.
pub const SINGLE_REPLICA: Code = warning(
    "single-replica",
    "give it a second pod; docs/operations.md says how, for it is not the same for each",
);
/// Dead letters go straight to a service.
pub const DEAD_LETTERS_NOT_DURABLE: Code = warning(
    "dead-letters-not-durable",
    "set deadLetters.sink=kafka: while PostgreSQL is away, what the service cannot take is lost",
);
/// The migration Job failed.
pub const MIGRATION_FAILED: Code = error(
    "migration-failed",
    "read the Job's log, mend the database, delete the Job and run `helm upgrade`: it is made again",
);
/// Scaling to zero is switched off.
pub const SCALE_TO_ZERO_OFF: Code = warning(
    "scale-to-zero-off",
    "set enable-scale-to-zero to true in the ConfigMap config-autoscaler: stages never reach zero pods now",
);
/// Pods stay long after the last request.
pub const PODS_LINGER: Code = note(
    "pods-linger",
    "lower the setting in the ConfigMap config-autoscaler, or the stage's window and retention, if idle pods cost",
);
/// A stage asks for more than the cluster allows.
pub const SCALE_LIMITED: Code = warning(
    "scale-limited",
    "lower the stage's maxScale, or raise max-scale-limit in the ConfigMap config-autoscaler: its next revision is refused",
);
/// A stage's time-out is longer than the cluster allows.
pub const TIMEOUT_LIMITED: Code = error(
    "timeout-limited",
    "lower the stage's timeoutSeconds, or raise max-revision-timeout-seconds in the ConfigMap config-defaults",
);
/// A tag of a registry that Knative's controller cannot ask.
pub const TAG_NOT_RESOLVED: Code = warning(
    "tag-not-resolved",
    "name images by digest, or add the registry with its port to registries-skipping-tag-resolving in config-deployment",
);
/// A pod-spec feature that the stages use is switched off.
pub const FEATURE_OFF: Code =
    error("feature-off", "enable the feature in the ConfigMap config-features, or take the value away");
/// Not even one pod of each stage fits.
pub const NO_CAPACITY: Code =
    error("no-room", "add a node, or lower the requests of the stages: a stage that wakes stays Pending");
/// The stages cannot all grow to their bounds.
pub const LITTLE_CAPACITY: Code =
    note("little-room", "under the largest bursts pods will wait for room; add nodes or lower maxScale");
/// A right is missing.
pub const RIGHT_MISSING: Code =
    warning("right-missing", "ask for a Role with this verb on this resource; the commands named need it");
/// A part could not be looked at.
pub const NOT_LOOKED_AT: Code =
    warning("not-looked-at", "mend the cause and run the doctor again: this part is unknown now");
/// A pod of the release does not begin.
pub const POD_CANNOT_BEGIN: Code = error(
    "pod-cannot-begin",
    "make the Secret or the image that the reason names; the stages' pods will not begin either",
);
/// No connection to the database.
pub const DATABASE_UNREACHABLE: Code = error(
    "database-unreachable",
    "check the Secret that database.existingSecret names, the server, and network policies between them",
);
/// The database is reached over a network without TLS.
pub const DATABASE_PLAIN: Code = warning(
    "database-plain",
    "switch TLS on at the server and take `sslmode=disable` out of the database's URL, where the network is not yours alone",
);
/// Migrations have not run.
pub const SCHEMA_TOO_OLD: Code =
    error("schema-too-old", "read the migration Job's log; `helm upgrade` runs it, or run `freshet migrate`");
/// The database is ahead of the release.
pub const SCHEMA_NEWER: Code =
    note("schema-newer", "nothing, after a roll back: the release before works on the next schema");
/// No pipeline was ever activated, or another is in force.
pub const PIPELINE_NOT_ACTIVE: Code = error(
    "pipeline-not-active",
    "read the log of the Job that ends in -activate and run `helm upgrade`: until then no rule is evaluated",
);
/// The server has fewer connections than the stages may take.
pub const CONNECTIONS_SHORT: Code = warning(
    "connections-short",
    "raise max_connections, put a pooler in front, or lower maxScale or database.poolSize",
);
/// Dead letters wait for a person.
pub const DEAD_LETTERS_WAIT: Code =
    warning("dead-letters-wait", "look with `freshet dead-letters list` and send back with `replay`");
/// The evaluation of a stream fails.
pub const EVALUATION_FAILS: Code =
    warning("evaluation-fails", "the log of alert says why; each stream is tried again within the hour");
/// The worker found other records in its topic than it had to go on with.
pub const RECORDS_GONE: Code = warning(
    "records-gone",
    "ask their senders for what is missing, and let the topic keep records for longer than a worker may be away",
);
/// In direct mode neither the database nor the Broker took a payload.
pub const PAYLOADS_REFUSED: Code = warning(
    "payloads-refused",
    "read the log of ingest; while it refuses payloads nobody is reported silent, and who sends only once has lost them",
);
/// No connection to Kafka.
pub const KAFKA_UNREACHABLE: Code = error(
    "kafka-unreachable",
    "check kafka.bootstrapServers and kafka.security, the servers, and network policies between them",
);
/// A topic is not there.
pub const TOPIC_MISSING: Code =
    error("topic-missing", "let the migration Job make it (kafka.createTopics), or make it by hand");

/// Every kind.
pub const ALL: [Code; 35] = [
    KUBERNETES_TOO_OLD,
    KNATIVE_MISSING,
    KNATIVE_TOO_OLD,
    RELEASE_NOT_SEEN,
    KAFKA_BROKER_MISSING,
    BROKER_MISSING,
    NOT_READY,
    TRIGGER_MISSING,
    BROKER_KEEPS_NOTHING,
    SINGLE_REPLICA,
    DEAD_LETTERS_NOT_DURABLE,
    MIGRATION_FAILED,
    SCALE_TO_ZERO_OFF,
    PODS_LINGER,
    SCALE_LIMITED,
    TIMEOUT_LIMITED,
    TAG_NOT_RESOLVED,
    FEATURE_OFF,
    NO_CAPACITY,
    LITTLE_CAPACITY,
    RIGHT_MISSING,
    NOT_LOOKED_AT,
    POD_CANNOT_BEGIN,
    DATABASE_UNREACHABLE,
    DATABASE_PLAIN,
    SCHEMA_TOO_OLD,
    SCHEMA_NEWER,
    PIPELINE_NOT_ACTIVE,
    CONNECTIONS_SHORT,
    DEAD_LETTERS_WAIT,
    EVALUATION_FAILS,
    RECORDS_GONE,
    PAYLOADS_REFUSED,
    KAFKA_UNREACHABLE,
    TOPIC_MISSING,
];

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_kind_of_finding_has_its_paragraph_for_operators() {
        let page = include_str!("../../../../docs/operations.md");
        for code in ALL {
            assert!(
                page.contains(&format!("| `{}` |", code.name)),
                "{} is not in docs/operations.md",
                code.name
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
