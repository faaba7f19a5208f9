//! Runs the command and keeps what it says.

use std::process::{Command, Stdio};

/// What a run of `freshet` left.
pub(crate) struct Run {
    /// The exit status.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Runs `freshet` with `arguments`, and with no variable of its own in the environment.
pub(crate) fn freshet(arguments: &[&str]) -> Run {
    freshet_with(arguments, &[])
}

/// Runs `freshet` with `arguments` and these environment variables.
pub(crate) fn freshet_with(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(arguments)
        .env_remove("FRESHET_PIPELINE")
        .env_remove("DATABASE_URL")
        .env_remove("PGHOST")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the command was built with the test");
    Run {
        status: output.status.code().expect("the command is not killed"),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}
