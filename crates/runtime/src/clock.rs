//! The only reader of the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Where a stage takes the time from. Clones share their source.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Microseconds since the epoch.
    Manual(Arc<AtomicI64>),
    #[cfg(feature = "simulation")]
    File(Arc<simulated::ClockFile>),
}

impl Clock {
    /// The system's clock. With the feature `simulation`, the file that `FRESHET_SIMULATED_CLOCK` names is read
    /// at every call instead.
    pub fn system() -> Self {
        #[cfg(feature = "simulation")]
        if let Some(file) = simulated::ClockFile::from_env() {
            return Self(Source::File(Arc::new(file)));
        }
        Self(Source::System)
    }

    /// A clock that stands still until it is set, for tests.
    pub fn manual(now: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now.as_microsecond()))))
    }

    /// The time now, in whole microseconds as PostgreSQL keeps it.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => event_model::reading::truncate_to_micros(system_time()),
            Source::Manual(micros) => {
                Timestamp::from_microsecond(micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
            }
            #[cfg(feature = "simulation")]
            Source::File(file) => file.now().unwrap_or_else(system_time),
        }
    }

    /// Whether it goes on while its readers wait. The clock of a file does not: whoever moves it waits for them.
    pub const fn goes_on(&self) -> bool {
        #[cfg(feature = "simulation")]
        if matches!(self.0, Source::File(_)) {
            return false;
        }
        true
    }

    /// Waits until `at`; for ever where the clock does not [go on](Self::goes_on). A manual clock goes there at once: where
    /// everybody waits, nothing else would move it.
    pub async fn wait_until(&self, at: Timestamp) {
        match &self.0 {
            Source::System => {
                let wait = Duration::try_from(at.duration_since(system_time())).unwrap_or_default();
                tokio::time::sleep(wait).await;
            }
            Source::Manual(micros) => {
                micros.fetch_max(at.as_microsecond(), Ordering::SeqCst);
            }
            #[cfg(feature = "simulation")]
            Source::File(_) => std::future::pending().await,
        }
    }

    /// Sets a manual clock; any other clock goes its own way.
    pub fn set(&self, now: Timestamp) {
        if let Source::Manual(micros) = &self.0 {
            micros.store(now.as_microsecond(), Ordering::SeqCst);
        }
    }

    /// Moves a manual clock forward; any other clock goes its own way.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(micros) = &self.0 {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            micros.fetch_add(by, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
fn system_time() -> Timestamp {
    Timestamp::now()
}

#[cfg(feature = "simulation")]
mod simulated {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicI64, Ordering};

    use jiff::Timestamp;

    /// A file with one RFC 3339 time; whoever moves the clock replaces it by renaming.
    #[derive(Debug)]
    pub(super) struct ClockFile {
        path: PathBuf,
        /// Microseconds since the epoch of the last time read; `i64::MIN` before the first.
        last: AtomicI64,
    }

    impl ClockFile {
        pub(super) fn from_env() -> Option<Self> {
            let path = std::env::var_os("FRESHET_SIMULATED_CLOCK")?;
            Some(Self { path: path.into(), last: AtomicI64::new(i64::MIN) })
        }

        /// The file's time; the last one read where the file is just not there; `None` if it never was.
        pub(super) fn now(&self) -> Option<Timestamp> {
            let text = std::fs::read_to_string(&self.path).ok();
            if let Some(time) = text.and_then(|text| text.trim().parse::<Timestamp>().ok()) {
                self.last.store(time.as_microsecond(), Ordering::SeqCst);
                return Some(time);
            }
            match self.last.load(Ordering::SeqCst) {
                i64::MIN => None,
                micros => Timestamp::from_microsecond(micros).ok(),
            }
        }
    }
}
