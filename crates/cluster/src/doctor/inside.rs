//! What a pod of the release sees: the database and Kafka.

use std::time::Duration;

use jiff::Timestamp;
use kafka::KafkaSettings;
use runtime::{Clock, Failure};
use serde::{Deserialize, Serialize};
use store::canary::{self, Standing};
use store::dead_letters::{self, Cause, Filter, State};
use store::fallbacks::{self, Fallbacks};
use store::overview::PartitionStanding;
use store::registry::retirement;
use store::{
    Database, StoreError, active_pipeline, alerts, floors, jobs, migrate, overview, refusals, topic_offsets,
};
use topology::TICK_TIMER;

use super::{Finding, code};

/// So many runs of the canary in a row fail before that is a finding.
const CANARY_FAILS: i64 = 3;

/// What `freshet doctor --inside` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The database, or why there is none.
    pub database: Result<DatabaseReport, String>,
    /// Kafka, where the release uses it.
    pub kafka: Option<KafkaReport>,
}

/// A database that answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabaseReport {
    /// The version of the schema.
    pub schema: i32,
    /// The version that the command's release needs.
    pub needed: i32,
    /// The hash of the pipeline in force.
    pub pipeline: Option<String>,
    /// `max_connections`.
    pub max_connections: i32,
    /// What is sent to the server leaves the machine as it is.
    pub is_plain: bool,
    /// Open dead letters that wait for a person.
    pub waiting: i64,
    /// Devices of streams whose evaluation fails.
    pub failing: Vec<String>,
    /// Partitions of the worker's topic in which other records were found than were to be read, within a week.
    pub gaps: Vec<String>,
    /// When a payload was last refused in direct mode, if within an hour.
    pub refused_at: Option<Timestamp>,
    /// Payloads that went to the Broker in direct mode within an hour.
    pub fallbacks: Option<Fallbacks>,
    /// Since when the oldest evaluation request waits, where that is long.
    pub late_since: Option<Timestamp>,
    /// Partitions of the topics that the worker reads, with which it has not caught up for long.
    pub behind: Vec<PartitionStanding>,
    /// Topics that sources name, each `SOURCE/TOPIC`, of which the worker has never read.
    pub never_read: Vec<String>,
    /// Jobs whose last slot was given up, each with the reason.
    pub failed_jobs: Vec<(String, String)>,
    /// How the canary stands, where no run of it has come all the way for long.
    #[serde(default)]
    pub canary: Option<Standing>,
    /// When the oldest transaction began that may store readings, where that is long ago.
    pub transaction_since: Option<Timestamp>,
    /// Devices that have sent since they were retired, each `SOURCE/DEVICE`.
    pub retired: Vec<String>,
}

/// The topics that a release reads.
#[derive(Debug, Clone, Copy)]
pub struct ReadTopics<'a> {
    /// Its own.
    pub own: &'a [String],
    /// The sources that read topics of others.
    pub sources: &'a [String],
    /// Those of others that sources name, each `SOURCE/TOPIC`.
    pub of_sources: &'a [String],
}

/// What Kafka says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KafkaReport {
    /// Why it cannot be asked.
    pub error: Option<String>,
    /// Topics that are not there.
    pub missing: Vec<String>,
}

/// More dead letters, or streams, are not counted.
const MOST: u16 = 1000;
/// Of as many devices the names are told.
const NAMED: usize = 5;
/// For so long a gap is told.
const GAPS_SINCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// For so long a refusal is, and a fallback.
const REFUSED_SINCE: Duration = Duration::from_secs(3600);
/// What waits for longer than three ticks is late.
const LATE: Duration = Duration::from_secs(3 * TICK_TIMER.every.as_secs());

impl Report {
    /// Looks at `database`, and at Kafka where the process knows one: whether it has the release's own topics.
    pub async fn now(
        database: &Database,
        kafka: Option<Result<KafkaSettings, Failure>>,
        read: ReadTopics<'_>,
    ) -> Self {
        let database = DatabaseReport::now(database, read)
            .await
            .map_err(|error| Failure::of(&error).message().to_owned());
        let kafka = match kafka {
            Some(settings) => Some(KafkaReport::now(settings, read.own).await),
            None => None,
        };
        Self { database, kafka }
    }
}

