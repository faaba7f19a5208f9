//! The README's first command, with the binaries of this build: the demo's sums agree, and every stage comes to zero.

use std::process::Command;

use pipeline_tests::up::has_postgres;

#[test]
fn the_demos_sums_agree_and_every_stage_comes_to_zero() {
    if !has_postgres("the_demos_sums_agree_and_every_stage_comes_to_zero") {
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
