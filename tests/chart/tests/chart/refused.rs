//! Values that make no sense, and the answers.

use chart_tests::{Chart, Tools};

/// Values on top of `kafka-values.yaml`, and a part of the answer.
const REFUSED: [(&str, &str); 51] = [
    ("database.existingSecret=", "database.existingSecret is not set: name the Secret"),
    (
        "database.poolSize=5",
        "at most 19 pods x poolSize 5 + 1 for jobs + reservedConnections 9 = 105 connections, but maxConnections is 100",
    ),
    ("stages.transform.maxScale=22", "31 pods x poolSize 3 + 1 for jobs + reservedConnections 9 = 103"),
    (
        "mode=direct,stages.ingest.maxScale=12",
        "31 pods x poolSize 3 + 1 for jobs + reservedConnections 9 = 103",
    ),
    ("stages.alert.minScale=6", "stages.alert: minScale 6 is more than maxScale 5"),
    (
        "limits.maxRecordBytes=800000",
        "a body of maxBodyBytes 786432 and 65536 bytes for its head and attributes are more than maxRecordBytes 800000",
    ),
    ("limits.maxBodyBytes=2000000", "/limits/maxBodyBytes"),
    (
        "delivery.timeoutSeconds=64",
        "delivery.timeoutSeconds (64) must be at least 5 s more than stages.alert.timeoutSeconds (60)",
    ),
    ("stages.notify.timeoutSeconds=90", "must be at least 5 s more than stages.notify.timeoutSeconds (90)"),
    ("stages.notify.timeoutSeconds=30", "/stages/notify/timeoutSeconds"),
    (
        "delivery.payloads.retry=42",
        "delivery.payloads: 43 attempts of up to 65 s and 4515 s of waits between them are 7310 s",
    ),
    (
        "delivery.hints.retry=15,delivery.hints.backoffDelayMs=60000",
        "delivery.hints: 16 attempts of up to 65 s and 7200 s of waits",
    ),
    ("delivery.payloads.retry=0", "/delivery/payloads/retry"),
    ("delivery.hints.backoffDelayMs=0", "/delivery/hints/backoffDelayMs"),
    ("delivery.order=ordered", "order"),
    ("jobs.report.enabled=true", "jobs.report: there is nothing to do without pipeline.reports"),
    (
        "jobs.report.enabled=true,pipeline.reports.storage.folder=/pages",
        "pipeline.reports.storage.folder: a pod keeps nothing; take s3",
    ),
    (
        "kafka.bootstrapServers=",
        "kafka.bootstrapServers is not set, and is needed for the Broker of class Kafka and dead letters in Kafka",
    ),
    ("kafka.bootstrapServers=kafka", "/kafka/bootstrapServers"),
    (
        "kafka.security.protocol=SASL_SSL",
        "kafka.security.protocol SASL_SSL needs saslMechanism and existingSecret",
    ),
    ("kafka.security.ca=true", "say what is in kafka.security.existingSecret, which is not set"),
    ("broker.topicConfig.a=b", "broker.topicConfig is for a topic that the Broker makes itself"),
    ("broker.create=false", "broker.create is false and broker.name is not set"),
    ("broker.class=Rabbit", "/broker/class"),
    ("mode=pull", "/mode"),
    ("broker.clas=Kafka", "clas"),
    ("deadLetters.topic=fields.farm.events", "are three different topics"),
    (
        "mode=topic,worker.replicas=13,database.maxConnections=200",
        "worker.replicas is 13, but a topic of 12 partitions has no work for more than 12",
    ),
    (
        "mode=topic,stages.ingest.env.K_SINK=http://broker",
        "stages.ingest.env.K_SINK: a pipeline has one mode",
    ),
    ("mode=topic,topic.retention=367d", "topic.retention is 367d; `freshet migrate` takes up to 366d"),
    ("mode=topic,topic.retention=0s", "/topic/retention"),
    ("mode=topic,topic.retention=a month", "/topic/retention"),
    ("mode=topic,topic.drained=true", "are for the upgrades that leave topic mode"),
    ("mode=topic,topic.draining=true", "are for the upgrades that leave topic mode"),
    ("topic.draining=true,topic.drained=true", "take one of them"),
    ("stages.ingest.env.KAFKA_TOPIC=payloads", "stages.ingest.env.KAFKA_TOPIC: a pipeline has one mode"),
    ("stages.alert.env.DATABASE_URL=postgres://x", "stages.alert.env.DATABASE_URL: the chart sets it itself"),
    ("worker.env.SCRATCH_DIR=/tmp", "worker.env.SCRATCH_DIR: the chart sets it itself"),
    (
        "stages.dead-letter.env.KAFKA_CA_FILE=/ca.crt",
        "stages.dead-letter.env.KAFKA_CA_FILE: the chart sets it itself",
    ),
    ("stages.alert.window=5s", "stages.alert.window is 5s; Knative takes 6s to 1h"),
    (
        "stages.alert.scaleToZeroPodRetentionPeriod=1h1s",
        "stages.alert.scaleToZeroPodRetentionPeriod is 1h1s; Knative takes 0s to 1h",
    ),
    (
        "pipeline.receivers.chat.slack.url.file=/run/secrets/chat/url",
        "the pipeline names {file: /run/secrets/chat/url}, which no stage would have: add secretFiles.NAME={secret: ..., mountPath: /run/secrets/chat}",
    ),
    ("stages.alert.window=a while", "/stages/alert/window"),
    ("stages.persist.minScale=0", "persist"),
    ("stages.transform.public=true", "public"),
    ("pipelineFile=sources: {},pipeline.tick=1m", "pipeline and pipelineFile are both set"),
    ("pipelineFile=[", "pipelineFile is no YAML"),
    ("helmTest.enabled=false", "pipeline.sources is empty: there is nothing to take in"),
    ("jobs.canary.enabled=true", "jobs.canary: there is nothing to do without pipeline.canary.url"),
    (
        "pipeline.receivers.chat.slack.url.env=CHAT",
        "the pipeline names {env: CHAT}, which no stage would have: add secretEnv.CHAT=",
    ),
    (
        "pipeline.tick=7m,pipeline.rules.A.metric=a",
        "pipeline.tick: 7m does not divide a minute, an hour or a day evenly",
    ),
];

