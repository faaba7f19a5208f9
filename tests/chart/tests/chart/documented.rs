//! Every value is explained once, in `values.yaml`: the README and the schema say the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chart_tests::{Chart, Tools, documents, repository};
use serde_json::Value;
use topology::STAGES;

const BEGIN: &str = "<!-- values -->\n";
const END: &str = "<!-- /values -->";

fn chart_file(name: &str) -> PathBuf {
    repository().join("charts/freshet").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(chart_file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn values() -> Value {
    documents(&read("values.yaml")).expect("values.yaml is YAML").remove(0)
}

/// What the comments that begin with `# -- ` say, by the path of the value below them.
fn comments() -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut comment: Option<String> = None;
    for line in read("values.yaml").lines() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / 2;
        if let Some(begin) = text.strip_prefix("# -- ") {
            comment = Some(begin.to_owned());
        } else if let (Some(more), Some(comment)) = (text.strip_prefix("# "), comment.as_mut()) {
            comment.push(' ');
            comment.push_str(more);
        } else if let Some((key, _)) =
            text.split_once(':').filter(|(key, _)| !key.starts_with(['#', '-', '{']))
        {
            path.truncate(depth);
            path.push(key.to_owned());
            if let Some(comment) = comment.take() {
                found.push((path.clone(), comment));
            }
        }
    }
    found
}

fn at<'a>(values: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(values, |value, key| &value[key])
}

fn table() -> String {
    let values = values();
    let mut table = "| value | what | default |\n|---|---|---|\n".to_owned();
    for (path, what) in comments() {
        let (name, default) = if path[0] == "stages" && path.len() > 2 && path[2] != "public" {
            (format!("stages.STAGE.{}", path[2..].join(".")), of_each_stage(&values, &path[2..]))
        } else {
            (path.join("."), shown(at(&values, &path)))
        };
        table += &format!("| `{name}` | {} | {default} |\n", what.replace('|', "\\|"));
    }
    table
}

/// The default of all stages, or of each.
fn of_each_stage(values: &Value, path: &[String]) -> String {
    let default = |stage: &str| shown(at(&values["stages"][stage], path));
    let first = default(STAGES[0].name);
    if STAGES.iter().all(|stage| default(stage.name) == first) {
        return first;
    }
    let each: Vec<_> = STAGES.iter().map(|stage| format!("{} {}", stage.name, default(stage.name))).collect();
    each.join(", ")
}

fn shown(value: &Value) -> String {
    if value.as_str() == Some("") { String::new() } else { format!("`{}`", plain(value)) }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `FRESHET_BLESS=1` writes it.
#[test]
fn the_readme_lists_every_value() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the table has a beginning");
    let (_, after) = rest.split_once(END).expect("the table has an end");
    let expected = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("FRESHET_BLESS").is_some() {
        std::fs::write(chart_file("README.md"), &expected).expect("the README can be written");
    } else {
        assert_eq!(readme, expected, "FRESHET_BLESS=1 cargo test -p chart-tests writes the table anew");
    }
}

#[test]
fn every_value_is_explained() {
    let explained: Vec<_> = comments().into_iter().map(|(path, _)| path).collect();
    for path in leaves(&values(), &[]) {
        let of_ingest = |path: &[String]| -> Vec<String> {
            let mut path = path.to_vec();
            if path[0] == "stages" {
                path[1] = "ingest".to_owned();
            }
            path
        };
        let known = (1..=path.len()).any(|depth| explained.contains(&of_ingest(&path)[..depth].to_vec()));
        assert!(known, "{} has no comment", path.join("."));
    }
}

#[test]
fn every_value_has_a_described_schema_that_takes_its_default() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).expect("the schema is JSON");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "Helm 3 ignores later words");
    let described: BTreeMap<_, _> = comments().into_iter().collect();
    for path in described.keys() {
        let place = path.iter().fold(&schema, |place, key| &place["properties"][key]);
        let description = place["description"].as_str();
        assert_eq!(description, Some(described[path].as_str()), "{}", path.join("."));
    }
    let mut closed = Vec::new();
    objects(&schema, &mut closed);
    assert!(closed.len() > 20);
    assert!(schema["properties"]["global"].is_object(), "a parent chart may set globals");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let mistakes: Vec<_> = validator.iter_errors(&values()).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "{mistakes:?}");
}

/// Objects of the schema with declared properties, each of which must refuse others.
fn objects(schema: &Value, closed: &mut Vec<Value>) {
    if let Some(fields) = schema.as_object() {
        if schema["properties"].is_object() && schema["properties"]["imageRegistry"].is_null() {
            assert_eq!(
                schema["additionalProperties"], false,
                "an object takes what it does not know: {schema}"
            );
            closed.push(schema.clone());
        }
        fields.values().for_each(|field| objects(field, closed));
    }
}

fn leaves(value: &Value, path: &[String]) -> Vec<Vec<String>> {
    match value.as_object().filter(|map| !map.is_empty()) {
        Some(map) => {
            let below =
                |(key, value): (&String, &Value)| leaves(value, &[path, std::slice::from_ref(key)].concat());
            map.iter().flat_map(below).collect()
        }
        None => vec![path.to_vec()],
    }
}

#[test]
fn the_sample_values_are_taken_and_hold_a_good_pipeline() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("<!-- test: values -->\n```yaml\n").expect("there is a sample");
    let (sample, _) = rest.split_once("```").expect("it ends");
    let values = documents(sample).expect("it is YAML").remove(0);
    let pipeline = serde_json::to_string(&values["pipeline"]).expect("it is JSON, which is YAML too");
    let parsed = pipeline_config::Pipeline::parse(&pipeline, "README.md");
    assert!(parsed.is_ok(), "{parsed:?}");
    let Some(tools) = Tools::of_this_test() else { return };
    let file = std::env::temp_dir().join(format!("freshet-chart-sample-{}.yaml", std::process::id()));
    std::fs::write(&file, sample).expect("a file can be written");
    let text = Chart::new(tools).file(&file).text();
    std::fs::remove_file(&file).expect("it can be removed");
    assert!(text.is_ok(), "{text:?}");
}

#[test]
fn the_pipeline_that_is_mounted_is_one_that_the_stages_take() {
    let Some(tools) = Tools::of_this_test() else { return };
    for (values, objects) in crate::matrix(tools) {
        let config = objects.iter().find(|object| object.name().ends_with("-pipeline")).expect("it is there");
        let files = config.at("/data").and_then(Value::as_object).into_iter().flatten();
        let files: Vec<_> = files
            .map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().as_bytes().to_vec()))
            .collect();
        let parsed = pipeline_config::Pipeline::from_bytes(&files);
        assert!(parsed.is_ok(), "{values}: {parsed:?}\n{files:?}");
    }
}

#[test]
fn the_chart_the_workspace_and_the_images_have_one_version() {
    let chart = documents(&read("Chart.yaml")).expect("Chart.yaml is YAML").remove(0);
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{key}");
    }
}
