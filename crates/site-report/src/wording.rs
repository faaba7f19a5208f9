//! Names, dates and durations of a report, in its language.

use event_model::name::one_line;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::bounds::MAX_NAME_CHARS;
use crate::content::{Period, PeriodKind, Report};
use crate::number::NumberStyle;
use crate::words::{Words, filled, words_of};

/// The longest channel beside a device, in characters.
const MAX_CHANNEL_CHARS: usize = 20;

/// What one report is written with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wording<'a> {
    /// Its words.
    pub(crate) words: &'static Words,
    /// How it writes numbers.
    pub(crate) numbers: NumberStyle,
    /// Whose dates and times it says.
    pub(crate) period: &'a Period,
}

impl<'a> Wording<'a> {
    /// Of a page.
    pub(crate) fn typeset(report: &'a Report) -> Self {
        let words = words_of(report.language.as_deref());
        Self { words, numbers: NumberStyle::typeset(words), period: &report.period }
    }

    /// Of a mail.
    pub(crate) fn plain(report: &'a Report) -> Self {
        let words = words_of(report.language.as_deref());
        Self { words, numbers: NumberStyle::plain(words), period: &report.period }
    }

    /// The day or the month.
    pub(crate) fn period(self) -> String {
        let form = match self.period.kind {
            PeriodKind::Day => self.words.date,
            PeriodKind::Month => self.words.month,
        };
        self.date(form, self.period.first_day)
    }

    /// Whose times are said, and how long a day is that has not 24 hours.
    pub(crate) fn times(self) -> String {
        let Period { kind, from, to, zone, .. } = self.period;
        let offset = || zone.to_offset(*from).to_string();
        let name = zone.iana_name().map_or_else(offset, str::to_owned);
        let mut times = filled(self.words.times_of, &[("zone", &name)]);
        let length = to.duration_since(*from);
        if *kind == PeriodKind::Day && length != SignedDuration::from_hours(24) {
            let hours = self.numbers.number(length.as_secs_f64() / 3600.0);
            times.push(' ');
            times.push_str(&filled(self.words.hours_of_day, &[("hours", &hours)]));
        }
        times
    }

    /// A date in one of the language's forms.
    pub(crate) fn date(self, form: &str, date: Date) -> String {
        let month = usize::from(date.month().unsigned_abs()) - 1;
        let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
        filled(
            form,
            &[
                ("weekday", &self.words.weekdays[weekday]),
                ("day", &date.day()),
                ("month", &self.words.months[month]),
                ("short_month", &self.words.short_months[month]),
                ("number", &date.month()),
                ("year", &date.year()),
            ],
        )
    }

    /// An instant to the minute: with its date where that is not the day of the report, with its year where that is not the
    /// report's, and with the zone's letters where the clock shows the time twice.
    pub(crate) fn moment(self, at: Timestamp) -> String {
        let Period { kind, first_day, zone, .. } = self.period;
        let shown = at.to_zoned(zone.clone());
        let (date, time) = (shown.date(), shown.time());
        let mut text = match kind {
            PeriodKind::Day if date == *first_day => String::new(),
            _ if date.year() == first_day.year() => self.date(self.words.short_date, date) + " ",
            _ => self.date(self.words.short_date_of_year, date) + " ",
        };
        text.push_str(&format!("{:02}:{:02}", time.hour(), time.minute()));
        if zone.to_ambiguous_timestamp(shown.datetime()).is_ambiguous() {
            text.push(' ');
            text.push_str(zone.to_offset_info(at).abbreviation());
        }
        text
    }

    /// A duration in its two largest units, to the minute.
    pub(crate) fn duration(self, duration: SignedDuration) -> String {
        let Words { days, hours, minutes, no_minute, .. } = self.words;
        let all = duration.as_mins().max(0);
        let (day, hour, minute) = (all / 1440, all / 60 % 24, all % 60);
        match (day, hour, minute) {
            (0, 0, 0) => (*no_minute).to_owned(),
            (0, 0, _) => format!("{minute} {minutes}"),
            (0, _, 0) => format!("{hour} {hours}"),
            (0, _, _) => format!("{hour} {hours} {minute} {minutes}"),
            (_, 0, _) => format!("{day} {days}"),
            _ => format!("{day} {days} {hour} {hours}"),
        }
    }
}

/// A name as it is shown: in one line and of at most [`MAX_NAME_CHARS`]; a dash where it is blank. Also without what XML cannot
/// hold.
pub(crate) fn shown_name(name: &str) -> String {
    shown(name, MAX_NAME_CHARS)
}

/// The device, and its channel where it has several: together as long as a name.
pub(crate) fn place(device: &str, channel: &str) -> String {
    if channel.is_empty() {
        return shown_name(device);
    }
    let channel = shown(channel, MAX_CHANNEL_CHARS);
    let device = shown(device, MAX_NAME_CHARS - 1 - channel.chars().count());
    format!("{device}/{channel}")
}

/// A text in one line, without what XML cannot hold.
pub(crate) fn line(text: &str) -> String {
    one_line(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn shown(name: &str, most: usize) -> String {
    // Whatever comes behind is not looked at, however long it is.
    let begin: String = name.trim_start().chars().take(most + 1).collect();
    let line = line(begin.trim_end());
    if line.trim().is_empty() {
        return "\u{2013}".to_owned();
    }
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{place, shown_name};

    #[test]
    fn a_name_is_one_line_of_bounded_length() {
        assert_eq!(shown_name(" gh\r\n1\t"), "gh  1");
        assert_eq!(shown_name(" \n "), "–");
        assert_eq!(shown_name(&"ä".repeat(60)), "ä".repeat(60));
        assert_eq!(shown_name(&"ä".repeat(61)), "ä".repeat(59) + "…");
    }

    #[test]
    fn a_place_is_as_long_as_a_name_and_both_its_parts_are_seen() {
        assert_eq!(place("gh-1", ""), "gh-1");
        assert_eq!(place("gh-1", "roof"), "gh-1/roof");
        let long = place(&"d".repeat(100), &"c".repeat(100));
        assert_eq!(long, "d".repeat(38) + "…/" + &"c".repeat(19) + "…");
    }
}
