//! Which series of a device that has not sent yet are awaited: those whose silence a rule watches.

use std::collections::BTreeMap;

use decoders::names;
use rules::{Condition, Rule, StreamNames};

use crate::pipeline::Pipeline;

/// The rules of a pipeline that watch silence, and what they select by.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    rules: Vec<Rule>,
    /// The tags of sources, by name.
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

impl Awaited {
    /// Those of `pipeline`.
    pub fn new(pipeline: &Pipeline) -> Self {
        let is_silence = |rule: &&Rule| matches!(rule.condition, Condition::Absent { .. });
        let tags =
            pipeline.sources.keys().map(|name| (name.clone(), pipeline.tags_of(name, &BTreeMap::new())));
        Self { rules: pipeline.rules.iter().filter(is_silence).cloned().collect(), tags: tags.collect() }
    }

    /// The metrics of a device, each once, with the unit in which it is most likely to come; in the order of the rules.
    pub fn of(&self, source: &str, device: &str) -> Vec<(&str, &str)> {
        let none = BTreeMap::new();
        let tags = self.tags.get(source).unwrap_or(&none);
        let stream = StreamNames { source, device, channel: "", tags };
        let mut metrics: Vec<(&str, &str)> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.selector.matches(stream)) {
            if metrics.iter().all(|(metric, _)| *metric != rule.metric) {
                metrics.push((&rule.metric, names::default_unit(&rule.metric).unwrap_or_default()));
            }
        }
        metrics
    }
}
