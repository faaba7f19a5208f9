//! How long a frame takes through the process of codecs: `cargo run --release -p codecs --example round_trip`. With files as arguments, those
//! scripts; else one of 19 KB, as the median of public ones has, and the largest that is taken, of which each is as dense as code is.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use codecs::{Codecs, Settings};
use decoders::codec::{Frame, MAX_SCRIPT_BYTES, Script};

/// Frames of each script.
const FRAMES: usize = 1000;

/// The time between two frames: none, so that each is waited for, and what a network with many devices has.
const PAUSES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(10)];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    codecs::serve_if_asked();
    let named: Vec<_> = std::env::args().skip(1).collect();
    let mut scripts: Vec<(String, String)> = Vec::new();
    for name in &named {
        scripts.push((name.clone(), std::fs::read_to_string(name).expect("the script is a file")));
    }
    if scripts.is_empty() {
        scripts = [1, 19_000, MAX_SCRIPT_BYTES].map(|size| (format!("{size} bytes"), of_size(size))).into();
    }
    for (name, text) in scripts {
        for pause in PAUSES {
            measure(&name, &text, pause).await;
        }
    }
}

async fn measure(name: &str, text: &str, pause: Duration) {
    let program = PathBuf::from("/proc/self/exe");
    let codecs = Codecs::new(Settings { program, ..Settings::default() });
    let frame = Frame {
        script: Script::new(name, text),
        device: "a84041000181c061".into(),
        port: 1,
        bytes: vec![3, 103, 1, 16, 5, 103, 0, 255],
        received_at: jiff::Timestamp::UNIX_EPOCH,
        variables: std::sync::Arc::default(),
    };
    let mut times = Vec::with_capacity(FRAMES);
    for _ in 0..FRAMES {
        let begun = Instant::now();
        codecs.run(&frame).await.expect("the process runs");
        times.push(begun.elapsed());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    let first = times[0];
    times.sort();
    let us = |time: Duration| time.as_micros();
    println!(
        "{name}, {} ms between frames: first {} us, p50 {} us, p99 {} us",
        pause.as_millis(),
        us(first),
        us(times[FRAMES / 2]),
        us(times[FRAMES * 99 / 100])
    );
}

/// A codec with cases for many types of values, until it has this size.
fn of_size(bytes: usize) -> String {
    let mut text = String::from(
        "function decodeUplink(input) { var o = {}; for (var i = 0; i < input.bytes.length; i += 4) decode(o, input.bytes, i); \
         return {data: o}; }\nfunction decode(o, b, i) { switch (b[i + 1]) {\n",
    );
    let end = "default: o['v' + b[i]] = ((b[i + 2] << 24 >> 16) | b[i + 3]) / 10; } }";
    let mut case = 1000;
    while text.len() + 120 + end.len() < bytes {
        text.push_str(&format!(
            "  case {case}: o.value_{case} = ((b[i + 2] << 24 >> 16) | b[i + 3]) / 100; if (o.value_{case} > 5) break; return;\n"
        ));
        case += 1;
    }
    text + end
}
