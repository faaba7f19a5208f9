#![doc = include_str!("../README.md")]

mod axis;
mod bounds;
mod chart;
mod content;
mod mail;
mod number;
mod page;
mod rows;
mod wording;
mod words;

pub use bounds::{
    MAX_CHART_POINTS, MAX_CHART_SERIES, MAX_CHARTS, MAX_METRICS, MAX_NAME_CHARS, MAX_ROWS, MAX_SUBJECT_CHARS,
    MAX_TEXT_METRICS, MAX_TEXT_ROWS, MAX_THRESHOLDS,
};
pub use content::{
    AlertLine, ChartPoint, MetricSection, Period, PeriodKind, Report, SeriesSection, SilentDevice,
};
pub use mail::{subject, text};
pub use page::page;
