//! The parts of spans, from the moments of streams and from hours that are rolled up.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use rollups::{Part, Span};
use store::rollups::{self as rows, Reach, RolledMetric, RolledStream};
use store::{StoreError, Transaction};

/// Moments that are read at once, and their values.
pub(crate) const MOMENTS: usize = 40_000;
const VALUES: usize = 400_000;
/// Parts that are made at once, at most but for what one stream has in one span.
pub(crate) const PARTS: usize = 40_000;

/// What the readings of a stream within a span leave, by position.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamPart {
    /// The stream.
    pub stream: i32,
    /// The span.
    pub span: Span,
    /// By the position of the metric.
    pub parts: BTreeMap<i16, Part>,
}

/// Reads what streams, which are in the order of their ids, have measured.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// What says which gaps count.
    pub pipeline: &'a Pipeline,
    /// The streams.
    pub streams: &'a [RolledStream],
}

/// What is read of reaches.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Read {
    /// The parts, in the order of the reaches and of time. The last may have more moments.
    pub(crate) made: Vec<StreamPart>,
    /// The stream and the time from which on the rest is to be read; none where there is no rest, or nothing is read yet.
    pub(crate) next: Option<(i32, Timestamp)>,
}

/// The stream of this id, among those in the order of their ids.
pub(crate) fn stream_of(streams: &[RolledStream], id: i32) -> Option<&RolledStream> {
    let at = streams.binary_search_by_key(&id, |stream| stream.id).ok()?;
    streams.get(at)
}

impl Parts<'_> {
    fn stream(&self, id: i32) -> Option<&RolledStream> {
        stream_of(self.streams, id)
    }

    /// The parts of the moments of reaches, by the spans that `span_of` gives, in the order of the reaches and of time.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn of_moments(
        &self,
        transaction: &Transaction<'_>,
        reaches: &[Reach],
        span_of: impl Fn(&Reach, Timestamp) -> Span,
    ) -> Result<Vec<StreamPart>, StoreError> {
        let mut read = Read::default();
        loop {
            read = self.read_on(transaction, (reaches, MOMENTS), &span_of, read).await?;
            if read.next.is_none() {
                return Ok(read.made);
            }
        }
    }

    /// Adds what one statement reads to what is read: at most so many moments. Reaches are in the order of streams and times.
    pub(crate) async fn read_on(
        &self,
        transaction: &Transaction<'_>,
        (reaches, most): (&[Reach], usize),
        span_of: impl Fn(&Reach, Timestamp) -> Span,
        Read { mut made, next }: Read,
    ) -> Result<Read, StoreError> {
        let done = next.map_or(0, |next| reaches.partition_point(|reach| (reach.stream, reach.to) <= next));
        let reaches = &reaches[done..];
        if reaches.is_empty() {
            return Ok(Read { made, next: None });
        }
        let mut rest = reaches.to_vec();
        if let (Some((stream, at)), Some(first)) = (next, rest.first_mut())
            && first.stream == stream
        {
            first.from = first.from.max(at);
        }
        let widest = rest.iter().filter_map(|reach| self.stream(reach.stream)).map(RolledStream::width).max();
        let most = (VALUES / widest.unwrap_or(1).max(1)).clamp(1, most);
        let page = rows::moments(transaction, &rest, most as i64).await?;
        let mut parts = 0;
        for moment in &page {
            let reach = &reaches[moment.reach];
            let Some(stream) = self.stream(reach.stream) else { continue };
            let span = span_of(reach, moment.at);
            if made.last().is_none_or(|last| (last.stream, last.span) != (stream.id, span)) {
                parts += stream.metrics.len();
                if parts > PARTS && parts > stream.metrics.len() {
                    return Ok(Read { made, next: Some((stream.id, moment.at)) });
                }
                made.push(StreamPart { stream: stream.id, span, parts: BTreeMap::new() });
            }
            let Some(last) = made.last_mut() else { continue };
            for RolledMetric { position, name, .. } in &stream.metrics {
                if let Some(reading) = moment.reading(*position) {
                    let gap = self.pipeline.gap_of(name);
                    let part = last.parts.entry(*position).or_default();
                    *part = part.merge(Part::of([reading], gap), gap);
                }
            }
        }
        let last = page.last().filter(|_| page.len() == most);
        let next = last.map(|last| (rest[last.reach].stream, last.at + SignedDuration::from_micros(1)));
        Ok(Read { made, next })
    }
}
