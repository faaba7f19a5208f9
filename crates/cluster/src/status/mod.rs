//! What `freshet status` shows and `freshet drain` waits for.

pub mod counts;
pub mod readers;
pub mod starts;
pub mod under_way;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use topology::STAGES;

use crate::object::{is_ready, label, name, text};
use crate::release::Release;
use counts::Counts;
use starts::Start;

/// A stage on the screen. What nobody could count is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageLine {
    /// The stage.
    pub stage: &'static str,
    /// Whether its Knative Service is.
    pub ready: bool,
    /// Its pods now.
    pub pods: usize,
    /// Its last start from zero.
    pub last_start_at: Option<Timestamp>,
    /// How long that took, in seconds.
    pub start_seconds: Option<i64>,
    /// What it did since the asked time.
    pub events: Option<i64>,
    /// What of that went wrong.
    pub errors: Option<i64>,
    /// Its open dead letters.
    pub dead_letters: Option<i64>,
    /// What waits for it.
    pub lag: Option<i64>,
}

/// The stage name of topic mode's worker.
pub const WORKER: &str = "worker";

/// Where the columns come from.
pub const ORIGINS: &str = "\
READY, PODS   the Knative Service and its pods; of the worker its Deployment
LAST START    the cluster's own events, which it keeps for an hour, and the pods that run
EVENTS        rows: ingest and transform receipts, alert transitions, notify messages delivered, dead-letter dead letters
ERRORS        rows: receipts that were not stored whole, streams whose evaluation fails, messages given up
DEAD          rows of dead letters that are open, by the stage that failed
LAG           worker, and stages behind a Broker of class Kafka: records that are not read; alert: streams to evaluate; notify: due messages; dead-letter: what is to be sent back";

/// A line for each stage. `lags` are by stage.
pub fn lines(
    release: &Release,
    (pods, events): (&[Value], &[Value]),
    counts: Option<&Counts>,
    lags: &[(String, i64)],
) -> Vec<StageLine> {
    let line = |stage: &'static str| {
        let service = release.services.get(stage);
        let own: Vec<_> = pods.iter().filter(|pod| is_pod_of(pod, service.map_or("", name))).collect();
        let start = service.and_then(|service| starts::last(name(service), &own, events));
        let Start { at, seconds } = start.unwrap_or_default();
        let known = counts.and_then(|counts| counts.overview.as_ref().ok());
        let rows = known.map(|overview| StageRows::of(stage, release, overview)).unwrap_or_default();
        let in_kafka =
            lags.iter().filter(|(reader, _)| reader == stage).map(|(_, lag)| *lag).reduce(|a, b| a + b);
        StageLine {
            stage,
            ready: service.is_some_and(is_ready),
            pods: own.len(),
            last_start_at: at,
            start_seconds: seconds,
            events: rows.events,
            errors: rows.errors,
            dead_letters: rows.dead_letters,
            lag: match (rows.lag, in_kafka) {
                (None, None) => None,
                (rows, in_kafka) => Some(rows.unwrap_or(0) + in_kafka.unwrap_or(0)),
            },
        }
    };
    STAGES.iter().filter(|stage| !release.leaves_out(stage)).map(|stage| line(stage.name)).collect()
}

/// A line for topic mode's worker, which reads in place of `transform`; its rows are counted there.
pub fn worker_line(deployment: &Value, lags: &[(String, i64)]) -> StageLine {
    let replicas = |of: &str| deployment.pointer(of).and_then(Value::as_u64).unwrap_or(0);
    let ready = replicas("/status/readyReplicas");
    StageLine {
        stage: WORKER,
        ready: ready >= replicas("/spec/replicas"),
        pods: usize::try_from(ready).unwrap_or(usize::MAX),
        last_start_at: None,
        start_seconds: None,
        events: None,
        errors: None,
        dead_letters: None,
        lag: lags.iter().filter(|(reader, _)| reader == WORKER).map(|(_, lag)| *lag).reduce(|a, b| a + b),
    }
}

fn is_pod_of(pod: &Value, service: &str) -> bool {
    label(pod, "serving.knative.dev/service") == service
        && !service.is_empty()
        && text(pod, "/metadata/deletionTimestamp").is_empty()
}

