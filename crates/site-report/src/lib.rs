#![doc = include_str!("../README.md")]

mod axis;
mod bounds;
mod chart;
mod content;
mod html;
mod mail;
mod number;
mod page;
mod palette;
mod picture;
mod rows;
mod wording;
mod words;

pub use bounds::{
    MAX_CHART_POINTS, MAX_CHART_SERIES, MAX_CHARTS, MAX_HTML_BYTES, MAX_METRICS, MAX_NAME_CHARS,
    MAX_PICTURE_BYTES, MAX_ROWS, MAX_SUBJECT_CHARS, MAX_TEXT_METRICS, MAX_TEXT_ROWS, MAX_THRESHOLDS,
};
pub use content::{
    AlertLine, ChartPoint, MetricSection, Period, PeriodKind, Report, SeriesSection, SilentDevice,
};
pub use html::{HtmlMail, Image, html};
pub use mail::{subject, text};
pub use page::page;
pub use picture::PictureError;
