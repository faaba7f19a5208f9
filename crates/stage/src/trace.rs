//! W3C Trace Context: what comes in with a request becomes the parent of its span, and goes out with what it causes.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header field, and the name of the CloudEvents extension.
pub const TRACEPARENT: &str = "traceparent";

/// The current span's `traceparent`, for an outgoing request or a stored row; `None` outside of any span.
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// The `traceparent` of `span`.
pub fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then(|| format(&span_context))
}

/// Makes the trace that `traceparent` names the parent of `span`. A text that is no `traceparent` is ignored, as the
/// specification asks: the span then begins a trace of its own.
pub fn continue_from(span: &Span, traceparent: Option<&str>) {
    if let Some(parent) = traceparent.and_then(parse) {
        // Fails only for a span that has begun or is switched off; it then has no parent, and nothing is lost.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
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
