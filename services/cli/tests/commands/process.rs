//! Runs the command and keeps what it says.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

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
    let mut command = command(arguments);
    command.envs(variables.iter().copied());
    Run::of(command.output().expect("the command was built with the test"))
}

/// Runs `freshet` with `arguments`, which reads `input`.
pub(crate) fn freshet_reading(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = start(arguments);
    child.stdin.take().expect("it is piped").write_all(input).expect("the command reads it");
    Run::of(child.wait_with_output().expect("the command ends"))
}

/// Starts `freshet` with `arguments` and everything piped.
pub(crate) fn start(arguments: &[&str]) -> Child {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the command was built with the test")
}

/// `freshet` with `arguments`, as yet without input, in an environment that names nothing.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["FRESHET_PIPELINE", "FRESHET_STATE_DIR", "FRESHET_BROKER", "DATABASE_URL", "PGHOST"] {
        command.env_remove(name);
    }
    command
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code().expect("the command is not killed"),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        }
    }
}
