//! What it costs to count one item, and a batch of a thousand, beside not counting: `cargo run --release --example attempts FOLDER`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use runtime::Attempts;
use runtime::attempts::ItemKey;

const ROUNDS: u32 = 200_000;
const BATCH: u32 = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args_os().nth(1).expect("a folder is named");
    for (name, attempts) in
        [("nothing", Attempts::default()), ("counted", Attempts::open(Some(folder.as_ref()), 4096))]
    {
        let one = per_item(&attempts, ROUNDS, 1).await;
        let many = per_item(&attempts, ROUNDS / BATCH, BATCH).await;
        println!("{name}: {one:?} for one item, {many:?} for one of a batch of {BATCH}");
    }
}

async fn per_item(attempts: &Attempts, rounds: u32, items: u32) -> Duration {
    let keys: Vec<ItemKey> = (1..=items).map(|number| u128::from(number).to_be_bytes()).collect();
    let started = Instant::now();
    for _ in 0..rounds {
        attempts.begin(black_box(&keys)).await.expect("nothing died").done();
    }
    started.elapsed() / rounds / items
}
