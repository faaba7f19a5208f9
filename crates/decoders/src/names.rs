//! What platforms call a quantity, and what we call it.

use std::collections::HashMap;
use std::sync::LazyLock;

use event_model::{Aggregate, Name, units};
use foldhash::fast::FixedState;

/// The text, or as much of it as `bytes` hold.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A metric as the table knows it: canonical name, the unit where the payload states none, how its values are aggregated, its
/// spellings.
///
/// Spellings are as [`squeeze`] writes them.
struct Metric {
    name: &'static str,
    unit: Option<Assumed>,
    aggregate: Aggregate,
    spellings: &'static [&'static str],
}

/// A unit that is assumed, and the values beyond which it can hardly be that unit.
struct Assumed {
    unit: &'static str,
    lowest: f64,
    highest: f64,
}

const fn metric_of(
    name: &'static str,
    (unit, lowest, highest): (&'static str, f64, f64),
    spellings: &'static [&'static str],
) -> Metric {
    Metric { name, unit: Some(Assumed { unit, lowest, highest }), aggregate: Aggregate::Mean, spellings }
}

impl Metric {
    const fn aggregated_by(self, aggregate: Aggregate) -> Self {
        Self { aggregate, ..self }
    }
}

// The ranges are those of the air, of the mains and of common sensors, with room to spare: they are to tell millivolts
// from volts, pascals from hectopascals and fractions from per cent, not good weather from bad.
//
// Power and current follow a load, and meters send them when it changes: their mean is by time. What a meter counts within a
// day begins anew at midnight, and is a counter too; what it counted the day before does not rise.
#[rustfmt::skip]
const METRICS: &[Metric] = &[
    metric_of("altitude", ("m", -1000.0, 50_000.0), &["altitude"]),
    metric_of("apparent_power", ("VA", -1e7, 1e7), &["apparentpower"]).aggregated_by(Aggregate::TimeWeighted),
    Metric { name: "battery", unit: None, aggregate: Aggregate::Mean, spellings: &["bat", "batt", "battery"] },
    metric_of("battery_level", ("%EL", 0.0, 101.0), &["batterylevel", "batterypercent", "batterypercentage"]),
    metric_of("battery_voltage", ("V", -1.0, 1000.0), &["batteryvoltage", "batv", "vbat"]),
    metric_of("co2", ("ppm", 0.0, 100_000.0), &["carbondioxide", "co2", "co2concentration", "co2ppm"]),
    metric_of("current", ("A", -5000.0, 5000.0), &["current"]).aggregated_by(Aggregate::TimeWeighted),
    metric_of("dew_point", ("Cel", -150.0, 100.0), &["dewpoint"]),
    metric_of("eco2", ("ppm", 0.0, 100_000.0), &["eco2"]),
    metric_of("energy_today", ("kWh", -1e6, 1e6), &["energytoday"]).aggregated_by(Aggregate::Counter),
    metric_of("energy_total", ("kWh", -1e9, 1e9), &["energytotal"]).aggregated_by(Aggregate::Counter),
    metric_of("energy_yesterday", ("kWh", -1e6, 1e6), &["energyyesterday"]),
    metric_of("illuminance", ("lx", -1.0, 250_000.0), &["ambientlight", "illuminance", "light", "lightintensity", "luminosity", "lux"]),
    metric_of("noise_laeq", ("dB", -20.0, 200.0), &["laeq", "noiselaeq"]),
    metric_of("pm1", ("ug/m3", -1.0, 50_000.0), &["pm1", "pm1.0"]),
    metric_of("pm10", ("ug/m3", -1.0, 50_000.0), &["pm10", "pm10.0", "pm10airpollutantvalue"]),
    metric_of("pm2_5", ("ug/m3", -1.0, 50_000.0), &["pm2.5", "pm2.5airpollutantvalue", "pm25", "pm25airpollutantvalue"]),
    metric_of("pm4", ("ug/m3", -1.0, 50_000.0), &["pm4", "pm4.0"]),
    metric_of("power", ("W", -1e7, 1e7), &["activepower", "apower", "power"]).aggregated_by(Aggregate::TimeWeighted),
    metric_of("power_factor", ("/", -1.0, 1.0), &["factor", "pf", "powerfactor"]),
    metric_of("pressure", ("hPa", 300.0, 1200.0), &["airpressure", "atmosphericpressure", "barometer", "barometricpressure", "press", "pressure"]),
    metric_of("reactive_power", ("var", -1e7, 1e7), &["reactivepower"]).aggregated_by(Aggregate::TimeWeighted),
    metric_of("relative_humidity", ("%RH", -5.0, 110.0), &["airhumidity", "hum", "humi", "humidity", "humidityvalue", "humsht", "hygrometry", "relativehumidity", "rh"]),
    metric_of("soil_ec", ("uS/cm", -1.0, 100_000.0), &["conductsoil", "soilec"]),
    metric_of("soil_moisture", ("%", -5.0, 110.0), &["moisture", "soilmoisture", "vwc", "watersoil"]),
    metric_of("soil_temperature", ("Cel", -100.0, 150.0), &["soiltemp", "soiltemperature", "tempsoil"]),
    metric_of("solar_irradiance", ("W/m2", -50.0, 2500.0), &["solarirradiance", "solarradiation"]),
    metric_of("temperature", ("Cel", -200.0, 600.0), &["airtemperature", "tc", "temp", "tempc", "tempcsht", "temperature", "temperaturec", "temperaturecelsius", "temperaturemeasure", "temperaturevalue"]),
    metric_of("tvoc", ("ppb", 0.0, 1_000_000.0), &["tvoc", "voc"]),
    metric_of("uv_index", ("1", -1.0, 50.0), &["uv", "uvindex"]),
    metric_of("voltage", ("V", -1500.0, 1500.0), &["voltage"]),
    metric_of("wind_direction", ("deg", -180.0, 360.0), &["winddir", "winddirection"]).aggregated_by(Aggregate::Direction),
    metric_of("wind_gust", ("m/s", 0.0, 150.0), &["windgust"]),
    metric_of("wind_speed", ("m/s", 0.0, 150.0), &["windspeed"]),
];