impl DatabaseReport {
    async fn now(database: &Database, read: ReadTopics<'_>) -> Result<Self, StoreError> {
        let client = match database.client().await {
            Ok(client) => client,
            Err(StoreError::SchemaTooOld { found, needed }) => {
                return Ok(Self { schema: found, needed, max_connections: i32::MAX, ..Self::default() });
            }
            Err(error) => return Err(error),
        };
        let filter = |cause| Filter { cause: Some(cause), ..Filter::default() };
        let mut waiting = 0;
        for cause in [Cause::Rejected, Cause::Malformed] {
            let listed = dead_letters::list(&client, &filter(cause), MOST).await?;
            waiting += listed.iter().filter(|one| one.state() == State::Open).count();
        }
        let now = Clock::system().now();
        let refused_at = refusals::latest(&client).await?;
        let oldest = overview::oldest_request(&client).await?;
        let bounds = (now - LATE, i64::from(MOST));
        Ok(Self {
            schema: migrate::version(&**client).await?,
            needed: migrate::NEEDED_VERSION,
            pipeline: active_pipeline::hash(&client).await?,
            max_connections: overview::max_connections(&client).await?,
            is_plain: database.is_plain(),
            waiting: i64::try_from(waiting).unwrap_or(i64::MAX),
            failing: alerts::devices_put_off(&client, i64::from(MOST)).await?,
            gaps: topic_offsets::gaps(&client, now - GAPS_SINCE, i64::from(MOST)).await?,
            refused_at: refused_at.filter(|at| *at > now - REFUSED_SINCE),
            fallbacks: fallbacks::since(&client, now - REFUSED_SINCE).await?,
            late_since: oldest.filter(|at| *at < now - LATE),
            behind: overview::partitions_behind(&client, (read.own, read.sources), bounds).await?,
            never_read: overview::never_read(&client, read.of_sources).await?,
            failed_jobs: jobs::failed(&client).await?,
            canary: canary::standing(&client, now).await?.filter(|standing| standing.failed >= CANARY_FAILS),
            transaction_since: floors::oldest_transaction(&client)
                .await?
                .filter(|at| *at < now - floors::LONG_TRANSACTION),
            retired: retirement::sending(&client, i64::from(MOST)).await?,
        })
    }
}

impl KafkaReport {
    async fn now(settings: Result<KafkaSettings, Failure>, topics: &[String]) -> Self {
        let missing = match settings {
            Ok(settings) => kafka::missing_topics(settings, topics.to_vec())
                .await
                .map_err(|error| Failure::of(&error).message().to_owned()),
            Err(failure) => Err(failure.message().to_owned()),
        };
        match missing {
            Ok(missing) => Self { error: None, missing },
            Err(reason) => Self { error: Some(reason), missing: Vec::new() },
        }
    }
}

/// What the report means; `pipeline` is the hash of the release's file, `connections` what its stages may take.
pub fn judge(report: &Report, pipeline: Option<&str>, connections: u64) -> Vec<Finding> {
    let mut found = match &report.database {
        Ok(database) => judge_database(database, pipeline, connections),
        Err(reason) => vec![Finding::new(code::DATABASE_UNREACHABLE, "database", reason)],
    };
    if let Some(kafka) = &report.kafka {
        if let Some(reason) = &kafka.error {
            found.push(Finding::new(code::KAFKA_UNREACHABLE, "kafka", reason));
        }
        let missing = kafka.missing.iter();
        found.extend(missing.map(|topic| {
            Finding::new(code::TOPIC_MISSING, format!("topic/{topic}"), "Kafka has no such topic")
        }));
    }
    found
}

