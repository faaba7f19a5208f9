//! Decide: which of the streams that a payload touches rules watch.

use pipeline_config::Pipeline;
use rules::Place;
use store::{EvaluationRequest, LocatedStream};

/// The marks of `streams`: each from its earliest moment on.
pub(crate) fn marks(pipeline: &Pipeline, source: &str, streams: &[LocatedStream]) -> Vec<EvaluationRequest> {
    streams
        .iter()
        .filter(|stream| is_watched(pipeline, source, stream))
        .map(|stream| EvaluationRequest { stream_id: stream.id, from_at: stream.span().0 })
        .collect()
}

fn is_watched(pipeline: &Pipeline, source: &str, stream: &LocatedStream) -> bool {
    let place = Place { source, device: &stream.device, channel: &stream.channel, tags: &stream.tags };
    pipeline.rules.iter().any(|rule| stream.metrics.iter().any(|metric| rule.watches(metric, place)))
}

#[cfg(test)]
mod tests {
    use store::{LocatedStream, MomentRow};

    use super::{Pipeline, marks};

    const PIPELINE: &str = "
sources:
  greenhouse: {format: json, credentials: [{bearer: {env: TOKEN}}]}
rules:
  TooHot: {metric: temperature, above: 30, select: {device: 'gh-*', tags: {site: north}}}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

    fn stream(device: &str, metric: &str, site: &str) -> LocatedStream {
        let at = jiff::Timestamp::UNIX_EPOCH;
        LocatedStream {
            id: 7,
            device: device.into(),
            channel: String::new(),
            tags: [("site".into(), site.into())].into(),
            metrics: vec!["pressure".into(), metric.into()],
            rows: vec![MomentRow::new(7, at, at, uuid::Uuid::nil())],
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
