//! Webhook to committed row through the whole local pipeline: `freshet up` as a process, with PostgreSQL, the local
//! broker and every stage of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::binaries::{self, free_port};
use crate::load::{self, Answers, Connection, post};
use crate::probe::Probe;
use crate::table::{Table, median};

const RUNS: usize = 3;
const TIME: Duration = Duration::from_secs(4);
const PROBE_TIME: Duration = Duration::from_secs(2);
const DEVICES: u64 = 500;
/// At which new devices and watched payloads are measured.
const MANY: usize = 32;
/// Devices of a fleet that a rule watches.
const FLEETS: [u64; 2] = [2_000, 50_000];
/// For `freshet up` to start, and for what was accepted to be stored.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// A mode, the connections that it is measured with, and what new devices must reach of known ones at least.
const MODES: [(&str, &[usize], f64); 2] =
    [("broker", &[1, 32, 128], 0.5), ("direct", &[1, 32, 128, 512], 0.35)];

/// Measures each mode at each number of connections. A request counts once its receipt is committed.
///
/// # Panics
/// If an accepted request did not end as exactly one receipt.
pub async fn webhook_to_row(table: &mut Table, pipeline: &Path) {
    for (mode, all_connections, least_of_new) in MODES {
        let up = Up::start(pipeline, mode).await;
        let mut known = f64::NAN;
        for &connections in all_connections {
            let mut runs = Vec::new();
            for run in 0..RUNS {
                runs.push(measure(&up, connections, (connections * 10 + run) as u64).await);
            }
            let plural = if connections == 1 { "" } else { "s" };
            let name =
                |what: &str| format!("webhook to row, {mode} mode, {connections} connection{plural}: {what}");
            let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
            let stored = of(|run| run.stored_rate);
            table.tell(name("stored"), stored, "requests/s");
            table.tell(name("answered, p50"), of(|run| run.answered[0]), "ms");
            table.tell(name("answered, p99"), of(|run| run.answered[1]), "ms");
            table.tell(name("committed, p50"), of(|run| run.committed[0]), "ms");
            table.tell(name("committed, p99"), of(|run| run.committed[1]), "ms");
            if connections == MANY {
                known = stored;
            }
        }
        let mut rates = Vec::new();
        for run in 0..RUNS {
            rates.push(of_new_devices(&up, run as u64).await);
        }
        let share = median(rates) / known;
        table.at_least(format!("{mode} mode, new devices of known ones"), share, "", least_of_new);
    }
}

/// Measures what a rule over every device costs in broker mode, beside the same load without a rule.
///
/// # Panics
/// As [`webhook_to_row`].
pub async fn watched(table: &mut Table, unwatched: &Path, watched: &Path) {
    for devices in FLEETS {
        let [stored, evaluated] = [
            evaluated_rate(&Up::start(unwatched, "broker").await, devices).await,
            evaluated_rate(&Up::start(watched, "broker").await, devices).await,
        ];
        table.tell(format!("broker mode, {devices} devices: stored, unwatched"), stored, "requests/s");
        table.tell(format!("broker mode, {devices} devices: evaluated"), evaluated, "requests/s");
        let name = format!("broker mode, {devices} devices: evaluated beside stored unwatched");
        table.at_least(name, evaluated / stored, "", 0.5);
    }
}

/// Requests a second until the last is stored, and evaluated where a rule watches it.
async fn evaluated_rate(up: &Up, devices: u64) -> f64 {
    let client = up.connect().await;
    let mut rates = Vec::new();
    // The first run makes the devices known.
    for run in 0..=RUNS as u64 {
        let time = if run == 0 { 3 * TIME } else { TIME };
        let before = receipts(&client).await;
        let begin = Instant::now();
        let reading = move |n| reading_of(&format!("fleet-{}", n % devices), run * 1_000 + n / devices, n);
        let answers = load::run(up.webhook, MANY, time, reading).await;
        let accepted = settled(&client, before, &answers, 0).await;
        until_evaluated(&client).await;
        rates.push(accepted as f64 / begin.elapsed().as_secs_f64());
    }
    rates.remove(0);
    median(rates)
}

async fn until_evaluated(client: &Client) {
    let begin = Instant::now();
    loop {
        let row = client.query_one("select exists (select from evaluation_request)", &[]).await;
        if !row.expect("the schema is migrated").get::<_, bool>(0) {
            return;
        }
        assert!(begin.elapsed() < LIMIT, "what a rule watches is not evaluated");
        tokio::time::sleep(POLL).await;
    }
}

/// Requests a second, each of a device that was never seen.
async fn of_new_devices(up: &Up, run: u64) -> f64 {
    let client = up.connect().await;
    let before = receipts(&client).await;
    let begin = Instant::now();
    let reading = move |n| reading_of(&format!("new-{run}-{n}"), 0, n);
    let answers = load::run(up.webhook, MANY, TIME, reading).await;
    settled(&client, before, &answers, 0).await as f64 / begin.elapsed().as_secs_f64()
}

struct Run {
    /// Requests a second, from the first request to the commit of the last.
    stored_rate: f64,
    /// Milliseconds from a request to its answer: the median and the 99th percentile.
    answered: [f64; 2],
    /// The same to its committed row, of the probe's requests.
    committed: [f64; 2],
}

