//! Charts: gaps, days that are not 24 hours long, bands, bars and thresholds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sample;

use event_model::Aggregate;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use roxmltree::{Document, ParsingOptions};
use site_report::{MetricSection, Period, Report, page};

use sample::{day, empty, month, series, temperature};

/// An element of a chart: its class, its attributes and its text.
#[derive(Debug)]
struct Drawn {
    class: String,
    path: String,
    x: f64,
    text: String,
}

fn drawn(period: Period, metric: MetricSection) -> Vec<Drawn> {
    let page = page(&Report { metrics: vec![metric], ..empty(period) });
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).unwrap();
    let svg = document.descendants().find(|node| node.tag_name().name() == "svg");
    let Some(svg) = svg else { return Vec::new() };
    svg.descendants()
        .filter(roxmltree::Node::is_element)
        .map(|node| Drawn {
            class: node.attribute("class").unwrap_or_default().to_owned(),
            path: node.attribute("d").unwrap_or_default().to_owned(),
            x: node.attribute("x").map_or(0.0, |x| x.parse().unwrap()),
            text: node.text().unwrap_or_default().to_owned(),
        })
        .collect()
}

fn paths(drawn: &[Drawn], class: &str) -> Vec<String> {
    drawn
        .iter()
        .filter(|one| one.class == class && !one.path.is_empty())
        .map(|one| one.path.clone())
        .collect()
}

fn times(drawn: &[Drawn]) -> Vec<(String, f64)> {
    drawn.iter().filter(|one| one.class == "time").map(|one| (one.text.clone(), one.x)).collect()
}

fn notes(period: Period, metric: MetricSection) -> String {
    page(&Report { metrics: vec![metric], ..empty(period) })
}

fn day_of(zone: &str, first_day: Date) -> Period {
    let zone = TimeZone::get(zone).unwrap();
    let at = |date: Date| date.to_zoned(zone.clone()).unwrap().timestamp();
    let (from, to) = (at(first_day), at(first_day.tomorrow().unwrap()));
    Period { from, to, zone, ..day(first_day) }
}

const DAY: Date = date(2026, 11, 29);

#[test]
fn a_gap_is_not_drawn_over_and_a_value_by_itself_is_a_dot() {
    let period = day(DAY);
    let mut line = series("gh-1", &period, |span| span as f64);
    // Left: 0 to 5, 8, and 12 to 23.
    let all = line.points.clone();
    line.points = [&all[0..6], &all[8..9], &all[12..24]].concat();
    let drawn = drawn(period, temperature(vec![line]));
    let lines = paths(&drawn, "line");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].matches('M').count(), 2, "{lines:?}");
    assert_eq!(lines[0].matches('L').count(), 5 + 11, "{lines:?}");
    let dots = paths(&drawn, "dots");
    assert_eq!(dots.iter().map(|path| path.matches("h0").count()).sum::<usize>(), 1, "{dots:?}");
    assert_eq!(paths(&drawn, "band c0")[0].matches('z').count(), 3);
}

#[test]
fn a_month_has_no_gap_where_a_day_has_25_hours() {
    let period = month(date(2026, 10, 1));
    let drawn = drawn(period.clone(), temperature(vec![series("gh-1", &period, |span| span as f64)]));
    assert_eq!(paths(&drawn, "line")[0].matches('M').count(), 1);
    let labels: Vec<String> = times(&drawn).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["1 Oct", "6 Oct", "11 Oct", "16 Oct", "21 Oct", "26 Oct", "31 Oct"]);
}

#[test]
fn hours_stand_where_the_clock_showed_them() {
    // The clock goes from 2 to 3 on 29 March, and from 3 to 2 on 25 October.
    for (first_day, hours, note) in [
        (DAY, 24.0, None),
        (date(2026, 3, 29), 23.0, Some("This day has 23 hours.")),
        (date(2026, 10, 25), 25.0, Some("This day has 25 hours.")),
    ] {
        let period = day(first_day);
        let metric = temperature(vec![series("gh-1", &period, |span| span as f64)]);
        let drawn = drawn(period.clone(), metric.clone());
        let ticks = times(&drawn);
        let labels: Vec<&str> = ticks.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels, ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "24:00"]);
        let width = |from: usize, to: usize| ticks[to].1 - ticks[from].1;
        let hour = width(0, 8) / hours;
        // From 0 to 3, and from 3 to 6.
        assert!((width(0, 1) - (3.0 + hours - 24.0) * hour).abs() < 0.2, "{ticks:?}");
        assert!((width(1, 2) - 3.0 * hour).abs() < 0.2, "{ticks:?}");
        let page = notes(period, metric);
        assert!(note.map_or(!page.contains("This day has"), |note| page.contains(note)));
    }
}

