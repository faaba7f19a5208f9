//! The same frame gives the same output, whatever else the machine does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::{decoded, frame, pool};

#[tokio::test]
async fn the_same_frame_gives_the_same_output_while_all_cores_are_busy() {
    let script = "var state = 0; function decodeUplink(i) { state += Math.random();
        var s = 0; for (var n = 0; n < 1000; n++) s += Math.sin(n * state) * i.bytes[n % i.bytes.length];
        return {data: {s: s, r: [Math.random(), Math.random()], at: Date.now(), d: String(new Date()), state}}; }";
    let ended = Arc::new(AtomicBool::new(false));
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let busy: Vec<_> = (0..cores)
        .map(|_| {
            let ended = Arc::clone(&ended);
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let (pool, frame) = (pool(), frame(script, 1, "0102030405"));
    let first = decoded(&pool, &frame).await;
    assert!(first.starts_with(r#"{"s":"#), "{first}");
    for _ in 0..300 {
        assert_eq!(decoded(&pool, &frame).await, first);
    }
    ended.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());
}
