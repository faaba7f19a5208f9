//! The mail: its subject, and its text.

use std::fmt::Write as _;

use event_model::name::one_line;
use textwrap::core::display_width;
use textwrap::{Options, WordSplitter};

use crate::bounds::{MAX_SUBJECT_CHARS, MAX_TEXT_METRICS, MAX_TEXT_ROWS, shares};
use crate::content::Report;
use crate::rows::{
    AlertRow, SeriesTable, alert_rows, heading, more_rows, quality, series_table, silent_rows,
};
use crate::wording::{Wording, shown_name};

/// The widest line, in columns; a word that is longer has a line of its own.
const WIDTH: usize = 75;

/// The least width of the column of names.
const MIN_NAME_WIDTH: usize = 12;

/// The heading of the column of differences.
const DIFFERENCE: &str = "+/-";

/// What is missing at the end of a name that is cut.
const CUT: char = '…';

/// The subject of a report's mail: site and period, in one line of at most [`MAX_SUBJECT_CHARS`] characters.
pub fn subject(report: &Report) -> String {
    let period = Wording::plain(report).period();
    format!("{}: {period}", shown_name(&report.site)).chars().take(MAX_SUBJECT_CHARS).collect()
}

/// The plain text of a report's mail, with the page's address where there is one. Lines have at most 75 columns, but where a word is
/// longer, such as the address; each ends with a line feed.
pub fn text(report: &Report, link: Option<&str>) -> String {
    let wording = Wording::plain(report);
    let words = wording.words;
    let sections = &report.metrics[..report.metrics.len().min(MAX_TEXT_METRICS)];
    let fixed = [report.firing.len(), report.silent.len(), report.alerts.len()];
    let wanted: Vec<usize> =
        fixed.into_iter().chain(sections.iter().map(|section| section.series.len())).collect();
    let rows = shares(&wanted, MAX_TEXT_ROWS);

    let mut text = Text::default();
    text.paragraph(&subject(report));
    text.paragraph(&wording.times());
    if let Some(link) = link {
        text.paragraph(&crate::words::filled(words.page_at, &[("link", &one_line(link.trim()))]));
    }

    text.heading(words.attention);
    text.paragraph(&words.firing.of(report.firing.len() as u64));
    text.alerts(&alert_rows(&report.firing, rows[0], wording));
    text.paragraph(&more_rows(report.firing.len(), rows[0], wording));
    text.paragraph(&words.silent.of(report.silent.len() as u64));
    for row in silent_rows(&report.silent, rows[1], wording) {
        text.item(&format!("{} ({}: {})", row.device, words.columns.last_seen, row.last_seen));
    }
    text.paragraph(&more_rows(report.silent.len(), rows[1], wording));
    text.paragraph(&words.dead_letters.of(report.open_dead_letters));

    if sections.is_empty() {
        text.blank();
        text.paragraph(words.nothing_measured);
    }
    for (section, most) in sections.iter().zip(&rows[fixed.len()..]) {
        let table = series_table(section, *most, wording);
        text.heading(&heading(section, wording));
        text.table(&table, [words.columns.device, words.columns.readings, words.columns.bad]);
        text.paragraph(&table.more);
    }
    let left_out = (report.metrics.len() - sections.len()) as u64;
    if left_out > 0 {
        text.blank();
        text.paragraph(&words.more_metrics.of(left_out));
    }

    text.heading(words.alerts);
    text.paragraph(&words.fired.of(report.alerts.len() as u64));
    text.alerts(&alert_rows(&report.alerts, rows[2], wording));
    text.paragraph(&more_rows(report.alerts.len(), rows[2], wording));

    text.heading(words.quality);
    for sentence in quality(report, wording) {
        text.paragraph(&sentence);
    }
    text.0
}

/// A text of lines.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    /// A line above what belongs to it.
    fn heading(&mut self, heading: &str) {
        self.blank();
        self.paragraph(heading);
        self.paragraph(&"-".repeat(display_width(heading).min(WIDTH)));
    }

    /// As many lines as it takes; none of no words.
    fn paragraph(&mut self, words: &str) {
        self.wrapped(words, "", "");
    }

    /// A paragraph of a list.
    fn item(&mut self, words: &str) {
        self.wrapped(words, "* ", "  ");
    }

    fn wrapped(&mut self, words: &str, first: &str, others: &str) {
        if words.is_empty() {
            return;
        }
        let options = Options::new(WIDTH)
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation)
            .initial_indent(first)
            .subsequent_indent(others);
        for line in textwrap::wrap(words, options) {
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }

    fn alerts(&mut self, rows: &[AlertRow]) {
        for row in rows {
            let AlertRow { severity, rule, place, metric, begin, end, duration, .. } = row;
            self.item(&format!("{severity}: {rule}: {place}, {metric}, {begin} \u{2013} {end} ({duration})"));
        }
    }

    /// A table with a column of names and columns of numbers, which stand at their right.
    fn table(&mut self, table: &SeriesTable, [name, readings, bad]: [&str; 3]) {
        let [value, before, min, max] = table.short_headings;
        let head = [value, before, DIFFERENCE, min, max, readings, bad].map(str::to_owned);
        let numbers: Vec<[String; 7]> = table
            .rows
            .iter()
            .map(|row| {
                let (value, before, difference) =
                    (row.value.clone(), row.before.clone(), row.difference.clone());
                let (min, max) = (row.min.clone(), row.max.clone());
                [value, before, difference, min, max, row.readings.to_string(), row.bad.to_string()]
            })
            .collect();
        let all = || std::iter::once(&head).chain(&numbers);
        let width = |column: usize| all().map(|cells| display_width(&cells[column])).max().unwrap_or(0);
        let widths: [usize; 7] = std::array::from_fn(width);
        let names: Vec<&str> =
            std::iter::once(name).chain(table.rows.iter().map(|row| row.place.as_str())).collect();
        let room = WIDTH.saturating_sub(widths.iter().map(|width| width + 2).sum()).max(MIN_NAME_WIDTH);
        let longest = names.iter().map(|name| display_width(name)).max().unwrap_or(0).min(room);
        for (name, cells) in names.into_iter().zip(all()) {
            let mut line = cut(name, longest);
            pad(&mut line, longest);
            for (cell, width) in cells.iter().zip(widths) {
                line.push_str("  ");
                let cell_width = display_width(cell);
                line.push_str(&" ".repeat(width.saturating_sub(cell_width)));
                line.push_str(cell);
            }
            // Writing into a String cannot fail.
            let _ = writeln!(self.0, "{}", line.trim_end());
        }
    }
}

fn pad(line: &mut String, width: usize) {
    line.push_str(&" ".repeat(width.saturating_sub(display_width(line))));
}

/// A name in so many columns.
fn cut(name: &str, width: usize) -> String {
    if display_width(name) <= width {
        return name.to_owned();
    }
    let mut cut = String::new();
    for character in name.chars() {
        let mut longer = cut.clone();
        longer.push(character);
        if display_width(&longer) >= width {
            break;
        }
        cut = longer;
    }
    cut.push(CUT);
    cut
}
