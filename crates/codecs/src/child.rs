//! A process that runs scripts, as its stage has it.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::serve::ARGUMENT;
use crate::wire;

/// The processor time that one frame may take, whatever its script does: what QuickJS does not interrupt ends with the process.
const MAX_PROCESSOR: Duration = Duration::from_millis(250);
/// How long a process takes to end once its pipe is closed.
const LAST_MOMENTS: Duration = Duration::from_secs(1);
/// How often the processor time is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A process, which is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    output: ChildStdout,
    clock: Option<ClockId>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The frame took too much processor time.
    TooLong,
    /// The process broke, or its pipe did.
    Broken(io::Error),
}

impl Child {
    /// Starts one. Must be called within a Tokio runtime.
    pub(crate) fn start(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(ARGUMENT).env_clear().env("TZ", "UTC").current_dir("/").kill_on_drop(true);
        // Ctrl-C is for its stage, which ends it.
        command.process_group(0);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = pipes.spawn()?;
        let missing = || io::Error::other("a process has no pipe");
        let input = process.stdin.take().ok_or_else(missing)?;
        let output = process.stdout.take().ok_or_else(missing)?;
        let number = process.id().and_then(|id| i32::try_from(id).ok());
        let clock = number.and_then(|number| clock_getcpuclockid(Pid::from_raw(number)).ok());
        Ok(Self { process, input, output, clock })
    }

    /// The answer to a message. Where there is none the process is of no use any more.
    pub(crate) async fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        let Self { input, output, clock, .. } = self;
        let begun = processor_time(*clock);
        let exchange = exchange(input, output, message);
        tokio::pin!(exchange);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                answer = &mut exchange => return answer.map_err(NoAnswer::Broken),
                _ = looks.tick() => {
                    if processor_time(*clock).saturating_sub(begun) > MAX_PROCESSOR {
                        return Err(NoAnswer::TooLong);
                    }
                }
            }
        }
    }

    /// Ends the process.
    pub(crate) async fn kill(mut self) {
        // What is killed ends at once; one that has ended already is none to kill.
        let _ = self.process.kill().await;
    }

    /// By which signal a process has ended that gives no answer any more.
    pub(crate) async fn fault(mut self) -> Option<i32> {
        let ended = timeout(LAST_MOMENTS, self.process.wait()).await;
        if ended.is_err() {
            self.kill().await;
        }
        ended.ok()?.ok()?.signal()
    }
}

async fn exchange(input: &mut ChildStdin, output: &mut ChildStdout, message: &[u8]) -> io::Result<Vec<u8>> {
    input.write_all(&wire::length(message)?).await?;
    input.write_all(message).await?;
    input.flush().await?;
    let mut length = [0; 4];
    output.read_exact(&mut length).await?;
    let mut answer = vec![0; wire::length_of(length)?];
    output.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The processor time of a process so far; zero where it cannot be asked.
fn processor_time(clock: Option<ClockId>) -> Duration {
    let now = clock.and_then(|clock| clock_gettime(clock).ok());
    now.map_or(Duration::ZERO, Duration::from)
}
