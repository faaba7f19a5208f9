//! The README's first command, with the binaries of this build: the demo's sums agree, and every stage comes to zero.

use std::process::Command;

use postgres_local::find_binaries;

#[test]
fn the_demos_sums_agree_and_every_stage_comes_to_zero() {
    if find_binaries().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL's server binaries were not found");
        println!(
            "skipped: the_demos_sums_agree_and_every_stage_comes_to_zero: PostgreSQL's server binaries were not found"
        );
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(pipeline_tests::stand::binaries().join("freshet"))
        .args([
            "up",
            "--demo",
            "--once",
            "--idle",
            "2s",
            "--port",
            &testkit::free_port().to_string(),
            "--state-dir",
        ])
        .arg(state.path())
        .output()
        .unwrap();
    let (printed, noted) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}\n{noted}");
    assert!(printed.contains("every stage came to 0 processes, between ticks too"), "{printed}");
    assert!(printed.contains("the sums agree"), "{printed}");
    assert!(printed.contains("an idle hour costs"), "{printed}");
}
