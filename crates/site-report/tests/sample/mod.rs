//! Reports as sites have them.

#![allow(dead_code, reason = "each user takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use event_model::{Aggregate, Severity};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use site_report::{
    AlertLine, ChartPoint, MetricSection, Period, PeriodKind, Report, SeriesSection, SilentDevice,
};

/// A day of Berlin.
pub(crate) fn day(first_day: Date) -> Period {
    period(PeriodKind::Day, first_day, first_day.tomorrow().unwrap())
}

/// A month of Berlin.
pub(crate) fn month(first_day: Date) -> Period {
    period(PeriodKind::Month, first_day, first_day.saturating_add(1.month()))
}

fn period(kind: PeriodKind, first_day: Date, behind: Date) -> Period {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let at = |date: Date| date.to_zoned(zone.clone()).unwrap().timestamp();
    Period { kind, first_day, from: at(first_day), to: at(behind), zone }
}

/// A report that has nothing to say.
pub(crate) fn empty(period: Period) -> Report {
    Report {
        site: "north".to_owned(),
        language: None,
        period,
        firing: Vec::new(),
        silent: Vec::new(),
        open_dead_letters: 0,
        metrics: Vec::new(),
        alerts: Vec::new(),
        devices: (0, 0),
    }
}

/// A series with a value each hour of the day, or each day of the month, by `value` of the number of the span.
pub(crate) fn series(device: &str, period: &Period, value: impl Fn(usize) -> f64) -> SeriesSection {
    let points: Vec<ChartPoint> = match period.kind {
        PeriodKind::Day => {
            let hours = period.to.duration_since(period.from).as_hours();
            (0..hours).map(|hour| period.from + SignedDuration::from_hours(hour)).collect::<Vec<_>>()
        }
        PeriodKind::Month => {
            let dates = period.first_day.series(1.day());
            let begins = dates.map(|date| date.to_zoned(period.zone.clone()).unwrap().timestamp());
            begins.take_while(|at| *at < period.to).collect()
        }
    }
    .into_iter()
    .enumerate()
    .map(|(span, at)| ChartPoint { at, value: value(span), min: value(span) - 0.8, max: value(span) + 1.1 })
    .collect();
    let values = || points.iter().map(|point| point.value);
    let mean = values().sum::<f64>() / points.len() as f64;
    SeriesSection {
        device: device.to_owned(),
        channel: String::new(),
        value: Some(mean),
        before: Some(mean * 0.97),
        min: values().reduce(f64::min),
        max: values().reduce(f64::max),
        n: points.len() as u64 * 60,
        bad: 0,
        span: match period.kind {
            PeriodKind::Day => SignedDuration::from_hours(1),
            PeriodKind::Month => SignedDuration::from_hours(25),
        },
        points,
    }
}

/// A metric in degrees Celsius.
pub(crate) fn temperature(series: Vec<SeriesSection>) -> MetricSection {
    MetricSection {
        metric: "temperature".to_owned(),
        unit: "°C".to_owned(),
        aggregate: Aggregate::Mean,
        thresholds: Vec::new(),
        series,
    }
}

/// An alert of a rule that is called as a greenhouse has it.
pub(crate) fn alert(from: Timestamp, to: Option<Timestamp>) -> AlertLine {
    AlertLine {
        rule: "GreenhouseTooHot".to_owned(),
        severity: Severity::Critical,
        device: "Bay 3".to_owned(),
        channel: "roof".to_owned(),
        metric: "temperature".to_owned(),
        from,
        to,
    }
}

/// From 0 to 1 and back over a day, as the sun has it.
fn sun(span: usize) -> f64 {
    (((span as f64 - 6.0) / 12.0) * std::f64::consts::PI).sin().max(0.0)
}

/// What is no pattern, from -1 to 1, the same in each run.
fn noise(seed: usize, span: usize) -> f64 {
    let mixed = (seed * 7919 + span * 104_729 + 17) * 2_654_435_761 % 4_294_967_296;
    mixed as f64 / 2_147_483_648.0 - 1.0
}

