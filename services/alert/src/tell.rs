//! What a transition says, and to whom.

use std::collections::BTreeMap;

use event_model::alert::{Severity, TransitionKind};
use pipeline_config::{AlertFacts, Pipeline};
use rules::labels::labels;
use rules::{Series, Transition};
use store::alerts::LastFiring;

use crate::watch::Watch;

/// All that a transition's row holds for its reader.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) severity: Severity,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A receiver, and whether it is told as the fallback.
pub(crate) type Target = (String, bool);

impl Message {
    /// A resolved alert keeps the severity and labels that it fired with: a receiver knows it again by them.
    pub(crate) fn of(
        watch: &Watch,
        series: &Series,
        transition: &Transition,
        firing: Option<&LastFiring>,
    ) -> Self {
        let annotations = watch.annotations(series, transition.value);
        match firing.filter(|_| transition.kind == TransitionKind::Resolved) {
            Some(firing) => Self { severity: firing.severity, labels: firing.labels.clone(), annotations },
            None => Self { severity: watch.rule.severity, labels: labels(&watch.rule, series), annotations },
        }
    }

    /// Of an alert whose rule is gone: it says what it said when it fired.
    pub(crate) fn again(firing: LastFiring) -> Self {
        let LastFiring { severity, labels, annotations, .. } = firing;
        Self { severity, labels, annotations }
    }

    /// The receivers that the routes name, and those that were told of the firing, as far as they still exist.
    pub(crate) fn targets(
        &self,
        pipeline: &Pipeline,
        rule: &str,
        series: &Series,
        told_before: Vec<Target>,
    ) -> Vec<Target> {
        let facts = AlertFacts {
            severity: self.severity,
            rule,
            source: &series.source,
            device: &series.device,
            labels: &self.labels,
        };
        let is_routed = pipeline.routes.iter().any(|route| route.takes(facts));
        let mut targets: BTreeMap<String, bool> = told_before
            .into_iter()
            .filter(|(receiver, is_fallback)| !is_fallback && pipeline.receivers.contains_key(receiver))
            .collect();
        targets.extend(pipeline.receivers_for(facts).into_iter().map(|name| (name.to_owned(), !is_routed)));
        targets.into_iter().collect()
    }
}
