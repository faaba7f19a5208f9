//! The release binaries under measurement, beside this one.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The stages, by the names of their binaries.
pub const STAGES: [&str; 10] = [
    "ingest",
    "transform",
    "alert",
    "notify",
    "dead-letter",
    "scheduler",
    "cleanup",
    "report",
    "canary",
    "worker",
];

/// The path of a binary of this build.
///
/// # Panics
/// If it was not built.
pub fn path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let path = own.with_file_name(name);
    assert!(path.exists(), "{} is not built: run `make bench`, which builds it", path.display());
    path
}

/// A port on which nothing listens.
///
/// # Panics
/// If the machine has none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// A child process that ends with this value.
pub struct Running {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Running {
    /// Starts `command` with `PORT` set to a free port.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let port = free_port();
        let child = command
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a built binary starts");
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Waits until it listens; gives the time from the call.
    ///
    /// # Panics
    /// If it does not within ten seconds.
    pub fn wait_until_listening(&self) -> Duration {
        let begin = Instant::now();
        while std::net::TcpStream::connect(self.address).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "{} never listened", self.address);
            std::thread::sleep(Duration::from_micros(100));
        }
        begin.elapsed()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stage of this build with the environment that it needs, its events going to `sink`.
pub fn stage(name: &str, database_url: &str, pipeline: &std::path::Path, sink: &str) -> Command {
    let mut command = Command::new(path(name));
    command
        .env_clear()
        .env("DATABASE_URL", database_url)
        .env("FRESHET_PIPELINE", pipeline)
        .env("SCRATCH_DIR", path(name).with_file_name("bench-scratch"))
        .env("K_SINK", sink)
        .env("RUST_LOG", "warn")
        .env("BENCH_KEY", "bench-key");
    if name == "worker" {
        // It listens before it has reached Kafka.
        command.env("KAFKA_TOPIC", "bench").env("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1");
    }
    command
}
