//! What the stations' fields mean.
//!
//! Names and units: Ecowitt's "customized upload" protocol, Ambient Weather's custom server and device data
//! specification, the Weather Underground PWS upload protocol. All of them send imperial units whatever the display
//! shows; where firmware or a relay has a metric spelling of a field (`tempc`, `rainratemm`) it is taken as well. What has no
//! unit that all senders agree on (`lightning_distance` in miles or kilometres, `vpd`) is left under its own name.

use event_model::Name;

/// What becomes of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// A measured value.
    Measured {
        /// The canonical metric.
        metric: &'static str,
        /// The sub-sensor; empty for the station itself.
        channel: Name,
        /// The unit in which the station sends it.
        unit: &'static str,
    },
    /// A battery: a flag, a level from 0 to 5 or volts, depending on the sensor; only the sensor's maker knows.
    Battery,
    /// It describes the station: a tag of the device.
    Tag,
    /// It says when, who or how, not what was measured.
    Envelope,
    /// A field that no document names; a number in it is kept under its own name.
    Unknown,
}

/// Looks a field up by its name.
pub(super) fn field(name: &str) -> Field {
    let name = name.to_ascii_lowercase();
    let named = |table: &[Row]| {
        let row = table.iter().find(|row| row.0 == name)?;
        Some(measured(row.1, Name::known(row.2), row.3))
    };
    match name.as_str() {
        "passkey" | "mac" | "id" | "password" | "dateutc" | "action" | "realtime" | "rtfreq" | "interval" => {
            Field::Envelope
        }
        "stationtype" | "model" | "freq" | "softwaretype" | "ws90_ver" | "ws85_ver" => Field::Tag,
        _ => named(STATION)
            .or_else(|| named(RAIN_PIEZO))
            .or_else(|| named(AIR))
            .or_else(|| named(POLLUTION))
            .or_else(|| numbered(&name))
            .or_else(|| is_battery(&name).then_some(Field::Battery))
            .unwrap_or(Field::Unknown),
    }
}

fn measured(metric: &'static str, channel: Name, unit: &'static str) -> Field {
    Field::Measured { metric, channel, unit }
}

/// Field, metric, channel, unit as sent.
type Row = (&'static str, &'static str, &'static str, &'static str);

