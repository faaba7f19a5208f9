//! Writes the page of a greenhouse's day into a file, and prints subject and text of the mail:
//! `cargo run -p site-report --example sample -- OUT.html [de] [site] [mail]`. With `site` it is the month of a site with 20 devices; with `mail` the file
//! is the mail's HTML, with its pictures in it.

#[path = "../tests/sample/mod.rs"]
mod sample;

use std::env;
use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::date;
use site_report::{HtmlMail, Report, html, page, subject, text};

const LINK: &str = "https://reports.example.com/north/2026-11-29.html";

/// A mail's HTML that needs nothing else.
fn mail(report: &Report) -> io::Result<String> {
    let HtmlMail { mut html, images } = html(report, Some(LINK)).map_err(io::Error::other)?;
    for image in images {
        let named = format!("cid:{}", image.content_id);
        html = html.replace(&named, &format!("data:image/png;base64,{}", STANDARD.encode(&image.png)));
    }
    Ok(html)
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or_else(|| io::Error::other("name the file to write"))?;
    let others: Vec<String> = arguments.collect();
    let asked = |word: &str| others.iter().any(|one| one == word);
    let language = others.iter().find(|word| !["site", "mail"].contains(&word.as_str()));
    let report = if asked("site") {
        let mut report = sample::site(20, 5, &sample::month(date(2026, 10, 1)));
        report.language = language.cloned();
        report
    } else {
        sample::greenhouse(language.map(String::as_str))
    };
    std::fs::write(&path, if asked("mail") { mail(&report)? } else { page(&report) })?;
    write!(io::stdout(), "Subject: {}\n\n{}", subject(&report), text(&report, Some(LINK)))
}
