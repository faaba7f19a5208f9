use chart_tests::{Chart, Object, Tools};
use serde_json::{Value, json};

use crate::{matrix, object};

#[test]
fn every_container_keeps_to_restricted_pod_security() {
    let Some(tools) = Tools::of_this_test() else { return };
    let mut seen = 0;
    for (values, objects) in matrix(tools) {
        for object in objects {
            for container in object.containers() {
                let place = format!("{values}: {} {}", object.kind(), object.name());
                let security = &container.spec["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], json!(false), "{place}");
                assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}), "{place}");
                assert_eq!(security["readOnlyRootFilesystem"], json!(true), "{place}");
                assert_eq!(security["runAsNonRoot"], json!(true), "{place}");
                assert_eq!(security["seccompProfile"], json!({"type": "RuntimeDefault"}), "{place}");
                assert_eq!(container.pod["automountServiceAccountToken"], json!(false), "{place}");
                for resource in ["cpu", "memory"] {
                    assert!(container.spec["resources"]["requests"][resource].is_string(), "{place}");
                }
                assert!(container.spec["resources"]["limits"]["memory"].is_string(), "{place}");
                seen += 1;
            }
            if object.pod().is_some() {
                assert!(!object.containers().is_empty(), "{values}: {} has no container", object.name());
            }
        }
    }
    assert!(seen > 30, "{seen} containers");
}

