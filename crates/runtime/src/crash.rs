//! Named points at which a test can kill the process.

/// Kills the process with SIGKILL where the feature `simulation` is built in and the file
/// `$FRESHET_CRASH_DIR/<name>` is there and this process is the one that removes it; else does nothing.
///
/// The names: `before-write`, `after-commit` (before the answer), `after-send` (a receiver took a notification,
/// its row does not say so yet).
#[cfg_attr(not(feature = "simulation"), expect(unused_variables, reason = "nothing to do in a release"))]
pub fn point(name: &str) {
    #[cfg(feature = "simulation")]
    if order(name).is_some_and(|order| std::fs::remove_file(order).is_ok()) {
        die();
    }
}

/// The same, each time it comes here with the event whose id is the file's text; the file stays.
///
/// The name: `decode`.
#[cfg_attr(not(feature = "simulation"), expect(unused_variables, reason = "nothing to do in a release"))]
pub fn on_event(name: &str, id: &str) {
    #[cfg(feature = "simulation")]
    if order(name).and_then(|order| std::fs::read_to_string(order).ok()).is_some_and(|text| text == id) {
        die();
    }
}

#[cfg(feature = "simulation")]
fn order(name: &str) -> Option<std::path::PathBuf> {
    std::env::var_os("FRESHET_CRASH_DIR").map(|folder| std::path::Path::new(&folder).join(name))
}

#[cfg(feature = "simulation")]
fn die() -> ! {
    let own = nix::unistd::Pid::this();
    if nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL).is_err() {
        std::process::abort();
    }
    // The signal may take a moment; nothing may happen in it.
    loop {
        std::thread::park();
    }
}
