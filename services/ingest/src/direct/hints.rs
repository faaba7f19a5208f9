//! Events that wake the next stage once rows are committed. What they ask for is in the rows: of each type the latest is enough.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cloudevents::AttributesReader as _;
use persist::Publication;
use sink::Sink;
use tokio::sync::Notify;

/// The hints that are still to be sent.
#[derive(Debug)]
pub(super) struct Hints<S> {
    sink: S,
    waiting: Arc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_type: Mutex<BTreeMap<String, Publication>>,
    added: Notify,
}

impl Waiting {
    fn take(&self) -> BTreeMap<String, Publication> {
        std::mem::take(&mut *self.by_type.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Sink + Clone + 'static> Hints<S> {
    /// Must be called within a Tokio runtime.
    pub(super) fn start(sink: S) -> Self {
        let hints = Self { sink, waiting: Arc::default() };
        let (sink, waiting) = (hints.sink.clone(), Arc::clone(&hints.waiting));
        tokio::spawn(async move {
            loop {
                waiting.added.notified().await;
                send(&sink, waiting.take()).await;
            }
        });
        hints
    }

    /// Sends it soon; nobody waits for it.
    pub(super) fn send_soon(&self, hint: Publication) {
        let mut by_type = self.waiting.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        by_type.insert(hint.event.ty().to_owned(), hint);
        drop(by_type);
        self.waiting.added.notify_one();
    }

    /// Sends what is left.
    pub(super) async fn flush(&self) {
        send(&self.sink, self.waiting.take()).await;
    }
}

async fn send<S: Sink>(sink: &S, hints: BTreeMap<String, Publication>) {
    for (event_type, hint) in hints {
        if let Err(error) = sink.send(&hint.event, hint.trace.as_ref()).await {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, event_type, "a hint was not sent: the next tick does what it asks for");
        }
    }
}
