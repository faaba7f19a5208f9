//! One process from its start to its end.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::Instant;

use super::Service;
use super::orphans::Listed;
use super::port::{self, Reservation};
use super::process::Process;
use crate::strict::Rule;

/// Between two readiness probes.
const PROBE_EVERY: Duration = Duration::from_millis(2);
/// A process that never gets ready is given up after this, as `progressDeadline` would, much sooner.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// After a failed start, doubled up to the cap: CrashLoopBackOff.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_CAP: Duration = Duration::from_secs(10);
/// A file of output is put aside at this size.
const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;

/// Starts a process that the gate counts as starting, and stays with it to its end.
pub(super) async fn run(service: Arc<Service>) {
    let failed = service.counters.failed_starts.load(Relaxed);
    if let Some(exponent) = failed.checked_sub(1) {
        let factor = 1 << exponent.min(10);
        tokio::select! {
            () = tokio::time::sleep((FIRST_BACKOFF * factor).min(BACKOFF_CAP)) => {}
            () = service.closed() => return service.gate.start_failed(),
        }
    }
    match start(&service).await {
        Ok((child, process, held)) => {
            service.counters.failed_starts.store(0, Relaxed);
            serve(&service, child, &process).await;
            drop(held);
        }
        Err(reason) => {
            service.counters.failed_starts.fetch_add(1, Relaxed);
            tracing::error!(service = service.spec.name, reason, "a process did not start");
            service.gate.start_failed();
        }
    }
}

/// What a process has until its end: its port and its place on the list.
type Held = (Option<Reservation>, Listed);

/// A process that is ready.
async fn start(service: &Arc<Service>) -> Result<(Child, Arc<Process>, Held), String> {
    let started = Instant::now();
    let spec = &service.spec;
    let (reservation, address) = if spec.exposed {
        (None, service.address)
    } else {
        let reservation = port::reserve().map_err(|error| error.to_string())?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, reservation.port));
        (Some(reservation), address)
    };
    let revision = format!("{}-{}", spec.name, uuid::Uuid::now_v7().simple());
    let listed = service.activation.orphans.list(&revision).map_err(|error| error.to_string())?;
    let mut child = spawn(service, address, &revision).await.map_err(|error| error.to_string())?;
    let pid = child.id().ok_or("it ended at once")?;
    service.counters.starts.fetch_add(1, Relaxed);
    let ready = tokio::select! {
        () = until_ready(address) => Ok(()),
        status = child.wait() => Err(format!("it ended at once: {}", describe(status))),
        () = service.closed() => Err("the broker is stopping".to_owned()),
        () = tokio::time::sleep(START_TIMEOUT) => Err("it does not listen on PORT".to_owned()),
    };
    if let Err(reason) = ready {
        // It is gone when this returns: who stops the broker may rely on it.
        let _ = child.kill().await;
        return Err(reason);
    }
    let took = started.elapsed();
    if took > service.activation.start_limit {
        let detail = format!("{} ms", took.as_millis());
        service.activation.strict.add(&spec.name, Rule::ListensInTime, detail);
    }
    tokio::time::sleep(spec.cold_delay).await;
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    service.counters.last_cold_start_micros.store(micros, Relaxed);
    Ok((child, Arc::new(Process::new(pid, address, started)), (reservation, listed)))
}

async fn spawn(service: &Service, address: SocketAddr, revision: &str) -> io::Result<Child> {
    let spec = &service.spec;
    let activation = &service.activation;
    let output = output(&activation.logs, &spec.name)?;
    let mut command = activation.spawner.command(&spec.program);
    command
        .args(&spec.args)
        .envs(&spec.env)
        .env("PORT", address.port().to_string())
        // Unless it is exposed, nobody but the activator is to reach it, and a stage asks for no credential.
        .env("LISTEN_ADDRESS", address.ip().to_string())
        .env("K_SERVICE", &spec.name)
        .env("K_CONFIGURATION", &spec.name)
        .env("K_REVISION", revision)
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(Stdio::from(output));
    activation.spawner.spawn(command).await
}

fn output(folder: &Path, service: &str) -> io::Result<File> {
    let path = folder.join(format!("{service}.log"));
    if std::fs::metadata(&path).is_ok_and(|file| file.len() > MAX_LOG_BYTES) {
        std::fs::rename(&path, folder.join(format!("{service}.log.old")))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Knative's default readiness probe: the port takes a connection.
async fn until_ready(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

async fn serve(service: &Service, mut child: Child, process: &Arc<Process>) {
    service.gate.serve(process.clone());
    tokio::select! {
        status = child.wait() => {
            if !process.was_killed() {
                tracing::warn!(service = service.spec.name, status = describe(status), "a process ended by itself");
            }
        }
        grace = process.stopped() => end(service, &mut child, process, grace).await,
    }
    let ran = u64::try_from(process.started.elapsed().as_micros()).unwrap_or(u64::MAX);
    service.counters.ended_process_micros.fetch_add(ran, Relaxed);
    process.note_end();
    service.gate.gone(process);
}

async fn end(service: &Service, child: &mut Child, process: &Process, grace: Duration) {
    let strict = &service.activation.strict;
    process.terminate();
    match tokio::time::timeout(grace, child.wait()).await {
        Ok(Ok(status)) if status.success() || process.was_killed() => {}
        Ok(status) => strict.add(&service.spec.name, Rule::EndsOnSigterm, describe(status)),
        Err(_) => {
            strict.add(&service.spec.name, Rule::EndsOnSigterm, format!("still there after {grace:?}"));
            process.kill();
            // It is gone when this returns; how, is known.
            let _ = child.wait().await;
        }
    }
}

fn describe(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}