fn judge_database(database: &DatabaseReport, pipeline: Option<&str>, connections: u64) -> Vec<Finding> {
    let mut found = Vec::new();
    let DatabaseReport { schema, needed, .. } = *database;
    if schema != needed {
        let what = format!("the schema is at version {schema}, this release needs {needed}");
        let code = if schema < needed { code::SCHEMA_TOO_OLD } else { code::SCHEMA_NEWER };
        found.push(Finding::new(code, "database", what));
    }
    if schema > 0 {
        let what = match (&database.pipeline, pipeline) {
            (None, _) => Some("no pipeline was ever put in force"),
            (Some(active), Some(own)) if active != own => {
                Some("the pipeline in force is not the one of the ConfigMap")
            }
            _ => None,
        };
        found.extend(what.map(|what| Finding::new(code::PIPELINE_NOT_ACTIVE, "pipeline", what)));
    }
    if database.is_plain {
        let what = "passwords and readings cross the network without TLS";
        found.push(Finding::new(code::DATABASE_PLAIN, "database", what));
    }
    let most = u64::try_from(database.max_connections).unwrap_or_default();
    if connections > most {
        let what = format!("the stages may take {connections} connections, the server has {most}");
        found.push(Finding::new(code::CONNECTIONS_SHORT, "database", what));
    }
    if database.waiting > 0 {
        let what = format!("{} wait for a person", database.waiting);
        found.push(Finding::new(code::DEAD_LETTERS_WAIT, "dead letters", what));
    }
    if let Some(device) = database.failing.first() {
        let what = format!("{} cannot be evaluated, among them one of {device}", database.failing.len());
        found.push(Finding::new(code::EVALUATION_FAILS, "streams", what));
    }
    if let Some(gap) = database.gaps.first() {
        let more = match database.gaps.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        found.push(Finding::new(code::RECORDS_GONE, "topic", format!("{gap}{more}")));
    }
    if let Some(at) = database.refused_at {
        let what = format!("senders were refused, last at {at:.0}");
        found.push(Finding::new(code::PAYLOADS_REFUSED, "ingest", what));
    }
    if let Some(Fallbacks { at, payloads }) = database.fallbacks {
        let what = format!("the Broker took {payloads} payloads, the last at {at:.0}");
        found.push(Finding::new(code::FALLBACK_IN_USE, "ingest", what));
    }
    if let Some(since) = database.late_since {
        let what = format!("the oldest evaluation request waits since {since:.0}");
        found.push(Finding::new(code::EVALUATION_LATE, "alert", what));
    }
    if let Some(PartitionStanding { topic, partition, epoch, caught_up_at, .. }) = database.behind.first() {
        let since = caught_up_at.map_or_else(|| "it is there".to_owned(), |at| format!("{at:.0}"));
        let what = format!(
            "{} partitions wait, {topic}/{partition} (epoch {epoch}) since {since}",
            database.behind.len()
        );
        found.push(Finding::new(code::WORKER_BEHIND, "worker", what));
    }
    let never_read = database.never_read.iter();
    found.extend(never_read.map(|topic| {
        let what = "the worker has found no partition of it yet";
        Finding::new(code::TOPIC_NEVER_READ, format!("topic/{topic}"), what)
    }));
    found.extend(database.canary.as_ref().map(|standing| {
        let since = standing.passed.as_ref().map_or_else(String::new, |run| format!(" since {}", run.slot));
        let reason = standing.newest.failure.as_deref().unwrap_or_default();
        let what = format!("no run came all the way{since}: {reason}");
        Finding::new(code::CANARY_FAILED, "canary", what)
    }));
    let failed = database.failed_jobs.iter();
    found.extend(failed.map(|(job, reason)| {
        let what = format!("its last slot was given up: {reason}");
        Finding::new(code::JOB_FAILED, format!("job/{job}"), what)
    }));
    if let Some(since) = database.transaction_since {
        let what = format!("a transaction of a role that may store readings is under way since {since:.0}");
        found.push(Finding::new(code::TRANSACTION_LONG, "database", what));
    }
    if !database.retired.is_empty() {
        let (named, more) = database.retired.split_at(database.retired.len().min(NAMED));
        let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
        let what = format!("retired, and sending since: {}{more}", named.join(", "));
        found.push(Finding::new(code::DEVICE_RETIRED_SENDS, "devices", what));
    }
    found
}

#[cfg(test)]
mod tests {
    use store::canary::{Phases, Run, Standing};
    use store::fallbacks::Fallbacks;
    use store::overview::PartitionStanding;

    use super::{DatabaseReport, KafkaReport, Report, judge};

    fn well() -> DatabaseReport {
        DatabaseReport {
            schema: 2,
            needed: 2,
            pipeline: Some("h".into()),
            max_connections: 100,
            ..DatabaseReport::default()
        }
    }

