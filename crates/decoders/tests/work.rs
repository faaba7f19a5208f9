//! What a payload may cost: four times the body is about four times the work, and the largest body that `ingest` takes unless
//! it is configured otherwise costs at most 250 ms of a processor and 64 MiB.
//!
//! The growth is measured in the thread's own processor time, which other programs do not change, and with room to spare:
//! what grows with the length times the records grows sixteenfold. The absolute bounds are of a release build:
//! `cargo test --release -p decoders --test work -- --ignored --test-threads 1`.

mod bodies;

use std::time::Duration;

use bodies::Case;

/// What a small body costs at the least, as far as the growth is concerned: below it, noise would count.
const LEAST: Duration = Duration::from_millis(4);

/// How much more work four times the body may be.
const GROWTH: u32 = 10;

const SMALL: usize = 24 * 1024;
const LARGE: usize = 768 * 1024;

/// The processor time of this thread; `None` where the system does not say (`/proc/thread-self/schedstat`, Linux).
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

/// The least that decoding costs in `runs` runs.
fn cost(case: &Case, runs: usize) -> Option<Duration> {
    let once = || {
        let begin = processor_time()?;
        let decoded = case.decoded();
        let spent = processor_time()?.saturating_sub(begin);
        drop(decoded);
        Some(spent)
    };
    (0..runs).map(|_| once()).min()?
}

#[test]
fn four_times_the_body_is_about_four_times_the_work() {
    let all = |size: usize| bodies::ALL.iter().flat_map(move |bodies| bodies(size).cases);
    for (small, larger) in all(SMALL).zip(all(4 * SMALL)) {
        let Some(before) = cost(&small, 2) else {
            println!("skipped: {}: the system states no processor time of a thread", small.name);
            return;
        };
        let bound = before.max(LEAST) * GROWTH;
        // What is too much is looked at again: the first run of a thread pays for what others share.
        let spent = (0..3).filter_map(|_| cost(&larger, 1)).find(|spent| *spent <= bound);
        assert!(
            spent.is_some(),
            "{}: {before:?} for a body, more than {bound:?} for four times as much",
            small.name
        );
    }
}

/// The most memory that this process has held since it was last asked, and what it holds now, in KiB.
fn memory() -> Option<(usize, usize)> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let both = (field("VmHWM:")?, field("VmRSS:")?);
    // 5 sets the high-water mark back to what is held now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(both)
}

#[test]
#[ignore = "its bounds are those of a release build"]
fn the_largest_body_costs_at_most_250_ms_and_64_mib() {
    let mut over = Vec::new();
    for case in bodies::ALL.iter().flat_map(|bodies| bodies(LARGE).cases) {
        let spent = cost(&case, 3).expect("Linux states the processor time");
        let (_, before) = memory().expect("Linux states the memory");
        let readings = case.decoded().readings().count();
        let (most, _) = memory().expect("Linux states the memory");
        let held = most.saturating_sub(before) / 1024;
        let line = format!("{:<70} {:>6.0?} {held:>4} MiB {readings:>6} readings", case.name, spent);
        println!("{line}");
        if spent > Duration::from_millis(250) || held > 64 {
            over.push(line);
        }
    }
    assert!(over.is_empty(), "\n{}", over.join("\n"));
}
