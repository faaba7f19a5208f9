#![doc = include_str!("../ngsi.md")]

mod attribute;
mod entity;
mod model;
mod notification;
mod time;

use event_model::RecordedRequest;

use self::entity::Entity;
use self::notification::Notification;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Profile};
use crate::form;
use crate::format::{Decoder, Document};

/// Notifications of context brokers: NGSI-v2 (Orion) and NGSI-LD (Orion-LD, Scorpio, Stellio).
#[derive(Debug, Clone, Copy, Default)]
pub struct Ngsi;

impl Decoder for Ngsi {
    fn name(&self) -> &'static str {
        "ngsi"
    }

    /// `-httpTimeout` of Orion, 5 s unless set; its notifications are sent once.
    fn impatience(&self) -> Option<&'static str> {
        Some("Orion sends once and waits 5 s")
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT", "PATCH"])?;
        form::expect_json(request, &[])?;
        let names = form::query_value(request, "attrs");
        let notification = Notification::of(form::parse_object(request)?, names.as_deref());
        Ok(Box::new(notification.ok_or_else(|| FormError::Unprocessable(notification::NOT_ONE.to_owned()))?))
    }
}

impl Document for Notification {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let device = match self.items.as_slice() {
            [Ok(Entity { id: Some(id), .. })] => crate::device::normalise(id).ok(),
            _ => None,
        };
        Ok(Inspection { device, message_id: self.id.clone(), ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let items = self.items.iter().map(|item| item.as_ref().map_err(Clone::clone));
        decoded.add_each(items, self.items.len() == 1, |entity, decoded| {
            decoded.append(entity.read(self.notified_at.as_ref(), context)?);
            Ok(())
        })?;
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests;
