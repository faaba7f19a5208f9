//! The mail's HTML and its pictures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sample;

use event_model::Aggregate;
use jiff::civil::{Date, date};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};
use roxmltree::{Document, ParsingOptions};
use site_report::{
    AlertLine, HtmlMail, MAX_HTML_BYTES, MAX_PICTURE_BYTES, MAX_TEXT_METRICS, MAX_TEXT_ROWS, MetricSection,
    Report, SilentDevice, html, page, text,
};

use sample::{alert, day, empty, greenhouse, month, series, site, temperature};

const DAY: Date = date(2026, 11, 29);
const LINK: &str = "https://reports.example.com/north.html?a=1&b=2";

/// The width and the height of each picture, in pixels.
const SIZE: (usize, usize) = (1144, 352);

/// A picture: red, green and blue of each pixel.
struct Pixels(Vec<[u8; 3]>);

impl Pixels {
    fn of(png: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.width as usize, info.height as usize), SIZE);
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        Self(bytes.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    }

    fn rows(&self) -> impl Iterator<Item = &[[u8; 3]]> {
        self.0.chunks_exact(SIZE.0)
    }

    /// How many have the colour of a series, or nearly.
    fn count(&self, color: [u8; 3]) -> usize {
        self.0.iter().filter(|pixel| is_near(pixel, color)).count()
    }

    /// In which columns there is a colour, from the left: begins and ends of runs.
    fn columns(&self, color: [u8; 3]) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for x in (0..SIZE.0).filter(|x| self.rows().any(|row| is_near(&row[*x], color))) {
            match runs.last_mut() {
                Some((_, end)) if *end == x => *end = x + 1,
                _ => runs.push((x, x + 1)),
            }
        }
        runs
    }

    /// How dark each of 16 x 8 fields is: a digit from 0, for white, to 9.
    fn fields(&self) -> Vec<String> {
        let (width, height) = (SIZE.0.div_ceil(16), SIZE.1.div_ceil(8));
        let dark = |x: usize, y: usize| {
            let rows = self.rows().skip(y * height).take(height);
            let within = rows.flat_map(|row| row.iter().skip(x * width).take(width));
            let (sum, all) = within.fold((0_usize, 0_usize), |(sum, all), pixel| {
                (sum + pixel.iter().map(|part| usize::from(255 - part)).sum::<usize>(), all + 1)
            });
            // A field of which half is black is a 9.
            (sum * 9 * 2 / (all * 3 * 255)).min(9)
        };
        (0..8).map(|y| (0..16).map(|x| dark(x, y).to_string()).collect()).collect()
    }
}

fn is_near(pixel: &[u8; 3], color: [u8; 3]) -> bool {
    pixel.iter().zip(color).all(|(one, other)| one.abs_diff(other) < 24)
}

const FIRST: [u8; 3] = [0x00, 0x72, 0xb2];
const SECOND: [u8; 3] = [0xd5, 0x5e, 0x00];
const DARK: [u8; 3] = [0x1b, 0x1f, 0x24];

fn pictures(report: &Report) -> Vec<Pixels> {
    html(report, None).unwrap().images.iter().map(|image| Pixels::of(&image.png)).collect()
}

fn picture(metric: MetricSection) -> Pixels {
    let mut pictures = pictures(&Report { metrics: vec![metric], ..empty(day(DAY)) });
    assert_eq!(pictures.len(), 1);
    pictures.remove(0)
}

fn parsed(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap()
}

fn words(html: &str) -> String {
    let document = parsed(html);
    let texts = document.root().descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text());
    texts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names of the pictures that a document shows, in order.
fn shown(html: &str) -> Vec<String> {
    let document = parsed(html);
    let sources = document.descendants().filter_map(|node| node.attribute("src").map(str::to_owned));
    sources.collect()
}

#[test]
fn a_document_has_no_script_no_style_sheet_and_nothing_that_is_fetched() {
    let HtmlMail { html, .. } = html(&greenhouse(None), Some(LINK)).unwrap();
    for word in ["<script", "<style", "<link", "<iframe", "<svg", "url(", "@import", " onload=", "class="] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(shown(&html).iter().all(|source| source.starts_with("cid:")));
    let document = parsed(&html);
    let links: Vec<&str> = document.descendants().filter_map(|node| node.attribute("href")).collect();
    assert_eq!(links, [LINK]);
    let body = document.descendants().find(|node| node.tag_name().name() == "body").unwrap();
    assert_eq!(body.attribute("bgcolor"), Some("#fff"));
}

