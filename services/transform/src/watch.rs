//! Decide: which of the streams that a payload touches rules watch.

use pipeline_config::Pipeline;
use rules::Series;
use store::{EvaluationMark, LocatedStream};

/// The marks of `streams`: each from its earliest moment on.
pub(crate) fn marks(pipeline: &Pipeline, source: &str, streams: &[LocatedStream]) -> Vec<EvaluationMark> {
    streams
        .iter()
        .filter(|stream| is_watched(pipeline, source, stream))
        .map(|stream| EvaluationMark { stream_id: stream.id, from_at: stream.span().0 })
        .collect()
}

fn is_watched(pipeline: &Pipeline, source: &str, stream: &LocatedStream) -> bool {
    stream.metrics.iter().any(|(metric, unit)| {
        let mut rules = pipeline.rules.iter().filter(|rule| rule.metric == *metric).peekable();
        if rules.peek().is_none() {
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
        rules.any(|rule| rule.watches(&series))
    })
}

#[cfg(test)]
mod tests {
    use store::{LocatedStream, ReadingRow};

    use super::{Pipeline, marks};

    const PIPELINE: &str = "
sources:
  greenhouse: {format: json, credentials: [{bearer: {env: TOKEN}}]}
rules:
  TooHot: {metric: temperature, above: 30, select: {device: 'gh-*', tags: {site: north}}}
channels:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

    fn stream(device: &str, metric: &str, site: &str) -> LocatedStream {
        let at = jiff::Timestamp::UNIX_EPOCH;
        LocatedStream {
            id: 7,
            device: device.into(),
            channel: String::new(),
            tags: [("site".into(), site.into())].into(),
            metrics: vec![("pressure".into(), "hPa".into()), (metric.into(), "Cel".into())],
            rows: vec![ReadingRow::new(7, at, at, uuid::Uuid::nil())],
        }
    }

    #[test]
    fn a_stream_is_marked_where_a_rule_watches_one_of_the_metrics_that_came() {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        for (stream, watched) in [
            (stream("gh-1", "temperature", "north"), true),
            (stream("gh-1", "temperature", "south"), false),
            (stream("gh-1", "humidity", "north"), false),
            (stream("barn", "temperature", "north"), false),
        ] {
            assert_eq!(
                marks(&pipeline, "greenhouse", std::slice::from_ref(&stream)).len(),
                usize::from(watched),
                "{stream:?}"
            );
        }
    }
}
