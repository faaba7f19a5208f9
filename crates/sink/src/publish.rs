use std::error::Error;
use std::time::Duration;

use cloudevents::{AttributesReader as _, Event};
use runtime::trace::TraceContext;

use crate::Sink;

/// Sends each once, in order, all within `limit`: for events whose content is a row already. One that is not taken, and what is
/// not sent by then, is an error in the log.
pub async fn publish_within<'a>(
    limit: Duration,
    sink: &impl Sink,
    events: impl IntoIterator<Item = (&'a Event, Option<&'a TraceContext>)>,
) {
    let published = async {
        for (event, trace) in events {
            if let Err(error) = sink.send(event, trace).await {
                let error: &(dyn Error + 'static) = &error;
                tracing::error!(error, event_type = event.ty(), "an event was not published");
            }
        }
    };
    if tokio::time::timeout(limit, published).await.is_err() {
        tracing::error!(limit_ms = limit.as_millis(), "events were not published in time");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use cloudevents::Event;
    use event_model::cloudevent;
    use event_model::event_types::READINGS_RECORDED;
    use runtime::trace::TraceContext;

    use super::publish_within;
    use crate::{Sink, SinkError};

    /// Never answers.
    #[derive(Default)]
    struct Silent {
        asked: AtomicUsize,
    }

    impl Sink for Silent {
        async fn send(&self, _: &Event, _: Option<&TraceContext>) -> Result<(), SinkError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn all_have_one_limit() {
        let event = cloudevent::new(READINGS_RECORDED, "/ingest", "1");
        let (sink, limit) = (Silent::default(), Duration::from_millis(50));
        let published = publish_within(limit, &sink, [(&event, None); 3]);
        assert!(tokio::time::timeout(limit * 50, published).await.is_ok());
        assert_eq!(sink.asked.load(Ordering::Relaxed), 1);
    }
}