#[test]
fn counters_are_bars_from_0_directions_are_dots_and_flags_are_percent() {
    let period = day(DAY);
    let of = |aggregate, value: fn(usize) -> f64| {
        let series = vec![series("a", &period, value), series("b", &period, value)];
        drawn(period.clone(), MetricSection { aggregate, thresholds: vec![0.5], ..temperature(series) })
    };
    let ticks = |drawn: &[Drawn]| -> Vec<String> {
        drawn.iter().filter(|one| one.class == "value").map(|one| one.text.clone()).collect()
    };

    let counter = of(Aggregate::Counter, |span| span as f64 + 3.0);
    assert_eq!(ticks(&counter), ["0", "10", "20", "30"]);
    let bars = paths(&counter, "bars");
    assert_eq!(bars.len(), 2);
    assert_eq!(bars[0].matches('z').count(), 24);
    assert!(bars[0].starts_with("M58.4 174V"), "{}", bars[0]);
    assert!(paths(&counter, "line").is_empty() && paths(&counter, "threshold").is_empty());

    let direction = of(Aggregate::Direction, |span| span as f64 * 15.0);
    assert_eq!(ticks(&direction), ["0", "90", "180", "270", "360"]);
    assert_eq!(paths(&direction, "dots")[0].matches("h0").count(), 24);

    let flag = of(Aggregate::Flag, |span| if span < 12 { 0.0 } else { 1.0 });
    assert_eq!(ticks(&flag), ["0", "25", "50", "75", "100"]);
    assert!(paths(&flag, "line")[0].ends_with(" 18"));
}

#[test]
fn a_threshold_is_a_line_and_one_far_away_is_said() {
    let period = day(DAY);
    let metric = MetricSection {
        thresholds: vec![500.0, 25.0, f64::NAN],
        ..temperature(vec![series("gh-1", &period, |span| span as f64)])
    };
    let drawn = drawn(period.clone(), metric.clone());
    assert_eq!(paths(&drawn, "threshold").len(), 1);
    assert!(drawn.iter().any(|one| one.class == "value threshold" && one.text == "25"));
    assert!(notes(period, metric).contains("Thresholds beyond the chart: 500."));
}

#[test]
fn more_series_than_lines_have_a_band_of_all() {
    let period = day(DAY);
    let of = |count: usize| {
        let line = |n: usize| series(&format!("gh-{n}"), &period, move |span| (n + span) as f64);
        drawn(period.clone(), temperature((0..count).map(line).collect()))
    };
    for (count, lines, bands) in [(8, 8, 0), (9, 8, 1), (20, 8, 1)] {
        let drawn = of(count);
        assert_eq!(paths(&drawn, "line").len(), lines);
        assert_eq!(paths(&drawn, "band").len(), bands);
    }
}

#[test]
fn what_is_no_number_is_a_gap_and_a_metric_without_values_has_no_chart() {
    let period = day(DAY);
    let line = |value: fn(usize) -> f64| temperature(vec![series("gh-1", &period, value)]);
    let gap = drawn(period.clone(), line(|span| if span == 12 { f64::INFINITY } else { 20.0 }));
    assert_eq!(paths(&gap, "line")[0].matches('M').count(), 2);
    assert!(drawn(period.clone(), line(|_| f64::NAN)).is_empty());
}

#[test]
fn an_hour_that_the_clock_shows_twice_has_one_tick() {
    // The clock goes from 1 to 0.
    let period = day_of("Atlantic/Azores", date(2026, 10, 25));
    let drawn = drawn(period.clone(), temperature(vec![series("gh-1", &period, |span| span as f64)]));
    let ticks = times(&drawn);
    assert_eq!(ticks.len(), 9, "{ticks:?}");
    assert!(ticks[1].1 - ticks[0].1 > ticks[2].1 - ticks[1].1 + 20.0, "{ticks:?}");
}

#[test]
fn the_hours_of_a_zone_half_an_hour_off_are_within_the_day() {
    let period = day_of("Asia/Kolkata", DAY);
    let mut line = series("gh-1", &period, |span| span as f64);
    let early = jiff::SignedDuration::from_mins(-30);
    for point in &mut line.points {
        point.at += early;
    }
    let drawn = drawn(period, temperature(vec![line]));
    assert_eq!(times(&drawn).len(), 9);
    let path = &paths(&drawn, "line")[0];
    // The middle of the half hour that is of this day.
    assert!(path.starts_with("M61.9 "), "{path}");
}
