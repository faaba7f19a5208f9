//! The shell's own instruments.

use std::time::Duration;

use actix_web::dev::ServiceResponse;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::names;

/// The instruments of the shell, and the meter for those of a service. Does nothing where nothing is exported.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Option<Instruments>);

#[derive(Debug, Clone)]
struct Instruments {
    meter: Meter,
    http_request: Histogram<f64>,
    process: Histogram<f64>,
    cold_starts: Counter<u64>,
}

impl Metrics {
    pub(super) fn of(provider: Option<&SdkMeterProvider>, name: &'static str) -> Self {
        Self(provider.map(|provider| {
            let meter = provider.meter(name);
            let seconds = |name: &'static str| {
                let buckets = names::DURATION_BUCKETS.to_vec();
                meter.f64_histogram(name).with_unit("s").with_boundaries(buckets).build()
            };
            let cold_starts = meter.u64_counter(names::FAAS_COLDSTARTS).with_unit("{coldstart}").build();
            // A counter whose first sample is 1 never increases, in the eyes of a rate.
            cold_starts.add(0, &[]);
            Instruments {
                http_request: seconds(names::HTTP_SERVER_REQUEST_DURATION),
                process: seconds(names::MESSAGING_PROCESS_DURATION),
                cold_starts,
                meter,
            }
        }))
    }

    /// The meter for a service's own instruments; `None` where nothing is exported.
    pub fn meter(&self) -> Option<&Meter> {
        self.0.as_ref().map(|instruments| &instruments.meter)
    }

    pub(crate) fn http_request<B>(&self, answer: &ServiceResponse<B>, took: Duration) {
        let Some(instruments) = &self.0 else { return };
        let request = answer.request();
        let mut attributes = vec![
            KeyValue::new(names::HTTP_REQUEST_METHOD, known_method(request.method().as_str())),
            KeyValue::new(names::HTTP_RESPONSE_STATUS_CODE, i64::from(answer.status().as_u16())),
        ];
        attributes.extend(request.match_pattern().map(|route| KeyValue::new(names::HTTP_ROUTE, route)));
        instruments.http_request.record(took.as_secs_f64(), &attributes);
    }

    pub(crate) fn process(&self, event_type: &str, failure: Option<&'static str>, took: Duration) {
        let Some(instruments) = &self.0 else { return };
        let mut attributes = vec![KeyValue::new(names::CLOUDEVENTS_EVENT_TYPE, event_type.to_owned())];
        attributes.extend(failure.map(|failure| KeyValue::new(names::ERROR_TYPE, failure)));
        instruments.process.record(took.as_secs_f64(), &attributes);
    }

    pub(crate) fn cold_start(&self) {
        if let Some(instruments) = &self.0 {
            instruments.cold_starts.add(1, &[]);
        }
    }
}

/// What is measured of the partitions of a topic. Does nothing where nothing is exported.
#[derive(Debug, Clone, Default)]
pub struct TopicMetrics(Option<TopicInstruments>);

#[derive(Debug, Clone)]
struct TopicInstruments {
    topic: String,
    source: Option<String>,
    lag: Gauge<i64>,
    epoch: Gauge<i64>,
    gaps: Counter<u64>,
}

impl Metrics {
    /// The instruments of a worker of `topic`, which is one of `source` where that reads it.
    pub fn of_topic(&self, topic: &str, source: Option<&str>) -> TopicMetrics {
        TopicMetrics(self.meter().map(|meter| TopicInstruments {
            topic: topic.to_owned(),
            source: source.map(str::to_owned),
            lag: meter.i64_gauge(names::TOPIC_LAG).with_unit("{record}").build(),
            epoch: meter.i64_gauge(names::TOPIC_EPOCH).build(),
            gaps: meter.u64_counter(names::TOPIC_GAPS).with_unit("{gap}").build(),
        }))
    }
}

impl TopicMetrics {
    /// How many records of a partition wait, and under which epoch it is read.
    pub fn stands(&self, partition: i32, lag: i64, epoch: i64) {
        let Some(instruments) = &self.0 else { return };
        let attributes = instruments.attributes(partition);
        instruments.lag.record(lag, &attributes);
        instruments.epoch.record(epoch, &attributes);
    }

    /// Other records were found than were to be read.
    pub fn gap(&self, partition: i32) {
        if let Some(instruments) = &self.0 {
            instruments.gaps.add(1, &instruments.attributes(partition));
        }
    }
}

