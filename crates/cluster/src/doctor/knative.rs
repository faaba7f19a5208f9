//! Settings of the whole cluster that bite the stages.

use serde_json::Value;

use super::{Finding, code};
use crate::object::{list, text};

/// What `registries-skipping-tag-resolving` is where nobody set it.
const SKIPPED: &str = "kind.local,ko.local,dev.local";
/// What `max-revision-timeout-seconds` is where nobody set it.
const MAX_TIMEOUT: u64 = 600;
/// A longer stay of idle pods is reported.
const LONG: u64 = 300;

/// The data of `config-autoscaler` against the stages.
pub fn autoscaler(config: &Value, services: &[(&str, &Value)]) -> Vec<Finding> {
    let mut found = Vec::new();
    if config["enable-scale-to-zero"] == "false" {
        let what = "enable-scale-to-zero is false";
        found.push(Finding::new(code::SCALE_TO_ZERO_OFF, "config-autoscaler", what));
    }
    for setting in [
        "stable-window",
        "scale-to-zero-grace-period",
        "scale-to-zero-pod-retention-period",
        "scale-down-delay",
    ] {
        let Some(text) = config[setting].as_str() else { continue };
        if seconds(text).is_some_and(|seconds| seconds > LONG) {
            found.push(Finding::new(code::PODS_LINGER, "config-autoscaler", format!("{setting} is {text}")));
        }
    }
    let limit = config["max-scale-limit"].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    for (stage, service) in services {
        let wanted = scale(service, "max-scale").unwrap_or(0);
        if limit > 0 && (wanted > limit || wanted == 0) {
            let what = format!("its max-scale is {wanted}, and max-scale-limit is {limit}");
            found.push(Finding::new(code::SCALE_LIMITED, format!("service/{stage}"), what));
        }
    }
    found
}

/// The data of `config-defaults` against the stages.
pub fn defaults(config: &Value, services: &[(&str, &Value)]) -> Vec<Finding> {
    let limit = config["max-revision-timeout-seconds"].as_str().and_then(|text| text.parse().ok());
    let limit = limit.unwrap_or(MAX_TIMEOUT);
    let wanted =
        |service: &Value| service.pointer("/spec/template/spec/timeoutSeconds").and_then(Value::as_u64);
    let too_long =
        services.iter().filter(|(_, service)| wanted(service).is_some_and(|wanted| wanted > limit));
    too_long
        .map(|(stage, _)| {
            let what = format!("its timeoutSeconds is more than max-revision-timeout-seconds, {limit}");
            Finding::new(code::TIMEOUT_LIMITED, format!("service/{stage}"), what)
        })
        .collect()
}

/// The data of `config-deployment` against the stages' images.
pub fn deployment(config: &Value, services: &[(&str, &Value)]) -> Vec<Finding> {
    let keys = ["registries-skipping-tag-resolving", "registriesSkippingTagResolving"];
    let skipped = keys.iter().find_map(|key| config[*key].as_str()).unwrap_or(SKIPPED);
    let is_skipped = |registry: &str| skipped.split(',').any(|entry| entry.trim() == registry);
    let mut found = Vec::new();
    for (stage, service) in services {
        let image = text(service, "/spec/template/spec/containers/0/image");
        let registry = registry(image);
        if !image.contains('@') && is_local(registry) && !is_skipped(registry) {
            let what =
                format!("{image} has no digest, and Knative's controller cannot ask {registry} for it");
            found.push(Finding::new(code::TAG_NOT_RESOLVED, format!("service/{stage}"), what));
        }
    }
    found
}

/// The data of `config-features` against what the stages' pods use.
pub fn features(config: &Value, services: &[(&str, &Value)]) -> Vec<Finding> {
    let used: [(&str, bool, &str); 5] = [
        ("kubernetes.podspec-volumes-emptydir", true, "emptyDir"),
        ("kubernetes.podspec-nodeselector", false, "nodeSelector"),
        ("kubernetes.podspec-tolerations", false, "tolerations"),
        ("kubernetes.podspec-affinity", false, "affinity"),
        ("kubernetes.podspec-topologyspreadconstraints", false, "topologySpreadConstraints"),
    ];
    let mut found = Vec::new();
    for (feature, default, field) in used {
        let is_on = config[feature].as_str().map_or(default, |value| value.eq_ignore_ascii_case("enabled"));
        let user = services.iter().find(|(_, service)| uses(service, field));
        if let (false, Some((stage, _))) = (is_on, user) {
            let what = format!("it uses {field}, and {feature} is not enabled");
            found.push(Finding::new(code::FEATURE_OFF, format!("service/{stage}"), what));
        }
    }
    found
}

/// A scale annotation of a stage's template.
pub fn scale(service: &Value, which: &str) -> Option<u64> {
    service["spec"]["template"]["metadata"]["annotations"][format!("autoscaling.knative.dev/{which}")]
        .as_str()?
        .parse()
        .ok()
}

fn uses(service: &Value, field: &str) -> bool {
    let volumes = list(service, "/spec/template/spec/volumes");
    let spec = service.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    spec.get(field).is_some() || volumes.iter().any(|volume| volume.get(field).is_some())
}

/// What stands before the first `/` where it is a host; else Docker Hub.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// Whether a registry can hardly be asked from within the cluster.
fn is_local(registry: &str) -> bool {
    let host = registry.split(':').next().unwrap_or_default();
    host == "localhost" || host.ends_with(".local") || host.starts_with("127.")
}

fn seconds(text: &str) -> Option<u64> {
    let duration: jiff::SignedDuration = text.parse().ok()?;
    u64::try_from(duration.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{autoscaler, defaults, deployment, features};

    fn service(image: &str) -> Value {
        json!({"spec": {"template": {
            "metadata": {"annotations": {"autoscaling.knative.dev/max-scale": "10"}},
            "spec": {"timeoutSeconds": 60, "containers": [{"image": image}],
                     "volumes": [{"name": "t", "emptyDir": {}}]},
        }}})
    }

    #[test]
    fn a_cluster_as_it_is_installed_has_nothing_that_bites() {
        let service = service("dev.local/freshet-ingest:box");
        let services = [("ingest", &service)];
        for look in [autoscaler, defaults, deployment, features] {
            assert_eq!(look(&Value::Null, &services), []);
        }
    }

    #[test]
    fn settings_that_hurt_are_found() {
        let service = service("localhost:5001/freshet-ingest:dev");
        let services = [("ingest", &service)];
        let config = json!({"enable-scale-to-zero": "false", "max-scale-limit": "5", "stable-window": "10m"});
        let codes: Vec<_> = autoscaler(&config, &services).iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["scale-to-zero-off", "pods-linger", "scale-limited"]);
        assert_eq!(defaults(&json!({"max-revision-timeout-seconds": "30"}), &services).len(), 1);
        assert_eq!(deployment(&Value::Null, &services)[0].code, "tag-not-resolved");
        let skipped = json!({"registries-skipping-tag-resolving": "kind.local, localhost:5001"});
        assert_eq!(deployment(&skipped, &services), []);
        let off = json!({"kubernetes.podspec-volumes-emptydir": "disabled"});
        assert_eq!(features(&off, &services)[0].code, "feature-off");
    }

    #[test]
    fn an_image_with_a_digest_needs_nobody_to_ask() {
        let service = service("localhost:5001/freshet-ingest@sha256:00");
        assert_eq!(deployment(&Value::Null, &[("ingest", &service)]), []);
    }
}