#[test]
fn no_secret_is_a_value() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, objects) in matrix(tools) {
        for object in objects {
            for container in object.containers() {
                for variable in container.spec["env"].as_array().into_iter().flatten() {
                    let name = variable["name"].as_str().unwrap_or_default();
                    let secret = ["URL", "PASSWORD", "TOKEN", "SECRET", "KEY", "USERNAME"]
                        .iter()
                        .any(|end| name.ends_with(end));
                    if secret {
                        assert!(variable["valueFrom"]["secretKeyRef"].is_object(), "{values}: {variable}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_credential_reaches_only_the_stage_that_needs_it() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("broker-in-memory").objects();
    let has = |stage: &str, variable: &str| {
        object(&objects, "Service", &format!("farm-{stage}")).variable(variable).is_some()
    };
    for stage in ["ingest", "transform", "alert", "notify", "dead-letter", "scheduler", "cleanup"] {
        assert_eq!(has(stage, "GREENHOUSE_KEY"), stage == "ingest", "{stage}");
        assert_eq!(has(stage, "FRESHET_TEST_TOKEN"), stage == "ingest", "{stage}");
        assert_eq!(has(stage, "OPS_SECRET_NEXT"), stage == "notify", "{stage}");
        assert_eq!(has(stage, "K_SINK"), stage != "notify", "{stage}");
    }
}

#[test]
fn what_keeps_and_sends_reports_is_given_the_credentials_of_both_and_the_canary_its_own() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("everything").set("pipeline.receivers.mail.smtp.user=farm");
    let chart = chart.set("pipeline.receivers.mail.smtp.password.env=MAIL_PASSWORD");
    let chart = chart.set("secretEnv.MAIL_PASSWORD.secret=mail").set("secretEnv.MAIL_PASSWORD.key=password");
    let objects = chart.objects();
    let has = |stage: &str, variable: &str| {
        object(&objects, "Service", &format!("farm-{stage}")).variable(variable).is_some()
    };
    for stage in
        ["ingest", "transform", "alert", "notify", "dead-letter", "scheduler", "cleanup", "report", "canary"]
    {
        assert_eq!(has(stage, "S3_SECRET_ACCESS_KEY"), stage == "report", "{stage}");
        assert_eq!(has(stage, "MAIL_PASSWORD"), matches!(stage, "notify" | "report"), "{stage}");
        // The canary is a source too.
        assert_eq!(has(stage, "CANARY_SECRET"), matches!(stage, "ingest" | "canary"), "{stage}");
        assert_eq!(has(stage, "PING_URL"), stage == "canary", "{stage}");
    }
}

#[test]
fn a_job_that_is_not_done_has_no_service_and_no_slots() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("everything");
    let of_cleanup = |objects: &[Object]| objects.iter().filter(|one| one.name().contains("cleanup")).count();
    let jobs = |objects: &[Object]| object(objects, "Service", "farm-scheduler").variable("JOBS");
    let (with, without) = (chart.objects(), chart.clone().set("jobs.cleanup.enabled=false").objects());
    // Its Service, its Trigger and its NetworkPolicy.
    assert_eq!((of_cleanup(&with), jobs(&with)), (3, Some(json!("canary,cleanup,report"))));
    assert_eq!((of_cleanup(&without), jobs(&without)), (0, Some(json!("canary,report"))));
}

#[test]
fn what_stores_payloads_has_what_it_needs_in_each_mode_and_nothing_else_has() {
    let Some(tools) = Tools::of_this_test() else { return };
    let ci = |values: &str, mode: &str| Chart::new(tools).ci(values).set(&format!("mode={mode}")).objects();
    for (values, mode, fallback, persists) in [
        ("kafka", "", None, false),
        ("kafka", "direct", Some("broker"), false),
        ("broker-in-memory", "broker", None, false),
        // What loses nothing with a Broker that keeps nothing is the default with it.
        ("broker-in-memory", "", Some("none"), true),
    ] {
        let (place, objects) = (format!("{values} {mode}"), ci(values, mode));
        let variable = |stage: &str, variable: &str| {
            object(&objects, "Service", &format!("farm-{stage}")).variable(variable)
        };
        let is_direct = fallback.is_some();
        assert_eq!(variable("ingest", "FALLBACK"), fallback.map(Value::from), "{place}");
        assert_eq!(variable("ingest", "MODE").is_some(), is_direct, "{place}");
        assert_eq!(variable("ingest", "DATABASE_URL").is_some(), is_direct, "{place}");
        assert_eq!(variable("ingest", "PREWARM_URLS").is_some(), !is_direct, "{place}");
        assert_eq!(variable("dead-letter", "PERSIST_PAYLOADS").is_some(), persists, "{place}");
        assert_eq!(variable("dead-letter", "FRESHET_PIPELINE").is_some(), persists, "{place}");
    }
}

#[test]
fn a_stage_has_the_role_that_its_key_names() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("kafka").set("database.keys.notify=notify-uri");
    let objects = chart.objects();
    for (stage, key) in [("notify", "notify-uri"), ("alert", "uri"), ("transform", "uri")] {
        let url = object(&objects, "Service", &format!("farm-{stage}")).variable("DATABASE_URL").unwrap();
        assert_eq!(url["secretKeyRef"]["key"], key, "{stage}");
    }
    let refused = Chart::new(tools).ci("kafka").set("database.keys.transform=x").refusal();
    assert!(refused.contains("transform"), "{refused}");
}

#[test]
fn an_image_is_found_where_its_values_say() {
    let Some(tools) = Tools::of_this_test() else { return };
    let image = |chart: Chart, stage: &str| -> Value {
        let objects = chart.objects();
        object(&objects, "Service", &format!("farm-{stage}")).containers()[0].spec["image"].clone()
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    let everything = Chart::new(tools).ci("everything");
    assert_eq!(image(everything.clone(), "ingest"), "mirror.example.com/freshet-ingest:v1.2.3");
    assert_eq!(image(everything, "alert"), format!("registry.example.com/alert@{digest}"));
    let version = env!("CARGO_PKG_VERSION");
    let kafka = Chart::new(tools).ci("kafka");
    assert_eq!(image(kafka.clone(), "notify"), format!("ghcr.io/freshet/freshet-notify:{version}"));
    // A tag of digits is a number for Helm.
    assert_eq!(
        image(kafka.set("image.tag=1234567").set("image.registry=dev.local"), "notify"),
        "dev.local/freshet-notify:1234567"
    );
}

#[test]
fn what_is_private_has_no_way_in_from_outside() {
    let Some(tools) = Tools::of_this_test() else { return };
    let visibility = "/metadata/labels/networking.knative.dev~1visibility";
    for (values, objects) in matrix(tools) {
        for service in objects.iter().filter(|object| object.api_version() == "serving.knative.dev/v1") {
            let public = service.name().ends_with("-ingest") && values != "everything-values.yaml";
            let expected = if public { "" } else { "cluster-local" };
            assert_eq!(service.text(visibility), expected, "{values}: {}", service.name());
        }
    }
}

#[test]
fn ingest_reaches_public_addresses_only_where_a_platform_is_called_back() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("everything");
    let with = |format: &str| chart.clone().set(&format!("pipeline.sources.more.format={format}")).objects();
    let to_public = |objects: &[Object], component: &str| -> Vec<Value> {
        let policy = object(objects, "NetworkPolicy", &format!("farm-{component}"));
        let rules = policy.at("/spec/egress").and_then(Value::as_array).expect("it has rules");
        let public = |rule: &&Value| rule.pointer("/to/0/ipBlock/cidr") == Some(&json!("0.0.0.0/0"));
        rules.iter().filter(public).cloned().collect()
    };
    let (without, with) = (with("json"), with("aws_iot_http"));
    let components = [
        "ingest",
        "transform",
        "alert",
        "dead-letter",
        "scheduler",
        "cleanup",
        "worker",
        "migrate",
        "activate",
        "test",
    ];
    for component in components {
        assert_eq!(to_public(&without, component), Vec::<Value>::new(), "{component}");
        let expected = usize::from(component == "ingest");
        assert_eq!(to_public(&with, component).len(), expected, "{component}");
    }
    let (ingest, notify) = (&to_public(&with, "ingest")[0], &to_public(&with, "notify")[0]);
    assert_eq!(ingest["ports"], json!([{"port": 443}]));
    assert_eq!(ingest["to"], notify["to"], "what is private is the same for both");
    assert!(notify.get("ports").is_none(), "people's servers are on any port");
}

#[test]
fn what_has_the_database_counts_its_deaths_where_they_outlive_the_container() {
    let Some(tools) = Tools::of_this_test() else { return };
    let mut seen = 0;
    for (values, objects) in matrix(tools) {
        for object in objects.iter().filter(|object| matches!(object.kind(), "Service" | "Deployment")) {
            for container in object.containers() {
                let place = format!("{values}: {} {}", object.kind(), object.name());
                let has = |name: &str| object.variable(name).is_some();
                // What `ingest` ends by is its sender's to send again; what the worker ends by is counted in the database.
                let counts = has("DATABASE_URL")
                    && !object.name().ends_with("-ingest")
                    && !object.name().ends_with("-worker");
                assert_eq!(has("SCRATCH_DIR"), counts, "{place}");
                let Some(folder) = object.variable("SCRATCH_DIR") else { continue };
                let mounts = container.spec["volumeMounts"].as_array().unwrap();
                let mount = mounts.iter().find(|mount| mount["mountPath"] == folder).unwrap();
                assert_ne!(mount["readOnly"], json!(true), "{place}");
                let volumes = container.pod["volumes"].as_array().unwrap();
                let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
                assert!(volume["emptyDir"]["sizeLimit"].is_string(), "{place}: {volume}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen} containers");
}
