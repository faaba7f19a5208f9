//! What the local broker and PostgreSQL warn of, above the lines of the stages. The stages have files of their own.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::screen::Screen;

/// Shows it from now on, as long as the process lives.
pub(crate) fn show(screen: &Screen) {
    let drawing = screen.drawing();
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_writer(move || Above(drawing.clone()));
    let ours = Targets::new()
        .with_target("knative_local", LevelFilter::WARN)
        .with_target("postgres_local", LevelFilter::WARN);
    // A subscriber that is there already gets it.
    let _ = tracing_subscriber::registry().with(lines).with(ours).try_init();
}

/// Standard error, with the lines of a terminal out of the way.
struct Above(Option<MultiProgress>);

impl Write for Above {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(drawing) => drawing.suspend(|| io::stderr().write(text)),
            None => io::stderr().write(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