/// The rate first, then the way of single requests beside the same load: the probe must not slow what is counted.
async fn measure(up: &Up, connections: usize, run: u64) -> Run {
    let client = up.connect().await;
    let before = receipts(&client).await;
    let begin = Instant::now();
    let mut answers = load::run(up.webhook, connections, TIME, move |n| request(n, run * 2)).await;
    let accepted = settled(&client, before, &answers, 0).await;
    let stored_rate = accepted as f64 / begin.elapsed().as_secs_f64();

    let before = before + accepted;
    let probe = Probe::start(up.webhook, up.connect().await, run, PROBE_TIME);
    let beside = load::run(up.webhook, connections, PROBE_TIME, move |n| request(n, run * 2 + 1)).await;
    let probed = probe.finish().await;
    settled(&client, before, &beside, probed.len() as u64).await;
    Run {
        stored_rate,
        answered: [0.5, 0.99].map(|share| answers.latency(share).as_secs_f64() * 1e3),
        committed: [0.5, 0.99].map(|share| probed.latency(share).as_secs_f64() * 1e3),
    }
}

/// Waits for the commit of all that was accepted; gives how many that were.
async fn settled(client: &Client, before: u64, answers: &Answers, others: u64) -> u64 {
    let accepted = answers.accepted + others;
    let stored = until_stored(client, before + accepted).await - before;
    assert_eq!(answers.refused, 0, "requests were refused");
    assert_eq!(stored, accepted, "every accepted request is one receipt");
    accepted
}

/// The n-th reading of a fleet, no moment of a device twice.
fn request(number: u64, run: u64) -> Vec<u8> {
    reading_of(&format!("bench-{}", number % DEVICES), run * 10_000 + number / DEVICES, number)
}

/// The reading of a device at its n-th moment.
fn reading_of(device: &str, moment: u64, number: u64) -> Vec<u8> {
    let body = format!(
        r#"{{"device":"{device}","time":{},"temperature":{:.1},"humidity":{},"battery_voltage":3.6}}"#,
        1_767_225_600_000 + moment * 10,
        20.0 + (number % 100) as f64 / 10.0,
        40 + number % 20,
    );
    payload(&body)
}

/// A request with the source's key.
pub(crate) fn payload(body: &str) -> Vec<u8> {
    post("/hooks/bench", &[("content-type", "application/json"), ("x-api-key", "bench-key")], body.as_bytes())
}

async fn receipts(client: &Client) -> u64 {
    let row = client.query_one("select count(*) from receipt", &[]).await.expect("the schema is migrated");
    u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)
}

/// Waits until there are `wanted` receipts; gives how many there are then.
async fn until_stored(client: &Client, wanted: u64) -> u64 {
    let begin = Instant::now();
    loop {
        let stored = receipts(client).await;
        if stored >= wanted || begin.elapsed() > LIMIT {
            return stored;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A running `freshet up` on a state directory of its own.
pub(crate) struct Up {
    child: Child,
    pub(crate) webhook: SocketAddr,
    database_url: String,
    state: tempfile::TempDir,
}

impl Up {
    async fn start(pipeline: &Path, mode: &str) -> Self {
        let up = Self::run(pipeline, &["--mode", mode, "--idle", "60s"], &[]).await;
        up.warm().await;
        up
    }

    /// One that has taken nothing yet.
    pub(crate) async fn up(pipeline: &Path) -> Self {
        Self::run(pipeline, &["--mode", "broker", "--idle", "60s"], &[]).await
    }

    /// One with more arguments and a larger environment.
    pub(crate) async fn run(pipeline: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let state = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_port();
        let child = Command::new(binaries::path("freshet"))
            .args(["up", "--port", &port.to_string(), "--state-dir"])
            .arg(state.path())
            .args(arguments)
            .env("FRESHET_PIPELINE", pipeline)
            .env("BENCH_KEY", "bench-key")
            .env("STAND_KEY", "bench-key")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("freshet is built");
        let webhook = SocketAddr::from(([127, 0, 0, 1], port));
        let mut up = Self { child, webhook, database_url: String::new(), state };
        up.database_url = up.wait_for_database_url().await;
        up
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// It writes the address once everything is started.
    async fn wait_for_database_url(&self) -> String {
        let begin = Instant::now();
        loop {
            if let Ok(url) = std::fs::read_to_string(self.state.path().join("database-url"))
                && tokio::net::TcpStream::connect(self.webhook).await.is_ok()
            {
                return url;
            }
            assert!(begin.elapsed() < LIMIT, "freshet up did not start");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts the stages and makes the devices known: a fleet is new once only.
    async fn warm(&self) {
        let mut connection = Connection::open(self.webhook).await;
        for number in 0..DEVICES {
            let status = connection.exchange(&request(number, 0)).await.expect("the webhook answers");
            assert!((200..300).contains(&status), "the webhook answered {status}");
        }
        let stored = until_stored(&self.connect().await, DEVICES).await;
        assert_eq!(stored, DEVICES, "every accepted request is one receipt");
    }

    pub(crate) async fn connect(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.database_url, NoTls).await.expect("PostgreSQL answers");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // SIGTERM, so that it ends PostgreSQL and the stages.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
