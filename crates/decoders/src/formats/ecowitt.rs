#![doc = include_str!("ecowitt.md")]

use event_model::RecordedRequest;

use super::weather_station;
use crate::decode::FormError;
use crate::format::{Decoder, Document};

/// Ecowitt's "customized upload".
#[derive(Debug, Clone, Copy, Default)]
pub struct Ecowitt;

const NAME: &str = "ecowitt";

impl Decoder for Ecowitt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn success_status(&self) -> u16 {
        200
    }

    fn redact(&self, request: &mut RecordedRequest) {
        weather_station::redact(NAME, request);
    }

    /// At a fixed interval, and never again.
    fn impatience(&self) -> Option<&'static str> {
        Some("weather stations send once")
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        Ok(Box::new(weather_station::Report::parse(NAME, request)?))
    }
}
