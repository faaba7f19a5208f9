//! Named points at which a test can kill the process.

/// Kills the process with SIGKILL where the feature `simulation` is built in and the file
/// `$FRESHET_CRASH_DIR/<name>` is there and this process is the one that removes it; else does nothing.
///
/// The names: `before-write`, `after-commit` (before the answer), `after-send` (a receiver took a notification,
/// its row does not say so yet).
#[cfg_attr(not(feature = "simulation"), expect(unused_variables, reason = "nothing to do in a release"))]
pub fn point(name: &str) {
    #[cfg(feature = "simulation")]
    if let Some(folder) = std::env::var_os("FRESHET_CRASH_DIR") {
        let order = std::path::Path::new(&folder).join(name);
        if std::fs::remove_file(order).is_ok() {
            let own = nix::unistd::Pid::this();
            if nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL).is_err() {
                std::process::abort();
            }
            // The signal may take a moment; nothing may happen in it.
            loop {
                std::thread::park();
            }
        }
    }
}
