//! The words of a language, and how it writes dates and numbers.

mod english;
mod german;

use std::fmt::Display;

/// What a report is written with. A further language is a further value, and a line in [`words_of`].
///
/// Sentences have names in braces ([`filled`]).
#[derive(Debug)]
pub(crate) struct Words {
    /// The language's tag (BCP 47).
    pub(crate) tag: &'static str,
    /// What stands before a number's decimals.
    pub(crate) decimal: char,
    /// From Monday.
    pub(crate) weekdays: [&'static str; 7],
    /// From January.
    pub(crate) months: [&'static str; 12],
    /// From January, as short as on an axis.
    pub(crate) short_months: [&'static str; 12],
    /// A date in full, of `weekday`, `day`, `month`, `number` (of the month), `short_month`, `year`.
    pub(crate) date: &'static str,
    /// A month.
    pub(crate) month: &'static str,
    /// A date without its year.
    pub(crate) short_date: &'static str,
    /// A date with its year.
    pub(crate) short_date_of_year: &'static str,
    /// The unit of days.
    pub(crate) days: &'static str,
    /// The unit of hours.
    pub(crate) hours: &'static str,
    /// The unit of minutes.
    pub(crate) minutes: &'static str,
    /// A duration that is no minute.
    pub(crate) no_minute: &'static str,

    /// Whose times are said: `zone`.
    pub(crate) times_of: &'static str,
    /// Of a day that has not 24: `hours`.
    pub(crate) hours_of_day: &'static str,
    /// The heading of what needs a person.
    pub(crate) attention: &'static str,
    /// Alerts that fire.
    pub(crate) firing: Counted,
    /// Devices that are silent.
    pub(crate) silent: Counted,
    /// Dead letters that are open.
    pub(crate) dead_letters: Counted,
    /// Where there is no metric.
    pub(crate) nothing_measured: &'static str,
    /// A heading of `metric` and `unit`.
    pub(crate) metric_in_unit: &'static str,
    /// The heading of alerts.
    pub(crate) alerts: &'static str,
    /// Alerts of the period.
    pub(crate) fired: Counted,
    /// The heading of what is known of the data.
    pub(crate) quality: &'static str,
    /// Devices that sent: `sent` of `all`.
    pub(crate) devices_sent: &'static str,
    /// Readings: `n`, and `bad` ones.
    pub(crate) readings_read: &'static str,
    /// Where the page is: `link`.
    pub(crate) page_at: &'static str,
    /// The words that lead to the page.
    pub(crate) page: &'static str,
    /// Charts that a mail leaves to the page.
    pub(crate) more_charts: Counted,
    /// Rows that are left out.
    pub(crate) more_rows: Counted,
    /// Metrics that are left out.
    pub(crate) more_metrics: Counted,

    /// What a chart shows: `series`, `low`, `high`.
    pub(crate) caption: &'static str,
    /// How many series.
    pub(crate) series: Counted,
    /// What the band of one series is.
    pub(crate) band: &'static str,
    /// Which lines a chart has, and its band: `shown` of `all`.
    pub(crate) first_lines: &'static str,
    /// Which bars or dots a chart has: `shown` of `all`.
    pub(crate) first_series: &'static str,
    /// A threshold: `value`.
    pub(crate) threshold: &'static str,
    /// Thresholds that a chart is too small for: `values`.
    pub(crate) thresholds_beyond: &'static str,
    /// Where no chart has room for a metric.
    pub(crate) no_chart: &'static str,

    /// The headings of columns.
    pub(crate) columns: Columns,
    /// By severity: info, warning, critical.
    pub(crate) severities: [&'static str; 3],
    /// In the place of the end of an alert that has none.
    pub(crate) fires_still: &'static str,
    /// In the place of a time, where there was none.
    pub(crate) never: &'static str,
}

/// The headings of columns.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) severity: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) device: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) begin: &'static str,
    pub(crate) end: &'static str,
    pub(crate) duration: &'static str,
    pub(crate) last_seen: &'static str,
    /// The mean of values.
    pub(crate) mean: &'static str,
    /// By how much a counter rose.
    pub(crate) rise: &'static str,
    /// The mean direction.
    pub(crate) direction: &'static str,
    /// The share of time of a flag.
    pub(crate) share: &'static str,
    /// The value of the period before.
    pub(crate) before: &'static str,
    /// The value of the day before.
    pub(crate) day_before: &'static str,
    /// The value of the month before.
    pub(crate) month_before: &'static str,
    pub(crate) min: &'static str,
    pub(crate) max: &'static str,
    /// What a counter showed at least.
    pub(crate) min_count: &'static str,
    /// What a counter showed at most.
    pub(crate) max_count: &'static str,
    pub(crate) readings: &'static str,
    pub(crate) bad: &'static str,
}

/// A sentence about a number of things, `n`.
#[derive(Debug)]
pub(crate) struct Counted {
    /// Of none.
    pub(crate) none: &'static str,
    /// Of one.
    pub(crate) one: &'static str,
    /// Of more.
    pub(crate) many: &'static str,
}

impl Counted {
    /// The sentence for `n` things.
    pub(crate) fn of(&self, n: u64) -> String {
        let sentence = match n {
            0 => self.none,
            1 => self.one,
            _ => self.many,
        };
        filled(sentence, &[("n", &n)])
    }
}

/// The words of a language; English where its tag is none that is known.
pub(crate) fn words_of(tag: Option<&str>) -> &'static Words {
    let language = tag.and_then(|tag| tag.trim().split('-').next()).unwrap_or_default();
    if language.eq_ignore_ascii_case("de") { &german::WORDS } else { &english::WORDS }
}

/// A sentence with its names in braces replaced. What is filled in is not looked into; a name that is not given stays.
pub(crate) fn filled(sentence: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut text = String::with_capacity(sentence.len() + 16);
    let mut rest = sentence;
    while let Some((plain, named)) = rest.split_once('{') {
        text.push_str(plain);
        let Some((name, after)) = named.split_once('}') else {
            text.push('{');
            rest = named;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => text.push_str(&value.to_string()),
            None => text.push_str(name),
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::{filled, words_of};

    #[test]
    fn a_tag_names_its_language_whatever_its_case_and_region() {
        for (tag, language) in [
            (Some("de"), "de"),
            (Some("DE-at"), "de"),
            (Some("den"), "en"),
            (Some("en-GB"), "en"),
            (Some(""), "en"),
            (None, "en"),
        ] {
            assert_eq!(words_of(tag).tag, language, "{tag:?}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_looked_into() {
        assert_eq!(filled("{a} of {b}", &[("a", &"{b}"), ("b", &2)]), "{b} of 2");
    }
}