#[test]
fn it_says_what_the_text_says_and_what_needs_a_person_first() {
    for language in [None, Some("de")] {
        let report = greenhouse(language);
        let html = html(&report, None).unwrap().html;
        let said = words(&html).replace('−', "-");
        let text = text(&report, None);
        // Each number and word of the text but those of its headings, which are longer here.
        let mut missing: Vec<&str> = text
            .split_whitespace()
            .map(|word| word.trim_matches(['*', ':', '(', ')', ',']))
            .filter(|word| !word.starts_with("--") && !said.contains(word))
            .collect();
        missing.retain(|word| !["Before", "+/-", "Zuvor"].contains(word));
        assert!(missing.is_empty(), "{missing:?} of {said}");
        let at = |needle: &str| said.find(needle).unwrap_or_else(|| panic!("{needle}: {said}"));
        assert!(at("HumidityTooLow") < at("Bay 4") && at("Bay 4") < at("temperature in"));
    }
}

#[test]
fn each_chart_is_a_picture_with_words_around_it() {
    let HtmlMail { html, images } = html(&greenhouse(None), None).unwrap();
    let names: Vec<String> = images.iter().map(|image| format!("cid:{}", image.content_id)).collect();
    assert_eq!((shown(&html), names.len()), (names, 3));
    let document = parsed(&html);
    let alternatives: Vec<&str> = document.descendants().filter_map(|node| node.attribute("alt")).collect();
    assert_eq!(
        alternatives,
        [
            "temperature in °C: 5 series from 2.561 to 30.62",
            "humidity in %RH: 1 series from 55.53 to 79.81",
            "water in l: 3 series from 0 to 36.63",
        ]
    );
    let said = words(&html);
    let around = "40 30 20 10 0 00:00 06:00 12:00 18:00 24:00 ■ Bay 1 ■ Bay 2 ■ Bay 3/roof ■ Propagation ■ Outside \
                  - - Threshold 5 - - Threshold 30 5 series from 2.561 to 30.62.";
    assert!(said.contains(around), "{said}");
}

#[test]
fn no_name_becomes_markup() {
    const NAME: &str = "</p><img src=\"https://x\" onload='x'/>&amp;]]>\u{0}\u{ffff}\r\n\u{202e}";
    let mut report = greenhouse(None);
    NAME.clone_into(&mut report.site);
    NAME.clone_into(&mut report.firing[0].rule);
    NAME.clone_into(&mut report.firing[0].device);
    NAME.clone_into(&mut report.silent[0].device);
    for section in &mut report.metrics {
        NAME.clone_into(&mut section.metric);
        NAME.clone_into(&mut section.unit);
        for series in &mut section.series {
            NAME.clone_into(&mut series.device);
            NAME.clone_into(&mut series.channel);
        }
    }
    let html = html(&report, Some(&format!("https://{NAME}"))).unwrap().html;
    assert_eq!(shown(&html).len(), 3);
    assert!(shown(&html).iter().all(|source| source.starts_with("cid:")), "{html}");
    assert!(parsed(&html).descendants().all(|node| node.attribute("onload").is_none()));
    assert!(!html.contains(['\u{0}', '\u{202e}', '\u{ffff}']));
    assert!(words(&html).contains("</p><img src=\"https://x\" onload='x'/>"));
}

#[test]
fn a_picture_has_what_the_chart_has() {
    // Lines of 1080 pixels that are 3.5 pixels high, the second with a step, and dashes 2.5 pixels high.
    let picture = picture(MetricSection {
        thresholds: vec![12.5],
        ..temperature(vec![
            series("low", &day(DAY), |_| 5.0),
            series("step", &day(DAY), |span| if span < 12 { 10.0 } else { 20.0 }),
        ])
    });
    for (color, least, most) in [(FIRST, 2_000, 4_400), (SECOND, 2_000, 5_000), (DARK, 900, 2_500)] {
        let count = picture.count(color);
        assert!((least..most).contains(&count), "{color:?}: {count}");
    }
    let ink = picture.0.iter().filter(|pixel| **pixel != [255; 3]).count();
    assert!((10_000..60_000).contains(&ink), "{ink}");
    // Nothing at the edges: neither is anything cut, nor does a text stand there.
    assert!(picture.rows().take(4).flatten().all(|pixel| *pixel == [255; 3]));
    assert!(
        picture.rows().all(|row| row[..2].iter().chain(&row[SIZE.0 - 2..]).all(|pixel| *pixel == [255; 3]))
    );
}

