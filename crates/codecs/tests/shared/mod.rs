//! A pool, and frames for it.

use std::time::Duration;

use codecs::{Codecs, Settings};
use decoders::codec::{Frame, Output, Script};

/// A pool of one process.
pub(crate) fn pool() -> Codecs {
    with(Duration::from_secs(60))
}

/// A pool of one process that waits so long: a busy machine must not fail what is not about time.
pub(crate) fn with(patience: Duration) -> Codecs {
    Codecs::new(Settings { program: env!("CARGO_BIN_EXE_codec-worker").into(), processes: 1, patience })
}

/// A frame for a script.
pub(crate) fn frame(script: &str, port: u8, hex: &str) -> Frame {
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("pairs of digits");
    Frame {
        script: Script::new("probe.js", script),
        device: "a84041000181c061".into(),
        port,
        bytes: (0..hex.len() / 2).map(byte).collect(),
        received_at: "2026-01-15T12:00:00.25Z".parse().expect("a time"),
        variables: std::sync::Arc::new([("offset".to_owned(), "0.5".to_owned())].into()),
    }
}

/// What the script makes of it, as JSON; a refusal after `refused: `.
pub(crate) async fn decoded(pool: &Codecs, frame: &Frame) -> String {
    match pool.run(frame).await.expect("the process runs") {
        Output::Decoded { data, .. } => data.to_string(),
        Output::Refused(reason) => format!("refused: {reason}"),
    }
}
