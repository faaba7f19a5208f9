//! The reader never panics, whatever it is given.

use pipeline_config::Pipeline;
use proptest::prelude::*;

/// Words and signs of which a pipeline is made, so that random files get further than the first line.
const PIECES: [&str; 48] = [
    "sources:\n",
    "rules:\n",
    "receivers:\n",
    "routes:\n",
    "fallback: ",
    "network: ",
    "lateness: ",
    "devices:\n",
    "sites:\n",
    "names: ",
    "rollups: ",
    "gap: ",
    "    calibration: ",
    "    ranges: ",
    "    d: ",
    "  a:\n",
    "    format: ",
    "json\n",
    "    credentials: ",
    "    mapping: ",
    "    metric: temperature\n",
    "    above: ",
    "    clear: ",
    "    outside: ",
    "    for: ",
    "    absent: ",
    "    rate_of_change: ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "env: A",
    "secret: ",
    "- ",
    "30\n",
    "-1e999\n",
    ".nan\n",
    "10m\n",
    "99999999999d\n",
    "*a",
    "&a ",
    "!!int x\n",
    "|\n",
    "\"",
    "\n",
    "\t",
    "é\u{0}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Pipeline::from_bytes(&[("any".to_owned(), bytes)]);
    }

    #[test]
    fn any_mix_of_pieces_is_read_without_a_panic(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        let text = pieces.concat();
        if let Err(mistakes) = Pipeline::parse(&text, "any") {
            prop_assert!(!mistakes.mistakes.is_empty());
            prop_assert!(mistakes.mistakes.iter().all(|mistake| mistake.line > 0 && mistake.column > 0));
        }
    }
}
