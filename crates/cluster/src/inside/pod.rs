//! The manifest of a pod that runs this command.

use std::time::Duration;

use serde_json::{Value, json};

use super::LABEL;
use crate::release::Release;

/// A pod of `template` with other arguments. It keeps the labels that network policies go by.
pub(super) fn manifest(
    template: &Value,
    release: &Release,
    name: &str,
    arguments: &[String],
    deadline: Duration,
) -> Value {
    let mut spec = template["spec"].clone();
    spec["restartPolicy"] = "Never".into();
    spec["activeDeadlineSeconds"] = deadline.as_secs().into();
    spec["containers"][0]["args"] = arguments.into();
    let component = template.pointer("/metadata/labels/app.kubernetes.io~1component");
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/name": "freshet",
                "app.kubernetes.io/part-of": "freshet",
                "app.kubernetes.io/instance": release.name,
                "app.kubernetes.io/component": component.cloned().unwrap_or_else(|| "migrate".into()),
                LABEL: "true",
            },
            // Service meshes would keep the pod alive after its command has ended.
            "annotations": {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"},
        },
        "spec": spec,
    })
}

/// The template of `transform`'s pods with the command's image, which has the same registry and tag; `None` where the
/// image is named by its digest.
pub(super) fn template_of_transform(release: &Release) -> Option<Value> {
    let spec = release.pod_spec("transform")?;
    let container = &spec["containers"][0];
    let (repository, tag) = container["image"].as_str()?.rsplit_once(':')?;
    let image = format!("{}:{tag}", repository.strip_suffix("-transform")?);
    let mut own = json!({
        "name": "inside",
        "image": image,
        "env": container["env"],
        "resources": {"requests": {"cpu": "25m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": container["securityContext"],
    });
    for field in ["volumeMounts", "imagePullPolicy", "envFrom"] {
        if let Some(value) = container.get(field) {
            own[field] = value.clone();
        }
    }
    let mut pod = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [own],
    });
    for field in ["volumes", "serviceAccountName", "imagePullSecrets"] {
        if let Some(value) = spec.get(field) {
            pod[field] = value.clone();
        }
    }
    Some(json!({"spec": pod}))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{manifest, template_of_transform};
    use crate::release::Release;

    fn release(image: &str) -> Release {
        let service = json!({"spec": {"template": {"spec": {
            "serviceAccountName": "freshet",
            "containers": [{"image": image, "env": [{"name": "DATABASE_URL", "value": "x"}],
                            "securityContext": {"runAsNonRoot": true}}],
        }}}});
        Release {
            name: "plant".into(),
            fullname: "plant".into(),
            services: [("transform".to_owned(), service)].into(),
        }
    }

    #[test]
    fn the_pod_runs_other_arguments_in_the_same_template() {
        let template = json!({
            "metadata": {"labels": {"app.kubernetes.io/component": "migrate", "controller-uid": "1"}},
            "spec": {"restartPolicy": "OnFailure", "containers": [{"image": "a/freshet:1", "args": ["migrate"]}]},
        });
        let release = release("a/freshet-transform:1");
        let pod = manifest(&template, &release, "p", &["doctor".to_owned()], Duration::from_secs(5));
        assert_eq!(pod["spec"]["containers"][0]["args"], json!(["doctor"]));
        assert_eq!(pod["spec"]["restartPolicy"], "Never");
        // The Job would take a pod with its own labels for one of its own.
        assert!(pod["metadata"]["labels"].get("controller-uid").is_none());
        assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/component"], "migrate");
    }

    #[test]
    fn without_a_job_the_image_is_found_beside_transforms() {
        let template = template_of_transform(&release("localhost:5001/freshet-transform:1.2")).unwrap();
        assert_eq!(template["spec"]["containers"][0]["image"], "localhost:5001/freshet:1.2");
        assert!(template_of_transform(&release("a/freshet-transform@sha256:00")).is_none());
    }
}
