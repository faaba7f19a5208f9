//! What the commands need to be allowed.

use serde_json::{Value, json};

use super::{Finding, code};

/// A verb on a resource, and who needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// The part of it, such as `log`.
    pub subresource: &'static str,
    /// The verb.
    pub verb: &'static str,
    /// Where.
    pub place: Place,
    /// The commands that need it.
    pub commands: &'static str,
}

/// Where a right must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the release's namespace.
    Release,
    /// In this namespace.
    Namespace(&'static str),
    /// In the whole cluster.
    Cluster,
}

const fn right(
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
    place: Place,
    commands: &'static str,
) -> Right {
    Right { group, resource, subresource: "", verb, place, commands }
}

const fn part(
    resource: &'static str,
    subresource: &'static str,
    verb: &'static str,
    place: Place,
    commands: &'static str,
) -> Right {
    Right { group: "", resource, subresource, verb, place, commands }
}

const EVERY: &str = "every command";
const LOOKERS: &str = "doctor, status";
const INSIDERS: &str = "doctor, status, drain";
const SENDERS: &str = "send, dead-letters";

/// Every right that the commands make use of.
pub const RIGHTS: [Right; 24] = [
    right("serving.knative.dev", "services", "list", Place::Release, EVERY),
    right("eventing.knative.dev", "brokers", "get", Place::Release, INSIDERS),
    right("eventing.knative.dev", "triggers", "list", Place::Release, INSIDERS),
    right("eventing.knative.dev", "kafkasinks", "list", Place::Release, "doctor"),
    right("sources.knative.dev", "pingsources", "list", Place::Release, "doctor"),
    right("", "configmaps", "get", Place::Release, "doctor, send"),
    right("", "pods", "list", Place::Release, LOOKERS),
    right("", "events", "list", Place::Release, "status"),
    right("batch", "jobs", "list", Place::Release, INSIDERS),
    right("apps", "deployments", "list", Place::Release, INSIDERS),
    right("", "pods", "get", Place::Release, INSIDERS),
    right("", "pods", "create", Place::Release, INSIDERS),
    right("", "pods", "delete", Place::Release, INSIDERS),
    part("pods", "log", "get", Place::Release, INSIDERS),
    right("", "pods", "list", Place::Namespace("kourier-system"), SENDERS),
    // A WebSocket begins as a GET; newer API servers ask for `create` too.
    part("pods", "portforward", "get", Place::Namespace("kourier-system"), SENDERS),
    part("pods", "portforward", "create", Place::Namespace("kourier-system"), SENDERS),
    right("", "configmaps", "get", Place::Namespace("knative-serving"), "doctor"),
    right("apps", "deployments", "get", Place::Namespace("knative-serving"), "doctor"),
    right("apps", "deployments", "get", Place::Namespace("knative-eventing"), "doctor"),
    right("apps", "statefulsets", "get", Place::Namespace("knative-eventing"), "doctor"),
    right("", "nodes", "list", Place::Cluster, "doctor"),
    right("", "pods", "list", Place::Cluster, "doctor"),
    right("apiextensions.k8s.io", "customresourcedefinitions", "list", Place::Cluster, "doctor"),
];

impl Right {
    /// The question whether one has it.
    pub fn question(&self, release_namespace: &str) -> Value {
        let namespace = match self.place {
            Place::Release => release_namespace,
            Place::Namespace(namespace) => namespace,
            Place::Cluster => "",
        };
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": namespace,
                "group": self.group,
                "resource": self.resource,
                "subresource": self.subresource,
                "verb": self.verb,
            }},
        })
    }

    /// What the answer means.
    pub fn judge(&self, answer: &Value, release_namespace: &str) -> Option<Finding> {
        if answer["status"]["allowed"] == true {
            return None;
        }
        let place = match self.place {
            Place::Release => format!("in {release_namespace}"),
            Place::Namespace(namespace) => format!("in {namespace}"),
            Place::Cluster => "in the whole cluster".to_owned(),
        };
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        let what = format!(
            "no right to {} {}{slash}{} {place}; needed by: {}",
            self.verb, self.resource, self.subresource, self.commands
        );
        Some(Finding::new(code::RIGHT_MISSING, "rights", what))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::RIGHTS;

    #[test]
    fn a_right_that_is_missing_is_named_whole() {
        let right = RIGHTS.iter().find(|right| right.subresource == "portforward").unwrap();
        assert!(right.judge(&json!({"status": {"allowed": true}}), "plant").is_none());
        let what = right.judge(&json!({"status": {"allowed": false}}), "plant").unwrap().what;
        assert_eq!(what, "no right to get pods/portforward in kourier-system; needed by: send, dead-letters");
    }

    #[test]
    fn a_question_names_the_namespace_that_it_is_about() {
        let namespace = |resource: &str| {
            let right = RIGHTS.iter().find(|right| right.resource == resource).unwrap();
            right.question("plant")["spec"]["resourceAttributes"]["namespace"].clone()
        };
        assert_eq!(namespace("services"), "plant");
        assert_eq!(namespace("statefulsets"), "knative-eventing");
        assert_eq!(namespace("nodes"), "");
    }
}
