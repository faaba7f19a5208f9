//! `K_CE_OVERRIDES`: what a SinkBinding or a source wants added to every event.

use std::collections::BTreeMap;

use cloudevents::Event;
use thiserror::Error;

/// Extensions that are set on every event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, String>);

/// Why `K_CE_OVERRIDES` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverridesError {
    /// Not `{"extensions": {"name": "value"}}`.
    #[error("is not a JSON object of the form {{\"extensions\": {{\"name\": \"value\"}}}}")]
    Shape,
    /// An extension's name is not of lower-case letters and digits.
    #[error("names the extension `{0}`, but only lower-case letters and digits are allowed")]
    Name(String),
}

impl Overrides {
    /// Reads the variable's text.
    ///
    /// # Errors
    /// [`OverridesError`].
    pub fn parse(text: &str) -> Result<Self, OverridesError> {
        let whole: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(text).map_err(|_| OverridesError::Shape)?;
        let extensions = whole.get("extensions").cloned().unwrap_or_default();
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        match extensions.keys().find(|name| !is_name(name)) {
            Some(name) => Err(OverridesError::Name(name.clone())),
            None => Ok(Self(extensions)),
        }
    }

    /// Whether there is nothing to set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets them on `event`.
    pub fn apply(&self, event: &mut Event) {
        for (name, value) in &self.0 {
            event.set_extension(name, value.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use event_model::cloudevent;

    use super::{Overrides, OverridesError};

    #[test]
    fn extensions_are_set_on_the_event() {
        let mut event = cloudevent::new("t", "/s", "1");
        Overrides::parse(r#"{"extensions": {"site": "north"}}"#).unwrap().apply(&mut event);
        assert_eq!(cloudevent::extension(&event, "site").as_deref(), Some("north"));
    }

    #[test]
    fn what_is_no_override_is_refused() {
        assert_eq!(Overrides::parse("{"), Err(OverridesError::Shape));
        assert_eq!(Overrides::parse(r#"{"extensions": {"site": 7}}"#), Err(OverridesError::Shape));
        assert_eq!(
            Overrides::parse(r#"{"extensions": {"a-b": "x"}}"#),
            Err(OverridesError::Name("a-b".to_owned()))
        );
        assert_eq!(Overrides::parse("{}").map(|overrides| overrides.is_empty()), Ok(true));
    }
}
