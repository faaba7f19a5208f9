//! From ten requests a second to what the mode bears and back to ten, with every stage at zero before.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bench::open_loop::{self, Phase, Sent};
use bench::spike::{AFTER, BEFORE, DRAIN, accepted, strange, tell};
use bench::table::Table;
use topology::Mode;
use url::Url;

use crate::stand::{Stand, TICK};
use crate::wait::until;
use crate::{Failure, pods};

const SPIKE: Duration = Duration::from_secs(20);
const DEVICES: u64 = 200;
/// The instant of the first payload, in seconds.
const FIRST: u64 = 1_767_225_600;

/// Measures a spike of `rate` requests a second.
pub(super) async fn measure(stand: &Stand, table: &mut Table, mode: Mode, rate: f64) -> Result<(), Failure> {
    pods::at_zero(&stand.cluster, TICK * 3).await?;
    let webhook = Webhook::of(stand, mode).await?;
    let spike = Phase { rate: rate as u64, time: SPIKE };
    let before = webhook.send(BEFORE, 0).await;
    let during = webhook.send(spike, before.len() as u64).await;
    let ended = Instant::now();
    let wanted = accepted(&before).chain(accepted(&during)).count();
    let first = (before.len() + during.len()) as u64;
    let (after, drained) = tokio::join!(webhook.send(AFTER, first), async {
        stored(stand, mode, wanted).await.map(|()| ended.elapsed())
    });
    let (drained, sent) = (drained?, [before, during.clone(), after].concat());
    if let Some(strange) = strange(&sent) {
        return Err(format!("{} mode: neither 2xx nor 429 nor 503: {strange:?}", mode.word()).into());
    }
    all_stored(stand, mode, &sent).await?;
    no_restart(stand).await?;

    let name = |what: &str| format!("{} mode, spike: {what}", mode.word());
    table.tell(name("requests a second"), rate.floor(), "requests/s");
    tell(table, name, &during);
    table.at_most(name("time to drain"), drained.as_secs_f64(), "s", DRAIN.as_secs_f64());
    Ok(())
}

/// Where the spike goes to.
struct Webhook {
    address: SocketAddr,
    head: String,
    mode: Mode,
}

impl Webhook {
    async fn of(stand: &Stand, mode: Mode) -> Result<Self, Failure> {
        let url = Url::parse(&stand.cluster.url(&stand.service("ingest")).await?)?;
        let host = url.host_str().ok_or("the service's URL has no host")?;
        let address =
            *stand.settings.gateway.socket_addrs(|| None)?.first().ok_or("the gateway has no address")?;
        let head = format!(
            "POST /hooks/bench HTTP/1.1\r\nhost: {host}\r\nx-api-key: {}\r\ncontent-type: application/json\r\n",
            stand.key
        );
        Ok(Self { address, head, mode })
    }

    async fn send(&self, phase: Phase, first: u64) -> Vec<Sent> {
        let (head, mode) = (self.head.clone(), self.mode.word());
        let request = move |number: u64| {
            let body = format!(
                r#"{{"device":"spike-{mode}-{}","time":{},"temperature":20.5}}"#,
                number % DEVICES,
                FIRST + number
            );
            format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        };
        open_loop::run(self.address, phase, first, request).await
    }
}

/// The numbers of the payloads that are rows.
async fn rows(stand: &Stand, mode: Mode) -> Result<BTreeSet<u64>, Failure> {
    let client = stand.database.connect().await?;
    let sql = "select extract(epoch from observed_at)::bigint from readings where device like $1";
    let rows = client.query(sql, &[&format!("spike-{}-%", mode.word())]).await?;
    rows.iter().map(|row| Ok(u64::try_from(row.try_get::<_, i64>(0)?)?.saturating_sub(FIRST))).collect()
}

/// Waits until so many payloads are rows.
async fn stored(stand: &Stand, mode: Mode, wanted: usize) -> Result<(), Failure> {
    until(DRAIN, "the rows of a spike", async || Ok((rows(stand, mode).await?.len() >= wanted).then_some(())))
        .await
}

/// Waits until everything that was accepted is a row.
async fn all_stored(stand: &Stand, mode: Mode, sent: &[Sent]) -> Result<(), Failure> {
    let accepted: BTreeSet<u64> = accepted(sent).map(|one| one.number).collect();
    until(DRAIN, "the rows of all that was accepted", async || {
        Ok(accepted.is_subset(&rows(stand, mode).await?).then_some(()))
    })
    .await
}

/// No container was ended, for its memory or otherwise.
async fn no_restart(stand: &Stand) -> Result<(), Failure> {
    let pods = stand.cluster.pods().await?;
    let restarted = pods.iter().find(|pod| {
        let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        containers.is_some_and(|containers| containers.iter().any(|container| container.restart_count > 0))
    });
    match restarted {
        Some(pod) => Err(format!("a container of {:?} was restarted", pod.metadata.name).into()),
        None => Ok(()),
    }
}
