//! Writes the page of a greenhouse's day into a file, and prints subject and text of the mail:
//! `cargo run -p site-report --example sample -- OUT.html [de] [site]`. With `site` it is the month of a site with 20 devices.

#[path = "../tests/sample/mod.rs"]
mod sample;

use std::env;
use std::io::{self, Write as _};

use jiff::civil::date;
use site_report::{page, subject, text};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or_else(|| io::Error::other("name the file to write"))?;
    let others: Vec<String> = arguments.collect();
    let language = others.iter().find(|word| *word != "site");
    let report = if others.iter().any(|word| word == "site") {
        let mut report = sample::site(20, 5, &sample::month(date(2026, 10, 1)));
        report.language = language.cloned();
        report
    } else {
        sample::greenhouse(language.map(String::as_str))
    };
    std::fs::write(&path, page(&report))?;
    let link = "https://reports.example.com/north/2026-11-29.html";
    write!(io::stdout(), "Subject: {}\n\n{}", subject(&report), text(&report, Some(link)))
}