/// Metrics by a text of the program's own. Each field of each payload is looked up several times.
type Table = HashMap<&'static str, &'static Metric, FixedState>;

static BY_SPELLING: LazyLock<Table> = LazyLock::new(|| {
    METRICS
        .iter()
        .flat_map(|metric| metric.spellings.iter().map(move |spelling| (*spelling, metric)))
        .collect()
});
static BY_NAME: LazyLock<Table> =
    LazyLock::new(|| METRICS.iter().map(|metric| (metric.name, metric)).collect());

/// The metric of a canonical name. A name that is longer than any is not hashed: it may be long, and there may be many.
fn by_name(name: &str) -> Option<&'static Metric> {
    if name.len() > LONGEST_NAME { None } else { BY_NAME.get(name).copied() }
}

const LONGEST_NAME: usize = {
    let (mut longest, mut at) = (0, 0);
    while at < METRICS.len() {
        let length = METRICS[at].name.len();
        if length > longest {
            longest = length;
        }
        at += 1;
    }
    longest
};

/// Metrics whose names formats give themselves, where their values are aggregated by something else than a mean. What counts the last
/// hour or day (`rain_hour`, `rain_24h`) falls as it rises, and is no counter.
#[rustfmt::skip]
const OF_FORMATS: &[(&str, Aggregate)] = &[
    ("energy_export_active", Aggregate::Counter),
    ("energy_export_tariff", Aggregate::Counter),
    ("energy_produced", Aggregate::Counter),
    ("energy_returned_total", Aggregate::Counter),
    ("heart_beats", Aggregate::Counter),
    ("heater_count", Aggregate::Counter),
    ("rain_day", Aggregate::Counter),
    ("rain_event", Aggregate::Counter),
    ("rain_month", Aggregate::Counter),
    ("rain_total", Aggregate::Counter),
    ("rain_week", Aggregate::Counter),
    ("rain_year", Aggregate::Counter),
    ("uptime", Aggregate::Counter),
    ("water_total", Aggregate::Counter),
    ("wind_direction_10min", Aggregate::Direction),
    ("wind_direction_2min", Aggregate::Direction),
    ("wind_gust_direction", Aggregate::Direction),
    ("wind_gust_direction_10min", Aggregate::Direction),
];

/// How well a radio link is; about the way of a message, not about what its sensor measures.
const LINK: [&str; 7] = ["rssi", "snr", "lsnr", "linkquality", "lqi", "channelrssi", "signalquality"];

/// The canonical name of a platform's field, and the unit that it has where the payload states none.
///
/// `raw` is the last segment of the field's path. What the table does not know is the name in snake_case, without a unit.
pub fn canonical(raw: &str) -> (Name, Option<&'static str>) {
    let squeezed = squeeze(raw);
    match BY_SPELLING.get(squeezed.as_str()) {
        Some(metric) => (Name::known(metric.name), metric.unit.as_ref().map(|assumed| assumed.unit)),
        None => (snake_case(raw).into(), None),
    }
}

