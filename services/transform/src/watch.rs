//! Which streams of a payload rules watch.

use rules::{Rule, Series};
use store::{EvaluationMark, Located, LocatedStream};

/// A mark for each stream that a rule watches, from the earliest moment that the payload wrote.
pub fn marks(rules: &[Rule], source: &str, located: &Located) -> Vec<EvaluationMark> {
    located
        .streams
        .iter()
        .filter(|stream| is_watched(rules, source, stream))
        .map(|stream| EvaluationMark { stream_id: stream.id, from_at: stream.span().0 })
        .collect()
}

fn is_watched(rules: &[Rule], source: &str, stream: &LocatedStream) -> bool {
    if rules.is_empty() {
        return false;
    }
    stream.metrics.iter().any(|(metric, unit)| {
        // Most streams have a metric that no rule asks for; they cost one comparison.
        if !rules.iter().any(|rule| rule.metric == *metric) {
            return false;
        }
        let series = Series {
            source: source.to_owned(),
            device: stream.device.clone(),
            channel: stream.channel.clone(),
            metric: metric.clone(),
            unit: unit.clone(),
            tags: stream.tags.clone(),
        };
        rules.iter().any(|rule| rule.watches(&series))
    })
}
