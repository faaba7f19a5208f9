//! Colours on a light ground, which people tell apart who see few.

/// Colours of a page, a mail or a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    pub(crate) text: &'static str,
    pub(crate) soft: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) page: &'static str,
    /// Behind what needs a person.
    pub(crate) mark: &'static str,
    /// Of what is bad.
    pub(crate) bad: &'static str,
    /// Of series, by their place.
    pub(crate) series: [&'static str; 8],
}

/// Of a light page, and of mails and pictures.
pub(crate) const LIGHT: Palette = Palette {
    text: "#1b1f24",
    soft: "#5a6370",
    rule: "#d9dde3",
    page: "#fff",
    mark: "#f3f5f7",
    bad: "#a84a00",
    series: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000", "#999"],
};
