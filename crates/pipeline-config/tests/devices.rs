//! `sites` and `devices`: what they mean, and each mistake in them at its place.

use std::fmt::Write as _;

use jiff::SignedDuration;
use pipeline_config::device::{Calibration, Range};
use pipeline_config::{Findings, Pipeline};

const HEAD: &str = "\
sources:
  yard: {format: json, credentials: [{bearer: {env: T}}], time_zone: America/Lima}
  hall: {format: json, credentials: [{bearer: {env: T}}]}
receivers:
  ops: {ntfy: {topic: t}}
sites:
  north: {zone: Europe/Berlin, language: de, units: {Cel: '[degF]'}, recipients: [ops]}
  south: {}
";

fn parsed(rest: &str) -> Result<Pipeline, Findings> {
    Pipeline::parse(&format!("{HEAD}{rest}"), "freshet.yaml")
}

fn pipeline(rest: &str) -> Pipeline {
    parsed(rest).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn mistakes(rest: &str) -> Vec<String> {
    match parsed(rest) {
        Ok(_) => Vec::new(),
        Err(found) => found.mistakes.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn assert_one(rest: &str, place: &str, part: &str) {
    let found = mistakes(rest);
    assert_eq!(found.len(), 1, "{rest}: {found:#?}");
    assert!(found[0].starts_with(&format!("freshet.yaml:{place}: ")), "{rest}: {found:#?}");
    assert!(found[0].contains(part), "{rest}: {found:#?}");
}

const GREENHOUSE: &str = "\
devices:
  yard:
    A84041000181C061:
      name: Tomatoes
      labels: {row: 3, bed: north-east}
      site: north
      model: Dragino LHT65
      expected: 1h
      calibration:
        temperature: {offset: -0.4, factor: 1.02, from: 2026-11-01T00:00:00Z}
        pressure: [{factor: 2}, {offset: 1, from: 2026-01-01T00:00:00Z}]
      ranges:
        temperature: {min: -40, max: 85}
        relative_humidity: {max: 100}
    ' Pru\u{308}fstand': {site: south}
  hall:
    a84041000181c061: {model: other}
";

#[test]
fn a_device_is_what_the_file_says_of_it() {
    let pipeline = pipeline(GREENHOUSE);
    let device = pipeline.device("yard", "a8:40:41:00:01:81:c0:61").unwrap();
    assert_eq!(device.device, "A84041000181C061");
    assert_eq!(device.name.as_deref(), Some("Tomatoes"));
    assert_eq!(
        device.labels,
        [("row", "3"), ("bed", "north-east")].map(|(k, v)| (k.into(), v.into())).into()
    );
    assert_eq!((device.site.as_deref(), device.model.as_deref()), (Some("north"), Some("Dragino LHT65")));
    assert_eq!(device.expected, Some(SignedDuration::from_hours(1)));
    let metrics: Vec<_> = device.metrics.iter().map(|metric| metric.metric.as_str()).collect();
    assert_eq!(metrics, ["pressure", "relative_humidity", "temperature"]);
    let temperature = device.metric("temperature").unwrap();
    let from = Some("2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(temperature.calibrations, [Calibration { offset: -0.4, factor: 1.02, from }]);
    assert_eq!(temperature.range, Some(Range { min: Some(-40.0), max: Some(85.0) }));
    let pressure = device.metric("pressure").unwrap();
    assert_eq!(pressure.calibrations[0], Calibration { offset: 0.0, factor: 2.0, from: None });
    assert_eq!((pressure.calibrations.len(), pressure.range), (2, None));

    assert_eq!(pipeline.device("hall", "A84041000181C061").unwrap().model.as_deref(), Some("other"));
    assert!(pipeline.device("yard", "Pr\u{fc}fstand").is_some());
    assert!(pipeline.device("yard", "tomatoes").is_none() && pipeline.device("roof", "a").is_none());
    assert_eq!((pipeline.devices["yard"].len(), pipeline.devices["hall"].len()), (2, 1));
    // Only a source whose devices have calibrations or ranges looks at them.
    let of = |source: &str| pipeline.sources[source].calibrated.as_ref();
    assert_eq!((of("yard"), of("hall")), (Some(&pipeline.devices["yard"]), None));
}

#[test]
fn a_device_and_each_of_its_keys_have_a_line() {
    let pipeline = pipeline(GREENHOUSE);
    let device = pipeline.device("yard", "a84041000181c061").unwrap();
    assert_eq!(pipeline.line_of(device.place), "freshet.yaml:11");
    let line = |key| device.place_of(key).map(|place| pipeline.line_of(place));
    assert_eq!(line("name").as_deref(), Some("freshet.yaml:12"));
    assert_eq!(line("site").as_deref(), Some("freshet.yaml:14"));
    assert_eq!(line("ranges").as_deref(), Some("freshet.yaml:20"));
    let hall = pipeline.device("hall", "a84041000181c061").unwrap();
    assert_eq!((hall.place_of("name"), hall.place_of("model").map(|place| place.line)), (None, Some(25)));
}

#[test]
fn a_devices_days_are_those_of_its_site_else_of_its_source_else_of_utc() {
    let pipeline = pipeline(
        "devices:\n  yard: {a: {site: north}, b: {site: south}, c: {}}\n  hall: {a: {site: north}, b: {site: south}}\n",
    );
    for (source, device, zone) in [
        ("yard", "a", "Europe/Berlin"),
        ("yard", "b", "America/Lima"),
        ("yard", "c", "America/Lima"),
        ("yard", "unknown", "America/Lima"),
        ("hall", "a", "Europe/Berlin"),
        ("hall", "b", "UTC"),
        ("roof", "a", "UTC"),
    ] {
        assert_eq!(pipeline.zone_of(source, device, None).iana_name(), Some(zone), "{source} {device}");
    }
    assert_eq!(
        pipeline.zone_at("hall", pipeline.sites.get("north")).iana_name(),
        Some("Europe/Berlin"),
        "a row may give the site"
    );
}

#[test]
fn a_site_is_what_the_file_says_of_it() {
    let pipeline = pipeline("");
    let north = &pipeline.sites["north"];
    assert_eq!((north.language.as_deref(), &north.recipients[..]), (Some("de"), &["ops".to_owned()][..]));
    assert_eq!(north.units, [("Cel".to_owned(), "[degF]".to_owned())].into());
    assert_eq!(pipeline.sites["south"], pipeline_config::Site::default());
}

#[test]
fn the_hash_knows_a_calibration_and_neither_comments_nor_order() {
    let hash = |text: &str| pipeline(text).hash;
    let plain = hash(GREENHOUSE);
    let commented = GREENHOUSE
        .replace("      name: Tomatoes\n", "")
        .replace("      site: north\n", "      site: 'north' # beside the gate\n      name: Tomatoes\n");
    assert_eq!(hash(&commented), plain);
    for (said, other) in [("-0.4", "-0.5"), ("2026-11-01", "2026-11-02"), ("max: 85", "max: 84")] {
        assert_ne!(hash(&GREENHOUSE.replacen(said, other, 1)), plain, "{other}");
    }
}

#[test]
fn the_devices_of_one_source_may_stand_in_several_files() {
    let files = |more: &str| {
        let files = [("a", HEAD), ("b", GREENHOUSE), ("c", more)];
        Pipeline::from_bytes(&files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())))
    };
    let whole = files("devices:\n  yard:\n    b-7: {name: Bed}\nsites: {roof: {}}\n").unwrap();
    assert_eq!((whole.devices["yard"].len(), whole.sites.len()), (3, 3));
    assert_eq!(whole.line_of(whole.device("yard", "b-7").unwrap().place), "c:3");
    for (more, expected) in [
        ("devices:\n  yard:\n    A84041000181C061: {}\n", "c:3:5: `A84041000181C061` is in b:3 already"),
        (
            "devices:\n  yard:\n    a8-40-41-00-01-81-c0-61: {}\n",
            "c:3:5: `a8-40-41-00-01-81-c0-61` is in b:3 already, as `A84041000181C061`",
        ),
        ("sites: {north: {}}\n", "c:1:9: `north` is in a:7 already"),
    ] {
        assert_eq!(files(more).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_device_is_checked() {
    let with = |device: &str| format!("devices: {{yard: {{d: {{{device}}}}}}}\n");
    let long = format!("name: {}", "x".repeat(201));
    for (device, place, part) in [
        ("nmae: x", "9:22", "unknown key `nmae`; did you mean `name`?"),
        (long.as_str(), "9:28", "1 to 200 printable characters"),
        ("name: \"a\\u202eb\"", "9:28", "printable"),
        ("model: [x]", "9:29", "expected a text"),
        ("labels: {'': x}", "9:31", "the name of a label"),
        ("labels: {row: ''}", "9:36", "1 to 200 printable"),
        ("site: nroth", "9:28", "no site is named `nroth`; did you mean `north`?"),
        ("expected: 10s", "9:32", "expected a duration from"),
        ("expected: hourly", "9:32", "expected a duration like"),
        ("calibration: {temperature: {}}", "9:49", "`offset` or `factor` is missing"),
        ("calibration: {temperature: {factor: 0}}", "9:50", "a factor of 0"),
        ("calibration: {temperature: {offset: .nan}}", "9:58", "expected a finite number"),
        ("calibration: {temperature: {offset: 1, from: yesterday}}", "9:67", "expected a time such as"),
        ("calibration: {temperature: {ofset: 1, factor: 2}}", "9:50", "did you mean `offset`?"),
        ("calibration: {temperature: []}", "9:49", "the list is empty"),
        ("calibration: {temperature: [{offset: 1}, {offset: 2}]}", "9:63", "`from` is missing"),
        (
            "calibration: {temperature: [{offset: 1, from: 2026-03-01T00:00:00Z}, {offset: 2, from: 2026-03-01T00:00:00Z}]}",
            "9:91",
            "`from` is not after",
        ),
        ("calibration: {'': {offset: 1}}", "9:36", "the name of a metric"),
        ("ranges: {temperature: {}}", "9:44", "`min` or `max` is missing"),
        ("ranges: {temperature: {min: 5, max: 5}}", "9:53", "`max` is not above `min`"),
        ("ranges: {temperature: [1, 2]}", "9:44", "expected a map"),
    ] {
        assert_one(&with(device), place, part);
    }
    assert_one("devices: {yrad: {d: {}}}\n", "9:11", "no source is named `yrad`; did you mean `yard`?");
    assert_one("devices: {yard: {' ': {}}}\n", "9:18", "the device's name is empty");
    assert_one("devices: {yard: {\"a\\u0007\": {}}}\n", "9:18", "holds a control character");
    assert_one("devices: {yard: {d: }}\n", "9:19", "expected a map, found nothing");
    assert_one("devices: {yard: {d: {}, ' d': {}}}\n", "9:25", "is in freshet.yaml:9 already");
    assert_one("devices: [yard]\n", "9:10", "expected a map");
}

#[test]
fn a_site_is_checked() {
    for (site, place, part) in [
        ("zone: Berlin", "9:16", "no time zone is named `Berlin`"),
        ("language: german_", "9:20", "expected the tag of a language"),
        ("units: {'\u{b0}C': F}", "9:18", "they are kept in `Cel`"),
        ("units: {Cel: hPa}", "9:23", "no unit of what is kept in `Cel`"),
        ("units: {Cel: furlong}", "9:23", "no unit is known as `furlong`"),
        ("recipients: [opps]", "9:23", "no receiver is named `opps`; did you mean `ops`?"),
        ("recipients: [ops, ops]", "9:28", "is here twice"),
        ("time_zone: UTC", "9:10", "unknown key `time_zone`"),
    ] {
        let found = mistakes(&format!("  roof: {{{site}}}\n"));
        assert_eq!(found.len(), 1, "{site}: {found:#?}");
        let (at, text) = (format!("freshet.yaml:{place}: "), &found[0]);
        assert!(text.starts_with(&at) && text.contains(part), "{site}: {text}");
    }
}

#[test]
fn there_are_bounds() {
    let labels = (0..65).map(|n| format!("l{n}: x")).collect::<Vec<_>>().join(", ");
    assert_one(&format!("devices: {{yard: {{d: {{labels: {{{labels}}}}}}}}}\n"), "9:22", "at most 64 labels");
    let days =
        (1..=101).map(|n| format!("{{offset: {n}, from: 2026-01-01T00:{:02}:{:02}Z}}", n / 60, n % 60));
    let days = days.collect::<Vec<_>>().join(", ");
    let calibration = format!("devices: {{yard: {{d: {{calibration: {{temperature: [{days}]}}}}}}}}\n");
    assert_one(&calibration, "9:49", "at most 100 calibrations");
    let metrics = (0..101).map(|n| format!("m{n}: {{min: 0}}")).collect::<Vec<_>>().join(", ");
    assert_one(
        &format!("devices: {{yard: {{d: {{ranges: {{{metrics}}}}}}}}}\n"),
        "9:21",
        "at most 100 metrics",
    );
    // More than one file can hold.
    let file = |from: usize| {
        let mut text = "devices:\n  yard:\n".to_owned();
        for n in from..from + 33_334 {
            writeln!(text, "    d{n}: {{}}").unwrap();
        }
        text.into_bytes()
    };
    let files = [HEAD.as_bytes().to_vec(), file(0), file(33_334), file(66_668)];
    let files: Vec<_> = files.into_iter().map(|text| ("f".to_owned(), text)).collect();
    let found = Pipeline::from_bytes(&files).unwrap_err().to_string();
    assert_eq!(found, "f:2:3: there are more than 100000 devices");
    assert_eq!(Pipeline::from_bytes(&files[..3]).unwrap().devices["yard"].len(), 66_668);
}

#[test]
fn a_metric_that_no_reading_will_have_is_warned_of_once() {
    let warnings = pipeline(
        "devices:
  yard:
    a: {calibration: {temp: {offset: 1}, temperature: {offset: 1}}}
    b: {calibration: {temp: {offset: 1}}, ranges: {temprature: {min: 1}}}
",
    )
    .warnings;
    let listed: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        [
            "freshet.yaml:11:23: what platforms call `temp` is stored as `temperature`",
            "freshet.yaml:12:52: no unit is known for `temprature`: its values are calibrated and compared as they are stored",
        ]
    );
    let own = HEAD.replace("format: json,", "format: json, units: {temprature: Cel},");
    let said = "devices: {yard: {a: {ranges: {temprature: {min: 1}}}}}\n";
    assert_eq!(Pipeline::parse(&format!("{own}{said}"), "f").unwrap().warnings, []);
}

#[test]
fn what_was_calibrated_before_it_was_exported_is_not_calibrated_again() {
    let text = "\
sources:
  copy: {format: freshet_readings, credentials: [{bearer: {env: T}}]}
devices:
  copy:
    attic: {ranges: {temperature: {max: 85}}}
    roof: {calibration: {temperature: {offset: 1}}}
";
    let found = Pipeline::parse(text, "freshet.yaml").unwrap_err().mistakes;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .to_string()
            .starts_with("freshet.yaml:6:5: `roof` is calibrated where its readings come from"),
        "{found:?}"
    );
}