/// A day of a greenhouse: a gap, a counter, an alert that fires and one that is over.
pub(crate) fn greenhouse(language: Option<&str>) -> Report {
    let period = day(date(2026, 11, 29));
    let hour = |hour: i64| period.from + SignedDuration::from_hours(hour);
    let mut warm: Vec<SeriesSection> = ["Bay 1", "Bay 2", "Bay 3", "Propagation", "Outside"]
        .iter()
        .enumerate()
        .map(|(n, device)| {
            let (base, swing) =
                if *device == "Outside" { (3.0, 6.0) } else { (17.0 + n as f64, 8.0 + n as f64) };
            series(device, &period, |span| base + swing * sun(span) + 0.5 * noise(n, span))
        })
        .collect();
    warm[1].points.retain(|point| !(hour(9)..hour(13)).contains(&point.at));
    warm[1].points.retain(|point| !(hour(14)..hour(16)).contains(&point.at));
    warm[1].n = 1080;
    warm[2].channel = "roof".to_owned();
    warm[4].bad = 7;
    let humidity = series("Bay 1", &period, |span| 78.0 - 22.0 * sun(span) + 2.0 * noise(9, span));
    let mut water: Vec<SeriesSection> = (1..=3)
        .map(|bay| {
            let mut line = series(&format!("Water meter {bay}"), &period, |span| {
                (12.0 * sun(span) * bay as f64 + 6.0 * noise(bay, span)).max(0.0)
            });
            line.value = Some(line.points.iter().map(|point| point.value).sum());
            line.before = Some(130.0 * bay as f64);
            (line.min, line.max) = (Some(48_211.0), Some(48_211.0 + line.value.unwrap().round()));
            line.n = 96;
            line
        })
        .collect();
    water[2].before = None;
    Report {
        site: "Greenhouse North".to_owned(),
        language: language.map(str::to_owned),
        firing: vec![AlertLine {
            severity: Severity::Warning,
            rule: "HumidityTooLow".to_owned(),
            device: "Bay 1".to_owned(),
            channel: String::new(),
            metric: "humidity".to_owned(),
            ..alert(hour(13) + SignedDuration::from_mins(12), None)
        }],
        silent: vec![
            SilentDevice { device: "Bay 4".to_owned(), last_seen_at: Some(hour(-20)) },
            SilentDevice { device: "Store".to_owned(), last_seen_at: None },
        ],
        open_dead_letters: 3,
        metrics: vec![
            MetricSection { thresholds: vec![5.0, 30.0], ..temperature(warm) },
            MetricSection {
                metric: "humidity".to_owned(),
                unit: "%RH".to_owned(),
                thresholds: vec![60.0],
                ..temperature(vec![humidity])
            },
            MetricSection {
                metric: "water".to_owned(),
                unit: "l".to_owned(),
                aggregate: Aggregate::Counter,
                ..temperature(water)
            },
        ],
        alerts: vec![
            alert(hour(11) + SignedDuration::from_mins(4), Some(hour(14) + SignedDuration::from_mins(31))),
            AlertLine {
                severity: Severity::Warning,
                rule: "HumidityTooLow".to_owned(),
                device: "Bay 1".to_owned(),
                channel: String::new(),
                metric: "humidity".to_owned(),
                ..alert(hour(13) + SignedDuration::from_mins(12), None)
            },
        ],
        devices: (9, 11),
        period,
    }
}

/// A month with metrics of all aggregates, of so many devices each.
pub(crate) fn site(devices: usize, metrics: usize, period: &Period) -> Report {
    let section = |n: usize| {
        let aggregate = Aggregate::ALL[n % Aggregate::ALL.len()];
        let value = |device: usize, span: usize| match aggregate {
            Aggregate::Flag => (noise(device, span) + 1.0) / 2.0,
            Aggregate::Direction => (noise(device, span) + 1.0) * 180.0,
            _ => 20.0 + 5.0 * sun(span % 24) + device as f64 / 10.0 + noise(device, span),
        };
        MetricSection {
            metric: format!("metric_{n}"),
            unit: "°C".to_owned(),
            aggregate,
            thresholds: vec![28.0],
            series: (0..devices)
                .map(|device| series(&format!("Device number {device}"), period, |span| value(device, span)))
                .collect(),
        }
    };
    Report {
        metrics: (0..metrics).map(section).collect(),
        devices: (devices as u64, devices as u64),
        firing: vec![alert(period.from, None)],
        ..empty(period.clone())
    }
}
