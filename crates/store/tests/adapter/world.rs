//! A migrated database, and payloads to write into it.

use std::time::Duration;

use event_model::{Name, Quality, Reading, Sample, Value, ids};
use jiff::Timestamp;
use store::{
    Database, DatabaseSettings, EvaluationRequest, KeptRequest, NewDevices, Payload, PayloadSamples, Receipt,
    ReceiptKey, ReceiptOutcome, Streams, Tags, Writer,
};
use testkit::TestDatabase;

/// No bound on new devices.
pub(crate) const ANY: NewDevices = NewDevices { per_payload: usize::MAX, per_hour: None, known_only: false };

/// One process's view of a database.
pub(crate) struct World {
    pub(crate) settings: DatabaseSettings,
    pub(crate) database: Database,
    pub(crate) streams: Streams,
    pub(crate) writer: Writer,
    pub(crate) client: tokio_postgres::Client,
}

impl World {
    /// `None` where there is no server.
    pub(crate) async fn build() -> Option<Self> {
        let database = testkit::postgres().await?;
        Some(Self::on(&database).await)
    }

    pub(crate) async fn on(database: &TestDatabase) -> Self {
        let settings =
            DatabaseSettings::from_url(database.url()).unwrap().acquire_timeout(Duration::from_secs(2));
        store::migrate(&settings).await.unwrap();
        let (database, client) = (Database::new(&settings), database.connect().await);
        let streams = Streams::new(database.clone());
        let writer = Writer::start(&database);
        Self { settings, database, streams, writer, client }
    }

    /// The payload `id` of the source `test`, received at `received_at`.
    pub(crate) async fn payload(&self, id: &str, received_at: Timestamp, samples: &[Sample]) -> Payload {
        payload_of(&self.streams, (id, received_at), samples).await
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        self.client.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
    }

    /// The values of `device` in the view, in order.
    pub(crate) async fn values(&self, device: &str) -> Vec<(String, f64)> {
        let sql = "select metric, value from readings where device = $1 order by observed_at, metric";
        let rows = self.client.query(sql, &[&device]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn reading(device: &str, metric: &str, value: f64, observed_at: Timestamp) -> Sample {
    let reading = Reading {
        metric: metric.into(),
        value: Value::Number(value),
        unit: Some("Cel".into()),
        quality: Quality::Good,
        flags: Vec::new(),
        raw_metric: None,
    };
    Sample::of(device.into(), Name::default(), observed_at, reading)
}

/// The same with these streams.
pub(crate) async fn payload_of(
    streams: &Streams,
    (id, received_at): (&str, Timestamp),
    samples: &[Sample],
) -> Payload {
    let receipt_id = ids::of_receipt("/sources/test", id);
    let samples = PayloadSamples {
        source: "test",
        source_tags: &Tags::new(),
        device_tags: &[],
        received_at,
        receipt_id,
        samples,
        new_devices: ANY,
    };
    let resolved = streams.resolve(&samples).await.unwrap();
    Payload {
        key: Some(ReceiptKey {
            key: format!("id:{id}"),
            expires_at: received_at + Duration::from_secs(30 * 24 * 3600),
        }),
        receipt: Receipt {
            id: receipt_id,
            received_at,
            source: "test".into(),
            event_id: id.to_owned(),
            format: "json".into(),
            pipeline: -1,
            traceparent: None,
            outcome: ReceiptOutcome::Stored,
            readings: samples.samples.iter().map(|sample| sample.readings.len()).sum(),
            expired: 0,
            problems: 0,
            request: KeptRequest::Here("POST / HTTP/1.1\r\n\r\n".into()),
        },
        evaluation_requests: resolved
            .streams
            .iter()
            .map(|stream| EvaluationRequest { stream_id: stream.id, from_at: stream.span().0 })
            .collect(),
        rows: resolved.streams.into_iter().flat_map(|stream| stream.rows).collect(),
        dead_letter: None,
        seen: resolved.seen,
        registry: resolved.registry,
        held: None,
    }
}