impl TopicInstruments {
    fn attributes(&self, partition: i32) -> Vec<KeyValue> {
        let source = self.source.clone().map(|source| KeyValue::new(names::SOURCE, source));
        [
            KeyValue::new(names::MESSAGING_DESTINATION_NAME, self.topic.clone()),
            KeyValue::new(names::MESSAGING_DESTINATION_PARTITION_ID, partition.to_string()),
        ]
        .into_iter()
        .chain(source)
        .collect()
    }
}

/// What is measured where payloads are persisted. Does nothing where nothing is exported.
#[derive(Debug, Clone, Default)]
pub struct PersistMetrics(Option<PersistInstruments>);

#[derive(Debug, Clone)]
struct PersistInstruments {
    batch_size: Histogram<u64>,
    fallbacks: Counter<u64>,
    refusals: Counter<u64>,
}

impl Metrics {
    /// The instruments of what persists payloads.
    pub fn of_persisting(&self) -> PersistMetrics {
        PersistMetrics(self.meter().map(|meter| {
            let counter = |name: &'static str| meter.u64_counter(name).with_unit("{payload}").build();
            let batch_size = meter.u64_histogram(names::PERSIST_BATCH_SIZE).with_unit("{payload}");
            PersistInstruments {
                batch_size: batch_size.with_boundaries(names::BATCH_BUCKETS.to_vec()).build(),
                fallbacks: counter(names::DIRECT_FALLBACKS),
                refusals: counter(names::DIRECT_REFUSALS),
            }
        }))
    }

    /// The instruments of what evaluates rules.
    pub fn of_evaluation(&self) -> EvaluationMetrics {
        EvaluationMetrics(self.meter().map(|meter| {
            let wait = meter.f64_histogram(names::EVALUATION_WAIT).with_unit("s");
            let put_off = meter.u64_counter(names::EVALUATION_PUT_OFF).with_unit("{stream}");
            (wait.with_boundaries(names::WAIT_BUCKETS.to_vec()).build(), put_off.build())
        }))
    }

    /// The instruments of the canary.
    pub fn of_canary(&self) -> CanaryMetrics {
        CanaryMetrics(self.meter().map(|meter| {
            let duration = meter.f64_histogram(names::CANARY_DURATION).with_unit("s");
            let runs = meter.u64_counter(names::CANARY_RUNS).with_unit("{run}");
            (duration.with_boundaries(names::WAIT_BUCKETS.to_vec()).build(), runs.build())
        }))
    }
}

impl PersistMetrics {
    /// A transaction of so many payloads was committed.
    pub fn batch(&self, payloads: usize) {
        if let Some(instruments) = &self.0 {
            instruments.batch_size.record(u64::try_from(payloads).unwrap_or(u64::MAX), &[]);
        }
    }

    /// The Broker was given a payload in place of the database.
    pub fn fallback(&self) {
        if let Some(instruments) = &self.0 {
            instruments.fallbacks.add(1, &[]);
        }
    }

    /// A payload was refused.
    pub fn refusal(&self) {
        if let Some(instruments) = &self.0 {
            instruments.refusals.add(1, &[]);
        }
    }
}

/// What is measured of evaluations. Does nothing where nothing is exported.
#[derive(Debug, Clone, Default)]
pub struct EvaluationMetrics(Option<(Histogram<f64>, Counter<u64>)>);

impl EvaluationMetrics {
    /// A run came to its end: how long the oldest request waited, and how many streams it put off.
    pub fn run(&self, waited: Duration, put_off: u32) {
        if let Some((wait, streams)) = &self.0 {
            wait.record(waited.as_secs_f64(), &[]);
            streams.add(u64::from(put_off), &[]);
        }
    }
}

/// What is measured of the canary. Does nothing where nothing is exported.
#[derive(Debug, Clone, Default)]
pub struct CanaryMetrics(Option<(Histogram<f64>, Counter<u64>)>);

impl CanaryMetrics {
    /// A run is over: how long after its payload was sent each phase of the chain was, and whether it came all the way.
    pub fn run(&self, phases: impl IntoIterator<Item = (&'static str, Duration)>, passed: bool) {
        let Some((duration, runs)) = &self.0 else { return };
        for (phase, after) in phases {
            duration.record(after.as_secs_f64(), &[KeyValue::new(names::CANARY_PHASE, phase)]);
        }
        let outcome = if passed { "passed" } else { "failed" };
        runs.add(1, &[KeyValue::new(names::CANARY_OUTCOME, outcome)]);
    }
}

/// The method, or the conventions' word for one that anybody could make up.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}
