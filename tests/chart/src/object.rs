//! A rendered object, and what tests ask of it.

use serde_json::Value;

/// One Kubernetes object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(pub Value);

/// One container of an object, and where its pod is.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// The container.
    pub spec: &'a Value,
    /// The pod's spec around it.
    pub pod: &'a Value,
}

impl Object {
    /// `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `kind`.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The value at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// The text at a JSON pointer; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The annotation `key`.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at("/metadata/annotations")?.get(key)?.as_str()
    }

    /// The spec of the object's pod, whatever the object is.
    pub fn pod(&self) -> Option<&Value> {
        match self.kind() {
            "Pod" => self.at("/spec"),
            "Job" | "Deployment" => self.at("/spec/template/spec"),
            "Service" if self.api_version().starts_with("serving.knative.dev/") => {
                self.at("/spec/template/spec")
            }
            _ => None,
        }
    }

    /// The containers of its pod.
    pub fn containers(&self) -> Vec<Container<'_>> {
        let Some(pod) = self.pod() else { return Vec::new() };
        let list = pod.get("containers").and_then(Value::as_array);
        list.into_iter().flatten().map(|spec| Container { spec, pod }).collect()
    }

    /// The variable `name` of its first container: the text, or what it is taken from.
    pub fn variable(&self, name: &str) -> Option<Value> {
        let container = self.containers().first()?.spec;
        let variable = container.get("env")?.as_array()?.iter().find(|variable| variable["name"] == name)?;
        variable.get("value").or_else(|| variable.get("valueFrom")).cloned()
    }
}
