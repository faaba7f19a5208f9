//! The page: well-formed, escaped, bounded, and the same each time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sample;

use event_model::Aggregate;
use jiff::civil::date;
use proptest::prelude::{any, prop, prop_assert, proptest};
use roxmltree::{Document, Node, ParsingOptions};
use site_report::{
    AlertLine, MAX_CHARTS, MAX_METRICS, MAX_ROWS, MetricSection, Report, SilentDevice, page, text,
};

use sample::{alert, day, empty, greenhouse, month, series, site, temperature};

fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap()
}

fn elements<'a>(document: &'a Document<'_>, name: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/1999/xhtml", name))).collect()
}

fn words(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text).filter_map(|text| text.text());
    texts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn with_metrics(metrics: Vec<MetricSection>) -> Report {
    Report { metrics, ..empty(day(date(2026, 11, 29))) }
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = page(&greenhouse(None));
    for word in [
        "<script",
        "<link",
        "<img",
        "<iframe",
        " src=",
        " href=",
        " onload=",
        "url(",
        "@import",
        "@font-face",
    ] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn a_page_says_its_language_and_what_its_tables_and_charts_are() {
    for (language, tag) in [(None, "en"), (Some("DE-at"), "de")] {
        let page = page(&greenhouse(language));
        let document = parsed(&page);
        assert_eq!(document.root_element().attribute("lang"), Some(tag));
        assert!(page.contains(r#"<meta charset="utf-8"/>"#) && page.contains(r#"name="viewport""#));
        let charts = elements(&document, "svg");
        assert_eq!(charts.len(), 3);
        for chart in charts {
            assert_eq!(chart.attribute("role"), Some("img"));
            let title = chart.children().find(|child| child.tag_name().name() == "title");
            assert_eq!(chart.attribute("aria-label").unwrap(), words(title.unwrap()));
        }
        assert!(elements(&document, "th").iter().all(|head| head.attribute("scope").is_some()));
    }
}

#[test]
fn what_needs_a_person_comes_first() {
    let page = page(&greenhouse(None));
    let document = parsed(&page);
    let sections: Vec<String> = elements(&document, "section").into_iter().map(words).collect();
    let begins =
        ["Needs attention 1 alert is firing.", "temperature", "humidity", "water", "Alerts", "Data quality"];
    assert_eq!(sections.len(), begins.len());
    assert!(sections.iter().zip(begins).all(|(section, begin)| section.starts_with(begin)), "{sections:#?}");
    assert!(sections[0].contains("2 devices are silent."), "{}", sections[0]);
    assert!(
        sections[0].ends_with("3 dead letters are open: payloads that could not be taken."),
        "{}",
        sections[0]
    );
    assert!(sections[1].contains("Bay 1 19.56 18.97 +0.59 16.55 24.98 1440 0"), "{}", sections[1]);
    assert!(sections[3].contains("−18.0"), "{}", sections[3]);
    assert!(sections[4].contains("11:04 14:31 3 h 27 min"), "{}", sections[4]);
    assert!(sections[5].contains("9 of 11 devices sent."), "{}", sections[5]);
}

#[test]
fn a_german_page_has_a_decimal_comma_and_german_words() {
    let page = page(&greenhouse(Some("de")));
    let words = words(parsed(&page).root_element());
    for text in
        ["Sonntag, 29. November 2026", "Zu erledigen", "19,56 18,97 +0,59", "28.11. 04:00", "9 von 11"]
    {
        assert!(words.contains(text), "{text}: {words}");
    }
}

#[test]
fn a_report_of_nothing_says_so() {
    let page = page(&empty(month(date(2026, 2, 1))));
    let words = words(parsed(&page).root_element());
    let all = "north February 2026 Times are in Europe/Berlin. Needs attention No alert is firing. No device is silent. \
               No dead letter is open. Nothing was measured. Alerts No alert was firing. Data quality 0 of 0 devices sent.";
    assert!(words.contains(all), "{words}");
}

#[test]
fn no_name_becomes_markup() {
    const NAME: &str =
        "</title></style><script>alert('1')</script>\" onload=\"x&amp;]]>\u{0}\u{ffff}\r\n\u{202e}";
    let mut report = greenhouse(None);
    NAME.clone_into(&mut report.site);
    report.firing[0].rule = NAME.to_owned();
    report.firing[0].device = NAME.to_owned();
    report.silent[0].device = NAME.to_owned();
    for section in &mut report.metrics {
        NAME.clone_into(&mut section.metric);
        NAME.clone_into(&mut section.unit);
        for series in &mut section.series {
            NAME.clone_into(&mut series.device);
            NAME.clone_into(&mut series.channel);
        }
    }
    let page = page(&report);
    let document = parsed(&page);
    assert!(elements(&document, "script").is_empty());
    assert!(document.descendants().all(|node| node.attribute("onload").is_none()));
    assert!(!page.contains(['\u{0}', '\u{202e}', '\u{ffff}']));
    assert!(words(elements(&document, "h1")[0]).starts_with("</title></style><script>alert('1')"));
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let period = || month(date(2026, 10, 1));
    assert_eq!(page(&site(30, 6, &period())), page(&site(30, 6, &period())));
}

#[test]
fn the_page_of_a_usual_site_is_small() {
    for period in [day(date(2026, 11, 29)), month(date(2026, 10, 1))] {
        let size = page(&site(20, 5, &period)).len();
        assert!(size < 100_000, "{size}");
    }
}

#[test]
fn the_page_of_a_huge_site_is_bounded_and_counts_what_it_leaves_out() {
    let mut report = site(2000, 15, &day(date(2026, 11, 29)));
    let name = "&".repeat(10_000);
    for series in report.metrics.iter_mut().flat_map(|section| &mut section.series) {
        series.device.clone_from(&name);
        series.channel.clone_from(&name);
    }
    let few = report.metrics[0].series[..1].to_vec();
    report.metrics.extend((0..100).map(|_| temperature(few.clone())));
    report.firing = vec![alert(report.period.from, None); 3000];
    report.alerts = vec![alert(report.period.from, None); 3000];
    report.silent = vec![SilentDevice { device: name, last_seen_at: None }; 3000];
    let page = page(&report);
    assert!(page.len() < 400_000, "{}", page.len());

    let document = parsed(&page);
    let rows = elements(&document, "tr").len() - elements(&document, "thead").len();
    assert_eq!(rows, MAX_ROWS);
    assert_eq!(elements(&document, "svg").len(), MAX_CHARTS);
    assert_eq!(elements(&document, "h2").len(), MAX_METRICS + 3);
    let words = words(document.root_element());
    assert!(words.contains("Lines: the first 8 of 2000 series."), "{words}");
    assert!(words.contains(" 75 more metrics are not shown."), "{words}");
    assert!(words.contains("3000 alerts are firing.") && words.contains(" more are not shown."), "{words}");
}

#[test]
fn no_page_is_large_however_things_are_called() {
    let name = || "&".repeat(1000);
    let mut report = site(1, 5, &month(date(2026, 10, 1)));
    let named = AlertLine {
        rule: name(),
        device: name(),
        channel: name(),
        metric: name(),
        ..report.firing[0].clone()
    };
    report.firing = vec![named.clone(); 3000];
    report.alerts = vec![named; 3000];
    report.site = name();
    for section in &mut report.metrics {
        (section.metric, section.unit) = (name(), name());
        section.series[0].device = name();
        section.series = vec![section.series[0].clone(); 30];
    }
    report.metrics = report.metrics.iter().cycle().take(60).cloned().collect();
    let (page, text) = (page(&report), text(&report, None));
    assert!(page.len() < 600_000, "{}", page.len());
    assert!(text.len() < 100_000, "{}", text.len());
}

proptest! {
    #[test]
    fn a_page_is_well_formed_whatever_is_measured(
        name in any::<String>(),
        values in prop::collection::vec(any::<f64>(), 1..26),
        (low, high, n) in (any::<f64>(), any::<f64>(), any::<u64>()),
        aggregate in prop::sample::select(Aggregate::ALL.to_vec()),
    ) {
        let mut line = series(&name, &day(date(2026, 11, 29)), |span| values[span % values.len()]);
        line.channel.clone_from(&name);
        (line.before, line.min, line.max, line.n, line.bad) = (Some(low), Some(low), Some(high), n, n);
        let section = MetricSection {
            metric: name.clone(),
            unit: name.clone(),
            aggregate,
            thresholds: vec![low, high],
            series: vec![line.clone(), line],
        };
        let page = page(&Report { site: name, ..with_metrics(vec![section]) });
        let document = parsed(&page);
        for path in elements(&document, "path") {
            let path = path.attribute("d").unwrap();
            prop_assert!(!path.contains("NaN") && !path.contains("inf") && !path.contains('e'), "{path}");
        }
    }
}