/// What rows tell of one stage.
#[derive(Debug, Clone, Copy, Default)]
struct StageRows {
    events: Option<i64>,
    errors: Option<i64>,
    dead_letters: Option<i64>,
    lag: Option<i64>,
}

impl StageRows {
    fn of(stage: &str, release: &Release, overview: &store::overview::Overview) -> Self {
        // A stage is known by its own name, or by the host that it was delivered to.
        let host = format!("{}-{stage}.", release.fullname);
        let is_own = |name: &str| name == stage || name.starts_with(&host);
        let dead_letters = || overview.dead_letters.iter().filter(|stage| is_own(&stage.stage));
        let dead_letters = Some(dead_letters().map(|stage| stage.open).sum());
        let rows = Self { dead_letters, ..Self::default() };
        match stage {
            "ingest" => Self { events: Some(overview.receipts), ..rows },
            "transform" => {
                Self { events: Some(overview.receipts), errors: Some(overview.faulty_receipts), ..rows }
            }
            "alert" => Self {
                events: Some(overview.transitions),
                errors: Some(overview.streams_put_off),
                lag: Some(overview.evaluation_requests),
                ..rows
            },
            "notify" => Self {
                events: Some(overview.delivered),
                errors: Some(overview.given_up),
                lag: Some(overview.due),
                ..rows
            },
            "dead-letter" => Self {
                events: Some(overview.dead_letters.iter().map(|stage| stage.since).sum()),
                lag: Some(overview.dead_letters.iter().map(|stage| stage.to_send_back).sum()),
                ..rows
            },
            _ => rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::overview::{Overview, StageDeadLetters};

    use super::counts::Counts;
    use super::{WORKER, lines, worker_line};
    use crate::release::Release;

    fn overview() -> Overview {
        Overview {
            receipts: 12,
            faulty_receipts: 2,
            newest_receipt_at: None,
            evaluation_requests: 3,
            oldest_request_at: None,
            streams_put_off: 0,
            transitions: 4,
            delivered: 5,
            given_up: 1,
            due: 6,
            retrying: 0,
            newest_heartbeat_at: None,
            partitions: Vec::new(),
            gaps: Vec::new(),
            fallbacks: None,
            refused_at: None,
            canary: None,
            dead_letters: vec![
                StageDeadLetters { stage: "transform".into(), since: 2, open: 1, to_send_back: 0 },
                StageDeadLetters {
                    stage: "plant-alert.ns.svc.cluster.local".into(),
                    since: 1,
                    open: 1,
                    to_send_back: 1,
                },
            ],
        }
    }

    #[test]
    fn counts_survive_zero_pods() {
        let service = json!({
            "metadata": {"name": "plant-transform"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        let release = Release {
            name: "plant".into(),
            fullname: "plant".into(),
            services: [("transform".to_owned(), service)].into(),
        };
        let counts = Counts { overview: Ok(overview()), lags: Ok(Vec::new()) };
        let lines = lines(&release, (&[], &[]), Some(&counts), &[("transform".to_owned(), 40)]);
        let line = |stage: &str| lines.iter().find(|line| line.stage == stage).unwrap();
        let transform = line("transform");
        assert_eq!((transform.ready, transform.pods), (true, 0));
        assert_eq!((transform.events, transform.errors, transform.lag), (Some(12), Some(2), Some(40)));
        assert_eq!((line("alert").dead_letters, line("alert").lag), (Some(1), Some(3)));
        assert_eq!((line("dead-letter").events, line("dead-letter").lag), (Some(3), Some(1)));
        assert!(!line("notify").ready);
    }

    #[test]
    fn the_worker_has_a_line_of_its_own() {
        let deployment = json!({"spec": {"replicas": 2}, "status": {"readyReplicas": 1}});
        let line = worker_line(&deployment, &[(WORKER.to_owned(), 7), ("transform".to_owned(), 1)]);
        assert_eq!((line.ready, line.pods, line.lag), (false, 1, Some(7)));
    }

    #[test]
    fn without_the_database_nothing_is_made_up() {
        let release = Release { name: "p".into(), fullname: "p".into(), services: Default::default() };
        let lines = lines(&release, (&[], &[]), None, &[]);
        assert!(lines.iter().all(|line| line.events.is_none() && line.lag.is_none()));
    }
}
