//! Paths.

use jiff::SignedDuration;

use super::frame::{Frame, coordinate, end_of};
use crate::content::ChartPoint;

/// The share of a span's width that its bars have.
const BAR_SHARE: f64 = 0.8;

/// Half the width of a band that is one value's.
const HALF_DOT: f64 = 2.0;

/// The values without those between whom there is a gap: more than one and a half spans.
pub(crate) fn runs(points: &[ChartPoint], span: SignedDuration) -> impl Iterator<Item = &[ChartPoint]> {
    let most = span.as_nanos().saturating_mul(3) / 2;
    points.chunk_by(move |one, next| next.at.duration_since(one.at).as_nanos() <= most)
}

/// A line from value to value.
pub(crate) fn line(frame: &Frame<'_>, run: &[ChartPoint], span: SignedDuration) -> String {
    let places = run.iter().map(|point| place(frame.middle(point, span), frame.y_at(point.value)));
    format!("M{}", places.collect::<Vec<_>>().join("L"))
}

/// A dot at each value: a line without length, whose ends are round.
pub(crate) fn dots(frame: &Frame<'_>, points: &[ChartPoint], span: SignedDuration) -> String {
    let dot =
        |point: &ChartPoint| format!("M{}h0", place(frame.middle(point, span), frame.y_at(point.value)));
    points.iter().map(dot).collect()
}

/// A bar from 0 to each value, beside those of the other series: this is the `n`th of `all`.
pub(crate) fn bars(
    frame: &Frame<'_>,
    points: &[ChartPoint],
    span: SignedDuration,
    (n, all): (usize, usize),
) -> String {
    let zero = frame.y_at(0.0);
    let bar = |point: &ChartPoint| {
        let (from, to) = (frame.x_at(point.at), frame.x_at(end_of(point.at, span)));
        let width = (to - from) * BAR_SHARE / all as f64;
        let left = from + (to - from) * (1.0 - BAR_SHARE) / 2.0 + width * n as f64;
        let (base, top) = (coordinate(zero), coordinate(frame.y_at(point.value)));
        format!("M{} {base}V{top}h{}V{base}z", coordinate(left), coordinate(width))
    };
    points.iter().map(bar).collect()
}

/// The field between the least and the greatest of each span.
pub(crate) fn band(frame: &Frame<'_>, run: &[ChartPoint], span: SignedDuration) -> String {
    if let [point] = run {
        let (x, low, high) = (frame.middle(point, span), frame.y_at(point.min), frame.y_at(point.max));
        let left = coordinate(x - HALF_DOT);
        return format!("M{left} {}V{}h4V{}z", coordinate(low), coordinate(high), coordinate(low));
    }
    let along = |edge: fn(&ChartPoint) -> f64| {
        move |point: &ChartPoint| place(frame.middle(point, span), frame.y_at(edge(point)))
    };
    let high = run.iter().map(along(|point| point.max));
    let low = run.iter().rev().map(along(|point| point.min));
    format!("M{}z", high.chain(low).collect::<Vec<_>>().join("L"))
}

fn place(x: f64, y: f64) -> String {
    format!("{} {}", coordinate(x), coordinate(y))
}
