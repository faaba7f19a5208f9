//! What platforms call a quantity, and what we call it.

use std::collections::HashMap;
use std::sync::LazyLock;

use event_model::Name;

/// A metric as the table knows it: canonical name, the unit where the payload states none, its spellings.
///
/// Spellings are in lower case and without anything but letters and digits.
struct Metric {
    name: &'static str,
    unit: Option<&'static str>,
    spellings: &'static [&'static str],
}

const fn metric_of(name: &'static str, unit: &'static str, spellings: &'static [&'static str]) -> Metric {
    Metric { name, unit: Some(unit), spellings }
}

#[rustfmt::skip]
const METRICS: &[Metric] = &[
    metric_of("altitude", "m", &["altitude"]),
    metric_of("apparent_power", "VA", &["apparentpower"]),
    Metric { name: "battery", unit: None, spellings: &["battery"] },
    metric_of("battery_level", "%EL", &["batterylevel", "batterypercent", "batterypercentage"]),
    metric_of("battery_voltage", "V", &["bat", "batt", "batteryvoltage", "batv", "vbat"]),
    metric_of("co2", "ppm", &["carbondioxide", "co2", "co2concentration", "co2ppm"]),
    metric_of("current", "A", &["current"]),
    metric_of("dew_point", "Cel", &["dewpoint"]),
    metric_of("eco2", "ppm", &["eco2"]),
    metric_of("energy_today", "kWh", &["energytoday"]),
    metric_of("energy_total", "kWh", &["energytotal"]),
    metric_of("energy_yesterday", "kWh", &["energyyesterday"]),
    metric_of("illuminance", "lx", &["ambientlight", "illuminance", "light", "lightintensity", "luminosity", "lux"]),
    metric_of("noise_laeq", "dB", &["laeq", "noiselaeq"]),
    metric_of("pm1", "ug/m3", &["pm1"]),
    metric_of("pm10", "ug/m3", &["pm10", "pm10airpollutantvalue"]),
    metric_of("pm2_5", "ug/m3", &["pm25", "pm25airpollutantvalue"]),
    metric_of("pm4", "ug/m3", &["pm4"]),
    metric_of("power", "W", &["activepower", "apower", "power"]),
    metric_of("power_factor", "/", &["factor", "pf", "powerfactor"]),
    metric_of("pressure", "hPa", &["airpressure", "atmosphericpressure", "barometer", "barometricpressure", "press", "pressure"]),
    metric_of("reactive_power", "var", &["reactivepower"]),
    metric_of("relative_humidity", "%RH", &["airhumidity", "hum", "humi", "humidity", "humidityvalue", "humsht", "hygrometry", "relativehumidity", "rh"]),
    metric_of("soil_ec", "uS/cm", &["conductsoil", "soilec"]),
    metric_of("soil_moisture", "%", &["moisture", "soilmoisture", "vwc", "watersoil"]),
    metric_of("soil_temperature", "Cel", &["soiltemp", "soiltemperature", "tempsoil"]),
    metric_of("solar_irradiance", "W/m2", &["solarirradiance", "solarradiation"]),
    metric_of("temperature", "Cel", &["airtemperature", "tc", "temp", "tempc", "tempcsht", "temperature", "temperaturec", "temperaturecelsius", "temperaturemeasure", "temperaturevalue"]),
    metric_of("tvoc", "ppb", &["tvoc", "voc"]),
    metric_of("uv_index", "1", &["uv", "uvindex"]),
    metric_of("voltage", "V", &["voltage"]),
    metric_of("wind_direction", "deg", &["winddir", "winddirection"]),
    metric_of("wind_gust", "m/s", &["windgust"]),
    metric_of("wind_speed", "m/s", &["windspeed"]),
];

/// Each field of each payload is looked up several times.
static BY_SPELLING: LazyLock<HashMap<&str, &Metric>> = LazyLock::new(|| {
    METRICS
        .iter()
        .flat_map(|metric| metric.spellings.iter().map(move |spelling| (*spelling, metric)))
        .collect()
});
static BY_NAME: LazyLock<HashMap<&str, &Metric>> =
    LazyLock::new(|| METRICS.iter().map(|metric| (metric.name, metric)).collect());

/// How well a radio link is; about the way of a message, not about what its sensor measures.
const LINK: [&str; 7] = ["rssi", "snr", "lsnr", "linkquality", "lqi", "channelrssi", "signalquality"];

