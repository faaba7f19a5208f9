//! What the reader needs to know of the formats.

/// The formats' names, in the order of the alphabet.
pub(crate) fn formats() -> Vec<&'static str> {
    let mut names: Vec<_> = decoders::format::all().iter().map(|decoder| decoder.name()).collect();
    names.sort_unstable();
    names
}

/// Whether a format is JSON of any shape, whose fields a mapping finds.
pub(crate) fn takes_mapping(format: &str) -> bool {
    matches!(format, "json" | "aws_iot_http" | "cloudevents" | "azure_event_grid")
}

/// Whether a format has tags, which may name device and channel.
pub(crate) fn has_tags(format: &str) -> bool {
    format == "influx_line_protocol"
}

/// How little patience a platform has, where a slow answer loses its payload.
///
/// The Things Stack: community servers try once, 5 s by default in its webhook client. ChirpStack: 5 s, no retry
/// (`integration/http.rs`). Weather stations and Tasmota send at a fixed interval and never again.
pub(crate) fn impatience(format: &str) -> Option<&'static str> {
    match format {
        "ttn_v3" => Some("The Things Stack sends once and waits 5 s"),
        "chirpstack_v4" => Some("ChirpStack sends once and waits 5 s"),
        "ecowitt" | "ambient_weather" => Some("weather stations send once"),
        "tasmota" => Some("Tasmota sends once"),
        _ => None,
    }
}
