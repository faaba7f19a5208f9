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
        Ok(self.fold(transaction, (reaches, span_of), false).await?.0)
    }

    /// The same of as many moments as are read at once, but of whole spans alone; and from which time of which stream it goes on.
    pub(crate) async fn of_next_moments(
        &self,
        transaction: &Transaction<'_>,
        reaches: &[Reach],
        span_of: impl Fn(&Reach, Timestamp) -> Span,
    ) -> Result<(Vec<StreamPart>, Option<(i32, Timestamp)>), StoreError> {
        self.fold(transaction, (reaches, span_of), true).await
    }

    async fn fold(
        &self,
        transaction: &Transaction<'_>,
        (reaches, span_of): (&[Reach], impl Fn(&Reach, Timestamp) -> Span),
        is_bounded: bool,
    ) -> Result<(Vec<StreamPart>, Option<(i32, Timestamp)>), StoreError> {
        let widest =
            reaches.iter().filter_map(|reach| self.stream(reach.stream)).map(RolledStream::width).max();
        let most = (VALUES / widest.unwrap_or(1).max(1)).clamp(1, MOMENTS);
        let mut made: Vec<StreamPart> = Vec::new();
        let mut reaches = reaches.to_vec();
        let mut parts = 0;
        loop {
            let page = rows::moments(transaction, &reaches, most as i64).await?;
            for moment in &page {
                let reach = &reaches[moment.reach];
                let Some(stream) = self.stream(reach.stream) else { continue };
                let span = span_of(reach, moment.at);
                if made.last().is_none_or(|last| (last.stream, last.span) != (stream.id, span)) {
                    parts += stream.metrics.len();
                    if is_bounded && parts > PARTS && !made.is_empty() {
                        return Ok((made, Some((stream.id, span.from))));
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
            let Some(last) = page.last().filter(|_| page.len() == most) else { return Ok((made, None)) };
            if is_bounded && made.len() > 1 {
                // Of the last span there may be more.
                let rest = made.pop().map(|cut| (cut.stream, cut.span.from));
                return Ok((made, rest));
            }
            let reach = last.reach;
            reaches.drain(..reach);
            reaches[0].from = last.at + SignedDuration::from_micros(1);
        }
    }
}
