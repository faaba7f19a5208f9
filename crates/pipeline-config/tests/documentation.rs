//! What the documentation shows is what the reader and the schema take.

use std::fs;
use std::path::PathBuf;

use pipeline_config::{Pipeline, schema};

fn docs(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file)
}

/// The YAML block after `<!-- test: name -->`.
fn example(name: &str) -> String {
    let text = fs::read_to_string(docs("configuration.md")).expect("the page is there");
    let (_, after) =
        text.split_once(&format!("<!-- test: {name} -->\n```yaml\n")).expect("the page has the example");
    after.split_once("```").expect("the block ends").0.to_owned()
}

/// The example as JSON: in these examples no key or value is read differently by the two.
fn as_json(yaml: &str) -> serde_json::Value {
    use saphyr::{LoadableYamlNode, Yaml};
    fn convert(node: &Yaml<'_>) -> serde_json::Value {
        if let Some(entries) = node.as_mapping() {
            let pairs = entries
                .iter()
                .map(|(key, value)| (key.as_str().expect("keys are text").to_owned(), convert(value)));
            return serde_json::Value::Object(pairs.collect());
        }
        if let Some(items) = node.as_vec() {
            return items.iter().map(convert).collect();
        }
        let flag = node.as_bool().map(serde_json::Value::from);
        let whole = node.as_integer().map(serde_json::Value::from);
        let float = node.as_floating_point().map(serde_json::Value::from);
        flag.or(whole).or(float).unwrap_or_else(|| node.as_str().expect("the rest is text").into())
    }
    convert(&Yaml::load_from_str(yaml).expect("the example is YAML")[0])
}

#[test]
fn the_complete_example_is_a_pipeline_without_mistakes() {
    let pipeline =
        Pipeline::parse(&example("complete"), "complete").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((pipeline.sources.len(), pipeline.rules.len(), pipeline.receivers.len()), (6, 5, 6));
    assert_eq!(pipeline.routes.len(), 2);
}

#[test]
fn a_newcomers_file_is_shorter_than_25_lines() {
    let text = example("minimal");
    assert!(text.lines().count() < 25);
    let pipeline = Pipeline::parse(&text, "minimal").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(pipeline.routes[0].to, ["ops"]);
}

#[test]
fn both_examples_fit_the_schema() {
    let validator = jsonschema::validator_for(schema().as_value()).unwrap();
    for name in ["complete", "minimal"] {
        let errors: Vec<_> = validator
            .iter_errors(&as_json(&example(name)))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_reference_names_every_format() {
    let text = fs::read_to_string(docs("configuration.md")).unwrap();
    let row = text.lines().find(|line| line.starts_with("| `format` |")).unwrap();
    for decoder in decoders::format::all() {
        assert!(row.contains(&format!("`{}`", decoder.name())), "{}", decoder.name());
    }
}

/// Written anew where `FRESHET_BLESS` is set.
#[test]
fn the_published_schema_is_the_generated_one() {
    let generated = format!("{:#}\n", schema().as_value());
    let path = docs("freshet.schema.json");
    if std::env::var_os("FRESHET_BLESS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == generated, "docs/freshet.schema.json is old: run the test with FRESHET_BLESS=1");
}
