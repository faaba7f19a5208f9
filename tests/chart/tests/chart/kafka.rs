use chart_tests::{Chart, Object, Tools};
use serde_json::json;

use crate::{object, of_kind};

fn migration_arguments(objects: &[Object]) -> Vec<String> {
    let job = objects.iter().find(|object| object.kind() == "Job" && object.name().contains("-migrate-"));
    let arguments = &job.expect("there is a migration Job").containers()[0].spec["args"];
    serde_json::from_value(arguments.clone()).expect("a list of texts")
}

#[test]
fn topics_belong_to_nobody_and_are_made_by_the_migration_job() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("kafka").objects();
    let broker = object(&objects, "Broker", "farm");
    assert_eq!(broker.annotation("eventing.knative.dev/broker.class"), Some("Kafka"));
    let topic = broker.annotation("kafka.eventing.knative.dev/external.topic");
    assert_eq!(topic, Some("fields.farm.events"));
    let sink = object(&objects, "KafkaSink", "farm-dead-letters");
    assert_eq!(sink.text("/spec/topic"), "fields.farm.dead-letters");
    assert!(sink.at("/spec/numPartitions").is_none(), "the sink would delete its topic");
    let expected = [
        "migrate",
        "--topic",
        "fields.farm.events:10:3",
        "--topic",
        "fields.farm.dead-letters:3:3",
        "--group",
        "fields.farm.events:knative-trigger-fields-farm-transform-payloads",
    ];
    assert_eq!(migration_arguments(&objects), expected);
    let without = Chart::new(tools).ci("kafka").set("kafka.createTopics=false").objects();
    assert_eq!(migration_arguments(&without), ["migrate"]);
    assert!(objects.iter().all(|object| object.annotation("helm.sh/resource-policy").is_none()));
}

#[test]
fn a_broker_with_a_topic_of_its_own_is_kept() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("kept-broker").objects();
    let kept: Vec<_> = objects
        .iter()
        .filter(|object| object.annotation("helm.sh/resource-policy") == Some("keep"))
        .map(|object| (object.kind(), object.name()))
        .collect();
    assert_eq!(kept, [("ConfigMap", "farm-broker"), ("Broker", "farm")]);
    let config = object(&objects, "ConfigMap", "farm-broker");
    assert_eq!(config.at("/data/default.topic.config.retention.ms"), Some(&json!("604800000")));
    assert_eq!(migration_arguments(&objects), ["migrate"]);
}

#[test]
fn dead_letters_go_where_the_values_say() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, kind, name) in [
        ("kafka", "KafkaSink", "farm-dead-letters"),
        ("kept-broker", "Service", "farm-dead-letter"),
        ("broker-in-memory", "Service", "farm-dead-letter"),
    ] {
        let objects = Chart::new(tools).ci(values).objects();
        let sinks = of_kind(&objects, "Trigger").into_iter().filter_map(|trigger| {
            let sink = trigger.at("/spec/delivery/deadLetterSink/ref")?;
            Some((trigger.text("/spec/subscriber/ref/name"), sink["kind"].as_str()?, sink["name"].as_str()?))
        });
        let sinks: Vec<_> = sinks.collect();
        assert!(!sinks.is_empty(), "{values}");
        assert!(sinks.iter().all(|sink| *sink == ("farm-transform", kind, name)), "{values}: {sinks:?}");
        let reader = object(&objects, "Service", "farm-dead-letter");
        let topic = reader.variable("KAFKA_DEAD_LETTER_TOPIC");
        assert_eq!(topic, (kind == "KafkaSink").then(|| json!("fields.farm.dead-letters")), "{values}");
    }
}

#[test]
fn in_topic_mode_payloads_go_past_the_broker() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("topic-mode").objects();
    let ingest = object(&objects, "Service", "farm-ingest");
    assert_eq!(ingest.variable("KAFKA_TOPIC"), Some(json!("fields.farm.payloads")));
    assert_eq!(ingest.variable("K_SINK"), None);
    let worker = object(&objects, "Deployment", "farm-worker");
    assert_eq!(worker.variable("KAFKA_TOPIC"), Some(json!("fields.farm.payloads")));
    assert_eq!(worker.variable("KAFKA_GROUP"), Some(json!("fields.farm.worker")));
    let scheduler = object(&objects, "Service", "farm-scheduler");
    assert_eq!(
        scheduler.variable("KAFKA_TOPIC"),
        worker.variable("KAFKA_TOPIC"),
        "a backlog is no heartbeat"
    );
    assert_eq!(scheduler.variable("KAFKA_PAYLOAD_GROUPS"), None, "the Broker's channel is in memory");
    let broker = "http://broker-ingress.knative-eventing.svc.cluster.local/fields/farm";
    assert_eq!(worker.variable("K_SINK"), Some(json!(broker)));
    assert_eq!(ingest.variable("PREWARM_URLS"), None, "the worker always runs");
    // What is sent back from the dead letters goes through the Broker still.
    object(&objects, "Trigger", "farm-transform-payloads");

    let broker_mode = Chart::new(tools).ci("kafka").objects();
    assert!(of_kind(&broker_mode, "Deployment").is_empty());
    for service in ["farm-ingest", "farm-scheduler"] {
        assert_eq!(object(&broker_mode, "Service", service).variable("KAFKA_TOPIC"), None);
    }
}

