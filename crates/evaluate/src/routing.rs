//! What a transition says, and which receivers are notified of it. Pure.

use std::collections::BTreeMap;

use event_model::alert::Severity;
use pipeline_config::{AlertFacts, Pipeline};
use rules::Series;
use rules::labels::labels;
use store::alerts::{LastFiring, Target};

use crate::watched_rules::WatchedRule;

/// All that a transition's row holds for its readers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AlertText {
    pub(crate) severity: Severity,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl AlertText {
    /// Of a transition whose texts name the value `said`; a resolved alert says what `firing` said.
    pub(crate) fn of(
        watched: &WatchedRule,
        series: &Series,
        said: Option<f64>,
        firing: Option<LastFiring>,
    ) -> Self {
        firing.map_or_else(
            || Self {
                severity: watched.rule.severity,
                labels: labels(&watched.rule, series),
                annotations: watched.annotations(series, said),
            },
            Self::again,
        )
    }

    /// Of an alert that is over: a receiver knows it again by its labels, and people by its words. The value that ended it
    /// stands beside them.
    pub(crate) fn again(firing: LastFiring) -> Self {
        let LastFiring { severity, labels, annotations, .. } = firing;
        Self { severity, labels, annotations }
    }

    /// The receivers that the routes name, and those that were notified of the firing, as far as they still exist.
    pub(crate) fn targets(
        &self,
        pipeline: &Pipeline,
        rule: &str,
        series: &Series,
        of_the_firing: &[Target],
    ) -> Vec<Target> {
        let facts = AlertFacts {
            severity: self.severity,
            rule,
            source: &series.source,
            device: &series.device,
            labels: &self.labels,
        };
        let is_routed = pipeline.routes.iter().any(|route| route.takes(facts));
        let mut targets: BTreeMap<&str, bool> = of_the_firing
            .iter()
            .filter(|target| !target.is_fallback && pipeline.receivers.contains_key(&target.receiver))
            .map(|target| (target.receiver.as_str(), false))
            .collect();
        targets.extend(pipeline.receivers_for(facts).into_iter().map(|name| (name, !is_routed)));
        targets
            .into_iter()
            .map(|(receiver, is_fallback)| Target { receiver: receiver.to_owned(), is_fallback })
            .collect()
    }
}
