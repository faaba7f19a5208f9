//! What the documentation shows is what the reader and the schema take.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pipeline_config::{Pipeline, schema};
use serde_json::Value;

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
fn as_json(yaml: &str) -> Value {
    use saphyr::{LoadableYamlNode, Yaml};
    fn convert(node: &Yaml<'_>) -> Value {
        if let Some(entries) = node.as_mapping() {
            let pairs = entries
                .iter()
                .map(|(key, value)| (key.as_str().expect("keys are text").to_owned(), convert(value)));
            return Value::Object(pairs.collect());
        }
        if let Some(items) = node.as_vec() {
            return items.iter().map(convert).collect();
        }
        let flag = node.as_bool().map(Value::from);
        let whole = node.as_integer().map(Value::from);
        let float = node.as_floating_point().map(Value::from);
        flag.or(whole).or(float).unwrap_or_else(|| node.as_str().expect("the rest is text").into())
    }
    convert(&Yaml::load_from_str(yaml).expect("the example is YAML")[0])
}

#[test]
fn the_complete_example_is_a_pipeline_without_mistakes() {
    let pipeline =
        Pipeline::parse(&example("complete"), "complete").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((pipeline.sources.len(), pipeline.rules.len(), pipeline.receivers.len()), (10, 6, 7));
    assert_eq!(
        (pipeline.routes.len(), pipeline.sites.len(), pipeline.devices["greenhouse"].len()),
        (2, 1, 1)
    );
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
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for name in ["complete", "minimal"] {
        let errors: Vec<_> = validator
            .iter_errors(&as_json(&example(name)))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

/// Walks an example along the schema; every (definition, key) that it comes by goes into `keys`: true where it has it.
fn walk(
    schema: &Value,
    at: (&str, &Value),
    example: Option<&Value>,
    keys: &mut BTreeMap<(String, String), bool>,
) {
    let (name, shape) = at;
    if let Some(reference) = shape["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return walk(schema, (name, &schema["$defs"][name]), example, keys);
    }
    for variant in ["anyOf", "oneOf"].into_iter().filter_map(|key| shape[key].as_array()).flatten() {
        walk(schema, (name, variant), example, keys);
    }
    for (key, property) in shape["properties"].as_object().into_iter().flatten() {
        let value = example.and_then(|example| example.get(key));
        *keys.entry((name.to_owned(), key.clone())).or_default() |= value.is_some();
        walk(schema, (name, property), value, keys);
    }
    let inner = ["items", "additionalProperties"].into_iter().map(|key| &shape[key]);
    let named = shape["patternProperties"].as_object().into_iter().flatten().map(|(_, shape)| shape);
    for shape in inner.chain(named).filter(|shape| shape.is_object()) {
        let values: Vec<&Value> = match example {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(Value::Object(entries)) => entries.values().collect(),
            _ => Vec::new(),
        };
        walk(schema, (name, shape), None, keys);
        values.into_iter().for_each(|value| walk(schema, (name, shape), Some(value), keys));
    }
}

#[test]
fn the_complete_example_uses_every_key() {
    let (schema, mut keys) = (schema(), BTreeMap::new());
    walk(&schema, ("Pipeline", &schema), Some(&as_json(&example("complete"))), &mut keys);
    assert!(keys.len() > 80, "{keys:?}");
    // Pages are kept in one place.
    let other_place = ("Storage".to_owned(), "folder".to_owned());
    let unused: Vec<_> = keys.into_iter().filter(|(key, used)| !used && *key != other_place).collect();
    assert_eq!(unused, []);
}

#[test]
fn the_reference_names_every_format() {
    let text = fs::read_to_string(docs("configuration.md")).unwrap();
    let row = text.lines().find(|line| line.starts_with("| `format` |")).unwrap();
    for decoder in decoders::all() {
        assert!(row.contains(&format!("`{}`", decoder.name())), "{}", decoder.name());
    }
}

/// Written anew where `FRESHET_BLESS` is set.
#[test]
fn the_published_schema_is_the_generated_one() {
    let generated = format!("{:#}\n", schema());
    let path = docs("freshet.schema.json");
    if std::env::var_os("FRESHET_BLESS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == generated, "docs/freshet.schema.json is old: run the test with FRESHET_BLESS=1");
}

/// The defaults that the schema states are those of the reference.
#[test]
fn the_reference_states_the_defaults_of_the_schema() {
    // Codecs have a page of their own.
    let text = ["configuration.md", "codecs.md"].map(|page| fs::read_to_string(docs(page)).unwrap()).concat();
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    for properties in definitions.chain([&schema]).filter_map(|shape| shape["properties"].as_object()) {
        for (key, property) in properties {
            let default = match &property["default"] {
                Value::Null => continue,
                Value::String(text) => format!("`{text}`"),
                other => other.to_string(),
            };
            // Keys of an inner map stand in the row of the outer one: `{above, per, direction}`.
            let states = |line: &str| line.contains(key.as_str()) && line.contains(&default);
            let mut rows = text.lines().filter(|line| line.starts_with('|'));
            assert!(rows.any(states), "{key}: {default}");
        }
    }
}

/// The JSON Pointer of every value that is neither a map nor a list, but stands in a map.
fn settings_of(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                if !value.is_object() && !value.is_array() {
                    found.push(at.clone());
                }
                settings_of(value, &at, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                settings_of(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn mistakes_of(file: &Value) -> Vec<String> {
    match Pipeline::parse(&file.to_string(), "f") {
        Ok(_) => Vec::new(),
        Err(found) => found.mistakes.into_iter().map(|mistake| mistake.text).collect(),
    }
}

/// Whoever mends what `freshet check` prints is through: one mistake is no reason to be silent about another.
#[test]
fn a_wrong_value_hides_no_unknown_key_beside_it() {
    let whole = as_json(&example("complete"));
    let mut settings = Vec::new();
    settings_of(&whole, "", &mut settings);
    assert!(settings.len() > 80, "{settings:?}");
    let is_unknown = |text: &String| text.starts_with("unknown key `celar`");
    let mut tried = 0;
    for setting in settings {
        let (map, _) = setting.rsplit_once('/').unwrap();
        let mut file = whole.clone();
        file.pointer_mut(map).unwrap()["celar"] = 3.into();
        // Where keys are free, such as those of tags, none is unknown.
        if !mistakes_of(&file).iter().any(is_unknown) {
            continue;
        }
        tried += 1;
        *file.pointer_mut(&setting).unwrap() = serde_json::json!([[]]);
        let found = mistakes_of(&file);
        assert!(found.len() > 1 && found.iter().any(is_unknown), "{setting}: {found:#?}");
    }
    assert!(tried > 60, "{tried}");
}
