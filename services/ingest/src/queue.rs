//! The queue: the Broker, or a topic.

use cloudevents::Event;
use runtime::crash;
use runtime::trace::TraceContext;
use sink::{Sink, SinkError};

use crate::problem::Problem;

/// Returns once the event is durable.
pub(crate) async fn queue<S: Sink>(
    sink: &S,
    event: &Event,
    trace: Option<&TraceContext>,
) -> Result<(), Problem> {
    crash::point("before-write");
    match sink.send(event, trace).await {
        Ok(()) => {
            crash::point("after-commit");
            Ok(())
        }
        Err(error) => {
            let is_final = matches!(error, SinkError::Refused(_));
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::error!(error, is_final, "a request could not be queued");
            Err(Problem::unavailable("the request could not be queued; it was not taken"))
        }
    }
}
