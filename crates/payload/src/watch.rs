//! Whether a rule watches what a payload holds.

use decoders::Decoded;
use event_model::{Quality, Reading, Value};
use rules::{Rule, StreamNames};

use crate::origin::Origin;

/// Whether a rule watches one of these metrics of a stream.
pub fn is_watched(rules: &[Rule], stream: StreamNames<'_>, metrics: &[impl AsRef<str>]) -> bool {
    rules.iter().any(|rule| metrics.iter().any(|metric| rule.watches(metric.as_ref(), stream)))
}

/// Whether a rule can watch anything of this source and device, as far as that is known without reading the payload's content.
pub fn may_be_watched(rules: &[Rule], origin: Origin<'_>, device: Option<&str>) -> bool {
    rules.iter().map(|rule| &rule.selector).any(|selector| {
        let fits = |pattern: &rules::Glob| device.is_none_or(|device| pattern.matches(device));
        selector.source.as_deref().is_none_or(|source| source == origin.name)
            && selector.device.as_ref().is_none_or(fits)
    })
}

/// Whether a rule watches one of the values. The tags of a device are the source's and those of this payload: earlier payloads
/// may have given it more.
pub fn holds_watched(rules: &[Rule], origin: Origin<'_>, decoded: &Decoded) -> bool {
    holds(rules, origin, decoded, |rule, reading| rule.metric == *reading.metric)
}

/// Whether a rule fires by one of the values alone, as far as the payload tells: the alert may be firing already.
pub fn holds_firing(rules: &[Rule], origin: Origin<'_>, decoded: &Decoded) -> bool {
    holds(rules, origin, decoded, |rule, reading| {
        rule.metric == *reading.metric
            && reading.quality == Quality::Good
            && matches!(reading.value, Value::Number(value) if rule.fires_at(value))
    })
}

/// Whether there is a reading for which `is_of` holds with a rule that selects its stream.
fn holds(
    rules: &[Rule],
    origin: Origin<'_>,
    decoded: &Decoded,
    is_of: impl Fn(&Rule, &Reading) -> bool,
) -> bool {
    decoded.samples.iter().any(|sample| {
        let is_asked = |rule: &&Rule| sample.readings.iter().any(|reading| is_of(rule, reading));
        let mut asked = rules.iter().filter(is_asked).peekable();
        if asked.peek().is_none() {
            return false;
        }
        let mut tags = origin.source.tags.clone();
        let own = decoded.tags.iter().filter(|(device, ..)| *device == sample.device);
        tags.extend(own.map(|(_, tag, value)| (tag.clone(), value.clone())));
        let (device, channel) = (sample.device.as_str(), sample.channel.as_str());
        let stream = StreamNames { source: origin.name, device, channel, tags: &tags };
        asked.any(|rule| rule.selector.matches(stream))
    })
}

#[cfg(test)]
mod tests {
    use event_model::RecordedRequest;
    use jiff::Timestamp;
    use pipeline_config::Pipeline;

    use super::{holds_firing, holds_watched, may_be_watched};
    use crate::{Inspected, Origin};

    const PIPELINE: &str = "
sources:
  sea: {format: senml_json, tags: {site: north}}
rules:
  TooHot: {metric: temperature, above: 30, select: {device: 'gh-*', tags: {site: north}}}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

    #[test]
    fn only_what_a_rule_watches_is_watched() {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        let origin = Origin::named(&pipeline, "sea").unwrap();
        for (body, may_be, is, fires) in [
            (r#"[{"bn":"gh-7:","n":"temperature","u":"Cel","v":21.5}]"#, true, true, false),
            (r#"[{"bn":"gh-7:","n":"temperature","u":"Cel","v":31.5}]"#, true, true, true),
            (r#"[{"bn":"gh-7:","n":"pressure","u":"hPa","v":1000}]"#, true, false, false),
            (r#"[{"bn":"barn:","n":"temperature","u":"Cel","v":31.5}]"#, false, false, false),
        ] {
            let text =
                format!("POST /hooks/sea HTTP/1.1\r\ncontent-type: application/senml+json\r\n\r\n{body}");
            let request = RecordedRequest::parse(text.as_bytes()).unwrap();
            let inspected = Inspected::of(origin, &request).unwrap();
            let decoded = inspected.decoded(Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(holds_watched(&pipeline.rules, origin, &decoded), is, "{body}");
            assert_eq!(holds_firing(&pipeline.rules, origin, &decoded), fires, "{body}");
            assert_eq!(
                may_be_watched(&pipeline.rules, origin, Some(&decoded.samples[0].device)),
                may_be,
                "{body}"
            );
        }
    }
}
