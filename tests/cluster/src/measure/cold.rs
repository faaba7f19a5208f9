//! From zero pods: a trivial service's first answer, the first row, the first message.

use std::time::{Duration, Instant};

use bench::table::{Table, median};
use reqwest::Client;

use crate::stand::{Stand, TICK};
use crate::wait::until;
use crate::{Failure, pods, receiver};

/// Starts of each kind; each waits for zero first, which takes a minute.
const RUNS: u32 = 7;
/// A kubelet looks once in this time which containers have started (`genericPlegRelistPeriod`): a start takes as much longer as
/// there is left of it. Requests are spread over it evenly, so that no kind of start has the better moments.
const RELIST: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Measures cold starts of `kind`; `at_most` are the starts of the trivial service that a row and a message may take.
pub(super) async fn measure(
    stand: &Stand,
    table: &mut Table,
    kind: &str,
    at_most: Option<[f64; 2]>,
) -> Result<(), Failure> {
    let (mut trivial, mut to_row, mut to_message) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        pods::at_zero(&stand.cluster, TICK * 3).await?;
        trivial_at_zero(stand).await?;
        let moment = RELIST * run / RUNS;
        tokio::time::sleep(moment).await;
        trivial.push(start_of_trivial(stand).await?);
        tokio::time::sleep(moment).await;
        let (row, message) = chain(stand, &format!("cold-{}-{run}", kind.replace(' ', "-"))).await?;
        to_row.push(row);
        to_message.push(message);
    }
    let trivial = median(trivial);
    table.tell(format!("{kind}: a trivial service from zero"), trivial, "s");
    for (at, (what, seconds)) in [("row", to_row), ("notification", to_message)].into_iter().enumerate() {
        let seconds = median(seconds);
        table.tell(format!("{kind}: cold webhook -> {what}"), seconds, "s");
        let name = format!("{kind}: cold webhook -> {what}, in trivial starts");
        match at_most {
            Some(at_most) => table.at_most(name, seconds / trivial, "starts", at_most[at]),
            None => table.tell(name, seconds / trivial, "starts"),
        }
    }
    Ok(())
}

async fn trivial_at_zero(stand: &Stand) -> Result<(), Failure> {
    until(TICK * 2, "the trivial service at zero", async || {
        let pods = stand.cluster.pods().await?;
        let is_there = pods.iter().filter_map(|pod| pod.metadata.name.as_deref()).any(is_trivial);
        Ok((!is_there).then_some(()))
    })
    .await
}

fn is_trivial(pod: &str) -> bool {
    pod.starts_with(receiver::TRIVIAL)
}

async fn start_of_trivial(stand: &Stand) -> Result<f64, Failure> {
    let (client, base) = stand.client_of(receiver::TRIVIAL).await?;
    let begin = Instant::now();
    let status = client.post(&base).body("x").send().await?.status();
    if status.as_u16() == 202 {
        Ok(begin.elapsed().as_secs_f64())
    } else {
        Err(format!("trivial: {status}").into())
    }
}

/// Seconds from the request to its row, and to its message. Looking takes as little as can be of the cores that start.
async fn chain(stand: &Stand, device: &str) -> Result<(f64, f64), Failure> {
    let (client, base) = stand.client_of(&stand.service("ingest")).await?;
    let database = stand.database.connect().await?;
    let stored = database.prepare("select exists(select from readings where device = $1)").await?;
    let received_before = receiver::received(&stand.cluster).await?.len();
    let begin = Instant::now();
    let row = async {
        while !database.query_one(&stored, &[&device]).await?.get::<_, bool>(0) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok::<_, Failure>(begin.elapsed().as_secs_f64())
    };
    let message = async {
        receiver::received_beyond(&stand.cluster, received_before).await?;
        Ok(begin.elapsed().as_secs_f64())
    };
    let watched = async { tokio::try_join!(hot(&client, &base, &stand.key, device), row, message) };
    let ended = tokio::time::timeout(LIMIT, watched).await;
    let ((), row, message) = ended.map_err(|_| "the cold chain did not come to its end")??;
    Ok((row, message))
}

async fn hot(client: &Client, base: &str, key: &str, device: &str) -> Result<(), Failure> {
    let body = format!(r#"{{"device":"{device}","temperature":31.5}}"#);
    let request = client.post(format!("{base}/hooks/bench")).header("x-api-key", key);
    let status = request.header("content-type", "application/json").body(body).send().await?.status();
    if status.is_success() { Ok(()) } else { Err(format!("the webhook answered {status}").into()) }
}
