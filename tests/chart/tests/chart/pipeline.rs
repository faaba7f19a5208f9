//! The pipeline file that is mounted says what the one that was given says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use chart_tests::{Chart, Tools};

use crate::object;

/// What the chart adds.
const ENTRY: &str = "helm-test: {format: json, credentials: [{bearer: {env: FRESHET_TEST_TOKEN}}]}";

/// A file that YAML 1.1, JSON or a printer of YAML would make another one of.
const PLAIN: &str = r#"# The plant.
tick: 5m

sources:   # who sends

  # The greenhouse.
    greenhouse:
      format: json # every spelling counts below
      tags: {firmware: 1.10, country: NO, door: 012, "on": yes, big: 123456789012345678, since: 2026-01-02}
      mapping:
        missing: [NA, -999.0, 1e3]

    # The cellar.
    cellar: {format: senml_json}

rules:
  TooHot:
    metric: temperature
    above: 30.50
    annotations:
      summary: |
        {device} is hot
          sources:

        {tag.firmware}
"#;

/// The mounted file with `text` given as `--set-file` gives it.
fn mounted(tools: &'static Tools, text: &str) -> String {
    let objects = with_file(tools, text, Chart::objects);
    object(&objects, "ConfigMap", "farm-pipeline").text("/data/freshet.yaml").to_owned()
}

fn refusal(tools: &'static Tools, text: &str) -> String {
    with_file(tools, text, Chart::refusal)
}

fn with_file<T>(tools: &'static Tools, text: &str, look: impl Fn(&Chart) -> T) -> T {
    let file = PipelineFile::new(text);
    look(&Chart::new(tools).ci("kafka").argument("--set-file").argument(file.argument()))
}

/// A file that is there as long as this is.
struct PipelineFile(PathBuf);

impl PipelineFile {
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "freshet-chart-pipeline-{}-{}.yaml",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        Self(path)
    }

    fn argument(&self) -> String {
        format!("pipelineFile={}", self.0.display())
    }
}

impl Drop for PipelineFile {
    fn drop(&mut self) {
        // One that is left over harms nobody.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_pipeline_file_is_mounted_as_it_was_written() {
    let Some(tools) = Tools::of_this_test() else { return };
    let file = PipelineFile::new(PLAIN);
    let chart = Chart::new(tools).ci("kafka").set("helmTest.enabled=false");
    let objects = chart.argument("--set-file").argument(file.argument()).objects();
    assert_eq!(object(&objects, "ConfigMap", "farm-pipeline").text("/data/freshet.yaml"), PLAIN);
}

#[test]
fn the_source_of_helm_test_is_one_more_line() {
    let Some(tools) = Tools::of_this_test() else { return };
    let head = "sources:   # who sends\n";
    let expected = PLAIN.replace(head, &format!("{head}    {ENTRY}\n"));
    assert_eq!(mounted(tools, PLAIN), expected);
    let parsed = pipeline_config::Pipeline::parse(&expected, "freshet.yaml").map(|pipeline| pipeline.sources);
    assert!(parsed.is_ok_and(|sources| sources.len() == 3 && sources.contains_key("helm-test")));
}

/// A file, and where in it (behind which text) the line comes.
const PLACES: [(&str, &str); 12] = [
    ("sources:\n  a: {format: json}\n", "sources:\n  "),
    ("---\nsources:\n  a: {format: json}\n", "---\nsources:\n  "),
    ("# The plant.\n--- # ours\n# more\nsources:\n a: {format: json}\n", "\nsources:\n "),
    ("rules: {}\n\"sources\" : \n# none yet\n\n   a: {format: json}", "\"sources\" : \n   "),
    ("sources:\n  a: {format: json}\n...\n", "sources:\n  "),
    ("sources:\n  a: {format: json}\n\n\n", "sources:\n  "),
    ("sources:\n# none yet\nrules: {}\n", "sources:\n  "),
    ("sources:", "sources:\n  "),
    ("\u{feff}sources:\n  a: {format: json}\n", "sources:\n  "),
    ("tick: 5m\r\nsources:\r\n\r\n  a:\r\n    format: json\r\n", "sources:\r\n  "),
    ("tick: 5m\r\nsources:\r\n  a: {format: json}", "sources:\r\n  "),
    ("rules:\n  sources: {metric: a, above: 1}\nsources:\n  a: {format: json}\n", "}\nsources:\n  "),
];

#[test]
fn the_line_comes_right_below_sources_however_the_file_is_written() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (text, before) in PLACES {
        let broken = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let above = before.trim_end_matches(' ');
        let indent = &before[above.len()..];
        let whole = if text.ends_with("sources:") { format!("{text}\n") } else { text.to_owned() };
        let (head, tail) = whole.split_once(above).expect("it is in the text");
        let tail = if text == whole { tail } else { "" };
        let expected = format!("{head}{above}{indent}{ENTRY}{broken}{tail}");
        assert_eq!(mounted(tools, text), expected, "{text:?}");
    }
}

