//! Which Kubernetes and which Knative.

use serde_json::Value;

use super::{Finding, code};
use crate::object::{label, name};

/// The custom resources that every release needs.
const NEEDED: [&str; 4] = [
    "services.serving.knative.dev",
    "brokers.eventing.knative.dev",
    "triggers.eventing.knative.dev",
    "pingsources.sources.knative.dev",
];
const KUBERNETES: (u32, u32) = (1, 34);
const KNATIVE: (u32, u32) = (1, 22);

/// What Kubernetes' version means; `version` is as `v1.35.4+k3s1`.
pub fn kubernetes(version: &str) -> Option<Finding> {
    let found = parsed(version)?;
    let what = format!("Kubernetes is {version}");
    (found < KUBERNETES).then(|| Finding::new(code::KUBERNETES_TOO_OLD, "kubernetes", what))
}

/// Which custom resources are missing.
pub fn definitions(definitions: &[Value]) -> Vec<Finding> {
    let is_there = |wanted: &str| definitions.iter().any(|definition| name(definition) == wanted);
    let missing = NEEDED.into_iter().filter(|wanted| !is_there(wanted));
    missing
        .map(|wanted| Finding::new(code::KNATIVE_MISSING, wanted, "this custom resource is not installed"))
        .collect()
}

/// What the version of a part of Knative means, as the label of its Deployment tells it; one without a number (a build of
/// its own) says nothing.
pub fn knative(deployment: &Value) -> Option<Finding> {
    let version = label(deployment, "app.kubernetes.io/version");
    let found = parsed(version)?;
    let subject = label(deployment, "app.kubernetes.io/name");
    let what = format!("its version is {version}");
    (found < KNATIVE).then(|| Finding::new(code::KNATIVE_TOO_OLD, subject, what))
}

/// The first two numbers of a version.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split(['.', '+', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{definitions, knative, kubernetes};

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert!(kubernetes("v1.33.9").is_some());
        assert!(kubernetes("v1.35.4+k3s1").is_none());
        let part = |version: &str| json!({"metadata": {"labels": {"app.kubernetes.io/version": version, "app.kubernetes.io/name": "knative-serving"}}});
        assert_eq!(knative(&part("1.9.0")).unwrap().code, "knative-too-old");
        assert!(knative(&part("1.23.0")).is_none());
        assert!(knative(&part("devel")).is_none());
    }

    #[test]
    fn each_missing_resource_is_named() {
        let found = definitions(&[json!({"metadata": {"name": "services.serving.knative.dev"}})]);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].subject, "brokers.eventing.knative.dev");
    }
}
