//! Every sample of the corpus through `ingest` and decoder, as a platform sends it.
//!
//! The corpus is the folder that `FRESHET_CORPUS` names: `<format>/<name>.meta.json` says what was posted and what it
//! is worth, and names the payload beside it. Without the variable the test says by its name that it was skipped.
//! Expectations that a specification contradicts are listed in `disputed.txt`.

mod compare;
mod direct;
mod door;
mod line_protocol;
mod sample;
mod suites;

use std::path::{Path, PathBuf};

use door::Door;
use sample::Sample;
use store::DatabaseSettings;

/// What became of the samples of one kind.
pub(crate) struct Tally {
    pub(crate) name: String,
    pub(crate) samples: usize,
    pub(crate) unmet: Vec<String>,
    pub(crate) is_built: bool,
}

/// The folder of the corpus; `None`, said by the name of the test, where there is none.
fn corpus(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FRESHET_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: {test}: FRESHET_CORPUS names no folder");
    }
    folder
}

/// What `transform` makes of the event is what `ingest` makes of the request by itself, and the sender's answer is the same.
#[tokio::test]
async fn every_sample_comes_to_the_same_in_direct_mode() {
    let Some(corpus) = corpus("every_sample_comes_to_the_same_in_direct_mode") else { return };
    let Some(database) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(database.url()).expect("the address of a server");
    store::migrate(&settings).await.expect("the schema is brought up to date");
    let client = database.connect().await;
    let folders = folders(&corpus);
    let yaml = pipeline(&folders);
    let (queue, direct) = (Door::open(&yaml), Door::open_direct(&yaml, &database));
    let (mut compared, mut differ) = (0, Vec::new());
    for kind in folders.iter().filter(|kind| format(kind).is_some()) {
        for sample in Sample::all(&corpus.join(kind)) {
            compared += 1;
            differ.extend(direct::compare((&queue, &direct), &client, &sample).await.err());
        }
    }
    queue.close().await;
    direct.close().await;
    assert!(compared > 0, "the corpus is empty");
    assert!(differ.is_empty(), "{} of {compared} differ:\n{}", differ.len(), differ.join("\n"));
}

#[tokio::test]
async fn every_sample_meets_its_verdict_and_expected_readings() {
    let Some(corpus) = corpus("every_sample_meets_its_verdict_and_expected_readings") else { return };
    let folders = folders(&corpus);
    let door = Door::open(&pipeline(&folders));
    let mut tallies = Vec::new();
    for name in &folders {
        tallies.push(tally(&door, &corpus, name).await);
    }
    tallies.push(suites::json(&door, &corpus).await);
    tallies.push(suites::sequence(&door, &corpus).await);
    tallies.push(line_protocol::cases(&door, &corpus).await);
    door.close().await;
    judge(&tallies);
}

/// The kinds of samples that the corpus has.
fn folders(corpus: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(corpus).expect("FRESHET_CORPUS names a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

/// Our format for a kind of samples.
fn format(kind: &str) -> Option<&'static str> {
    let name = match kind {
        "generic_json_nasty" | "standard_webhooks_signature" => "json",
        "otlp_metrics_json" => "otlp_metrics",
        "shelly_gen2" => "shelly",
        other => other,
    };
    decoders::by_name(name).map(decoders::Decoder::name)
}

/// A source for each kind whose format is built.
fn pipeline(kinds: &[String]) -> String {
    let mut yaml = "sources:\n".to_owned();
    for kind in kinds {
        let Some(format) = format(kind) else { continue };
        let credentials = match kind.as_str() {
            "standard_webhooks_signature" => {
                ", credentials: [{standard_webhooks: {secret: {env: SIGNING_SECRET}}}]"
            }
            _ => "",
        };
        yaml.push_str(&format!("  {kind}: {{format: {format}{credentials}}}\n"));
    }
    yaml
}

async fn tally(door: &Door, corpus: &Path, kind: &str) -> Tally {
    let samples = Sample::all(&corpus.join(kind));
    let mut unmet = Vec::new();
    let is_built = format(kind).is_some();
    for sample in samples.iter().filter(|_| is_built) {
        unmet.extend(compare::check(door, sample).await.err());
    }
    Tally { name: kind.to_owned(), samples: samples.len(), unmet, is_built }
}

/// Prints a line for each kind; fails where a sample is not met that is not disputed.
fn judge(tallies: &[Tally]) {
    let disputed: Vec<&str> = include_str!("disputed.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let is_disputed =
        |failure: &&String| disputed.iter().any(|name| failure.starts_with(&format!("{name}:")));
    let failures = || tallies.iter().flat_map(|tally| &tally.unmet);
    failures().filter(is_disputed).for_each(|dispute| println!("disputed: {dispute}"));
    println!("{:<40}{:>8}{:>8}{:>8}{:>10}", "format", "samples", "met", "not met", "not built");
    for Tally { name, samples, unmet, is_built } in tallies {
        let not_built = if *is_built { 0 } else { *samples };
        let met = samples - unmet.len() - not_built;
        println!("{name:<40}{samples:>8}{met:>8}{:>8}{not_built:>10}", unmet.len());
    }
    let total: usize = tallies.iter().filter(|tally| tally.is_built).map(|tally| tally.samples).sum();
    assert!(total > 0, "the corpus is empty");
    assert!(failures().filter(is_disputed).count() * 50 <= total, "more than 2 % are disputed");
    let defects: Vec<_> = failures().filter(|failure| !is_disputed(failure)).map(String::as_str).collect();
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
}