/// The canonical name alone.
pub fn metric(raw: &str) -> Name {
    canonical(raw).0
}

/// The unit that the table gives for a canonical metric name.
pub fn default_unit(metric: &str) -> Option<&'static str> {
    Some(by_name(metric)?.unit.as_ref()?.unit)
}

/// How the values of a metric, by its canonical name, are aggregated over a span of time. Those of a metric that is not known have a
/// mean.
pub fn aggregate_of(metric: &str) -> Aggregate {
    let of_formats = || OF_FORMATS.iter().find(|(name, _)| *name == metric).map(|(_, aggregate)| *aggregate);
    by_name(metric).map(|known| known.aggregate).or_else(of_formats).unwrap_or_default()
}

/// Whether `value` is one that the metric can have in the unit that the table gives for it.
pub fn is_plausible(metric: &str, value: f64) -> bool {
    let assumed = by_name(metric).and_then(|known| known.unit.as_ref());
    assumed.is_none_or(|assumed| (assumed.lowest..=assumed.highest).contains(&value))
}

/// The metric and the unit of a name with its unit in brackets behind it, as columns of tables have it: `Pressure [hPa]`,
/// `Temperature(°C)`. Where the unit is another quantity's (`Humidity [g/m3]`), so is the name.
///
/// `None` where there are no brackets, or what stands in them is no unit that is known.
pub fn with_unit(raw: &str) -> Option<(Name, &str)> {
    let raw = raw.trim_end();
    let (open, closed) = [('[', ']'), ('(', ')')].into_iter().find(|(_, closed)| raw.ends_with(*closed))?;
    let (name, unit) = raw.strip_suffix(closed)?.rsplit_once(open)?;
    let unit = unit.trim();
    if name.trim().is_empty() || unit.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let metric = metric(name);
    let (_, kept) = units::canonical(0.0, unit, &metric)?;
    let is_letter = unit.len() == 1 && unit.starts_with(|letter: char| letter.is_ascii_alphabetic());
    match by_name(&metric).map(|known| &known.unit) {
        Some(Some(assumed)) if assumed.unit == kept => Some((metric, unit)),
        Some(None) => Some((metric, unit)),
        // `Counter (A)` is one of several.
        _ if open == '(' && is_letter => None,
        Some(_) => Some((snake_case(raw).into(), unit)),
        None => Some((metric, unit)),
    }
}

/// Whether a field is about the radio link.
pub fn is_link(raw: &str) -> bool {
    LINK.iter().any(|link| squeezes_to(raw, link))
}

/// In lower case, without anything but the letters and digits of ASCII, and a point for what stands between two digits:
/// `PM1.0` and `PM1_0` are `pm1.0`, and not `pm10`.
pub fn squeeze(raw: &str) -> String {
    squeezed(raw).map(char::from).collect()
}

/// Whether `raw` squeezed is `other`.
pub fn squeezes_to(raw: &str, other: &str) -> bool {
    squeezed(raw).eq(other.bytes())
}

