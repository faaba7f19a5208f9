//! Which series a rule watches.

use crate::rule::{Rule, Selector};
use crate::series::StreamNames;

impl Rule {
    /// Whether the rule watches the series of this metric at this stream.
    pub fn watches(&self, metric: &str, stream: StreamNames<'_>) -> bool {
        self.metric == metric && self.selector.matches(stream)
    }
}

impl Selector {
    /// Whether all that the selector names holds for the stream; the metric is the rule's own matter.
    pub fn matches(&self, stream: StreamNames<'_>) -> bool {
        self.source.as_ref().is_none_or(|source| *source == stream.source)
            && self.device.as_ref().is_none_or(|pattern| pattern.matches(stream.device))
            && self.channel.as_ref().is_none_or(|channel| *channel == stream.channel)
            && self.tags.iter().all(|(tag, value)| stream.tags.get(tag) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::Selector;
    use crate::series::Series;

    #[test]
    fn a_selector_without_anything_selects_all_and_a_tag_must_be_equal() {
        let series = Series {
            source: "greenhouse".into(),
            device: "gh-1".into(),
            tags: [("site".into(), "north".into())].into(),
            ..Series::default()
        };
        assert!(Selector::default().matches(series.stream()));
        let tagged =
            |value: &str| Selector { tags: [("site".into(), value.into())].into(), ..Selector::default() };
        assert!(tagged("north").matches(series.stream()));
        assert!(!tagged("south").matches(series.stream()));
        let channel = Selector { channel: Some("indoor".into()), ..Selector::default() };
        assert!(!channel.matches(series.stream()));
    }
}
