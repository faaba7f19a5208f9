#![doc = include_str!("../azure_event_grid.md")]

mod event;
mod telemetry;

use std::borrow::Cow;

use event_model::{RecordedRequest, cloudevent};
use settings::Fields;

use self::event::GridEvent;
use super::cloudevents::{self, holds_json};
use super::json::{self, Envelope};
use crate::decode::{Context, DecodeError, Decoded, FormError, Handshake, Inspection, Problem, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::mapping::Mapping;
use crate::options::Options;
use crate::time::Clock;

/// Azure Event Grid, with the telemetry of IoT Hub.
#[derive(Debug, Clone, Copy, Default)]
pub struct AzureEventGrid;

const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";
const TELEMETRY: &str = "Microsoft.Devices.DeviceTelemetry";
/// Events of Azure's own services, about devices, subscriptions or files, and not by sensors.
const ABOUT: &str = "Microsoft.";

impl Decoder for AzureEventGrid {
    fn name(&self) -> &'static str {
        "azure_event_grid"
    }

    /// Event Grid takes 200 to 204; its own SDKs (`azure-eventgrid`), which are used against webhooks too, take 200 alone.
    fn success_status(&self) -> u16 {
        200
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        cloudevents::HEADERS
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Mapping::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        Ok(Box::new(Delivery(events(request)?)))
    }
}

/// The events of a request; one that cannot be read is a problem.
struct Delivery(Vec<Result<GridEvent, Problem>>);

impl Document for Delivery {
    fn inspect(&self, profile: &Profile) -> Result<Inspection, FormError> {
        let events = &self.0;
        if let Some(Err(problem)) = events.first()
            && events.iter().all(Result::is_err)
        {
            return Err(FormError::Malformed(format!("{}: {}", problem.place, problem.reason)));
        }
        let [Ok(event)] = events.as_slice() else { return Ok(Inspection::default()) };
        let event = &*event.typed(profile).unwrap_or(Cow::Borrowed(event));
        let code = (event.kind == VALIDATION).then(|| event.data.get("validationCode")?.as_str()).flatten();
        Ok(Inspection {
            device: telemetry::device(event)
                .filter(|_| !cloudevents::names_device(profile))
                .map(str::to_owned),
            message_id: Some(event.id.clone()),
            content: None,
            handshake: code.map(|code| Handshake::EventGrid { code: code.to_owned() }),
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let events = self.0.iter().map(|event| event.as_ref().map_err(Clone::clone));
        decoded.add_each(events, false, |event, decoded| take(event, context, decoded))?;
        Ok(decoded)
    }
}

/// The content types of a delivery in JSON. Which schema an event has, it says itself.
const CONTENT_TYPES: [&str; 3] = ["application/json", cloudevent::STRUCTURED, cloudevent::BATCH];

/// Reads the events, in Event Grid's own schema or as CloudEvents.
fn events(request: &RecordedRequest) -> Result<Vec<Result<GridEvent, Problem>>, FormError> {
    form::expect_method(request, &["POST"])?;
    let media_type = request.media_type();
    let is_structured = media_type.as_deref().is_some_and(|found| CONTENT_TYPES[1..].contains(&found));
    if !is_structured && cloudevents::is_binary(request) {
        let events = cloudevents::events(request)?.events;
        let read = |(index, event): (usize, Result<_, _>)| {
            let place = place(index);
            event
                .map_err(|error: cloudevent::EventError| error.to_string())
                .and_then(|event| GridEvent::of_cloudevent(&event, &place))
                .map_err(|reason| Problem { place, reason })
        };
        return Ok(events.into_iter().enumerate().map(read).collect());
    }
    if let Some(found) = media_type.clone().filter(|found| !CONTENT_TYPES.contains(&found.as_str())) {
        return Err(FormError::UnsupportedMediaType { found, expected: CONTENT_TYPES.join(", ") });
    }
    let items = match form::parse_json(request)? {
        Node::List(items) => items,
        item @ Node::Object(_) => vec![item],
        other => {
            return Err(FormError::Malformed(format!("expected an array of events, found {}", other.kind())));
        }
    };
    // A batch of CloudEvents may be empty (JSON Event Format 1.0.2, section 4.3).
    if items.is_empty() && media_type.as_deref() != Some(cloudevent::BATCH) {
        return Err(FormError::Malformed("expected at least one event".to_owned()));
    }
    if items.len() > cloudevent::MAX_BATCH {
        let reason = format!("expected at most {} events", cloudevent::MAX_BATCH);
        return Err(FormError::Malformed(reason));
    }
    let read = |(index, item)| {
        let place = place(index);
        GridEvent::of_item(item, &place).map_err(|reason| Problem { place, reason })
    };
    Ok(items.into_iter().enumerate().map(read).collect())
}

fn place(index: usize) -> String {
    format!("event {}", index + 1)
}

fn take(event: &GridEvent, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
    let clock = Clock::new(context);
    let typed = event.typed(context.profile);
    let event = &*typed.map_err(|reason| Problem::new(format!("{}: data", event.place), reason))?;
    if event.kind == TELEMETRY {
        return telemetry::take(event, context, decoded);
    }
    if event.kind.starts_with(ABOUT) {
        return Ok(());
    }
    let place = format!("{}: data", event.place);
    let time = event.time.as_deref().map(|time| clock.of_text(time));
    let envelope = Envelope { device: telemetry::device(event), time, place: &place };
    json::read(&event.data, envelope, context, decoded)
}

#[cfg(test)]
mod tests;
