//! Which consumer groups work for which stage.

use serde_json::Value;

use super::WORKER;
use crate::api::{Cluster, kinds};
use crate::doctor::broker;
use crate::object::{label, variable};
use crate::release::{COMPONENT, Release};
use kafka::TopicGroup;
use runtime::Failure;

/// The stage that keeps dead letters.
pub const DEAD_LETTER: &str = "dead-letter";

/// A release's readers of Kafka, and whether its Broker tells what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers {
    /// Each with the stage that it works for.
    pub readers: Vec<(String, TopicGroup)>,
    /// The Broker's class.
    pub broker_class: String,
    /// Topic mode's worker, where there is one.
    pub worker: Option<Value>,
    /// The one of `readers` that keeps what is in the topic of dead letters, where there is one.
    pub dead_letters: Option<TopicGroup>,
}

impl Readers {
    /// Looks them up.
    ///
    /// # Errors
    /// Where the API server refuses.
    pub async fn find(cluster: &Cluster, release: &Release) -> Result<Self, Failure> {
        let (namespace, selector) = (Some(cluster.namespace.as_str()), release.selector());
        let triggers = cluster.list(kinds::TRIGGER, namespace, &selector).await?;
        let workers = cluster.list(kinds::DEPLOYMENT, namespace, &selector).await?;
        let name = triggers.first().and_then(|trigger| trigger["spec"]["broker"].as_str());
        let broker = cluster.get(kinds::BROKER, namespace, name.unwrap_or(&release.fullname)).await?;
        Ok(of(release, broker.as_ref(), &triggers, &workers))
    }

    /// The arguments of the command in the pod.
    pub fn arguments(&self) -> Vec<String> {
        self.readers.iter().flat_map(|(_, reader)| ["--reader".to_owned(), reader.to_string()]).collect()
    }
}

fn of(release: &Release, broker: Option<&Value>, triggers: &[Value], workers: &[Value]) -> Readers {
    let mut readers = Vec::new();
    let worker = workers.iter().find(|worker| label(worker, COMPONENT) == WORKER);
    if let Some(worker) = worker {
        let spec = &worker["spec"]["template"]["spec"];
        readers.extend(reader(spec, "KAFKA_TOPIC", "KAFKA_GROUP").map(|reader| (WORKER.to_owned(), reader)));
    }
    let dead_letters = release.pod_spec(DEAD_LETTER);
    let dead_letters =
        dead_letters.and_then(|spec| reader(spec, "KAFKA_DEAD_LETTER_TOPIC", "KAFKA_DEAD_LETTER_GROUP"));
    readers.extend(dead_letters.clone().map(|reader| (DEAD_LETTER.to_owned(), reader)));
    for (trigger, topic, group) in broker.map(|broker| broker::groups(broker, triggers)).unwrap_or_default() {
        let stage = triggers.iter().find(|known| known["metadata"]["name"] == trigger.as_str());
        let stage = stage.map_or("", |trigger| label(trigger, COMPONENT)).to_owned();
        readers.push((stage, TopicGroup { topic, group }));
    }
    Readers {
        readers,
        broker_class: broker.map_or("", broker::class).to_owned(),
        worker: worker.cloned(),
        dead_letters,
    }
}

fn reader(pod_spec: &Value, topic: &str, group: &str) -> Option<TopicGroup> {
    Some(TopicGroup {
        topic: variable(pod_spec, topic)?.to_owned(),
        group: variable(pod_spec, group)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;
    use crate::release::Release;

    #[test]
    fn the_worker_the_dead_letters_and_the_triggers_are_readers() {
        let env = |topic: &str, group: &str| {
            json!({"containers": [{"env": [
                {"name": topic, "value": "plant.topic"}, {"name": group, "value": "plant.group"}]}]})
        };
        let dead_letter = json!({"spec": {"template": {"spec": env("KAFKA_DEAD_LETTER_TOPIC", "KAFKA_DEAD_LETTER_GROUP")}}});
        let release = Release {
            name: "plant".into(),
            fullname: "plant".into(),
            services: [("dead-letter".to_owned(), dead_letter)].into(),
        };
        let worker = json!({
            "metadata": {"labels": {"app.kubernetes.io/component": "worker"}},
            "spec": {"template": {"spec": env("KAFKA_TOPIC", "KAFKA_GROUP")}},
        });
        let broker = json!({
            "metadata": {"annotations": {"eventing.knative.dev/broker.class": "Kafka"}},
            "status": {"annotations": {"default.topic": "plant.events"}},
        });
        let trigger = json!({
            "metadata": {"name": "plant-notify-due", "labels": {"app.kubernetes.io/component": "notify"}},
            "status": {"annotations": {"group.id": "g"}},
        });
        let readers = of(&release, Some(&broker), &[trigger], &[worker]);
        let stages: Vec<_> = readers.readers.iter().map(|(stage, _)| stage.as_str()).collect();
        assert_eq!(stages, ["worker", "dead-letter", "notify"]);
        assert_eq!(readers.arguments()[4..], ["--reader", "plant.events:g"]);
        assert_eq!(readers.broker_class, "Kafka");
        assert_eq!(readers.dead_letters, Some(readers.readers[1].1.clone()));
    }
}
