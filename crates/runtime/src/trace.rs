//! W3C Trace Context: what comes in with a request becomes the parent of its span, and goes out with what it causes.
//!
//! Where nothing is exported, spans have no ids of their own, which nobody would ever look up: a span then carries the
//! context that came in, or a fresh one, and that goes out.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::span::Id;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::registry::LookupSpan as _;
use tracing_subscriber::{Layer, Registry};
use uuid::Uuid;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Vendors propagate at least this much of a `tracestate` (W3C Trace Context 3.3.1.5); what is longer is left out.
const MAX_TRACESTATE_BYTES: usize = 512;

/// What a request or an event says of the trace that it belongs to: header fields, and extensions of a CloudEvent
/// (its Distributed Tracing extension).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace and the parent in it.
    pub traceparent: String,
    /// What vendors add.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// What `field` gives for the names `traceparent` and `tracestate`; `None` without the first.
    pub fn read(field: impl Fn(&'static str) -> Option<String>) -> Option<Self> {
        let traceparent = field(TRACEPARENT)?;
        let tracestate =
            field(TRACESTATE).filter(|state| !state.is_empty() && state.len() <= MAX_TRACESTATE_BYTES);
        Some(Self { traceparent, tracestate })
    }

    /// That of the current span; `None` outside of any span.
    pub fn current() -> Option<Self> {
        Self::of(&Span::current())
    }

    /// That which `span` gives to what it causes.
    pub fn of(span: &Span) -> Option<Self> {
        span_context(span).map(Self::written)
    }

    fn written(context: SpanContext) -> Self {
        let mut written = Self::default();
        let context = Context::new().with_remote_span_context(context);
        TraceContextPropagator::new().inject_context(&context, &mut written);
        written
    }

    /// Its names and values.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let tracestate = self.tracestate.as_deref().map(|state| (TRACESTATE, state));
        [(TRACEPARENT, self.traceparent.as_str())].into_iter().chain(tracestate)
    }

    /// Makes it the parent of `span`. What is no context is ignored, as the specification asks: the span then begins a trace
    /// of its own.
    pub fn continue_in(context: Option<&Self>, span: &Span) {
        let parent = context.and_then(Self::parsed);
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

    /// Links `span`, which is of another trace, to it.
    pub fn link_to(&self, span: &Span) {
        if let Some(context) = self.parsed().filter(|_| !is_carrying(span)) {
            span.add_link(context);
        }
    }

    /// The propagator takes shorter ids and capitals in the version, which the specification does not (3.2.2.1).
    fn parsed(&self) -> Option<SpanContext> {
        let mut parts = self.traceparent.trim().split('-');
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_whole =
            |digits: &usize| parts.next().is_some_and(|part| part.len() == *digits && is_hex(part));
        if ![2, 32, 16, 2].iter().all(is_whole) {
            return None;
        }
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), self);
        let parsed = context.span().span_context().clone();
        parsed.is_valid().then_some(parsed)
    }
}

impl From<String> for TraceContext {
    /// A `traceparent` without a `tracestate`, as rows keep it.
    fn from(traceparent: String) -> Self {
        Self { traceparent, tracestate: None }
    }
}

impl Extractor for TraceContext {
    fn get(&self, key: &str) -> Option<&str> {
        self.fields().find_map(|(name, value)| (name == key).then_some(value))
    }

    fn keys(&self) -> Vec<&str> {
        self.fields().map(|(name, _)| name).collect()
    }
}

impl Injector for TraceContext {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => self.traceparent = value,
            TRACESTATE => self.tracestate = Some(value).filter(|state| !state.is_empty()),
            _ => {}
        }
    }
}

/// The context that `span` gives to what it causes.
pub fn span_context(span: &Span) -> Option<SpanContext> {
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

#[cfg(test)]
mod tests {
    use super::TraceContext;

    fn read(traceparent: &str, tracestate: &str) -> Option<TraceContext> {
        TraceContext::read(|name| {
            Some(if name == "traceparent" { traceparent } else { tracestate }.to_owned())
        })
    }

    #[test]
    fn a_traceparent_is_read_after_the_specification() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = read(good, "").unwrap();
        assert_eq!(context.parsed().map(TraceContext::written), Some(context));
        assert!(
            read("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", "")
                .unwrap()
                .parsed()
                .is_some()
        );
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f35-00f067aa0ba902b7-01",
            "CC-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(read(bad, "").unwrap().parsed().is_none(), "{bad}");
        }
    }

    #[test]
    fn a_tracestate_goes_along_unless_it_is_too_long() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = read(good, "vendor=1,other=2").unwrap();
        assert_eq!(context.parsed().unwrap().trace_state().header(), "vendor=1,other=2");
        assert_eq!(read(good, &format!("vendor={}", "1".repeat(512))).unwrap().tracestate, None);
    }
}
