//! Servers beside the cluster: stopped, killed and started in the middle of traffic, where the settings say how.

use tokio::process::Command;

use crate::Failure;
use crate::settings::Settings;

/// A server that the pods reach, and that is not one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The one of `DATABASE_URL`.
    Postgres,
    /// The one of `KAFKA_BOOTSTRAP`.
    Kafka,
}

/// What happens to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It ends in its own time.
    Stop,
    /// It ends at once.
    Kill,
    /// It is there again when this returns.
    Start,
}

impl Server {
    const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
        }
    }
}

impl Step {
    const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Start => "start",
        }
    }
}

/// Has `step` happen to `server`; `false` where nobody said how.
///
/// # Errors
/// Where the command fails.
pub async fn happen(settings: &Settings, server: Server, step: Step) -> Result<bool, Failure> {
    let Some(command) = &settings.outage else { return Ok(false) };
    let line = format!("{command} {} {}", server.word(), step.word());
    let status = Command::new("sh").args(["-c", &line]).status().await?;
    if status.success() { Ok(true) } else { Err(format!("`{line}` ended with {status}").into()) }
}