    fn codes(database: DatabaseReport) -> Vec<&'static str> {
        let report = Report { database: Ok(database), kafka: None };
        judge(&report, Some("h"), 50).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_database_as_it_should_be_has_no_finding() {
        assert!(codes(well()).is_empty());
    }

    #[test]
    fn each_fault_of_the_database_has_its_code() {
        assert_eq!(codes(DatabaseReport { schema: 1, ..well() }), ["schema-too-old"]);
        assert_eq!(codes(DatabaseReport { schema: 3, ..well() }), ["schema-newer"]);
        assert_eq!(codes(DatabaseReport { pipeline: None, ..well() }), ["pipeline-not-active"]);
        assert_eq!(codes(DatabaseReport { pipeline: Some("x".into()), ..well() }), ["pipeline-not-active"]);
        assert_eq!(codes(DatabaseReport { max_connections: 20, ..well() }), ["connections-short"]);
        assert_eq!(codes(DatabaseReport { is_plain: true, ..well() }), ["database-plain"]);
        assert_eq!(codes(DatabaseReport { waiting: 3, ..well() }), ["dead-letters-wait"]);
        assert_eq!(codes(DatabaseReport { failing: vec!["d".into()], ..well() }), ["evaluation-fails"]);
        assert_eq!(
            codes(DatabaseReport { gaps: vec!["payloads/0: gone".into()], ..well() }),
            ["records-gone"]
        );
        let refused_at = Some(jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(codes(DatabaseReport { refused_at, ..well() }), ["payloads-refused"]);
        assert_eq!(codes(DatabaseReport { late_since: refused_at, ..well() }), ["evaluation-late"]);
        let fallbacks = refused_at.map(|at| Fallbacks { at, payloads: 3 });
        assert_eq!(codes(DatabaseReport { fallbacks, ..well() }), ["fallback-in-use"]);
        let (topic, caught_up_at) = ("payloads".to_owned(), refused_at);
        let behind =
            vec![PartitionStanding { topic, partition: 1, next: 5, epoch: 2, caught_up_at, lag: None }];
        assert_eq!(codes(DatabaseReport { behind, ..well() }), ["worker-behind"]);
        assert_eq!(
            codes(DatabaseReport { never_read: vec!["floor/readings".into()], ..well() }),
            ["topic-never-read"]
        );
        assert_eq!(
            codes(DatabaseReport { failed_jobs: vec![("cleanup".into(), "no".into())], ..well() }),
            ["job-failed"]
        );
        let run = Run {
            slot: "2026-03-01T12:07:00Z".parse().unwrap(),
            sent_at: None,
            accepted_at: None,
            phases: Phases::default(),
            finished_at: None,
            failure: Some("it was not accepted".into()),
            ping_failure: None,
        };
        let canary = Some(Standing { newest: run, passed: None, failed: 3 });
        assert_eq!(codes(DatabaseReport { canary, ..well() }), ["canary-failed"]);
        assert_eq!(codes(DatabaseReport { transaction_since: refused_at, ..well() }), ["transaction-long"]);
    }

    #[test]
    fn of_many_retired_devices_that_send_the_first_are_named() {
        let retired: Vec<String> = (1..=7).map(|n| format!("yard/gh-{n}")).collect();
        let what = |retired: &[String]| {
            let database = DatabaseReport { retired: retired.to_vec(), ..well() };
            let found = judge(&Report { database: Ok(database), kafka: None }, Some("h"), 50);
            assert_eq!(
                found.iter().map(|finding| finding.code).collect::<Vec<_>>(),
                ["device-retired-sends"]
            );
            found[0].what.clone()
        };
        assert_eq!(what(&retired[..2]), "retired, and sending since: yard/gh-1, yard/gh-2");
        assert!(what(&retired).ends_with("yard/gh-5, and 2 more"), "{}", what(&retired));
    }

    #[test]
    fn what_cannot_be_reached_is_found_with_its_reason() {
        let kafka = KafkaReport { error: Some("no broker".into()), missing: vec!["plant.events".into()] };
        let report = Report { database: Err("no route".into()), kafka: Some(kafka) };
        let found = judge(&report, None, 0);
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["database-unreachable", "kafka-unreachable", "topic-missing"]);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }
}
