//! W3C Trace Context: what comes in with a request becomes the parent of its span, and goes out with what it causes.
//!
//! Where nothing is exported, spans have no ids of their own, which nobody would ever look up: a span then carries the
//! context that came in, or a fresh one, and that goes out.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::span::Id;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::registry::LookupSpan as _;
use tracing_subscriber::{Layer, Registry};
use uuid::Uuid;

/// The header field, and the name of the CloudEvents extension.
pub const TRACEPARENT: &str = "traceparent";

/// The current span's `traceparent`, for an outgoing request or a stored row; `None` outside of any span.
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// The `traceparent` of `span`.
pub fn traceparent_of(span: &Span) -> Option<String> {
    context_of(span).map(|context| format(&context))
}

/// Makes the trace that `traceparent` names the parent of `span`. A text that is no `traceparent` is ignored, as the
/// specification asks: the span then begins a trace of its own.
pub fn continue_from(span: &Span, traceparent: Option<&str>) {
    let parent = traceparent.and_then(parse);
    if is_carrying(span) {
        with_registry(span, |registry, id| {
            if let Some(span) = registry.span(id) {
                span.extensions_mut().replace(Carried(parent.unwrap_or_else(fresh)));
            }
        });
    } else if let Some(parent) = parent {
        // Fails only for a span that has begun or is switched off; it then has no parent, and nothing is lost.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// The context that `span` gives to what it causes.
pub fn context_of(span: &Span) -> Option<SpanContext> {
    if is_carrying(span) {
        return with_registry(span, |registry, id| {
            registry
                .span(id)?
                .scope()
                .find_map(|span| span.extensions().get().map(|Carried(context)| context.clone()))
        })?;
    }
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then_some(span_context)
}

/// Takes the place of the layer that records spans, where nothing is exported: with it spans are made, whatever the log's
/// filter is, and carry their context.
#[derive(Debug, Clone, Copy)]
pub struct Carrying;

impl<S: Subscriber> Layer<S> for Carrying {}

/// What a span carries where nothing is exported; the spans within it share it.
struct Carried(SpanContext);

fn is_carrying(span: &Span) -> bool {
    span.with_subscriber(|(_, dispatch)| dispatch.downcast_ref::<Carrying>().is_some()).unwrap_or(false)
}

fn with_registry<T>(span: &Span, look: impl FnOnce(&Registry, &Id) -> T) -> Option<T> {
    span.with_subscriber(|(id, dispatch)| Some(look(dispatch.downcast_ref()?, id)))?
}

/// Sampled, so that whoever records further on records it.
fn fresh() -> SpanContext {
    let (trace, span) = (Uuid::new_v4(), Uuid::new_v4().as_u64_pair().1);
    let (trace, span) = (TraceId::from(trace.as_u128()), SpanId::from(span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn format(span: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

/// Version 00 of `traceparent`, and what later versions add behind it.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().splitn(5, '-');
    let mut hex = |digits: usize| {
        parts.next().filter(|part| {
            part.len() == digits
                && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        })
    };
    let version = hex(2).filter(|version| *version != "ff")?;
    let trace = TraceId::from_hex(hex(32)?).ok()?;
    let span = SpanId::from_hex(hex(16)?).ok()?;
    let flags = u8::from_str_radix(hex(2)?, 16).ok()?;
    if version == "00" && parts.next().is_some() {
        return None;
    }
    let context =
        SpanContext::new(trace, span, TraceFlags::new(flags) & TraceFlags::SAMPLED, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn a_traceparent_is_read_after_the_specification() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(parse(good).map(|context| format(&context)).as_deref(), Some(good));
        assert!(parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later").is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f35-00f067aa0ba902b7-01",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
