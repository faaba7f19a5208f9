//! What Kubernetes and Knative take, as JSON Schemas in which a field that nobody knows is a mistake.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::object::Object;
use crate::tools::{Tools, repository};
use crate::yaml;

/// Kinds of Kubernetes that the chart renders, with their names in its OpenAPI.
const KUBERNETES: [(&str, &str, &str); 8] = [
    ("v1", "ConfigMap", "io.k8s.api.core.v1.ConfigMap"),
    ("v1", "Pod", "io.k8s.api.core.v1.Pod"),
    ("v1", "Secret", "io.k8s.api.core.v1.Secret"),
    ("v1", "ServiceAccount", "io.k8s.api.core.v1.ServiceAccount"),
    ("apps/v1", "Deployment", "io.k8s.api.apps.v1.Deployment"),
    ("batch/v1", "Job", "io.k8s.api.batch.v1.Job"),
    ("networking.k8s.io/v1", "NetworkPolicy", "io.k8s.api.networking.v1.NetworkPolicy"),
    ("meta", "ObjectMeta", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
];

/// Fields that Knative takes behind `x-kubernetes-preserve-unknown-fields`, without a word in the CRD.
const UNDECLARED: [(&str, &str, &str); 1] =
    [("Trigger", "/properties/spec/properties/delivery/properties", "timeout")];

/// The schemas, by `apiVersion` and `kind`.
#[derive(Debug)]
pub struct Schemas {
    validators: BTreeMap<(String, String), Validator>,
}

impl Schemas {
    /// Reads what `.ci/chart-tools` fetched, and `tests/chart/schemas` for what no registry has.
    ///
    /// # Panics
    /// Where a file is not what it is expected to be.
    pub fn new(tools: &Tools) -> Self {
        let mut validators = BTreeMap::new();
        let definitions: Value = serde_json::from_str(&read(&tools.folder.join("kubernetes.json")))
            .expect("the schemas of Kubernetes are JSON");
        for (api_version, kind, name) in KUBERNETES {
            let mut schema = definitions.clone();
            schema["$ref"] = json!(format!("#/$defs/{name}"));
            validators.insert((api_version.to_owned(), kind.to_owned()), compiled(&schema));
        }
        let own = repository().join("tests/chart/schemas");
        for folder in [&tools.folder.join("knative"), &own] {
            for entry in folder.read_dir().expect("the folder of CRDs is there") {
                let path = entry.expect("its entries can be listed").path();
                for crd in yaml::documents(&read(&path)).expect("a CRD is YAML") {
                    validators.extend(of_crd(&crd));
                }
            }
        }
        Self { validators }
    }

    /// What is wrong with an object, a line each.
    pub fn mistakes(&self, object: &Object) -> Vec<String> {
        let place = format!("{} {}", object.kind(), object.name());
        let key = (object.api_version().to_owned(), object.kind().to_owned());
        let Some(validator) = self.validators.get(&key) else {
            return vec![format!("{place}: there is no schema of {} {}", key.0, key.1)];
        };
        let metadata = &self.validators[&("meta".to_owned(), "ObjectMeta".to_owned())];
        let whole = validator.iter_errors(&object.0);
        let about = metadata.iter_errors(&object.0["metadata"]);
        whole.chain(about).map(|error| format!("{place}: {}: {error}", error.instance_path())).collect()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compiled(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).unwrap_or_else(|error| panic!("{error}"))
}

fn of_crd(crd: &Value) -> Vec<((String, String), Validator)> {
    let group = crd["spec"]["group"].as_str().unwrap_or_default();
    let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default();
    let versions = crd["spec"]["versions"].as_array().into_iter().flatten();
    let served = versions.filter(|version| version["served"] == true);
    served
        .map(|version| {
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            for (_, place, field) in UNDECLARED.iter().filter(|(of, ..)| *of == kind) {
                let fields = schema.pointer_mut(place).unwrap_or_else(|| panic!("{kind} has {place}"));
                fields[field] = json!({"type": "string"});
            }
            schema["properties"]["apiVersion"] = json!({"type": "string"});
            schema["properties"]["kind"] = json!({"type": "string"});
            // Checked with the schema of ObjectMeta.
            schema["properties"]["metadata"] = json!({});
            close(&mut schema);
            let name = version["name"].as_str().unwrap_or_default();
            ((format!("{group}/{name}"), kind.to_owned()), compiled(&schema))
        })
        .collect()
}

/// Makes every field a mistake that its object does not declare, and translates what only OpenAPI knows.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            if fields.get("x-kubernetes-int-or-string") == Some(&json!(true)) {
                fields.remove("type");
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
