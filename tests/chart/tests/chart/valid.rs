use chart_tests::{Chart, Schemas, Tools, repository, values_files};

use crate::matrix;

#[test]
fn every_object_is_what_kubernetes_and_knative_take() {
    let Some(tools) = Tools::of_this_test() else { return };
    let schemas = Schemas::new(tools);
    for (values, objects) in matrix(tools) {
        let mistakes: Vec<_> = objects.iter().flat_map(|object| schemas.mistakes(object)).collect();
        assert!(mistakes.is_empty(), "{values}:\n{}", mistakes.join("\n"));
    }
}

#[test]
fn helm_finds_nothing_to_say() {
    let Some(tools) = Tools::of_this_test() else { return };
    for file in values_files() {
        Chart::new(tools).file(&file).lint().unwrap_or_else(|said| panic!("{}: {}", file.display(), said.0));
    }
}

#[test]
fn the_values_for_development_are_taken() {
    let Some(tools) = Tools::of_this_test() else { return };
    let schemas = Schemas::new(tools);
    let values = |name: &str| repository().join("k8s/dev").join(name);
    let kafka = Chart::new(tools).file(&values("values.yaml"));
    let in_memory = kafka.clone().file(&values("values-in-memory.yaml"));
    for chart in [kafka, in_memory] {
        let mistakes: Vec<_> = chart.objects().iter().flat_map(|object| schemas.mistakes(object)).collect();
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    }
}

#[test]
fn a_field_that_nobody_knows_is_found() {
    let Some(tools) = Tools::of_this_test() else { return };
    let schemas = Schemas::new(tools);
    for mut object in Chart::new(tools).ci("everything").objects() {
        if object.kind() == "ConfigMap" || object.kind() == "ServiceAccount" {
            object.0["metadata"]["labls"] = "typo".into();
        } else {
            object.0["spec"]["replcas"] = 1.into();
        }
        assert!(!schemas.mistakes(&object).is_empty(), "{} {}", object.kind(), object.name());
    }
}

/// Knative's own webhook asks for these; no schema says them.
#[test]
fn services_keep_to_what_knative_takes_beyond_its_schema() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, objects) in matrix(tools) {
        for service in objects.iter().filter(|object| object.api_version() == "serving.knative.dev/v1") {
            let place = format!("{values}: {}", service.name());
            let metadata = service.at("/spec/template/metadata").expect("a template has metadata");
            assert!(metadata.get("name").is_none(), "{place} names its revision");
            let own = service.at("/metadata/annotations");
            assert!(own.is_none(), "{place} has annotations where autoscaling is refused");
            let annotations = metadata["annotations"].as_object().expect("autoscaling is there");
            assert!(annotations.contains_key("autoscaling.knative.dev/max-scale"), "{place}");
            assert!(annotations.values().all(serde_json::Value::is_string), "{place}: {annotations:?}");
            let pod = service.pod().expect("a service has a pod");
            for refused in ["securityContext", "nodeSelector", "affinity", "tolerations", "initContainers"] {
                assert!(pod.get(refused).is_none(), "{place} has {refused}, which Knative has off");
            }
            let container = service.containers()[0].spec;
            let probe = &container["readinessProbe"];
            assert_eq!(probe["httpGet"]["path"], "/readyz", "{place}");
            let slow = ["periodSeconds", "failureThreshold", "timeoutSeconds", "initialDelaySeconds"];
            assert!(slow.iter().all(|key| probe.get(key).is_none()), "{place}: the probe is no quick one");
            assert!(
                container.get("startupProbe").is_none() && container.get("lifecycle").is_none(),
                "{place}"
            );
        }
    }
}