const STATION: &[Row] = &[
    ("tempinf", "temperature", "indoor", "Far"),
    ("tempinc", "temperature", "indoor", "Cel"),
    ("indoortempf", "temperature", "indoor", "Far"),
    ("tempf", "temperature", "outdoor", "Far"),
    ("tempc", "temperature", "outdoor", "Cel"),
    ("humidityin", "relative_humidity", "indoor", "%RH"),
    ("indoorhumidity", "relative_humidity", "indoor", "%RH"),
    ("humidity", "relative_humidity", "outdoor", "%RH"),
    ("dewpointf", "dew_point", "outdoor", "Far"),
    ("dewptf", "dew_point", "outdoor", "Far"),
    ("dewpointc", "dew_point", "outdoor", "Cel"),
    ("dewptc", "dew_point", "outdoor", "Cel"),
    ("dewpointinf", "dew_point", "indoor", "Far"),
    ("dewpointinc", "dew_point", "indoor", "Cel"),
    ("windchillf", "wind_chill", "", "Far"),
    ("windchillc", "wind_chill", "", "Cel"),
    ("tempfeelsf", "apparent_temperature", "outdoor", "Far"),
    ("tempfeelsc", "apparent_temperature", "outdoor", "Cel"),
    ("baromrelin", "pressure_sea_level", "", "inHg"),
    ("baromrelhpa", "pressure_sea_level", "", "hPa"),
    ("baromin", "pressure_sea_level", "", "inHg"),
    ("baromabsin", "pressure", "", "inHg"),
    ("absbaromin", "pressure", "", "inHg"),
    ("baromabshpa", "pressure", "", "hPa"),
    ("winddir", "wind_direction", "", "deg"),
    ("winddir_avg10m", "wind_direction_10min", "", "deg"),
    ("winddir_avg2m", "wind_direction_2min", "", "deg"),
    ("windgustdir", "wind_gust_direction", "", "deg"),
    ("windgustdir_10m", "wind_gust_direction_10min", "", "deg"),
    ("windspeedmph", "wind_speed", "", "mph"),
    ("windspeedkmh", "wind_speed", "", "km/h"),
    ("windspdmph_avg10m", "wind_speed_10min", "", "mph"),
    ("windspdkmh_avg10m", "wind_speed_10min", "", "km/h"),
    ("windspdmph_avg2m", "wind_speed_2min", "", "mph"),
    ("windgustmph", "wind_gust", "", "mph"),
    ("windgustkmh", "wind_gust", "", "km/h"),
    ("windgustmph_10m", "wind_gust_10min", "", "mph"),
    ("maxdailygust", "wind_gust_max_day", "", "mph"),
    ("maxdailygustkmh", "wind_gust_max_day", "", "km/h"),
    ("solarradiation", "solar_irradiance", "", "W/m2"),
    ("solarradiation_lux", "illuminance", "", "lx"),
    ("uv", "uv_index", "", "1"),
    ("rainratein", "rain_rate", "", "in/h"),
    ("rainratemm", "rain_rate", "", "mm/h"),
    ("rainin", "rain_hour", "", "in"),
    ("eventrainin", "rain_event", "", "in"),
    ("eventrainmm", "rain_event", "", "mm"),
    ("hourlyrainin", "rain_hour", "", "in"),
    ("hourlyrainmm", "rain_hour", "", "mm"),
    ("dailyrainin", "rain_day", "", "in"),
    ("dailyrainmm", "rain_day", "", "mm"),
    ("weeklyrainin", "rain_week", "", "in"),
    ("weeklyrainmm", "rain_week", "", "mm"),
    ("monthlyrainin", "rain_month", "", "in"),
    ("monthlyrainmm", "rain_month", "", "mm"),
    ("yearlyrainin", "rain_year", "", "in"),
    ("yearlyrainmm", "rain_year", "", "mm"),
    ("totalrainin", "rain_total", "", "in"),
    ("totalrainmm", "rain_total", "", "mm"),
    ("24hourrainin", "rain_24h", "", "in"),
    ("24hourrainmm", "rain_24h", "", "mm"),
    ("visibility", "visibility", "", "nmi"),
    ("soiltempf", "soil_temperature", "", "Far"),
    ("soilmoisture", "soil_moisture", "", "%"),
    ("bgt", "black_globe_temperature", "", "Far"),
    ("wbgt", "wet_bulb_globe_temperature", "", "Far"),
    ("ws85cap_volt", "voltage", "ws85cap", "V"),
    ("ws90cap_volt", "voltage", "ws90cap", "V"),
    ("runtime", "uptime", "", "s"),
];

/// The rain gauge without moving parts of the WS90 and WS85.
const RAIN_PIEZO: &[Row] = &[
    ("rrain_piezo", "rain_rate", "piezo", "in/h"),
    ("erain_piezo", "rain_event", "piezo", "in"),
    ("hrain_piezo", "rain_hour", "piezo", "in"),
    ("drain_piezo", "rain_day", "piezo", "in"),
    ("wrain_piezo", "rain_week", "piezo", "in"),
    ("mrain_piezo", "rain_month", "piezo", "in"),
    ("yrain_piezo", "rain_year", "piezo", "in"),
    ("last24hrain_piezo", "rain_24h", "piezo", "in"),
    ("rrain_piezomm", "rain_rate", "piezo", "mm/h"),
    ("erain_piezomm", "rain_event", "piezo", "mm"),
    ("hrain_piezomm", "rain_hour", "piezo", "mm"),
    ("drain_piezomm", "rain_day", "piezo", "mm"),
    ("wrain_piezomm", "rain_week", "piezo", "mm"),
    ("mrain_piezomm", "rain_month", "piezo", "mm"),
    ("yrain_piezomm", "rain_year", "piezo", "mm"),
];

