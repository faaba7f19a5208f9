//! YAML documents as JSON values.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Number, Value};

/// A text that is no YAML, or holds what JSON can't.
#[derive(Debug)]
pub struct YamlError(String);

impl std::fmt::Display for YamlError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for YamlError {}

/// The documents of a text; empty ones are left out.
///
/// # Errors
/// Where the text is no YAML, or a key is no text.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let documents = Yaml::load_from_str(text).map_err(|error| YamlError(error.to_string()))?;
    let values = documents.iter().map(json).collect::<Result<Vec<_>, _>>()?;
    Ok(values.into_iter().filter(|value| !value.is_null()).collect())
}

fn json(yaml: &Yaml) -> Result<Value, YamlError> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(flag)) => Value::Bool(*flag),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => Number::from_f64(**number)
            .map(Value::Number)
            .ok_or_else(|| YamlError(format!("{number} is no JSON number")))?,
        Yaml::Value(Scalar::String(text)) => Value::String(text.to_string()),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = key.as_str().ok_or_else(|| YamlError(format!("{key:?} is no text")))?;
                map.insert(key.to_owned(), json(value)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(_, inner) => json(inner)?,
        other => return Err(YamlError(format!("{other:?} is not plain YAML"))),
    })
}
