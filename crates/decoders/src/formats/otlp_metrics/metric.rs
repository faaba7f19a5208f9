//! The tree of a request, in either encoding: resources, metrics, points.

use std::fmt;

use crate::json::Node;

/// What a metric's points hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Gauge, Self::Sum, Self::Histogram, Self::ExponentialHistogram, Self::Summary];

    /// The member of a metric that holds such points, in JSON and in `metrics.proto`.
    pub(super) const fn members(self) -> [&'static str; 2] {
        match self {
            Self::Gauge => ["gauge", "gauge"],
            Self::Sum => ["sum", "sum"],
            Self::Histogram => ["histogram", "histogram"],
            Self::ExponentialHistogram => ["exponentialHistogram", "exponential_histogram"],
            Self::Summary => ["summary", "summary"],
        }
    }
}

/// A metric without its points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric<'m> {
    pub(super) name: &'m str,
    /// As it is written; empty where there is none.
    pub(super) unit: &'m str,
    pub(super) kind: Kind,
}

/// Where a part of a request is: indices from the outermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Place {
    pub(super) resource: usize,
    pub(super) scope: Option<usize>,
    pub(super) metric: Option<usize>,
    pub(super) point: Option<(Kind, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "resourceMetrics[{}]", self.resource)?;
        if let Some(scope) = self.scope {
            write!(out, ".scopeMetrics[{scope}]")?;
        }
        if let Some(metric) = self.metric {
            write!(out, ".metrics[{metric}]")?;
        }
        let Some((kind, point)) = self.point else { return Ok(()) };
        write!(out, ".{}.dataPoints[{point}]", kind.members()[0])
    }
}

/// Looks at the parts of a request, one after the other.
pub(super) trait Visit {
    /// The points that follow are of a resource with these attributes.
    fn resource(&mut self, attributes: Option<&Node>);

    /// A point, as JSON has it.
    fn point(&mut self, metric: &Metric<'_>, point: &Node, place: Place);

    /// A part that makes no sense.
    fn problem(&mut self, place: Place, reason: String);

    /// Whether nothing more need be looked at.
    fn is_done(&self) -> bool;
}

/// The members of an object in either spelling: of JSON and of the `.proto` files.
pub(super) fn member<'n>(node: &'n Node, spellings: [&str; 2]) -> Option<&'n Node> {
    spellings.iter().find_map(|key| node.get(key))
}
