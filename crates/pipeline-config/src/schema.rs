//! The JSON Schema of `freshet.yaml`, for editors.
//!
//! The types here are the shape of the file, key by key, and exist only for the schema: the reader makes the types of
//! the other modules. A test holds the two together.

#![expect(dead_code, reason = "schemars reads the types, nobody makes one")]

mod receiver;
mod rule;
mod source;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// The JSON Schema (draft 2020-12).
pub fn schema() -> schemars::Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Pipeline>();
    schema.insert("title".to_owned(), "freshet.yaml".into());
    schema
}

/// A pipeline: where readings come from, when they are an alert, and who is told.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Pipeline {
    /// Where payloads come from, by name; the name is the last part of the address `/hooks/{name}`.
    sources: BTreeMap<Name, source::Source>,
    /// When readings are an alert, by name; the name is Prometheus' `alertname`.
    rules: Option<BTreeMap<Name, rule::Rule>>,
    /// Where people are told, by name.
    receivers: Option<BTreeMap<Name, receiver::Receiver>>,
    /// Which alerts go to which receivers. Without it every alert goes to every receiver that is no fallback.
    routes: Option<Vec<rule::Route>>,
    /// Receivers for what no route takes and for what other receivers gave up.
    fallback: Option<Vec<String>>,
    /// Private addresses that notifications may go to.
    network: Option<Network>,
    /// How late, by its own series' time, a reading may be and still change alerts; `15m` where absent.
    lateness: Option<Duration>,
    /// The time between two ticks, which decide on silence and on `for`; `5m` where absent.
    tick: Option<Duration>,
    /// Whether `readings.recorded` is published for third parties; `never` where absent.
    #[schemars(extend("enum" = ["always", "never"]))]
    emit: Option<String>,
}

/// A name: letters, digits, `-`, `_` and `.`.
#[derive(JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
#[schemars(inline)]
struct Name(#[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"))] String);

/// Private addresses that notifications may go to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Network {
    /// Ranges (`10.0.0.0/8`), addresses and host names.
    allow: Vec<String>,
}

/// A duration: `90s`, `10m`, `2h`, `1d`, or several of them (`1h30m`).
#[derive(JsonSchema)]
struct Duration(#[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h|d))+$"))] String);

/// Where a secret is; the secret itself never stands in the file.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum SecretRef {
    /// In the environment variable of this name.
    Env(String),
    /// In this file, without its trailing line end.
    File(String),
}

/// A text, or a reference where the text is secret.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Setting {
    /// It stands here.
    Plain(String),
    /// It stands elsewhere.
    Secret(SecretRef),
}

/// One value or a list.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum OneOrMany<T> {
    /// One.
    One(T),
    /// Any number.
    Many(Vec<T>),
}

/// A text; numbers and flags are taken as they are spelt.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Scalar {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A flag.
    Flag(bool),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::read;
    use crate::report::Report;
    use crate::yaml;

    use super::schema;

    /// What was noted while the complete example of the documentation was read.
    fn complete() -> Report {
        let documentation = include_str!("../../../docs/configuration.md");
        let (_, after) = documentation.split_once("<!-- test: complete -->\n```yaml\n").unwrap();
        let root = yaml::load(after.split_once("```").unwrap().0, &mut Vec::new()).unwrap();
        let report = Report::default();
        read::pipeline(&root, &report).unwrap();
        report
    }

    /// Every key of a definition, also those of its variants.
    fn keys<'a>(shape: &'a str, definition: &'a Value, found: &mut BTreeSet<(&'a str, &'a str)>) {
        if let Some(Value::Object(properties)) = definition.get("properties") {
            found.extend(properties.keys().map(|key| (shape, key.as_str())));
        }
        for choice in ["anyOf", "oneOf"] {
            let variants = definition.get(choice).and_then(Value::as_array);
            variants.into_iter().flatten().for_each(|variant| keys(shape, variant, found));
        }
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_keys() {
        let report = complete();
        let schema = schema();
        let mut expected = BTreeSet::new();
        keys("Pipeline", schema.as_value(), &mut expected);
        for (shape, definition) in schema.as_value()["$defs"].as_object().unwrap() {
            keys(shape, definition, &mut expected);
        }
        assert_eq!(report.keys(), expected);
    }

    #[test]
    fn the_complete_example_uses_every_key() {
        assert_eq!(complete().unused(), BTreeSet::new());
    }
}
