//! Where rolling up goes on, and what is read of an hour or a day that has more moments than a page.

use jiff::{SignedDuration, Timestamp};
use rollups::{Part, Span};
use serde::{Deserialize, Serialize};
use store::rollups::{DueHour, RolledStream};

use crate::parts::{Read, StreamPart};

/// Where it goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub(crate) enum Cursor {
    /// Hours of this stream from this time on, the first of which may be begun, and those of all behind it.
    Hours {
        stream: i32,
        from: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begun: Option<Begun>,
    },
    /// Days, the same.
    Days {
        stream: i32,
        from: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begun: Option<Begun>,
    },
    /// Hours that are due behind this one, the first of which may be begun.
    Due {
        stream: i32,
        hour: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begun: Option<BegunDue>,
    },
}

/// What is read of a span.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Begun {
    span: Span,
    /// From when on the rest is to be read.
    at: Timestamp,
    /// By the pieces of the span that are read, and by position.
    pieces: Vec<(Span, Vec<(i16, Part)>)>,
}

/// A due hour, how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BegunDue {
    /// Its mark, as it was before anything was read.
    pub(crate) due: DueHour,
    /// Where the hour is rolled up: the beginning of the first of its days that is not.
    pub(crate) day: Option<Timestamp>,
    /// What is read of the hour, or of that day.
    pub(crate) begun: Option<Begun>,
}

impl Cursor {
    /// Where everything begins.
    pub(crate) const FIRST: Self = Self::Hours { stream: 0, from: None, begun: None };
    /// Where what has changed begins.
    pub(crate) const FIRST_DUE: Self = Self::Due { stream: 0, hour: Timestamp::UNIX_EPOCH, begun: None };

    /// Behind a due hour.
    pub(crate) const fn behind(due: &DueHour) -> Self {
        Self::Due { stream: due.stream, hour: due.hour, begun: None }
    }

    /// At a due hour. One that becomes due before it waits for the next slot: it would take this one's place over and over.
    pub(crate) fn at(begun: BegunDue) -> Self {
        let DueHour { stream, hour, .. } = begun.due;
        let before = hour.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(hour);
        Self::Due { stream, hour: before, begun: Some(begun) }
    }
}

impl Begun {
    /// Takes out of what is read what is of this span of a stream or behind it; none where that is nothing.
    pub(crate) fn cut_from(read: &mut Read, stream: i32, span: Span) -> Option<Self> {
        let (_, at) = read.next?;
        let first = read.made.partition_point(|made| (made.stream, made.span.from) < (stream, span.from));
        let pieces: Vec<_> = read
            .made
            .split_off(first)
            .into_iter()
            .map(|made| (made.span, made.parts.into_iter().collect()))
            .collect();
        (!pieces.is_empty()).then_some(Self { span, at, pieces })
    }

    /// What is read of the span of the stream, of the metrics that it still has; nothing where this is of another span.
    pub(crate) fn read(self, stream: &RolledStream, span: Span) -> Read {
        if self.span != span {
            return Read::default();
        }
        let is_there = |position: &i16| stream.metrics.iter().any(|metric| metric.position == *position);
        let made = |(span, parts): (Span, Vec<(i16, Part)>)| StreamPart {
            stream: stream.id,
            span,
            parts: parts.into_iter().filter(|(position, _)| is_there(position)).collect(),
        };
        Read { made: self.pieces.into_iter().map(made).collect(), next: Some((stream.id, self.at)) }
    }
}
