//! The pipeline file that is mounted says what the one that was given says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use chart_tests::{Chart, Object, Tools};

use crate::object;

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

/// Texts that a printer of YAML would write otherwise.
const TEXTS: [&str; 9] = [
    PLAIN,
    "---\nsources:\n  a: {format: json}\n",
    "sources: {a: {format: json}}",
    "{sources: {a: {format: json}}}\n",
    "sources:\n  a: {format: json}\n...\n",
    "sources:\n  a: {format: json}\n\n\n",
    "\u{feff}sources:\n  a: {format: json}\n",
    "tick: 5m\r\nsources:\r\n\r\n  a:\r\n    format: json\r\n",
    "  sources:\n    a: {format: json}\n",
];

#[test]
fn a_pipeline_file_is_mounted_as_it_was_written() {
    let Some(tools) = Tools::of_this_test() else { return };
    for text in TEXTS {
        let file = PipelineFile::new(text);
        for helm_test in [true, false] {
            let chart = Chart::new(tools).ci("kafka").set(&format!("helmTest.enabled={helm_test}"));
            let objects = chart.argument("--set-file").argument(file.argument()).objects();
            let config = object(&objects, "ConfigMap", "farm-pipeline");
            assert_eq!(config.text("/data/freshet.yaml"), text);
            assert_eq!(config.at("/data/helm-test.yaml").is_some(), helm_test, "{text:?}");
        }
    }
}

#[test]
fn the_canary_of_helm_test_is_in_a_file_of_its_own_where_the_pipeline_has_none() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = with_file(tools, PLAIN, Chart::objects);
    let config = object(&objects, "ConfigMap", "farm-pipeline");
    let files = ["freshet.yaml", "helm-test.yaml"]
        .map(|name| (name.to_owned(), config.text(&format!("/data/{name}")).as_bytes().to_vec()));
    let parsed = pipeline_config::Pipeline::from_bytes(&files).map(|pipeline| pipeline.sources);
    assert!(parsed.is_ok_and(|sources| sources.len() == 3 && sources.contains_key("freshet-canary")));
    for (kind, name) in [("Service", "farm-ingest"), ("Service", "farm-transform"), ("Pod", "farm-test")] {
        assert_eq!(object(&objects, kind, name).variable("FRESHET_PIPELINE"), Some("/etc/freshet".into()));
    }
}

#[test]
fn helm_test_sends_the_canary_of_a_pipeline_that_has_one() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("everything").objects();
    assert_eq!(object(&objects, "ConfigMap", "farm-pipeline").at("/data/helm-test.yaml"), None);
    let test = object(&objects, "Pod", "farm-test");
    assert!(test.variable("CANARY_SECRET").is_some() && test.variable("FRESHET_TEST_TOKEN").is_none());
    assert_eq!(object(&objects, "Service", "farm-ingest").variable("FRESHET_TEST_TOKEN"), None);
    let made =
        |chart: Chart| chart.objects().iter().any(|one| one.name() == "farm-test" && one.kind() == "Secret");
    assert!(made(Chart::new(tools).ci("kafka")));
    assert!(!made(Chart::new(tools).ci("everything").set("helmTest.existingSecret=")));
}

#[test]
fn a_file_that_cannot_be_looked_into_is_refused() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (text, reason) in [
        ("sources:\n  - a\n", "pipelineFile: sources is no map"),
        ("receivers: none\n", "pipelineFile: receivers is no map"),
        ("sources: [\n", "pipelineFile is no YAML"),
        ("# Nothing yet\n", "pipelineFile is empty"),
    ] {
        let said = with_file(tools, text, Chart::refusal);
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

/// The stages read YAML 1.2, where each of these is a name; Helm reads 1.1.
#[test]
fn a_reference_that_helm_reads_as_no_text_is_refused_unless_it_is_quoted() {
    let Some(tools) = Tools::of_this_test() else { return };
    let source = |reference: &str| {
        format!("sources: {{a: {{format: json, credentials: [{{bearer: {reference}}}]}}}}\n")
    };
    for (reference, reason) in [
        ("{env: NO}", "the pipeline names {env: false}, which is no text for Helm"),
        ("{env: on}", "the pipeline names {env: true}"),
        ("{env: 012}", "the pipeline names {env: 10}"),
        ("{env: }", "the pipeline names {env: "),
        ("{file: 1_000}", "the pipeline names {file: 1000}"),
    ] {
        let said = with_file(tools, &source(reference), Chart::refusal);
        assert!(said.contains(reason) && said.contains("Write it in quotes"), "{reference}: {said}");
    }
    let foreign = "sources: {a: {format: json, events: {type: NO}}}\n";
    let said = with_file(tools, foreign, Chart::refusal);
    assert!(said.contains("pipeline.sources.a.events: its type is no text for Helm"), "{said}");

    let quoted = PipelineFile::new(&source("{env: \"NO\"}"));
    let chart = Chart::new(tools).ci("kafka").argument("--set-file").argument(quoted.argument());
    let objects = chart.set("secretEnv.NO.secret=a,secretEnv.NO.key=token").objects();
    assert!(object(&objects, "Service", "farm-ingest").variable("NO").is_some());
}

#[test]
fn a_map_of_the_values_keeps_its_numbers() {
    let Some(tools) = Tools::of_this_test() else { return };
    let chart = Chart::new(tools).ci("kafka").set("pipeline.rules.Many.above=123456789012345678");
    let objects = chart.set("pipeline.rules.Many.metric=count").objects();
    let text = object(&objects, "ConfigMap", "farm-pipeline").text("/data/freshet.yaml");
    assert!(text.contains("above: 123456789012345678\n"), "{text}");
}

#[test]
fn scripts_lie_beside_the_pipeline_and_have_room_beyond_their_stages_memory() {
    let Some(tools) = Tools::of_this_test() else { return };
    let script = "function decodeUplink(input) {\n  return {data: {n: input.bytes.length}};\n}\n";
    let file = PipelineFile::new(script);
    let argument = file.argument().replacen("pipelineFile", "codecs.probe\\.js", 1);
    let without = Chart::new(tools).ci("kafka").objects();
    let with = Chart::new(tools).ci("kafka").argument("--set-file").argument(argument).objects();
    assert_eq!(object(&with, "ConfigMap", "farm-pipeline").text("/data/probe.js"), script);
    assert_eq!(object(&without, "ConfigMap", "farm-pipeline").at("/data/probe.js"), None);
    let limit = |objects: &[Object], stage: &str| {
        let service = object(objects, "Service", &format!("farm-{stage}"));
        let limit = service.text("/spec/template/spec/containers/0/resources/limits/memory");
        limit.strip_suffix("Mi").and_then(|limit| limit.parse::<u32>().ok()).expect("a limit in Mi")
    };
    for (stage, more) in [("transform", 32), ("dead-letter", 32), ("alert", 0), ("notify", 0)] {
        assert_eq!(limit(&with, stage) - limit(&without, stage), more, "{stage}");
    }
}
