#![doc = include_str!("../README.md")]

mod content;

pub use content::{AlertLine, ChartPoint, MetricSection, Period, PeriodKind, Report, SeriesSection, SilentDevice};
