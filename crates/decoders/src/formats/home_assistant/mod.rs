#![doc = include_str!("../home_assistant.md")]

mod naming;
mod state;

use event_model::{Name, RecordedRequest};

use self::state::{State, gather};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::measure::{self, Measurement};
use crate::time::Clock;
use crate::value;

/// States of Home Assistant's entities.
#[derive(Debug, Clone, Copy, Default)]
pub struct HomeAssistant;

impl Decoder for HomeAssistant {
    fn name(&self) -> &'static str {
        "home_assistant"
    }

    fn success_status(&self) -> u16 {
        200
    }

    /// `rest_command` gives up after its `timeout`, 10 seconds by default.
    fn impatience(&self) -> Option<&'static str> {
        Some("Home Assistant sends once")
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        // `rest_command` sends bytes where it is given no content type.
        form::expect_json(request, &["text/plain", "application/octet-stream"])?;
        Ok(Box::new(Body(form::parse_json(request)?)))
    }
}

/// What was posted.
struct Body(Node);

impl Document for Body {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let states = gather(&self.0);
        if let Some(Err(problem)) = states.first()
            && states.iter().all(Result::is_err)
        {
            return Err(FormError::Unprocessable(told(problem)));
        }
        let [Ok(state)] = states.as_slice() else { return Ok(Inspection::default()) };
        Ok(Inspection {
            device: state.entity.and_then(|entity| device::normalise(entity).ok()),
            message_id: state.context_id().map(str::to_owned),
            ..Inspection::default()
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let clock = Clock::new(context);
        let states = gather(&self.0);
        let is_alone = states.len() == 1;
        decoded.add_each(states, is_alone, |state, decoded| take(&state, &clock, context, decoded))?;
        Ok(decoded)
    }
}

fn told(Problem { place, reason }: &Problem) -> String {
    if place.is_empty() { reason.clone() } else { format!("{place}: {reason}") }
}

/// Takes one state.
fn take(
    state: &State<'_>,
    clock: &Clock,
    context: Context<'_>,
    decoded: &mut Decoded,
) -> Result<(), Problem> {
    let device: Name = match state.entity {
        Some(entity) => device::normalise(entity)
            .map_err(|reason| Problem::within(&state.place, "entity_id", reason))?
            .into(),
        None => context.unnamed_device()?,
    };
    let unmeasured = |reason| Problem::within(&state.place, state.key, reason);
    let measurement = Measurement {
        metric: naming::metric(state),
        raw_metric: context.raw_name(&state.place, state.key),
        value: value::of_node(state.value, &[]).map_err(unmeasured)?,
        unit: state.unit(),
        moment: clock.of_node(state.time()),
    };
    let at = measurement.moment.at;
    if let Some(reading) = measure::reading(context.profile, measurement).map_err(unmeasured)? {
        if let Some(name) = state.friendly_name() {
            decoded.tags.push((device.clone(), "friendly_name".to_owned(), name.to_owned()));
        }
        decoded.push(&device, &Name::default(), at, reading);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
