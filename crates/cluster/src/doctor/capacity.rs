//! Whether the release's pods fit on the nodes beside what runs there.

use serde_json::Value;

use super::knative::scale;
use super::quantity::thousandths;
use super::{Finding, code};
use crate::object::{list, name, text};

/// What Knative's proxy in each pod asks for: 25m of CPU.
const PROXY_CPU: u64 = 25;

/// CPU in thousandths of a core, memory in thousandths of a byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Need {
    cpu: u64,
    memory: u64,
}

/// What is left on one node.
#[derive(Debug, Clone, Copy)]
struct Node {
    free: Need,
    pods: u64,
}

/// Places one pod of each stage, then as many as the stages may grow to, biggest first on the freest node.
pub fn look(nodes: &[Value], pods: &[Value], services: &[(&str, &Value)], release: &str) -> Vec<Finding> {
    let mut free: Vec<Node> =
        nodes.iter().filter(|node| takes_pods(node)).map(|node| left(node, pods, release)).collect();
    let mut needs: Vec<_> = services.iter().map(|(stage, service)| (*stage, need(service))).collect();
    needs.sort_by_key(|(_, need)| std::cmp::Reverse((need.cpu, need.memory)));
    for (stage, need) in &needs {
        if !place(&mut free, *need) {
            let what =
                format!("no node has {}m CPU and {} MiB left for one pod", need.cpu, mebibytes(need.memory));
            return vec![Finding::new(code::NO_CAPACITY, format!("service/{stage}"), what)];
        }
    }
    for (stage, service) in services {
        let need = need(service);
        let most = scale(service, "max-scale").unwrap_or(1);
        if let Some(placed) = (1..most).find(|_| !place(&mut free, need)) {
            let what = format!("with all stages at their bounds only {placed} of its {most} pods fit");
            return vec![Finding::new(code::LITTLE_CAPACITY, format!("service/{stage}"), what)];
        }
    }
    Vec::new()
}

fn place(nodes: &mut [Node], need: Need) -> bool {
    let fits =
        |node: &&mut Node| node.pods > 0 && node.free.cpu >= need.cpu && node.free.memory >= need.memory;
    let Some(node) = nodes.iter_mut().filter(fits).max_by_key(|node| node.free.cpu) else { return false };
    node.free.cpu -= need.cpu;
    node.free.memory -= need.memory;
    node.pods -= 1;
    true
}

/// Not cordoned, and without a taint that keeps ordinary pods away.
fn takes_pods(node: &Value) -> bool {
    let keeps_away = |taint: &Value| matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute");
    node["spec"]["unschedulable"] != true && !list(node, "/spec/taints").iter().any(keeps_away)
}

/// What other pods leave; the release's own are counted as gone, since they are placed anew.
fn left(node: &Value, pods: &[Value], release: &str) -> Node {
    let allocatable =
        |what: &str| thousandths(text(node, &format!("/status/allocatable/{what}"))).unwrap_or(0);
    let own = |pod: &Value| pod["metadata"]["labels"]["app.kubernetes.io/instance"] == release;
    let ended = |pod: &Value| matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    let others: Vec<_> = pods
        .iter()
        .filter(|pod| text(pod, "/spec/nodeName") == name(node) && !own(pod) && !ended(pod))
        .collect();
    let taken = others.iter().fold(Need::default(), |sum, pod| {
        let need = requests(&pod["spec"]);
        Need { cpu: sum.cpu + need.cpu, memory: sum.memory + need.memory }
    });
    Node {
        free: Need {
            cpu: allocatable("cpu").saturating_sub(taken.cpu),
            memory: allocatable("memory").saturating_sub(taken.memory),
        },
        pods: (allocatable("pods") / 1_000).saturating_sub(others.len() as u64),
    }
}

fn need(service: &Value) -> Need {
    let own = requests(&service["spec"]["template"]["spec"]);
    Need { cpu: own.cpu + PROXY_CPU, ..own }
}

fn requests(pod_spec: &Value) -> Need {
    list(pod_spec, "/containers").iter().fold(Need::default(), |sum, container| {
        let of =
            |what: &str| thousandths(text(container, &format!("/resources/requests/{what}"))).unwrap_or(0);
        Need { cpu: sum.cpu + of("cpu"), memory: sum.memory + of("memory") }
    })
}

const fn mebibytes(thousandths: u64) -> u64 {
    thousandths / 1_048_576_000
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::look;

    fn node(cpu: &str) -> Value {
        json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "110"}}})
    }

    fn pod(cpu: &str, release: &str) -> Value {
        json!({
            "metadata": {"labels": {"app.kubernetes.io/instance": release}},
            "spec": {"nodeName": "n", "containers": [{"resources": {"requests": {"cpu": cpu}}}]},
            "status": {"phase": "Running"},
        })
    }

    fn service(max_scale: &str) -> Value {
        json!({"spec": {"template": {
            "metadata": {"annotations": {"autoscaling.knative.dev/max-scale": max_scale}},
            "spec": {"containers": [{"resources": {"requests": {"cpu": "25m", "memory": "32Mi"}}}]},
        }}})
    }

    fn codes(cpu: &str, pods: &[Value], max_scale: &str) -> Vec<&'static str> {
        let service = service(max_scale);
        let found = look(&[node(cpu)], pods, &[("ingest", &service), ("alert", &service)], "plant");
        found.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn one_pod_of_each_stage_must_fit_beside_others() {
        assert_eq!(codes("1", &[pod("950m", "other")], "1"), ["no-room"]);
        assert!(codes("1", &[pod("900m", "other")], "1").is_empty());
        // The release's own pods are no others.
        assert!(codes("1", &[pod("950m", "plant")], "1").is_empty());
    }

    #[test]
    fn stages_that_cannot_grow_to_their_bounds_are_found() {
        assert_eq!(codes("200m", &[], "10"), ["little-room"]);
        assert!(codes("2", &[], "10").is_empty());
    }
}
