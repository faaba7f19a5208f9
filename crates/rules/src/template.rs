//! Annotations: texts with placeholders, such as `{device} is at {value} {unit}`.
//!
//! Known are `{device}`, `{source}`, `{channel}`, `{metric}`, `{value}`, `{unit}`, `{threshold}`, `{rule}`, `{severity}` and
//! `{tag.NAME}`; `{{` and `}}` stand for braces. What has no value in an alert (`{value}` in a silence, a tag that a device
//! does not have) is empty. Whatever a device sends is filled in as one line ([`one_line`]).

use std::fmt::Write as _;

use event_model::name::one_line;
use jiff::SignedDuration;
use thiserror::Error;

use crate::rule::{Condition, Rule};
use crate::series::Series;

/// The names that may stand between braces, beside `tag.NAME`.
pub const PLACEHOLDERS: [&str; 9] =
    ["device", "source", "channel", "metric", "value", "unit", "threshold", "rule", "severity"];

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Nothing has this name.
    #[error("unknown placeholder `{{{0}}}`; known are {known}, tag.NAME", known = PLACEHOLDERS.join(", "))]
    Unknown(String),
    /// `{` without its `}`.
    #[error("`{{` without a closing `}}`; write `{{{{` for a brace")]
    Unclosed,
    /// `}` without its `{`.
    #[error("`}}` without an opening `{{`; write `}}}}` for a brace")]
    Unopened,
}

/// A text with placeholders that are all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
    Tag(String),
}

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The series.
    pub series: &'a Series,
    /// What the condition looked at.
    pub value: Option<f64>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] at the first brace or name that does not fit.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            plain.push_str(&rest[..brace]);
            let (found, after) = rest[brace..].split_at(1);
            if let Some(after) = after.strip_prefix(found) {
                plain.push_str(found);
                rest = after;
            } else if found == "}" {
                return Err(TemplateError::Unopened);
            } else {
                let (name, after) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::named(name.trim())?);
                rest = after;
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// The text with its placeholders filled in.
    pub fn render(&self, facts: Facts<'_>) -> String {
        let Facts { rule, series, value } = facts;
        self.0.iter().fold(String::new(), |mut text, part| {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Tag(tag) => text.push_str(&one_line(series.tags.get(tag).map_or("", String::as_str))),
                Part::Field("device") => text.push_str(&one_line(&series.device)),
                Part::Field("source") => text.push_str(&one_line(&series.source)),
                Part::Field("channel") => text.push_str(&one_line(&series.channel)),
                Part::Field("metric") => text.push_str(&one_line(&series.metric)),
                Part::Field("unit") => text.push_str(&one_line(&unit(&series.unit))),
                Part::Field("rule") => text.push_str(&rule.name),
                Part::Field("severity") => text.push_str(rule.severity.as_str()),
                Part::Field("threshold") => text.push_str(&threshold(&rule.condition)),
                Part::Field(_) => text.push_str(&value.map(number).unwrap_or_default()),
            }
            text
        })
    }
}

impl Part {
    fn named(name: &str) -> Result<Self, TemplateError> {
        if let Some(tag) = name.strip_prefix("tag.").filter(|tag| !tag.is_empty()) {
            return Ok(Self::Tag(tag.to_owned()));
        }
        let known = PLACEHOLDERS.iter().find(|known| **known == name);
        known.map(|known| Self::Field(known)).ok_or_else(|| TemplateError::Unknown(name.to_owned()))
    }
}

/// The condition's threshold in words.
pub fn threshold(condition: &Condition) -> String {
    match *condition {
        Condition::Above { threshold, .. } | Condition::Below { threshold, .. } => number(threshold),
        Condition::Outside { low, high, .. } => format!("{} to {}", number(low), number(high)),
        Condition::RateOfChange { threshold, per, .. } => {
            format!("{} per {}", number(threshold), duration(per))
        }
        Condition::Absent { after } => duration(after),
    }
}