#[test]
fn wrong_values_are_refused_with_the_reason() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, reason) in REFUSED {
        // Both kinds of mistakes name their place, Helm's schema with slashes.
        let said = Chart::new(tools).ci("kafka").set(values).refusal();
        assert!(said.contains(reason), "{values}\n  should say: {reason}\n  but was: {said}");
    }
}

#[test]
fn every_mistake_is_listed_at_once() {
    let Some(tools) = Tools::of_this_test() else { return };
    let said = Chart::new(tools).refusal();
    for reason in ["database.existingSecret is not set", "kafka.bootstrapServers is not set"] {
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_cluster_without_knative_is_refused_where_one_was_asked() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = |apis: &[&str]| {
        apis.iter()
            .fold(Chart::new(tools).ci("kafka"), |chart, api| chart.argument("--api-versions").argument(*api))
    };
    let cluster = "apiregistration.k8s.io/v1/APIService";
    let knative = [
        "serving.knative.dev/v1/Service",
        "eventing.knative.dev/v1/Broker",
        "sources.knative.dev/v1/PingSource",
    ];
    assert!(chart(&[cluster]).refusal().contains("this cluster has no Knative "));
    let without_kafka = [&[cluster], &knative[..]].concat();
    assert!(chart(&without_kafka).refusal().contains("this cluster has no KafkaSink"));
    let whole = [&without_kafka[..], &["eventing.knative.dev/v1alpha1/KafkaSink"]].concat();
    assert!(chart(&whole).text().is_ok());
    assert!(chart(&[cluster]).set("capabilities.assume=true").text().is_ok());
    assert!(chart(&[]).set("capabilities.assume=false").refusal().contains("this cluster has no Knative"));
}
