//! Starts processes that end with the broker, even where it is killed.
//!
//! The kernel's parent-death signal is sent when the *thread* that started a process ends, so one thread, which lives
//! as long as the broker, starts them all. Setting that signal between fork and exec would need `unsafe`; util-linux's
//! `setpriv` sets it and becomes the program. Without it, see [`super::orphans`].

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

type Order = (Command, oneshot::Sender<io::Result<Child>>);

/// The thread.
#[derive(Debug)]
pub(crate) struct Spawner {
    orders: mpsc::UnboundedSender<Order>,
    setpriv: Option<PathBuf>,
}

impl Spawner {
    pub(crate) fn start(runtime: Handle) -> Self {
        let (orders, mut receiver) = mpsc::unbounded_channel::<Order>();
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                let _context = runtime.enter();
                while let Some((mut command, answer)) = receiver.blocking_recv() {
                    // Who no longer waits drops the child, which kills it.
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("a machine that runs services can start one more thread");
        Self { orders, setpriv: find("setpriv") }
    }

    /// A command for a program, which becomes the head of a process group: Ctrl-C in a terminal is the broker's alone.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = match &self.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        command
    }

    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (sender, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes has ended");
        self.orders.send((command, sender)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn find(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program.as_ref())).find(|file| file.is_file())
}