#[test]
fn the_picture_of_a_known_chart_is_as_it_was() {
    let bars = series("meter", &day(DAY), |span| if span < 6 { 0.0 } else { (span as f64 - 5.0) / 2.0 });
    let picture = picture(MetricSection { aggregate: Aggregate::Counter, ..temperature(vec![bars]) });
    let expected = [
        "0000000000000000",
        "0000000000000035",
        "0000000000002697",
        "0000000000159897",
        "0000000014989897",
        "0000000498989897",
        "0000038898989897",
        "0000345454545454",
    ];
    let fields = picture.fields();
    let digits = |row: &str| row.bytes().map(i16::from).collect::<Vec<_>>();
    let far =
        |(is, be): (&String, &&str)| digits(is).iter().zip(digits(be)).any(|(is, be)| (is - be).abs() > 1);
    assert!(!fields.iter().zip(&expected).any(far), "{fields:#?}");
}

#[test]
fn a_gap_is_white_and_a_value_by_itself_is_a_dot() {
    let mut line = series("gh-1", &day(DAY), |_| 20.0);
    let all = line.points.clone();
    // Left: 0 to 5, 8, and 12 to 23. With a second series there is no band.
    line.points = [&all[0..6], &all[8..9], &all[12..24]].concat();
    let metric = temperature(vec![series("gh-2", &day(DAY), |_| 30.0), line]);
    let runs = picture(metric).columns(SECOND);
    // An hour is 47 pixels wide.
    let widths: Vec<usize> = runs.iter().map(|(from, to)| (to - from).div_ceil(47)).collect();
    assert_eq!(widths, [6, 1, 12], "{runs:?}");
    let dot = runs[1].1 - runs[1].0;
    assert!((7..=11).contains(&dot), "{runs:?}");
}

#[test]
fn a_value_alone_in_its_chart_is_seen() {
    let mut line = series("gh-1", &day(DAY), |_| 20.0);
    line.points.truncate(1);
    let picture = picture(MetricSection { aggregate: Aggregate::Direction, ..temperature(vec![line]) });
    let count = picture.count(FIRST);
    assert!((50..110).contains(&count), "{count}");
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let of = || html(&site(20, 5, &month(date(2026, 10, 1))), Some(LINK)).unwrap();
    assert_eq!(of(), of());
    // Pictures of two reports are told apart.
    let other = html(&site(20, 5, &month(date(2026, 9, 1))), Some(LINK)).unwrap();
    assert_ne!(of().images[0].content_id, other.images[0].content_id);
    assert_ne!(of().images[0].content_id, of().images[1].content_id);
}

#[test]
fn a_mail_of_a_usual_site_has_all_its_charts() {
    for period in [day(DAY), month(date(2026, 10, 1))] {
        let HtmlMail { html, images } = html(&site(20, 5, &period), Some(LINK)).unwrap();
        assert!(html.len() < 60_000, "{}", html.len());
        assert_eq!(images.len(), 5);
        assert!(!html.contains("more chart"));
    }
}

/// A month in which the lines of each metric go up and down all the time.
fn busy(metrics: usize) -> Report {
    let mut report = site(8, 5, &month(date(2026, 10, 1)));
    report.metrics.retain(|section| section.aggregate == Aggregate::Flag);
    report.metrics = vec![report.metrics[0].clone(); metrics];
    report
}

#[test]
fn pictures_for_which_there_is_no_room_are_on_the_page() {
    let HtmlMail { html, images } = html(&busy(14), Some(LINK)).unwrap();
    let size: usize = images.iter().map(|image| image.png.len()).sum();
    assert!(size <= MAX_PICTURE_BYTES, "{size}");
    assert!((4..MAX_TEXT_METRICS).contains(&images.len()), "{}", images.len());
    assert_eq!(shown(&html).len(), images.len());
    let said = words(&html);
    let left = MAX_TEXT_METRICS - images.len();
    assert!(said.contains(&format!("{left} more charts are on the page. Open the page")), "{said}");
    assert!(said.contains("2 more metrics are not shown."), "{said}");
    // Their tables are there.
    assert_eq!(html.matches(">Device number 0</td>").count(), MAX_TEXT_METRICS);
}