#[test]
fn a_file_without_sources_gets_them_at_its_end() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (text, broken) in [("# Nothing yet\n", "\n"), ("rules: {}", "\n"), ("tick: 5m\r\n", "\r\n")] {
        let whole = if text.ends_with('\n') { text.to_owned() } else { format!("{text}{broken}") };
        assert_eq!(mounted(tools, text), format!("{whole}sources:{broken}  {ENTRY}{broken}"), "{text:?}");
    }
}

#[test]
fn a_file_that_takes_no_line_is_refused_with_what_to_do() {
    let Some(tools) = Tools::of_this_test() else { return };
    for text in [
        "sources: {a: {format: json}}\n",
        "sources: {}\n",
        "sources:\n  {a: {format: json}}\n",
        "{sources: {a: {format: json}}}\n",
        "  sources:\n    a: {format: json}\n",
        "? sources\n: a: {format: json}\n",
        "{rules: {}}\n",
        "tick: 5m\n---\nrules: {}\n",
        "rules: {\nsources:\n  {metric: a, above: 1}}\n",
    ] {
        let said = refusal(tools, text);
        assert!(
            said.contains("pipelineFile: the source of `helm test` cannot be put in"),
            "{text:?}: {said}"
        );
        assert!(said.contains("or set helmTest.enabled=false"), "{text:?}: {said}");
    }
    for (text, reason) in [
        (
            "sources:\n  helm-test: {format: json}\n",
            "pipeline.sources.helm-test: the name belongs to the chart",
        ),
        ("sources:\n  - a\n", "pipelineFile: sources is no map"),
        ("receivers: none\n", "pipelineFile: receivers is no map"),
        ("sources: [\n", "pipelineFile is no YAML"),
    ] {
        let said = refusal(tools, text);
        assert!(said.contains(reason), "{text:?}: {said}");
    }
}

#[test]
fn references_and_events_of_a_file_are_found() {
    let Some(tools) = Tools::of_this_test() else { return };
    let text = "sources:\n  a:\n    format: json\n    credentials: [{bearer: {env: A_TOKEN}}]\n  \
                b:\n    format: json\n    events: {type: com.example.reading}\n";
    let file = PipelineFile::new(text);
    let chart = Chart::new(tools).ci("kafka").argument("--set-file").argument(file.argument());
    assert!(chart.refusal().contains("add secretEnv.A_TOKEN="));
    let objects = chart.set("secretEnv.A_TOKEN.secret=a,secretEnv.A_TOKEN.key=token").objects();
    assert!(object(&objects, "Service", "farm-ingest").variable("A_TOKEN").is_some());
    assert!(object(&objects, "Service", "farm-ingest").variable("FRESHET_TEST_TOKEN").is_some());
    let foreign =
        |object: &&chart_tests::Object| object.text("/spec/filter/attributes/type") == "com.example.reading";
    assert_eq!(objects.iter().filter(foreign).count(), 1);
}

#[test]
fn a_map_of_the_values_keeps_its_numbers() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("kafka").set("pipeline.rules.Many.above=123456789012345678");
    let objects = chart.set("pipeline.rules.Many.metric=count").objects();
    let text = object(&objects, "ConfigMap", "farm-pipeline").text("/data/freshet.yaml");
    assert!(text.contains("above: 123456789012345678\n"), "{text}");
}