fn squeezed(raw: &str) -> impl Iterator<Item = u8> {
    let bytes = raw.as_bytes();
    bytes.iter().enumerate().filter_map(|(index, byte)| {
        if byte.is_ascii_alphanumeric() {
            return Some(byte.to_ascii_lowercase());
        }
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let is_between = index > 0 && is_digit(bytes.get(index - 1)) && is_digit(bytes.get(index + 1));
        is_between.then_some(b'.')
    })
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
    use super::{
        Aggregate, Assumed, METRICS, OF_FORMATS, aggregate_of, by_name, canonical, is_link, is_plausible,
        snake_case, with_unit,
    };

    #[test]
    fn spellings_lead_to_one_name() {
        for raw in ["Temperature", "temp_C", "tC", "airTemperature", "temperature"] {
            assert_eq!(canonical(raw), ("temperature".into(), Some("Cel")), "{raw}");
        }
        for (raw, expected) in [
            ("PM1", "pm1"),
            ("PM1.0", "pm1"),
            ("pm_1_0", "pm1"),
            ("PM2.5", "pm2_5"),
            ("pm25", "pm2_5"),
            ("PM4.0", "pm4"),
            ("PM10", "pm10"),
            ("pm10_0", "pm10"),
        ] {
            assert_eq!(canonical(raw), (expected.into(), Some("ug/m3")), "{raw}");
        }
        for raw in ["battery", "bat", "batt"] {
            assert_eq!(canonical(raw), ("battery".into(), None), "{raw}");
        }
        assert_eq!(canonical("BatV"), ("battery_voltage".into(), Some("V")));
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
    fn a_unit_may_stand_in_brackets() {
        for (raw, metric, unit) in [
            ("Pressure[hPa]", "pressure", "hPa"),
            ("Temperature (F) ", "temperature", "F"),
            ("Humidity[%]", "relative_humidity", "%"),
            ("Humidity [g/m3]", "humidity_g_m3", "g/m3"),
            ("Water flow [l/s]", "water_flow", "l/s"),
            ("L1[A]", "l1", "A"),
            ("Battery (V)", "battery", "V"),
            ("Valve (%)", "valve", "%"),
        ] {
            assert_eq!(with_unit(raw), Some((metric.into(), unit)), "{raw}");
        }
        for raw in ["Pressure", "[hPa]", "x[0]", "x[1]", "y[A]x", "zone (north)", "Counter (A)", "a]", "x[]"]
        {
            assert_eq!(with_unit(raw), None, "{raw}");
        }
    }

    #[test]
    fn ranges_hold_what_the_air_and_the_mains_have() {
        for metric in METRICS {
            if let Some(Assumed { lowest, highest, .. }) = metric.unit {
                assert!(
                    lowest < highest && is_plausible(metric.name, (lowest + highest) / 2.0),
                    "{}",
                    metric.name
                );
            }
        }
        assert!(is_plausible("pressure", 1013.25) && !is_plausible("pressure", 101_325.0));
        assert!(is_plausible("voltage", 230.0) && !is_plausible("voltage", 3649.0));
        assert!(is_plausible("counter", f64::MAX));
    }

    #[test]
    fn counts_rise_directions_are_vectors_and_of_all_else_there_is_a_mean() {
        for (metric, aggregate) in [
            ("energy_total", Aggregate::Counter),
            ("energy_today", Aggregate::Counter),
            ("energy_yesterday", Aggregate::Mean),
            ("energy_period", Aggregate::Mean),
            ("rain_day", Aggregate::Counter),
            ("rain_rate", Aggregate::Mean),
            ("rain_24h", Aggregate::Mean),
            ("power", Aggregate::TimeWeighted),
            ("temperature", Aggregate::Mean),
            ("battery", Aggregate::Mean),
            ("made_up", Aggregate::Mean),
            ("Energy_Total", Aggregate::Mean),
            ("", Aggregate::Mean),
        ] {
            assert_eq!(aggregate_of(metric), aggregate, "{metric}");
        }
        for metric in METRICS {
            let is_direction = aggregate_of(metric.name) == Aggregate::Direction;
            assert_eq!(is_direction, metric.unit.as_ref().is_some_and(|assumed| assumed.unit == "deg"));
        }
    }

    #[test]
    fn the_documentation_says_which_metrics_have_which_aggregate() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let page = std::fs::read_to_string(page).expect("docs/configuration.md");
        let of_table = METRICS.iter().map(|metric| (metric.name, metric.aggregate));
        let all: Vec<_> = of_table.chain(OF_FORMATS.iter().copied()).collect();
        for aggregate in Aggregate::ALL {
            let begins = format!("| `{aggregate}` |");
            let row = page.lines().find(|line| line.starts_with(&begins)).expect("each aggregate has a row");
            let usual = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            let stated: Vec<_> = usual.split('`').skip(1).step_by(2).collect();
            let mut names: Vec<_> =
                all.iter().filter(|(_, own)| own == aggregate).map(|(name, _)| *name).collect();
            names.sort_unstable();
            // A mean is what all others have.
            let expected = if *aggregate == Aggregate::Mean { Vec::new() } else { names };
            assert_eq!(stated, expected, "{aggregate}");
        }
    }

    #[test]
    fn what_only_formats_name_is_not_in_the_table() {
        for (name, aggregate) in OF_FORMATS {
            assert!(by_name(name).is_none() && snake_case(name) == *name, "{name}");
            assert_ne!(*aggregate, Aggregate::Mean, "{name}");
        }
        assert!(OF_FORMATS.is_sorted_by(|(before, _), (after, _)| before < after));
    }

    #[test]
    fn radio_figures_are_no_readings() {
        assert!(is_link("RSSI") && is_link("link_quality") && !is_link("temperature"));
    }
}