/// The canonical name of a platform's field, and the unit that it has where the payload states none.
///
/// `raw` is the last segment of the field's path. What the table does not know is the name in snake_case, without a unit.
pub fn canonical(raw: &str) -> (Name, Option<&'static str>) {
    let squeezed = squeeze(raw);
    match BY_SPELLING.get(squeezed.as_str()) {
        Some(metric) => (Name::known(metric.name), metric.unit),
        None => (snake_case(raw).into(), None),
    }
}

/// The canonical name alone.
pub fn metric(raw: &str) -> Name {
    canonical(raw).0
}

/// The unit that the table gives for a canonical metric name.
pub fn default_unit(metric: &str) -> Option<&'static str> {
    BY_NAME.get(metric).and_then(|known| known.unit)
}

/// Whether a field is about the radio link.
pub fn is_link(raw: &str) -> bool {
    LINK.iter().any(|link| squeezes_to(raw, link))
}

/// In lower case, without anything but the letters and digits of ASCII.
pub fn squeeze(raw: &str) -> String {
    squeezed(raw).map(char::from).collect()
}

/// Whether `raw` squeezed is `other`.
pub fn squeezes_to(raw: &str, other: &str) -> bool {
    squeezed(raw).eq(other.bytes())
}

fn squeezed(raw: &str) -> impl Iterator<Item = u8> {
    raw.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}

/// `accelerationX` -> `acceleration_x`, `DI_0` -> `di_0`, `Water flow [l/s]` -> `water_flow_l_s`.
pub fn snake_case(raw: &str) -> String {
    if is_snake_case(raw) {
        return raw.to_owned();
    }
    let characters: Vec<char> = raw.chars().collect();
    let mut name = String::with_capacity(raw.len() + 4);
    for (index, character) in characters.iter().copied().enumerate() {
        if !character.is_alphanumeric() {
            if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
            continue;
        }
        let before = index.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(index + 1);
        let begins_word = character.is_uppercase()
            && (before.is_some_and(|before| before.is_lowercase() || before.is_numeric())
                && !is_model_digit(&characters, index)
                || before.is_some_and(char::is_uppercase) && after.is_some_and(|after| after.is_lowercase()));
        if begins_word && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() { "value".to_owned() } else { name.to_owned() }
}

fn is_snake_case(raw: &str) -> bool {
    let mut words = raw.split('_');
    words.all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// Whether the capital at `index` goes on with a word of capitals and digits, as in `DS18B20`.
fn is_model_digit(characters: &[char], index: usize) -> bool {
    characters[index - 1].is_numeric() && characters.get(index + 1).is_none_or(|after| !after.is_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{METRICS, canonical, is_link, snake_case};

    #[test]
    fn spellings_lead_to_one_name() {
        for raw in ["Temperature", "temp_C", "tC", "airTemperature", "temperature"] {
            assert_eq!(canonical(raw), ("temperature".into(), Some("Cel")), "{raw}");
        }
        assert_eq!(canonical("PM2.5"), ("pm2_5".into(), Some("ug/m3")));
        assert_eq!(canonical("battery"), ("battery".into(), None));
        assert_eq!(canonical("conduct_SOIL").0, "soil_ec");
        assert_eq!(canonical("total"), ("total".into(), None));
    }

    #[test]
    fn an_unknown_name_becomes_snake_case() {
        for (raw, expected) in [
            ("appinfoA", "appinfo_a"),
            ("DI_0", "di_0"),
            ("steps_today", "steps_today"),
            ("isOn", "is_on"),
            ("HTTPStatus", "http_status"),
            ("DS18B20", "ds18b20"),
            ("Water flow [l/s]", "water_flow_l_s"),
            ("Füllstand", "füllstand"),
            ("k17", "k17"),
            ("--", "value"),
        ] {
            assert_eq!(snake_case(raw), expected);
        }
    }

    #[test]
    fn a_canonical_name_is_its_own_spelling() {
        for metric in METRICS {
            assert_eq!(canonical(metric.name).0, metric.name);
            assert_eq!(snake_case(metric.name), metric.name);
        }
    }

    #[test]
    fn radio_figures_are_no_readings() {
        assert!(is_link("RSSI") && is_link("link_quality") && !is_link("temperature"));
    }
}
