//! Warm: from the webhook to the row, one at a time.

use std::time::{Duration, Instant};

use bench::load::latency;
use bench::table::Table;
use jiff::Timestamp;
use topology::Mode;

use crate::Failure;
use crate::stand::Stand;

const WARM_UP: i64 = 20;
const PAYLOADS: i64 = 200;
const LIMIT: Duration = Duration::from_secs(60);
/// The instant of the first payload, in seconds.
const FIRST: i64 = 1_767_225_600;

/// Measures p50 and p99.
pub(super) async fn measure(stand: &Stand, table: &mut Table, mode: Mode) -> Result<(), Failure> {
    let (client, base) = stand.client_of(&stand.service("ingest")).await?;
    let database = stand.database.connect().await?;
    let stored = database
        .prepare("select exists(select from readings where device = $1 and observed_at = $2)")
        .await?;
    let device = format!("warm-{}", mode.word());
    let mut latencies = Vec::new();
    for number in 0..WARM_UP + PAYLOADS {
        let time = FIRST + number;
        let begin = Instant::now();
        let request = client.post(format!("{base}/hooks/bench")).header("x-api-key", &stand.key);
        let body = format!(r#"{{"device":"{device}","temperature":20.5,"time":{time}}}"#);
        let answer = request.header("content-type", "application/json").body(body).send().await?;
        answer.error_for_status()?;
        let at = Timestamp::from_second(time)?;
        while !database.query_one(&stored, &[&device, &at]).await?.get::<_, bool>(0) {
            if begin.elapsed() > LIMIT {
                return Err("a warm payload was not stored".into());
            }
        }
        if number >= WARM_UP {
            latencies.push(begin.elapsed());
        }
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let millis = latency(&mut latencies, share).as_secs_f64() * 1e3;
        table.tell(format!("{} mode: warm webhook -> row, {name}", mode.word()), millis, "ms");
    }
    Ok(())
}