/// Air quality: Ecowitt's WH45 and WH46 (`..._co2`), its consoles (`co2in`), Ambient's AQIN (`..._aqin`), single sensors.
const AIR: &[Row] = &[
    ("pm25", "pm2_5", "outdoor", "ug/m3"),
    ("pm25_24h", "pm2_5_24h", "outdoor", "ug/m3"),
    ("pm25_in", "pm2_5", "indoor", "ug/m3"),
    ("pm25_in_24h", "pm2_5_24h", "indoor", "ug/m3"),
    ("co2", "co2", "", "ppm"),
    ("co2_24h", "co2_24h", "", "ppm"),
    ("tf_co2", "temperature", "co2", "Far"),
    ("tf_co2c", "temperature", "co2", "Cel"),
    ("humi_co2", "relative_humidity", "co2", "%RH"),
    ("pm1_co2", "pm1", "co2", "ug/m3"),
    ("pm1_24h_co2", "pm1_24h", "co2", "ug/m3"),
    ("pm25_co2", "pm2_5", "co2", "ug/m3"),
    ("pm25_24h_co2", "pm2_5_24h", "co2", "ug/m3"),
    ("pm4_co2", "pm4", "co2", "ug/m3"),
    ("pm4_24h_co2", "pm4_24h", "co2", "ug/m3"),
    ("pm10_co2", "pm10", "co2", "ug/m3"),
    ("pm10_24h_co2", "pm10_24h", "co2", "ug/m3"),
    ("co2in", "co2", "indoor", "ppm"),
    ("co2in_24h", "co2_24h", "indoor", "ppm"),
    ("co2_in_aqin", "co2", "aqin", "ppm"),
    ("co2_in_24h_aqin", "co2_24h", "aqin", "ppm"),
    ("pm25_in_aqin", "pm2_5", "aqin", "ug/m3"),
    ("pm25_in_24h_aqin", "pm2_5_24h", "aqin", "ug/m3"),
    ("pm10_in_aqin", "pm10", "aqin", "ug/m3"),
    ("pm10_in_24h_aqin", "pm10_24h", "aqin", "ug/m3"),
    ("pm_in_temp_aqin", "temperature", "aqin", "Far"),
    ("pm_in_humidity_aqin", "relative_humidity", "aqin", "%RH"),
];

/// "Pollution fields" of the Weather Underground protocol, and what CumulusMX adds to them.
const POLLUTION: &[Row] = &[
    ("aqpm1", "pm1", "", "ug/m3"),
    ("aqpm2.5", "pm2_5", "", "ug/m3"),
    ("aqpm10", "pm10", "", "ug/m3"),
    ("aqpm2.5_avg_24h", "pm2_5_24h", "", "ug/m3"),
    ("aqpm10_avg_24h", "pm10_24h", "", "ug/m3"),
    ("aqno", "no", "", "ppb"),
    ("aqno2", "no2", "", "ppb"),
    ("aqno2t", "no2_true", "", "ppb"),
    ("aqno2y", "no2_from_noy", "", "ppb"),
    ("aqnox", "nox", "", "ppb"),
    ("aqnoy", "noy", "", "ppb"),
    ("aqno3", "nitrate", "", "ug/m3"),
    ("aqso4", "sulfate", "", "ug/m3"),
    ("aqso2", "so2", "", "ppb"),
    ("aqso2t", "so2_trace", "", "ppb"),
    ("aqco", "co", "", "ppm"),
    ("aqcot", "co_trace", "", "ppb"),
    ("aqec", "elemental_carbon", "", "ug/m3"),
    ("aqoc", "organic_carbon", "", "ug/m3"),
    ("aqbc", "black_carbon", "", "ug/m3"),
    ("aquv-aeth", "uv_aeth", "", "ug/m3"),
    ("aqozone", "o3", "", "ppb"),
];

/// What stands before and after a channel's number, metric, unit as sent.
const NUMBERED: &[(&str, &str, &str, &str)] = &[
    ("temp", "f", "temperature", "Far"),
    ("temp", "c", "temperature", "Cel"),
    ("humidity", "", "relative_humidity", "%RH"),
    ("dewpoint", "f", "dew_point", "Far"),
    ("dewpoint", "c", "dew_point", "Cel"),
    ("soilmoisture", "", "soil_moisture", "%"),
    ("soilhum", "", "soil_moisture", "%"),
    ("soiltemp", "f", "soil_temperature", "Far"),
    ("soiltemp", "", "soil_temperature", "Far"),
    ("tf_ch", "", "soil_temperature", "Far"),
    ("tf_ch", "c", "soil_temperature", "Cel"),
    ("pm25_ch", "", "pm2_5", "ug/m3"),
    ("pm25_avg_24h_ch", "", "pm2_5_24h", "ug/m3"),
    ("depth_ch", "", "depth", "mm"),
    ("air_ch", "", "distance", "mm"),
    ("ldsheat_ch", "", "heater_count", "count"),
];

