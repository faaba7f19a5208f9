//! Public codecs with the cases that their makers wrote: a clone of `chirpstack/chirpstack-device-profiles`, which `FRESHET_CODECS` names. It is no part
//! of this repository.

mod shared;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shared::{decoded, frame, pool};

/// Of the set two cases depend on the day on which they run.
const WALL_CLOCK: usize = 2;

#[tokio::test]
async fn public_codecs_give_what_their_makers_expect() {
    let Some(set) = std::env::var_os("FRESHET_CODECS") else {
        eprintln!(
            "skipped public_codecs_give_what_their_makers_expect: FRESHET_CODECS names no set of codecs"
        );
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
    for script in scripts(Path::new(&set)) {
        let tests = script.with_file_name(format!(
            "test_decode_{}.json",
            script.file_stem().and_then(|stem| stem.to_str()).expect("a name is text")
        ));
        let Ok(literal) = fs::read_to_string(&tests) else { continue };
        let text = fs::read_to_string(&script).expect("the script is readable");
        for case in cases(&literal).await {
            match difference(&text, &case).await {
                None => passed += 1,
                Some(difference) => {
                    failed.push(format!("{}: {}: {difference}", script.display(), case["name"]));
                }
            }
        }
    }
    println!("{passed} of {} cases pass", passed + failed.len());
    assert!(passed > 0, "there are no cases in {}", Path::new(&set).display());
    assert!(failed.len() <= WALL_CLOCK, "{}", failed.join("\n"));
}

/// The scripts of all vendors, by name.
fn scripts(set: &Path) -> Vec<PathBuf> {
    let vendors = fs::read_dir(set.join("vendors")).expect("the set has vendors").flatten();
    let files =
        vendors.filter_map(|vendor| fs::read_dir(vendor.path().join("codecs")).ok()).flatten().flatten();
    let mut scripts: Vec<_> = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|end| end == "js"))
        .collect();
    scripts.sort();
    scripts
}

/// The cases of a file, which is a literal of JavaScript: it is read by what reads codecs.
async fn cases(literal: &str) -> Vec<Value> {
    let script =
        format!("var cases = {literal}; function decodeUplink() {{ return {{data: {{cases: cases}}}}; }}");
    let data: Value =
        serde_json::from_str(&decoded(&pool(), &frame(&script, 1, "")).await).unwrap_or_default();
    data["cases"].as_array().cloned().unwrap_or_default()
}

/// How what the codec gives differs from what is expected, as JSON.
async fn difference(script: &str, case: &Value) -> Option<String> {
    let input = &case["input"];
    let mut frame =
        frame(script, input["fPort"].as_u64().and_then(|port| u8::try_from(port).ok()).unwrap_or(1), "");
    let bytes = input["bytes"].as_array().into_iter().flatten();
    frame.bytes = bytes.filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
    if let Some(at) = input["recvTime"].as_str().and_then(|at| at.parse().ok()) {
        frame.received_at = at;
    }
    let variables = input["variables"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    frame.variables =
        std::sync::Arc::new(variables.map(|(name, value)| (name.clone(), text(value))).collect());
    let expected = &case["expected"];
    let found = decoded(&pool(), &frame).await;
    let errors = found.strip_prefix("refused: ");
    let data = serde_json::from_str(&found).unwrap_or_default();
    let expects_errors = expected["errors"].as_array().is_some_and(|errors| !errors.is_empty());
    let is_as_expected = if expects_errors { errors.is_some() } else { is_equal(&data, &expected["data"]) };
    (!is_as_expected).then(|| format!("{found} instead of {expected}"))
}

/// Equal as JSON, where 3 is 3.0, but for members without a value.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let within = |key: &String| {
                is_equal(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))
            };
            a.keys().chain(b.keys()).all(within)
        }
        (a, b) => a == b,
    }
}