/// The unit of a symbol as people write it: `Cel` is °C, `ug/m3` is µg/m³.
pub fn unit(symbol: &str) -> String {
    let symbol = match symbol {
        "Cel" => "°C",
        "[degF]" => "°F",
        "%RH" => "%",
        "deg" => "°",
        "Ohm" => "Ω",
        "kOhm" => "kΩ",
        _ => symbol,
    };
    let text = symbol.replace("m2", "m²").replace("m3", "m³");
    let micro = ["ug", "uS", "us"].into_iter().any(|prefix| text.starts_with(prefix));
    if micro { text.replacen('u', "µ", 1) } else { text }
}

/// A number as a person writes it: at most six digits behind the point, and no more digits than mean something.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{value:e}");
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A duration as `freshet.yaml` writes it: `1d`, `1h30m`, `90s` is `1m30s`.
pub fn duration(duration: SignedDuration) -> String {
    let mut seconds = duration.as_secs();
    let mut text = String::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let count = seconds / length;
        seconds %= length;
        if count != 0 {
            // Writing into a String cannot fail.
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { format!("{}ms", duration.as_millis()) } else { text }
}

#[cfg(test)]
mod tests {
    use event_model::Severity;
    use jiff::SignedDuration;

    use super::{Facts, Template, TemplateError, duration, number, unit};
    use crate::rule::{Condition, Rule, Selector};
    use crate::series::Series;

    fn render(text: &str) -> String {
        render_in(text, "north")
    }

    fn render_in(text: &str, site: &str) -> String {
        let rule = Rule {
            name: "TooHot".into(),
            metric: "temperature".into(),
            selector: Selector::default(),
            condition: Condition::Above { threshold: 30.0, clear: 28.0 },
            hold: SignedDuration::ZERO,
            severity: Severity::Critical,
            labels: [].into(),
            annotations: [].into(),
        };
        let series = Series {
            device: "gh-1".into(),
            unit: "Cel".into(),
            tags: [("site".into(), site.into())].into(),
            ..Series::default()
        };
        Template::parse(text).unwrap().render(Facts {
            rule: &rule,
            series: &series,
            value: Some(31.200_000_000_1),
        })
    }

    #[test]
    fn placeholders_are_filled_in() {
        let text =
            "{rule} ({severity}): {device} in {tag.site}{tag.none} at {value} {unit}, over {threshold}";
        assert_eq!(render(text), "TooHot (critical): gh-1 in north at 31.2 °C, over 30");
        assert_eq!(render("{{ {device} }}"), "{ gh-1 }");
        assert_eq!(render(""), "");
    }

    #[test]
    fn what_a_device_sends_stays_one_line_in_its_own_order() {
        let site = "north\nResolved at 2026-03-01\r\n\u{1b}[31m\u{9b}0m\u{2028}\u{202e}dlo\u{2066}";
        assert_eq!(
            render_in("at {tag.site}\nnow", site),
            "at north Resolved at 2026-03-01   [31m 0m  dlo \nnow"
        );
    }

    #[test]
    fn what_is_no_placeholder_is_refused() {
        let parse = |text| Template::parse(text).unwrap_err();
        assert_eq!(parse("{devise}"), TemplateError::Unknown("devise".into()));
        assert_eq!(parse("{}"), TemplateError::Unknown(String::new()));
        assert_eq!(parse("{tag.}"), TemplateError::Unknown("tag.".into()));
        assert_eq!(parse("{device"), TemplateError::Unclosed);
        assert_eq!(parse("device}"), TemplateError::Unopened);
        assert!(
            parse("{devise}").to_string().starts_with("unknown placeholder `{devise}`; known are device, ")
        );
    }

    #[test]
    fn units_are_those_that_people_write() {
        assert_eq!(
            ["Cel", "%RH", "ug/m3", "m3/h", "hPa", "mm", ""].map(unit),
            ["°C", "%", "µg/m³", "m³/h", "hPa", "mm", ""]
        );
    }

    #[test]
    fn numbers_and_durations_are_short() {
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(1013.25), "1013.25");
        assert_eq!(number(1e300), "1e300");
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(duration(SignedDuration::from_mins(90)), "1h30m");
        assert_eq!(duration(SignedDuration::from_millis(200)), "200ms");
    }
}