#[test]
fn no_document_is_large_however_things_are_called() {
    let name = || "&".repeat(1000);
    let mut report = site(1, 12, &month(date(2026, 10, 1)));
    let named = AlertLine {
        rule: name(),
        device: name(),
        channel: name(),
        metric: name(),
        ..alert(report.period.from, None)
    };
    report.firing = vec![named.clone(); 3000];
    report.alerts = vec![named; 3000];
    report.silent = vec![SilentDevice { device: name(), last_seen_at: None }; 3000];
    report.site = name();
    for section in &mut report.metrics {
        (section.metric, section.unit) = (name(), name());
        section.thresholds = (0..20).map(|n| 20.0 + f64::from(n) / 7.0).collect();
        section.series = vec![section.series[0].clone(); 30];
        for series in &mut section.series {
            series.device = name();
        }
    }
    let HtmlMail { html, images } = html(&report, Some(LINK)).unwrap();
    assert!(html.len() <= MAX_HTML_BYTES, "{}", html.len());
    assert!(images.iter().map(|image| image.png.len()).sum::<usize>() <= MAX_PICTURE_BYTES);
    let said = words(&html);
    assert!(said.contains("3000 alerts are firing.") && said.contains(" more are not shown."), "{said}");
}

#[test]
fn a_document_has_as_many_rows_as_the_text() {
    let report = site(200, 12, &day(DAY));
    let html = html(&report, None).unwrap().html;
    let text = text(&report, None);
    let rows = html.matches(">Device number ").count();
    assert_eq!(rows, text.matches("\nDevice number ").count());
    assert!((80..=MAX_TEXT_ROWS).contains(&rows), "{rows}");
}

#[test]
fn a_report_of_nothing_has_no_picture() {
    let HtmlMail { html, images } = html(&empty(day(DAY)), None).unwrap();
    assert!(images.is_empty() && words(&html).contains("Nothing was measured."));
}

#[test]
fn a_picture_has_its_lines_where_the_page_has_them() {
    let report = Report {
        metrics: vec![temperature(vec![
            series("up", &day(DAY), |span| span as f64),
            series("across", &day(DAY), |_| 11.0),
        ])],
        ..empty(day(DAY))
    };
    let (page, picture) = (page(&report), pictures(&report).remove(0));
    let document = parsed(&page);
    let lines: Vec<&str> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("line"))
        .filter_map(|node| node.attribute("d"))
        .collect();
    assert_eq!(lines.len(), 2);
    for (line, color) in lines.into_iter().zip([FIRST, SECOND]) {
        let places: Vec<f64> = line
            .split(['M', 'L', ' '])
            .filter(|place| !place.is_empty())
            .map(|place| place.parse().unwrap())
            .collect();
        let is_drawn = |place: &[f64]| {
            // The picture begins at 52, 8 of the drawing, and has two pixels for each of its units.
            let (x, y) = (((place[0] - 52.0) * 2.0) as usize, ((place[1] - 8.0) * 2.0) as usize);
            is_near(picture.rows().nth(y).map(|row| &row[x]).unwrap(), color)
        };
        // The second line is above the first where they cross.
        let drawn = places.chunks(2).filter(|place| is_drawn(place)).count();
        assert!(drawn >= 23, "{drawn} of {line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_mail_is_made_whatever_is_measured(
        name in any::<String>(),
        values in prop::collection::vec(any::<f64>(), 1..26),
        (low, high, n) in (any::<f64>(), any::<f64>(), any::<u64>()),
        aggregate in prop::sample::select(Aggregate::ALL.to_vec()),
    ) {
        let mut line = series(&name, &day(DAY), |span| values[span % values.len()]);
        line.channel.clone_from(&name);
        (line.before, line.min, line.max, line.n, line.bad) = (Some(low), Some(low), Some(high), n, n);
        let section = MetricSection {
            metric: name.clone(),
            unit: name.clone(),
            aggregate,
            thresholds: vec![low, high],
            series: vec![line.clone(), line],
        };
        let report = Report { site: name.clone(), metrics: vec![section], ..empty(day(DAY)) };
        let HtmlMail { html, images } = html(&report, Some(&name)).unwrap();
        prop_assert!(shown(&html).len() == images.len());
        for image in images {
            prop_assert!(Pixels::of(&image.png).0.iter().any(|pixel| *pixel != [255; 3]));
        }
    }
}
