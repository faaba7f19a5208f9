//! The rules as this stage needs them: hashed, and with their annotations read.

use std::collections::BTreeMap;

use rules::template::Facts;
use rules::{Rule, Series, Template, TemplateError};

/// One rule.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) rule: Rule,
    pub(crate) hash: String,
    annotations: BTreeMap<String, Template>,
}

impl Watch {
    pub(crate) fn new(rule: Rule) -> Result<Self, TemplateError> {
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
