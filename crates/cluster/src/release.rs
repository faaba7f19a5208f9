//! One Freshet in a namespace, found by its labels.

use std::collections::BTreeMap;

use pipeline_config::Pipeline;
use serde_json::Value;
use topology::{STAGES, StageSpec};

use crate::api::{Cluster, kinds};
use crate::object::{label, name, text};
use runtime::Failure;

/// The label of every object of a Freshet.
pub const PART_OF: &str = "app.kubernetes.io/part-of=freshet";
/// The label with the release's name.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The label with the stage's name.
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// A release of the chart.
#[derive(Debug, Clone)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// What the names of its objects begin with.
    pub fullname: String,
    /// The Knative Services by stage.
    pub services: BTreeMap<String, Value>,
}

impl Release {
    /// The release of this name, or the only one of the namespace.
    ///
    /// # Errors
    /// Where there is none, or several and none is named.
    pub async fn find(cluster: &Cluster, wanted: Option<&str>) -> Result<Self, Failure> {
        let services = cluster.list(kinds::SERVICE, Some(&cluster.namespace), PART_OF).await?;
        choose(services, wanted).map_err(|names| {
            let namespace = &cluster.namespace;
            match (wanted, names.is_empty()) {
                (_, true) => Failure::new(format!("there is no Freshet in the namespace {namespace}"))
                    .hint("name another with --namespace, or install one: docs/operations.md"),
                (Some(wanted), false) => {
                    Failure::new(format!("there is no release {wanted} in the namespace {namespace}"))
                        .hint(format!("its releases are: {}", names.join(", ")))
                }
                (None, false) => Failure::new(format!("the namespace {namespace} has several releases"))
                    .hint(format!("name one with --release: {}", names.join(", "))),
            }
        })
    }

    /// The labels of the release's objects.
    pub fn selector(&self) -> String {
        format!("{PART_OF},{INSTANCE}={}", self.name)
    }

    /// Whether a stage is not installed, and need not be: it does a job that is not done here.
    pub fn leaves_out(&self, stage: &StageSpec) -> bool {
        stage.job && !self.services.contains_key(stage.name)
    }

    /// The template of a stage's pods.
    pub fn pod_spec(&self, stage: &str) -> Option<&Value> {
        self.services.get(stage)?.pointer("/spec/template/spec")
    }

    /// The pipeline that its stages read.
    ///
    /// # Errors
    /// Where its ConfigMap is not there or has mistakes.
    pub async fn pipeline(&self, cluster: &Cluster) -> Result<Pipeline, Failure> {
        let name = format!("{}-pipeline", self.fullname);
        let data = cluster.config(&cluster.namespace, &name).await?;
        let files: Vec<_> = data.as_object().into_iter().flatten().filter_map(file).collect();
        if files.is_empty() {
            return Err(Failure::new(format!("the ConfigMap {name} holds no pipeline"))
                .hint("`helm upgrade` makes it again"));
        }
        Pipeline::from_bytes(&files).map_err(|mistakes| {
            Failure::new(format!("the pipeline of {} has mistakes:\n{mistakes}", self.name))
        })
    }

    /// The host by which a stage is reached inside the cluster.
    pub fn host(&self, stage: &str) -> Option<String> {
        let url: reqwest::Url = text(self.services.get(stage)?, "/status/address/url").parse().ok()?;
        url.host_str().map(str::to_owned)
    }
}

/// A file of the pipeline in a ConfigMap, by its name.
fn file((name, text): (&String, &Value)) -> Option<(String, Vec<u8>)> {
    let is_part = [".yaml", ".yml", ".js"].iter().any(|end| name.ends_with(end));
    Some((name.clone(), text.as_str().filter(|_| is_part)?.as_bytes().to_vec()))
}

/// The services of one release; otherwise the names of the releases that there are.
fn choose(services: Vec<Value>, wanted: Option<&str>) -> Result<Release, Vec<String>> {
    let mut releases: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for service in services {
        let stage = label(&service, COMPONENT).to_owned();
        if STAGES.iter().any(|known| known.name == stage) {
            releases.entry(label(&service, INSTANCE).to_owned()).or_default().insert(stage, service);
        }
    }
    let names: Vec<_> = releases.keys().cloned().collect();
    let chosen = match (wanted, names.as_slice()) {
        (Some(wanted), _) => wanted.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => return Err(names),
    };
    let services = releases.remove(&chosen).ok_or(names)?;
    let fullname = services
        .iter()
        .find_map(|(stage, service)| name(service).strip_suffix(&format!("-{stage}")))
        .unwrap_or(&chosen)
        .to_owned();
    Ok(Release { name: chosen, fullname, services })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::choose;

    fn service(release: &str, stage: &str) -> Value {
        json!({
            "metadata": {
                "name": format!("{release}-x-{stage}"),
                "labels": {"app.kubernetes.io/instance": release, "app.kubernetes.io/component": stage},
            },
        })
    }

    #[test]
    fn the_only_release_need_not_be_named() {
        let release = choose(vec![service("a", "ingest"), service("a", "dead-letter")], None).unwrap();
        assert_eq!((release.name.as_str(), release.fullname.as_str()), ("a", "a-x"));
        assert_eq!(release.services.len(), 2);
    }

    #[test]
    fn of_several_one_is_named() {
        let services = || vec![service("a", "ingest"), service("b", "ingest")];
        assert_eq!(choose(services(), None).unwrap_err(), ["a", "b"]);
        assert_eq!(choose(services(), Some("c")).unwrap_err(), ["a", "b"]);
        assert_eq!(choose(services(), Some("b")).unwrap().fullname, "b-x");
    }
}
