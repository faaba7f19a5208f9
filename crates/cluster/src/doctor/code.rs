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

/// Declares the kinds, and [`ALL`] of them.
macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $level:ident($name:literal, $todo:literal);)*) => {
        $($(#[$doc])* pub const $constant: Code = $level($name, $todo);)*

        /// Every kind.
        pub const ALL: &[Code] = &[$($constant),*];
    };
}

codes! {
    /// Kubernetes is older than Knative takes.
    KUBERNETES_TOO_OLD = error(
        "kubernetes-too-old",
        "upgrade Kubernetes to 1.34 or newer: Knative refuses to start on older ones"
    );
    /// A custom resource of Knative is not there.
    KNATIVE_MISSING = error("knative-missing", "install Knative Serving and Eventing; k8s/ has pinned manifests");
    /// Knative is older than what is tested.
    KNATIVE_TOO_OLD = warning("knative-too-old", "upgrade Knative to 1.22 or newer");
    /// There is no release, or it cannot be seen.
    RELEASE_NOT_SEEN = error(
        "release-not-seen",
        "install one, or name where it is with --namespace and --release; the other findings are of the cluster alone"
    );
    /// The Broker class Kafka is not installed.
    KAFKA_BROKER_MISSING = error(
        "kafka-broker-missing",
        "install Knative's Kafka Broker and KafkaSink, or set broker.class to MTChannelBasedBroker for trying out"
    );
    /// The Broker that the Triggers name is not there.
    BROKER_MISSING = error("broker-missing", "set broker.create=true, or broker.name to a Broker of this namespace");
    /// An object is not ready.
    NOT_READY = error(
        "not-ready",
        "read the reason; `kubectl describe` on the object shows more; right after an install it passes by itself"
    );
    /// A subscription, or a source of foreign events, has no Trigger.
    TRIGGER_MISSING = error(
        "trigger-missing",
        "run `helm upgrade` with the chart of this release: it has every Trigger"
    );
    /// The Broker keeps its events in memory.
    BROKER_KEEPS_NOTHING = warning(
        "broker-keeps-nothing",
        "take mode=direct, or broker.class=Kafka: a restart of this Broker loses payloads that were accepted, and events of others"
    );
    /// A process that events go through has no second one beside it.
    SINGLE_REPLICA = warning(
        "single-replica",
        "give it a second pod; docs/operations.md says how, for it is not the same for each"
    );
    /// Dead letters go straight to a service.
    DEAD_LETTERS_NOT_DURABLE = warning(
        "dead-letters-not-durable",
        "set deadLetters.sink=kafka: while PostgreSQL is away, what the service cannot take is lost"
    );
    /// The migration Job failed.
    MIGRATION_FAILED = error(
        "migration-failed",
        "read the Job's log, mend the database, delete the Job and run `helm upgrade`: it is made again"
    );
    /// Scaling to zero is switched off.
    SCALE_TO_ZERO_OFF = warning(
        "scale-to-zero-off",
        "set enable-scale-to-zero to true in the ConfigMap config-autoscaler: stages never reach zero pods now"
    );
    /// Pods stay long after the last request.
    PODS_LINGER = note(
        "pods-linger",
        "lower the setting in the ConfigMap config-autoscaler, or the stage's window and retention, if idle pods cost"
    );
    /// A stage asks for more than the cluster allows.
    SCALE_LIMITED = warning(
        "scale-limited",
        "lower the stage's maxScale, or raise max-scale-limit in the ConfigMap config-autoscaler: its next revision is refused"
    );
    /// A stage's time-out is longer than the cluster allows.
    TIMEOUT_LIMITED = error(
        "timeout-limited",
        "lower the stage's timeoutSeconds, or raise max-revision-timeout-seconds in the ConfigMap config-defaults"
    );
    /// A tag of a registry that Knative's controller cannot ask.
    TAG_NOT_RESOLVED = warning(
        "tag-not-resolved",
        "name images by digest, or add the registry with its port to registries-skipping-tag-resolving in config-deployment"
    );
    /// A pod-spec feature that the stages use is switched off.
    FEATURE_OFF = error("feature-off", "enable the feature in the ConfigMap config-features, or take the value away");
    /// Not even one pod of each stage fits.
    NO_CAPACITY = error("no-room", "add a node, or lower the requests of the stages: a stage that wakes stays Pending");
    /// The stages cannot all grow to their bounds.
    LITTLE_CAPACITY = note(
        "little-room",
        "under the largest bursts pods will wait for room; add nodes or lower maxScale"
    );
    /// A right is missing.
    RIGHT_MISSING = warning(
        "right-missing",
        "ask for a Role with this verb on this resource; the commands named need it"
    );
    /// A part could not be looked at.
    NOT_LOOKED_AT = warning("not-looked-at", "mend the cause and run the doctor again: this part is unknown now");
    /// A pod of the release does not begin.
    POD_CANNOT_BEGIN = error(
        "pod-cannot-begin",
        "make the Secret or the image that the reason names; the stages' pods will not begin either"
    );
    /// No connection to the database.
    DATABASE_UNREACHABLE = error(
        "database-unreachable",
        "check the Secret that database.existingSecret names, the server, and network policies between them"
    );
    /// The database is reached over a network without TLS.
    DATABASE_PLAIN = warning(
        "database-plain",
        "switch TLS on at the server and take `sslmode=disable` out of the database's URL, where the network is not yours alone"
    );
    /// Migrations have not run.
    SCHEMA_TOO_OLD = error(
        "schema-too-old",
        "read the migration Job's log; `helm upgrade` runs it, or run `freshet migrate`"
    );
    /// The database is ahead of the release.
    SCHEMA_NEWER = note("schema-newer", "nothing, after a roll back: the release before works on the next schema");
    /// No pipeline was ever activated, or another is in force.
    PIPELINE_NOT_ACTIVE = error(
        "pipeline-not-active",
        "read the log of the Job that ends in -activate and run `helm upgrade`: until then no rule is evaluated"
    );
    /// The server has fewer connections than the stages may take.
    CONNECTIONS_SHORT = warning(
        "connections-short",
        "raise max_connections, put a pooler in front, or lower maxScale or database.poolSize"
    );
    /// Dead letters wait for a person.
    DEAD_LETTERS_WAIT = warning(
        "dead-letters-wait",
        "look with `freshet dead-letters list` and send back with `replay`"
    );
    /// The evaluation of a stream fails.
    EVALUATION_FAILS = warning(
        "evaluation-fails",
        "the log of alert says why; each stream is tried again within the hour"
    );
    /// Streams wait long for their rules.
    EVALUATION_LATE = warning(
        "evaluation-late",
        "read the log of alert: whether it fails, or is at its maxScale; until then nobody is notified of what these streams hold"
    );
    /// A partition waits long for the worker.
    WORKER_BEHIND = warning(
        "worker-behind",
        "read the log of worker: whether it fails, or needs more replicas; each partition is read by one of them"
    );
    /// The worker was never given a partition of a topic that a source names.
    TOPIC_NEVER_READ = warning(
        "topic-never-read",
        "see whether the topic is there under this name, and may be read by these credentials; the log of worker says which"
    );
    /// The canary has not come all the way for three runs.
    CANARY_FAILED = error(
        "canary-failed",
        "look at the log of the stage at which it is stuck; `freshet canary` sends one more and says how far it comes"
    );
    /// A job was tried as often as it may.
    JOB_FAILED = warning(
        "job-failed",
        "look at `freshet jobs list` and at the log of its service; `freshet jobs run` has it tried again before its next time"
    );
    /// Readings that are too old wait for a transaction to end.
    TRANSACTION_LONG = warning(
        "transaction-long",
        "end it: until then no reading goes that is kept no longer, and vacuum leaves what was deleted since"
    );
    /// A device sends that is out of service.
    DEVICE_RETIRED_SENDS = warning(
        "device-retired-sends",
        "switch it off and retire it again, or `freshet devices retire NAME --undo`: no rule looks at what it sends"
    );
    /// The worker found other records in its topic than it had to go on with.
    RECORDS_GONE = warning(
        "records-gone",
        "ask their senders for what is missing, and let the topic keep records for longer than a worker may be away"
    );
    /// In direct mode neither the database nor the Broker took a payload.
    PAYLOADS_REFUSED = warning(
        "payloads-refused",
        "read the log of ingest; while it refuses payloads nobody is reported silent, and who sends only once has lost them"
    );
    /// In direct mode the Broker took payloads that the database did not.
    FALLBACK_IN_USE = warning(
        "fallback-in-use",
        "look at the load of PostgreSQL and at max_connections, or raise stages.ingest.maxScale: transform stores what fell back"
    );
    /// No connection to Kafka.
    KAFKA_UNREACHABLE = error(
        "kafka-unreachable",
        "check kafka.bootstrapServers and kafka.security, the servers, and network policies between them"
    );
    /// A topic is not there.
    TOPIC_MISSING = error("topic-missing", "let the migration Job make it (kafka.createTopics), or make it by hand");
}

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
