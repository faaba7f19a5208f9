#![doc = include_str!("ambient_weather.md")]

use event_model::RecordedRequest;

use super::weather_station;
use crate::decode::{Context, DecodeError, Decoded, FormError, Intake, Profile};
use crate::format::Decoder;

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

    fn inspect(&self, request: &RecordedRequest, _profile: &Profile) -> Result<Intake, FormError> {
        weather_station::inspect(NAME, request)
    }

    fn decode(&self, request: &RecordedRequest, context: Context<'_>) -> Result<Decoded, DecodeError> {
        weather_station::decode(NAME, request, context)
    }
}
