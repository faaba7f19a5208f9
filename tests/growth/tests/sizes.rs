//! What a payload leaves in the database, by `keep_requests` and by mode.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use growth_tests::sizes::{Sizes, Way, after};

/// Payloads, where `FRESHET_LONG` does not say that the test may take long.
const FEW: u32 = 2_000;
const MANY: u32 = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_leaves_less_where_its_request_is_not_kept() {
    let payloads = if std::env::var_os("FRESHET_LONG").is_some() { MANY } else { FEW };
    let ways = [
        ("keep_requests: all", Way::Fresh("all")),
        ("keep_requests: all, named by its platform", Way::Named("all")),
        ("keep_requests: problems", Way::Fresh("problems")),
        ("keep_requests: none", Way::Fresh("none")),
        ("topic mode", Way::Topic),
    ];
    let mut each: Vec<Sizes> = Vec::new();
    println!(
        "{payloads} payloads of three metrics: megabytes of a million\n{:<42}   receipts requests     keys  moments      all",
        ""
    );
    for (name, way) in ways {
        let Some(database) = testkit::postgres().await else { return };
        let sizes = after(&database, way, payloads).await;
        println!("{name:<42} {sizes}");
        each.push(sizes);
    }
    let [all, named, problems, none, topic] = each.try_into().unwrap();
    assert!(all.requests * 2 > all.receipts, "a request takes a good part of what its receipt does");
    assert!(named.keys > all.keys, "a platform's name is a key");
    let few = |sizes: &Sizes| sizes.requests * 10 < all.requests;
    assert!(few(&problems) && few(&none) && few(&topic), "none of them has a problem");
    assert!(topic.each() < none.each(), "one receipt is of many records");
    assert!(none.each() < 600.0, "{} bytes", none.each());
}