/// Fields that carry the number of an additional sensor: `temp1f` is the temperature of channel `ch1`.
fn numbered(name: &str) -> Option<Field> {
    NUMBERED.iter().find_map(|(before, after, metric, unit)| {
        let number = name.strip_prefix(before)?.strip_suffix(after)?;
        let valid = (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| measured(metric, format!("ch{number}").into(), unit))
    })
}

fn is_battery(name: &str) -> bool {
    name.contains("batt") || name.starts_with("batleak")
}

#[cfg(test)]
mod tests {
    use event_model::{Aggregate, units};

    use super::{AIR, Field, NUMBERED, POLLUTION, RAIN_PIEZO, STATION, field, measured};
    use crate::names;

    #[test]
    fn a_numbered_field_names_its_channel() {
        assert_eq!(field("temp10f"), measured("temperature", "ch10".into(), "Far"));
        assert_eq!(field("soilmoisture3"), measured("soil_moisture", "ch3".into(), "%"));
        assert_eq!(field("tf_ch2"), measured("soil_temperature", "ch2".into(), "Far"));
    }

    #[test]
    fn a_name_that_only_looks_numbered_is_unknown() {
        for name in ["tempxf", "temp1234f", "humidity1a", "soilad1", "leak_ch1", "lightning"] {
            assert_eq!(field(name), Field::Unknown, "{name}");
        }
    }

    #[test]
    fn a_field_has_one_meaning() {
        let rows = STATION.iter().chain(RAIN_PIEZO).chain(AIR).chain(POLLUTION);
        let mut names: Vec<_> = rows.clone().map(|row| row.0).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b));
        for (name, metric, _, unit) in rows {
            assert_eq!(*name, name.to_ascii_lowercase());
            assert!(units::canonical(1.0, unit, metric).is_some(), "{unit}");
        }
    }

    #[test]
    fn directions_are_added_as_vectors_and_rain_that_begins_anew_is_a_count() {
        let rows = STATION.iter().chain(RAIN_PIEZO).chain(AIR).chain(POLLUTION);
        let numbered = NUMBERED.iter().map(|(_, _, metric, unit)| (*metric, *unit));
        for (metric, unit) in rows.map(|row| (row.1, row.3)).chain(numbered) {
            let begins_anew =
                ["rain_event", "rain_day", "rain_week", "rain_month", "rain_year", "rain_total"];
            let expected = match metric {
                _ if unit == "deg" => Aggregate::Direction,
                "heater_count" | "uptime" => Aggregate::Counter,
                _ if begins_anew.contains(&metric) => Aggregate::Counter,
                _ => Aggregate::Mean,
            };
            assert_eq!(names::aggregate_of(metric), expected, "{metric}");
        }
    }

    #[test]
    fn a_newer_sensor_is_of_its_family() {
        for (name, metric, channel, unit) in [
            ("pm1_co2", "pm1", "co2", "ug/m3"),
            ("pm4_24h_co2", "pm4_24h", "co2", "ug/m3"),
            ("absbaromin", "pressure", "", "inHg"),
            ("AqPM2.5", "pm2_5", "", "ug/m3"),
            ("AqOZONE", "o3", "", "ppb"),
            ("ws85cap_volt", "voltage", "ws85cap", "V"),
            ("drain_piezomm", "rain_day", "piezo", "mm"),
        ] {
            assert_eq!(field(name), measured(metric, channel.into(), unit), "{name}");
        }
    }

    #[test]
    fn batteries_are_known_by_their_names() {
        for name in [
            "wh65batt",
            "batt1",
            "battout",
            "leakbatt1",
            "leaf_batt1",
            "batleak1",
            "console_batt",
            "batt_co2",
        ] {
            assert_eq!(field(name), Field::Battery, "{name}");
        }
    }

    #[test]
    fn the_station_itself_is_no_measurement() {
        assert_eq!(field("PASSKEY"), Field::Envelope);
        assert_eq!(field("interval"), Field::Envelope);
        assert_eq!(field("stationtype"), Field::Tag);
        assert_eq!(field("ws90_ver"), Field::Tag);
    }
}