#[test]
fn the_topic_of_payloads_is_made_to_keep_requests_for_thirty_days_or_as_the_values_say() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("topic-mode");
    for (values, wanted) in [
        ("mode=topic", "fields.farm.payloads:4:1:30d"),
        ("topic.retention=1d12h", "fields.farm.payloads:4:1:1d12h"),
        ("topic.retention=", "fields.farm.payloads:4:1"),
    ] {
        let objects = chart.clone().set(values).objects();
        assert_eq!(migration_arguments(&objects), ["migrate", "--topic", wanted], "{values}");
    }
}

#[test]
fn a_topic_of_others_has_a_worker_in_every_mode_which_alone_is_given_its_credentials() {
    let Some(tools) = Tools::of_this_test() else { return };
    for mode in ["broker", "direct", "topic"] {
        let source = "pipeline.sources.floor";
        let objects = Chart::new(tools)
            .ci("kafka")
            .set(&format!("mode={mode},{source}.format=json,{source}.kafka.topic=readings"))
            .set(&format!(
                "{source}.kafka.servers[0]=kafka.example.com:9093,{source}.kafka.sasl.user=freshet"
            ))
            .set(&format!("{source}.kafka.sasl.password.env=FLOOR_PASSWORD,networkPolicy.enabled=true"))
            .set("secretEnv.FLOOR_PASSWORD.secret=floor,secretEnv.FLOOR_PASSWORD.key=password")
            .objects();
        let worker = object(&objects, "Deployment", "farm-worker");
        assert!(worker.variable("FLOOR_PASSWORD").is_some(), "{mode}");
        assert_eq!(worker.variable("KAFKA_TOPIC").is_some(), mode == "topic", "{mode}");
        for stage in of_kind(&objects, "Service") {
            assert_eq!(stage.variable("FLOOR_PASSWORD"), None, "{mode}");
        }
        let policy = object(&objects, "NetworkPolicy", "farm-worker").at("/spec/egress").unwrap().to_string();
        assert!(policy.contains("9093"), "{mode}: {policy}");
    }
}

#[test]
fn the_scheduler_knows_the_consumer_groups_that_payloads_wait_for() {
    let Some(tools) = Tools::of_this_test() else { return };
    let groups = |values: &str, name: &str| {
        let objects = Chart::new(tools).ci(values).objects();
        object(&objects, "Service", name).variable("KAFKA_PAYLOAD_GROUPS")
    };
    let own = "fields.farm.events:knative-trigger-fields-farm-transform-payloads";
    assert_eq!(groups("kafka", "farm-scheduler"), Some(json!(own)));
    let kept = "knative-broker-fields-farm:knative-trigger-fields-farm-transform-payloads";
    assert_eq!(groups("kept-broker", "farm-scheduler"), Some(json!(kept)));
    let foreign = groups("everything", "farm-scheduler").expect("it has Kafka");
    assert!(
        foreign
            .as_str()
            .is_some_and(|text| text.contains(",farm-events:knative-trigger-fields-farm-events-in-house-"))
    );
    assert_eq!(groups("nothing", "farm-scheduler"), None, "it has no access to Kafka");
}

#[test]
fn what_speaks_kafka_knows_how() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("everything").objects();
    let job = objects.iter().find(|object| object.name().contains("-migrate-")).expect("there is one");
    let speakers = [
        object(&objects, "Service", "farm-ingest"),
        object(&objects, "Service", "farm-scheduler"),
        object(&objects, "Service", "farm-dead-letter"),
        object(&objects, "Deployment", "farm-worker"),
        job,
    ];
    for speaker in speakers {
        let variable = |name: &str| speaker.variable(name);
        assert_eq!(variable("KAFKA_SECURITY_PROTOCOL"), Some(json!("SASL_SSL")), "{}", speaker.name());
        assert_eq!(variable("KAFKA_SASL_MECHANISM"), Some(json!("SCRAM-SHA-512")));
        let password = json!({"secretKeyRef": {"name": "farm-kafka", "key": "password"}});
        assert_eq!(variable("KAFKA_SASL_PASSWORD"), Some(password));
        let files = &speaker.pod().expect("it has a pod")["volumes"];
        let items = files.as_array().into_iter().flatten().find(|volume| volume["name"] == "kafka");
        assert_eq!(
            items.expect("its certificates are mounted")["secret"]["items"].as_array().map(Vec::len),
            Some(3)
        );
    }
    assert_eq!(object(&objects, "Service", "farm-alert").variable("KAFKA_BOOTSTRAP_SERVERS"), None);
}

#[test]
fn the_worker_stays_until_what_topic_mode_has_left_is_read() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("topic-mode").set("mode=direct");
    // For the time of both, the worker's connections come on top, and the defaults have room for them.
    let objects = chart.clone().set("topic.draining=true").objects();
    let worker = object(&objects, "Deployment", "farm-worker");
    let topic = Some(json!("fields.farm.payloads"));
    assert_eq!(worker.variable("KAFKA_TOPIC"), topic);
    // A tick waits for it, and no payload goes there any more.
    assert_eq!(object(&objects, "Service", "farm-scheduler").variable("KAFKA_TOPIC"), topic);
    let ingest = object(&objects, "Service", "farm-ingest");
    assert_eq!((ingest.variable("KAFKA_TOPIC"), ingest.variable("MODE")), (None, Some(json!("direct"))));
    assert!(ingest.variable("K_SINK").is_some());
    let done = chart.set("topic.drained=true").objects();
    assert!(of_kind(&done, "Deployment").is_empty());
}
