//! From instants and values to places in a drawing of 640 x 200.

use jiff::{SignedDuration, Timestamp};

use crate::axis::{TimeTick, ValueAxis};
use crate::content::{ChartPoint, Period};

/// The sides of the field within the drawing.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 174.0;

/// How far below a line a text of its height stands.
const HALF_TEXT: f64 = 4.0;

/// How far above a line a text stands.
const ABOVE: f64 = 3.0;

/// What a picture without texts shows of the drawing: the field, and around it half of what stands at its edge.
pub(crate) const PICTURE: Part =
    Part { left: LEFT - 4.0, top: TOP - 10.0, width: RIGHT - LEFT + 8.0, height: BOTTOM - TOP + 20.0 };

/// A part of the drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Part {
    /// How far to the right of its left side a place is, as a share of its width.
    pub(crate) fn share_at(&self, x: f64) -> f64 {
        (x - self.left) / self.width
    }

    /// How far the field's upper and lower side are from its own, as a share of its height.
    pub(crate) fn margin(&self) -> f64 {
        (TOP - self.top) / self.height
    }
}

/// The field of a chart.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    period: &'a Period,
    /// Of the period, in seconds.
    length: f64,
    low: f64,
    high: f64,
}

/// The end of a span.
pub(crate) fn end_of(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

impl<'a> Frame<'a> {
    /// The field of a period; none of a period that is no time.
    pub(crate) fn new(period: &'a Period, axis: &ValueAxis) -> Option<Self> {
        let length = period.to.duration_since(period.from).as_secs_f64();
        let (low, high) = axis.ends();
        (length > 0.0 && low < high).then_some(Self { period, length, low, high })
    }

    /// Where an instant is, within the period.
    pub(crate) fn x_at(&self, at: Timestamp) -> f64 {
        let since = at.duration_since(self.period.from).as_secs_f64();
        LEFT + (since / self.length).clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    /// Where the middle of a span is: of that which is within the period.
    pub(crate) fn middle(&self, point: &ChartPoint, span: SignedDuration) -> f64 {
        f64::midpoint(self.x_at(point.at), self.x_at(end_of(point.at, span)))
    }

    /// How high a value is, within the axis.
    pub(crate) fn y_at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    }

    /// [`Frame::x_at`] as text.
    pub(crate) fn x(&self, at: Timestamp) -> String {
        coordinate(self.x_at(at))
    }

    /// [`Frame::y_at`] as text.
    pub(crate) fn y(&self, value: f64) -> String {
        coordinate(self.y_at(value))
    }

    /// Where the text of a tick stands.
    pub(crate) fn text_y(&self, value: f64) -> f64 {
        self.y_at(value) + HALF_TEXT
    }

    /// Where the text of a threshold stands: above it.
    pub(crate) fn threshold_text_y(&self, value: f64) -> String {
        coordinate(self.y_at(value) - ABOVE)
    }

    /// A line across at each value, and a short one below at each time.
    pub(crate) fn grid(&self, axis: &ValueAxis, times: &[TimeTick]) -> String {
        let (left, right, bottom) = (coordinate(LEFT), coordinate(RIGHT), coordinate(BOTTOM));
        let values = axis.ticks.iter().map(|tick| format!("M{left} {}H{right}", self.y(*tick)));
        let times = times.iter().map(|tick| format!("M{} {bottom}v4", self.x(tick.at)));
        values.chain(times).collect()
    }
}

/// A place to a tenth of the drawing's unit.
pub(crate) fn coordinate(place: f64) -> String {
    let text = format!("{place:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
