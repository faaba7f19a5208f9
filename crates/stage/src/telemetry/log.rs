//! Log lines: one JSON object each, on stdout.
//!
//! ```json
//! {"timestamp":"2026-01-15T12:00:00.000001Z","severity":"INFO","message":"...","trace_id":"...","span_id":"...","ce_id":"...","ce_type":"..."}
//! ```

use std::fmt;
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use runtime::Clock;
use runtime::trace;

/// The fields of a span that every line within it repeats.
const REPEATED: [&str; 2] = ["ce_id", "ce_type"];

/// Writes the lines.
pub(super) struct Lines {
    clock: Clock,
    revision: Option<String>,
}

/// The repeated fields of one span.
struct SpanFields(Vec<(&'static str, String)>);

impl Lines {
    pub(super) fn new(revision: Option<String>) -> Self {
        Self { clock: Clock::system(), revision }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = RepeatedFields::default();
        attributes.record(&mut fields);
        if let (false, Some(span)) = (fields.0.is_empty(), context.span(id)) {
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    /// A field that is only known later, such as the id of an event that the span itself makes.
    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = RepeatedFields::default();
        values.record(&mut fields);
        let (false, Some(span)) = (fields.0.is_empty(), context.span(id)) else { return };
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<SpanFields>() {
            Some(SpanFields(known)) => known.extend(fields.0),
            None => extensions.insert(SpanFields(fields.0)),
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), self.clock.now().to_string().into());
        line.insert("severity".to_owned(), event.metadata().level().as_str().into());
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.insert("message".to_owned(), fields.0.remove("message").unwrap_or_default());
        self.add_trace(&mut line);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(SpanFields(repeated)) = span.extensions().get() {
                line.extend(repeated.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
            }
        }
        line.insert("target".to_owned(), event.metadata().target().into());
        line.extend(fields.0);
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // A closed stdout must not stop the work.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}

impl Lines {
    fn add_trace(&self, line: &mut Map<String, Value>) {
        if let Some(context) = trace::span_context(&tracing::Span::current()) {
            line.insert("trace_id".to_owned(), context.trace_id().to_string().into());
            line.insert("span_id".to_owned(), context.span_id().to_string().into());
        }
        if let Some(revision) = &self.revision {
            line.insert("revision".to_owned(), revision.as_str().into());
        }
    }
}

/// Of a span's fields those that its lines repeat. The others cost nothing: most spans never have a line.
#[derive(Default)]
struct RepeatedFields(Vec<(&'static str, String)>);

impl Visit for RepeatedFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if REPEATED.contains(&field.name()) {
            self.0.push((field.name(), value.to_owned()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if REPEATED.contains(&field.name()) {
            self.0.push((field.name(), format!("{value:?}")));
        }
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let chain = std::iter::successors(Some(value), |error| error.source());
        let text = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        self.0.insert(field.name().to_owned(), text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}
