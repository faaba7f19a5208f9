#![doc = include_str!("../shelly.md")]

mod body;
mod event;
mod fields;
mod report;

use event_model::RecordedRequest;

use self::body::Body;
use self::fields::Fields;
use self::report::{Content, Report};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::format::{Decoder, Document};
use crate::time::Clock;
use crate::walk::Walk;

/// What Shelly devices send: notifications, webhooks and statuses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shelly;

impl Decoder for Shelly {
    fn name(&self) -> &'static str {
        "shelly"
    }

    /// Neither generation's documentation knows of a second try.
    fn impatience(&self) -> Option<&'static str> {
        Some("Shelly devices send once")
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        Ok(Box::new(Body::read(request)?))
    }
}

impl Document for Body {
    /// The device, where all objects of the body are of one.
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let named = |report: Result<Report<'_>, Problem>| device::normalise(report.ok()?.device?).ok();
        let mut devices = self.reports().map(named);
        let first = devices.next().flatten();
        let device = first.filter(|first| devices.all(|other| other.as_ref() == Some(first)));
        Ok(Inspection { device, ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        for field in &self.unfilled {
            decoded
                .problems
                .note(|| Problem::new(field, "the device did not fill in the token of this field"));
        }
        decoded.add_each(self.reports(), false, |report, decoded| add(&report, context, decoded))?;
        Ok(decoded)
    }
}

/// Adds what one object says.
fn add(report: &Report<'_>, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
    let device = match report.device {
        Some(raw) => device::normalise(raw).map_err(|reason| Problem::new(&report.place, reason))?.into(),
        None => context.unnamed_device()?,
    };
    let clock = Clock::new(context);
    match report.content {
        Content::Nothing => Ok(()),
        Content::Status(status) => {
            let fields = Fields { status, component: report.component, is_flat: report.is_flat };
            let walk = Walk {
                channel: &device::channel(report.component),
                place_prefix: &report.place,
                name: &|parents, key| fields.name(parents, key),
                ..Walk::by_table(context, &device, report::moment(report.time, &clock))
            };
            walk.add(status, decoded)
        }
        Content::Events(events) => {
            for (index, event) in events.iter().enumerate() {
                if let Err(reason) = event::add(event, report.time, (&device, context), decoded) {
                    let place = format!("events[{index}]");
                    decoded.problems.note(|| Problem::within(&report.place, &place, reason));
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
