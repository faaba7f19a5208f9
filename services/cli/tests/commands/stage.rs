//! The stage that stores payloads, as a process of its own would, and events for it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloudevents::Event;
use event_model::cloudevent;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::APPLICATION_HTTP;
use jiff::Timestamp;
use payload::Carried;
use persist::{Arrival, Persist, PersistParts};
use pipeline_config::Pipeline;
use runtime::Prewarm;
use store::{Database, DatabaseSettings};

/// One that has this pipeline, and has met no stream yet.
pub(crate) fn transform(database_url: &str, pipeline: &str) -> Persist {
    Persist::new(PersistParts {
        codecs: persist::Codecs::default(),
        pipeline: Pipeline::parse(pipeline, "freshet.yaml").unwrap(),
        database: Database::new(&DatabaseSettings::from_url(database_url).unwrap()),
        prewarm: Prewarm::default(),
        stage: "transform",
    })
}

/// A payload that waits to be stored: the event's source and id, and when it was received; its media type and body.
pub(crate) fn event(
    (source, id, received_at): (&str, &str, Timestamp),
    (media_type, body): (&str, &[u8]),
) -> Event {
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("/sources/{source}"), id);
    cloudevent::set_time(&mut event, received_at);
    let head = format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: {media_type}\r\n\r\n");
    event.set_data(APPLICATION_HTTP, [head.as_bytes(), body].concat());
    event
}

/// Stores it at this time.
pub(crate) async fn store(stage: &Persist, event: Event, at: Timestamp) {
    let arrival = Arrival { delivered_at: at, now: at, trace: None };
    stage.one(&Carried::new(event), arrival).await.unwrap();
}
