//! From start to end of a process.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::server::{RunningServer, ServerOptions};
use crate::settings::Settings;
use crate::telemetry::{self, Metrics, Telemetry};
use runtime::Clock;
use runtime::{ConfigErrors, Env};

/// `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;
/// For the last spans and measurements.
const TELEMETRY_LIMIT: Duration = Duration::from_secs(3);
/// Threads for what is not serving: group commits, connections, exports.
const BACKGROUND_THREADS: usize = 2;

/// What a service is built from. It is built within the Tokio runtime, so that it may spawn.
#[derive(Debug)]
pub struct Runtime {
    /// The service's name.
    pub name: &'static str,
    /// The settings; [`Env::finish`] before the first use of what was read.
    pub env: Env,
    /// The shell's settings, for services that serve routes of their own.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// The meter for instruments of its own.
    pub metrics: Metrics,
}

/// Runs a service until SIGTERM or SIGINT: the whole of a `main`.
///
/// `build` reads its settings and wires the service; it neither connects nor waits.
pub fn run(name: &'static str, build: impl FnOnce(Runtime) -> Result<App, ConfigErrors>) -> ExitCode {
    let started = Instant::now();
    // Fails where a provider is set already, which is then this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .thread_name(name)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(name, &format!("threads could not be started: {error}")),
    };
    let code = runtime.block_on(live(name, started, build));
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

async fn live(
    name: &'static str,
    started: Instant,
    build: impl FnOnce(Runtime) -> Result<App, ConfigErrors>,
) -> ExitCode {
    let mut env = Env::process();
    let settings = Settings::from_env(&mut env);
    let options = telemetry::Options::from_env(name, &mut env);
    let own_mistakes = ConfigErrors(env.mistakes().to_vec());
    let telemetry = Telemetry::start(&options, &tokio::runtime::Handle::current());
    let clock = Clock::system();
    let metrics = telemetry.metrics.clone();
    let built = build(Runtime {
        name,
        env,
        settings: settings.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    });
    let app = match built {
        // A service that never called `finish` must not start on our mistakes either.
        Ok(_) if !own_mistakes.0.is_empty() => return misconfigured(name, &own_mistakes),
        Ok(app) => app,
        Err(errors) => return misconfigured(name, &errors),
    };
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return failed(name, "signals cannot be received");
    };
    let server = match RunningServer::start(app, ServerOptions { settings, clock, metrics }) {
        Ok(server) => server,
        Err(error) => return failed(name, &format!("cannot listen: {error}")),
    };
    tracing::info!(
        address = %server.address(),
        start_ms = started.elapsed().as_secs_f64() * 1000.0,
        "{name} is listening"
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("{name} is shutting down");
    server.stop().await;
    // The exporters block their thread while the runtime sends.
    let flushed = tokio::task::spawn_blocking(move || telemetry.shut_down(TELEMETRY_LIMIT));
    let _ = tokio::time::timeout(TELEMETRY_LIMIT, flushed).await;
    ExitCode::SUCCESS
}

fn misconfigured(name: &str, errors: &ConfigErrors) -> ExitCode {
    eprintln!("{name} cannot start:\n{errors}");
    ExitCode::from(EXIT_CONFIG)
}

fn failed(name: &str, reason: &str) -> ExitCode {
    eprintln!("{name} cannot start: {reason}");
    ExitCode::FAILURE
}
