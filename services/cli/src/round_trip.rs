//! One payload all the way through: what is sent, and the row that it must become.

use event_model::RecordedRequest;
use jiff::Timestamp;
use pipeline_config::Source;
use store::dead_letters::{self, Filter};
use store::queries::{self, ValueFilter};
use store::{Client, StoreError};

use crate::preview::{ReadingLine, preview};
use crate::send::input::Item;
use runtime::Failure;

/// The device that the payload speaks of: always the same, so that tests leave one device behind.
const DEVICE: &str = "round-trip";

/// A payload, and the reading that it becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    source: String,
    body: String,
    /// What makes it findable among dead letters.
    mark: String,
    reading: ReadingLine,
}

/// What became of the payload so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Neither a row nor a dead letter yet.
    UnderWay,
    /// Its row is there.
    Stored,
    /// It is a dead letter, for this reason.
    DeadLetter(String),
}

impl Probe {
    /// A JSON payload measured at `now`, as `source` of this pipeline would read it.
    ///
    /// # Errors
    /// Where the source would not make one reading of it.
    pub fn new(source: &Source, now: Timestamp) -> Result<Self, Failure> {
        let name = source.profile.source.clone();
        let mark = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let body = format!(r#"{{"device":"{DEVICE}","time":"{mark}","round_trip":1}}"#);
        let request = RecordedRequest {
            method: "POST".to_owned(),
            path: format!("/hooks/{name}"),
            query: String::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.clone().into(),
        };
        let seen = preview(source, &request, now);
        let is_well = source.is_webhook() && seen.is_well();
        match seen.readings.into_iter().next() {
            Some(reading) if is_well => Ok(Self { source: name, body, mark, reading }),
            _ => Err(Failure::new(format!("source {name} cannot take the test's payload {body}"))
                .hint("name a source with a webhook, of format json and without a mapping")),
        }
    }

    /// The payload.
    pub fn item(&self) -> Item {
        Item::Body { content_type: "application/json", bytes: self.body.clone().into_bytes() }
    }

    /// What the database knows of it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fate(&self, client: &Client) -> Result<Fate, StoreError> {
        let at = self.reading.observed_at;
        let filter = ValueFilter {
            source: Some(&self.source),
            device: &self.reading.device,
            metric: Some(&self.reading.metric),
            from: Some(at),
            until: Some(at + jiff::SignedDuration::from_micros(1)),
        };
        if !queries::values(client, &filter, 1).await?.is_empty() {
            return Ok(Fate::Stored);
        }
        for listed in dead_letters::list(client, &Filter::default(), 20).await? {
            let Some(stored) = dead_letters::get(client, listed.id).await? else { continue };
            let data = stored.dead_letter.event.data.as_deref().unwrap_or_default();
            if data.windows(self.mark.len()).any(|window| window == self.mark.as_bytes()) {
                return Ok(Fate::DeadLetter(stored.dead_letter.reason));
            }
        }
        Ok(Fate::UnderWay)
    }
}

#[cfg(test)]
mod tests {
    use pipeline_config::Pipeline;

    use super::Probe;

    fn probe(source: &str) -> Result<Probe, String> {
        let pipeline = Pipeline::parse(&format!("sources:\n  a: {source}\n"), "freshet.yaml").unwrap();
        Probe::new(&pipeline.sources["a"], "2026-03-01T12:00:00.123Z".parse().unwrap())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_payload_becomes_one_reading_at_its_own_time() {
        let probe = probe("{format: json}").unwrap();
        assert_eq!(probe.reading.observed_at.to_string(), "2026-03-01T12:00:00.123Z");
        assert_eq!(
            (probe.reading.device.as_str(), probe.reading.metric.as_str()),
            ("round-trip", "round_trip")
        );
    }

    #[test]
    fn a_source_that_cannot_take_it_is_refused_before_anything_is_sent() {
        for source in ["{format: ttn_v3}", "{format: json, events: {type: com.example.a}}"] {
            assert!(probe(source).unwrap_err().contains("name a source with a webhook"), "{source}");
        }
    }
}
