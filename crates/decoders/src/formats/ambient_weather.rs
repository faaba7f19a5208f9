#![doc = include_str!("ambient_weather.md")]

use event_model::RecordedRequest;

use super::weather_station;
use crate::decode::FormError;
use crate::format::{Decoder, Document};

/// Ambient Weather's "custom server".
#[derive(Debug, Clone, Copy, Default)]
pub struct AmbientWeather;

const NAME: &str = "ambient_weather";

impl Decoder for AmbientWeather {
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
