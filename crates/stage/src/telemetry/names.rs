//! The names of metrics, attributes and log fields: OpenTelemetry's semantic conventions, kept here alone.

/// Histogram, seconds: one HTTP request, by method, route and status.
pub const HTTP_SERVER_REQUEST_DURATION: &str = "http.server.request.duration";
/// Histogram, seconds: the handling of one event, by event type and outcome.
pub const MESSAGING_PROCESS_DURATION: &str = "messaging.process.duration";
/// Counter: processes that were started for a request.
pub const FAAS_COLDSTARTS: &str = "faas.coldstarts";

/// Gauge: records of a partition that the worker's group has not committed.
pub const TOPIC_LAG: &str = "freshet.topic.lag";
/// Gauge: how often a partition was given to a worker.
pub const TOPIC_EPOCH: &str = "freshet.topic.epoch";
/// Counter: partitions in which other records were found than were to be read.
pub const TOPIC_GAPS: &str = "freshet.topic.gaps";

/// Counter: payloads that the Broker was given in direct mode, in place of the database.
pub const DIRECT_FALLBACKS: &str = "freshet.direct.fallbacks";
/// Counter: payloads that neither took, those of requests beyond `MAX_IN_FLIGHT` among them.
pub const DIRECT_REFUSALS: &str = "freshet.direct.refusals";
/// Histogram: payloads of one transaction.
pub const PERSIST_BATCH_SIZE: &str = "freshet.persist.batch.size";
/// Histogram, seconds: how long the oldest evaluation request of a run waited.
pub const EVALUATION_WAIT: &str = "freshet.evaluation.wait";
/// Counter: evaluations that failed, whose stream was put off.
pub const EVALUATION_PUT_OFF: &str = "freshet.evaluation.put_off";
/// Histogram, seconds: from a canary's payload until a phase of the chain was over.
pub const CANARY_DURATION: &str = "freshet.canary.duration";
/// Counter: runs of the canary that are over, by whether they came all the way.
pub const CANARY_RUNS: &str = "freshet.canary.runs";

/// The topic.
pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
/// The partition.
pub const MESSAGING_DESTINATION_PARTITION_ID: &str = "messaging.destination.partition.id";
/// The source of the pipeline.
pub const SOURCE: &str = "freshet.source";
/// The phase of the chain: accepted, stored, recorded, delivered.
pub const CANARY_PHASE: &str = "freshet.canary.phase";
/// How a run went: passed or failed.
pub const CANARY_OUTCOME: &str = "freshet.canary.outcome";
/// The HTTP method.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The route's pattern, never the path.
pub const HTTP_ROUTE: &str = "http.route";
/// The HTTP status.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The one CloudEvents attribute that may be a metric's label.
pub const CLOUDEVENTS_EVENT_TYPE: &str = "cloudevents.event_type";
/// The bounded reason of a failure.
pub const ERROR_TYPE: &str = "error.type";
/// The Knative Service.
pub const FAAS_NAME: &str = "faas.name";
/// The Knative Revision.
pub const FAAS_VERSION: &str = "faas.version";
/// The process.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// Freshet's version.
pub const SERVICE_VERSION: &str = "service.version";

/// The bounds of the buckets of batches.
pub const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The bounds of the buckets of what may wait for ticks, in seconds.
pub const WAIT_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 900.0, 3600.0];

/// The bounds of the buckets that the conventions advise for durations of requests, in seconds.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
