//! `rollups` and `names`: what they mean, and each mistake in them at its place.

use std::fmt::Write as _;

use event_model::Aggregate;
use event_model::reading::ValueKind;
use jiff::SignedDuration;
use pipeline_config::rollup::DEFAULT_GAP;
use pipeline_config::{Findings, MetricEntry, Pipeline};

const HEAD: &str =
    "sources:\n  a: {format: influx_line_protocol, credentials: [{bearer: {env: T}}], units: {temp: Cel}}\n";

fn parsed(rest: &str) -> Result<Pipeline, Findings> {
    Pipeline::parse(&format!("{HEAD}{rest}"), "f")
}

fn pipeline(rest: &str) -> Pipeline {
    parsed(rest).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[track_caller]
fn assert_one(rest: &str, place: &str, part: &str) {
    let found = parsed(rest).map_or_else(|found| found.mistakes, |_| Vec::new());
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{rest}: {found:#?}");
    assert!(found[0].starts_with(&format!("f:{place}: ")) && found[0].contains(part), "{rest}: {found:#?}");
}

#[test]
fn a_metric_is_aggregated_as_the_file_says_else_as_is_usual() {
    let pipeline = pipeline(
        "names:\n  energy_total: {aggregate: mean}\n  valve_open: {aggregate: mean}\n  level: {aggregate: time_weighted}\n  power: {gap: 5m}\n",
    );
    for (metric, kind, expected) in [
        ("energy_total", ValueKind::Number, Aggregate::Mean),
        ("energy_today", ValueKind::Number, Aggregate::Counter),
        ("valve_open", ValueKind::Flag, Aggregate::Mean),
        ("door_open", ValueKind::Flag, Aggregate::Flag),
        ("door_open", ValueKind::Number, Aggregate::Mean),
        ("level", ValueKind::Number, Aggregate::TimeWeighted),
        ("power", ValueKind::Number, Aggregate::TimeWeighted),
        ("wind_direction", ValueKind::Number, Aggregate::Direction),
        ("Level", ValueKind::Number, Aggregate::Mean),
    ] {
        assert_eq!(pipeline.aggregate_of(metric, kind), expected, "{metric} {kind:?}");
    }
}

#[test]
fn every_aggregate_has_a_word() {
    for aggregate in Aggregate::ALL {
        let pipeline = pipeline(&format!("names: {{level: {{aggregate: {aggregate}}}}}\n"));
        let entry = MetricEntry { aggregate: Some(*aggregate), gap: None };
        assert_eq!(pipeline.names["level"], entry);
    }
}

#[test]
fn a_gap_is_the_metrics_own_else_that_of_all_else_two_hours() {
    let gap = |rest: &str, metric: &str| pipeline(rest).gap_of(metric);
    let own = "names: {level: {gap: 15m}, power: {aggregate: mean}}\n";
    assert_eq!(gap("", "level"), SignedDuration::from_hours(2));
    assert_eq!(gap("rollups:\n", "level"), DEFAULT_GAP);
    assert_eq!(gap("rollups: {}\n", "level"), DEFAULT_GAP);
    assert_eq!(gap(own, "level"), SignedDuration::from_mins(15));
    assert_eq!(gap(own, "power"), DEFAULT_GAP);
    let both = format!("rollups: {{gap: 31d}}\n{own}");
    assert_eq!(gap(&both, "level"), SignedDuration::from_mins(15));
    assert_eq!(gap(&both, "power"), SignedDuration::from_hours(31 * 24));
    assert_eq!(gap("rollups: {gap: 1s}\n", "made_up"), SignedDuration::from_secs(1));
}

#[test]
fn names_change_nothing_of_what_is_decoded_or_watched() {
    let rest = "rules: {Hot: {metric: temperature, above: 3}}\nreceivers: {x: {ntfy: {topic: x}}}\n";
    let without = pipeline(rest);
    let with = pipeline(&format!(
        "{rest}rollups: {{gap: 5m}}\nnames: {{temperature: {{aggregate: counter, gap: 1m}}, made_up: {{aggregate: flag}}}}\n"
    ));
    assert_ne!(with.hash, without.hash);
    let again = Pipeline {
        rollups: without.rollups,
        names: without.names.clone(),
        hash: without.hash.clone(),
        ..with
    };
    assert_eq!(again, without);
}

#[test]
fn a_mistake_is_said_at_its_place() {
    assert_one(
        "names: {level: {aggregate: median}}\n",
        "3:28",
        "`median` is not one of: mean, time_weighted",
    );
    assert_one("names: {level: {aggregate: means}}\n", "3:28", "mean");
    assert_one("names:\n  level: {gap: 1ms}\n", "4:16", "expected a duration from 1s to 744h");
    assert_one("names:\n  level: {gap: 32d}\n", "4:16", "expected a duration from 1s to 744h");
    assert_one("names:\n  level: {}\n", "4:10", "`aggregate` or `gap` is missing");
    assert_one("names:\n  level: counter\n", "4:10", "a map");
    assert_one("names:\n  level: {gaps: 1h, gap: 1h}\n", "4:11", "unknown key `gaps`");
    assert_one("names:\n  '': {gap: 1h}\n", "4:3", "");
    assert_one("rollups: {gap: 0s}\n", "3:16", "expected a duration from 1s to 744h");
    assert_one("rollups: {gap: often}\n", "3:16", "expected a duration");
    assert_one("rollups: {aggregate: mean}\n", "3:11", "unknown key `aggregate`");
}

#[test]
fn there_is_an_end_to_names() {
    let names = |n: usize| {
        (0..n).fold("names:\n".to_owned(), |mut names, n| {
            writeln!(names, "  m{n}: {{gap: 1h}}").unwrap();
            names
        })
    };
    assert_eq!(pipeline(&names(10_000)).names.len(), 10_000);
    assert_one(&names(10_001), "3:1", "there are more than 10000 names");
}

#[test]
fn a_platforms_name_of_a_metric_is_warned_of_but_where_a_source_names_it() {
    let warnings = |rest: &str| {
        let warnings = pipeline(rest).warnings;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let alias = warnings("names:\n  winddir: {aggregate: direction}\n  level: {gap: 1h}\n");
    assert_eq!(alias.len(), 1, "{alias:#?}");
    assert!(alias[0].starts_with("f:4:3: ") && alias[0].contains("`wind_direction`"), "{alias:#?}");
    assert_eq!(warnings("names: {temp: {gap: 1h}}\n"), Vec::<String>::new());
}

#[test]
fn names_may_stand_in_several_files_and_a_name_in_one() {
    let read = |further: &str| {
        let first = format!("{HEAD}names: {{level: {{gap: 1h}}}}\n");
        let files = [("a", first.as_str()), ("b", further)];
        Pipeline::from_bytes(&files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())))
    };
    let pipeline = read("names: {power: {gap: 2h}}\n").unwrap();
    assert_eq!(pipeline.names.keys().collect::<Vec<_>>(), ["level", "power"]);
    let found = read("names: {level: {gap: 2h}}\n").unwrap_err();
    assert_eq!(found.mistakes.len(), 1, "{found}");
    assert!(found.to_string().contains("`level` is in a:3 already"), "{found}");
}
