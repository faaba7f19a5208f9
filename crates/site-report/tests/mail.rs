//! The mail: its subject, and its text.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sample;

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use site_report::{MAX_SUBJECT_CHARS, Report, SilentDevice, subject, text};

use sample::{alert, day, empty, greenhouse, month, series, site, temperature};

#[test]
fn a_subject_names_site_and_period() {
    let of =
        |period, language: &str| subject(&Report { language: Some(language.to_owned()), ..empty(period) });
    assert_eq!(of(day(date(2026, 11, 29)), "en"), "north: Sunday, 29 November 2026");
    assert_eq!(of(month(date(2026, 11, 1)), "fr"), "north: November 2026");
    assert_eq!(of(day(date(2026, 11, 29)), "DE"), "north: Sonntag, 29. November 2026");
    assert_eq!(of(month(date(2026, 3, 1)), "de-CH"), "north: März 2026");
}

#[test]
fn a_text_says_all_in_lines_of_75_columns() {
    let text = text(&greenhouse(None), Some("https://example.com/r.html"));
    assert!(text.lines().all(|line| line.chars().count() <= 75), "{text}");
    let begin = "Greenhouse North: Sunday, 29 November 2026\n\
                 Times are in Europe/Berlin.\n\
                 With charts: https://example.com/r.html\n\
                 \n\
                 Needs attention\n\
                 ---------------\n\
                 1 alert is firing.\n\
                 * warning: HumidityTooLow: Bay 1, humidity, 13:12 – still firing (10 h 48\n\
                 \u{20} min)\n\
                 2 devices are silent.\n\
                 * Bay 4 (Last seen: 28 Nov 04:00)\n\
                 * Store (Last seen: never)\n\
                 3 dead letters are open: payloads that could not be taken.\n\
                 \n\
                 temperature in °C\n\
                 -----------------\n\
                 Device        Mean  Before    +/-    Min    Max  Readings  Bad\n\
                 Bay 1        19.56   18.97  +0.59  16.55  24.98      1440    0\n";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.contains("Water meter 1     112.0   130.0  -18.0  48211  48323        96    0\n"), "{text}");
    assert!(text.ends_with(
        "\nData quality\n------------\n9 of 11 devices sent.\n8568 readings, and 7 that are bad.\n"
    ));
}

#[test]
fn a_text_of_nothing_says_so_in_both_languages() {
    let of = |language: &str| {
        let report = Report { language: Some(language.to_owned()), ..empty(day(date(2026, 3, 29))) };
        text(&report, None)
    };
    assert_eq!(
        of("de"),
        "north: Sonntag, 29. März 2026\nZeiten gelten für Europe/Berlin. Dieser Tag hat 23 Stunden.\n\n\
         Zu erledigen\n------------\nKein Alarm steht an.\nKein Gerät ist verstummt.\n\
         Keine abgewiesene Nachricht ist offen.\n\nEs wurde nichts gemessen.\n\nAlarme\n------\nKein Alarm stand an.\n\n\
         Datenqualität\n-------------\n0 von 0 Geräten haben gesendet.\n0 Werte, dazu 0 fehlerhafte.\n"
    );
    assert!(of("en").contains("\nNothing was measured.\n"));
}

#[test]
fn a_time_has_the_date_that_it_needs_and_the_zone_where_the_clock_showed_it_twice() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let period = day(date(2026, 10, 25));
    let alerts = [
        ("2025-12-31T22:15:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-24T20:00:00Z", "2026-10-25T01:30:00Z"),
        ("2026-10-25T12:00:00Z", "2026-10-25T12:00:40Z"),
        ("2026-10-25T12:00:00Z", "2026-10-25T14:00:00Z"),
    ];
    let alerts = alerts.map(|(from, to)| alert(at(from), Some(at(to)))).to_vec();
    let text = text(&Report { alerts, ..empty(period) }, None).replace("\n  ", " ");
    for line in [
        "31 Dec 2025 23:15 – 02:30 CEST (297 d 2 h)",
        "24 Oct 22:00 – 02:30 CET (5 h 30 min)",
        "13:00 – 13:00 (< 1 min)",
        "13:00 – 15:00 (2 h)",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn directions_differ_by_the_shorter_way_around() {
    let period = day(date(2026, 11, 29));
    let mut wind = series("mast", &period, |_| 10.0);
    (wind.value, wind.before) = (Some(10.0), Some(350.0));
    let mut section = temperature(vec![wind]);
    section.aggregate = event_model::Aggregate::Direction;
    let text = text(&Report { metrics: vec![section], ..empty(period) }, None);
    assert!(text.contains("\nmast           10     350  +20    –    –      1440    0\n"), "{text}");
}

#[test]
fn a_text_of_a_huge_site_is_bounded_and_counts_what_it_leaves_out() {
    let mut report = site(2000, 20, &day(date(2026, 11, 29)));
    report.alerts = vec![alert(report.period.from, None); 3000];
    report.silent = vec![SilentDevice { device: "x".repeat(10_000), last_seen_at: None }; 3000];
    let text = text(&report, None);
    assert!(text.len() < 40_000, "{}", text.len());
    assert!(
        text.contains("\n8 more metrics are not shown.\n") && text.contains("more are not shown."),
        "{text}"
    );
}

proptest! {
    #[test]
    fn no_name_breaks_a_line(name in any::<String>(), breaks in "[a-z \r\n\u{85}\u{2028}\u{202e}]{0,80}") {
        let plain = greenhouse(None);
        let named = |name: &str| {
            let mut report = plain.clone();
            name.clone_into(&mut report.site);
            for series in report.metrics.iter_mut().flat_map(|section| &mut section.series) {
                name.clone_into(&mut series.device);
            }
            report.silent[1].last_seen_at = Some(report.period.from - SignedDuration::from_hours(1));
            report
        };
        for name in [name, breaks] {
            let report = named(&name);
            let subject = subject(&report);
            prop_assert!(subject.chars().all(event_model::name::is_printable), "{subject:?}");
            prop_assert!(subject.chars().count() <= MAX_SUBJECT_CHARS);
            let text = text(&report, Some("https://example.com/\r\nBcc:x"));
            prop_assert!(text.contains("\nWith charts: https://example.com/  Bcc:x\n"));
            prop_assert!(text.chars().all(|one| one == '\n' || event_model::name::is_printable(one)));
            let rows = |text: &str| text.lines().filter(|line| line.ends_with("1440    0")).count();
            prop_assert_eq!(rows(&text), 4);
        }
    }
}
