//! The pipeline's rules as evaluation needs them: hashed, and with their annotations read.

use std::collections::BTreeMap;

use rules::template::Facts;
use rules::{Rule, Series, Template, TemplateError};
use thiserror::Error;

/// An annotation that is no template.
#[derive(Debug, Error)]
#[error("the annotations of rule {rule}: {source}")]
pub struct AnnotationError {
    rule: String,
    source: TemplateError,
}

/// The rules of a pipeline.
#[derive(Debug)]
pub struct WatchedRules(Vec<WatchedRule>);

impl WatchedRules {
    /// Prepares the rules.
    ///
    /// # Errors
    /// [`AnnotationError`] at the first annotation that is no template.
    pub fn new(rules: &[Rule]) -> Result<Self, AnnotationError> {
        let prepared = |rule: &Rule| {
            WatchedRule::new(rule.clone())
                .map_err(|source| AnnotationError { rule: rule.name.clone(), source })
        };
        rules.iter().map(prepared).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &WatchedRule> {
        self.0.iter()
    }
}

/// One rule.
#[derive(Debug)]
pub(crate) struct WatchedRule {
    pub(crate) rule: Rule,
    pub(crate) hash: String,
    annotations: BTreeMap<String, Template>,
}

impl WatchedRule {
    fn new(rule: Rule) -> Result<Self, TemplateError> {
        let annotations = rule
            .annotations
            .iter()
            .map(|(name, text)| Ok((name.clone(), Template::parse(text)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self { hash: rule.hash(), annotations, rule })
    }

    /// The annotations, filled in.
    pub(crate) fn annotations(&self, series: &Series, value: Option<f64>) -> BTreeMap<String, String> {
        let facts = Facts { rule: &self.rule, series, value };
        self.annotations.iter().map(|(name, template)| (name.clone(), template.render(facts))).collect()
    }
}
