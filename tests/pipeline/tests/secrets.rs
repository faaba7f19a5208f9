//! No credential, of whichever kind, comes further than `ingest`: not into the queue, the database, a log or a trace.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use event_model::hex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use pipeline_tests::stand::{Plan, Stand};
use reqwest::RequestBuilder;
use sha2::Sha256;
use testkit::{TestReceiver, eventually};

const HEADER: &str = "hdr-6f2c1b9a8d7e";
const BEARER: &str = "brr-81c2d3e4f5a6";
const PASSWORD: &str = "pwd-1a2b3c4d5e6f";
const QUERY: &str = "qry-9e8d7c6b5a4f";
const PATH: &str = "pth-0f1e2d3c4b5a";
const HMAC_KEY: &str = "mac-7b6a5f4e3d2c";
const WEBHOOK: &str = "c3RhbmRhcmQtd2ViaG9va3Mta2V5LTAx";
const OUTGOING: &str = "b3V0Z29pbmctd2ViaG9vay1rZXktMDAx";
const PASSKEY: &str = "4D3C2B1A0F9E8D7C6B5A49382716F5E4";
const DOWNLINK: &str = "NNSXS.DWNLNK7Q2W3E4R5T6Z7U";
const TOKEN: &str = "tok-5d6e7f8a9b0c";
/// What must be found in all four places, or the search would prove nothing.
const DEVICE: &str = "witness-device-31";

const PIPELINE: &str = "
sources:
  header: {format: json, credentials: [{header: X-Api-Key, secret: {env: HEADER}}]}
  bearer: {format: ttn_v3, credentials: [{bearer: {env: BEARER}}]}
  basic: {format: json, credentials: [{basic: {user: ann, password: {env: PASSWORD}}}]}
  query: {format: json, credentials: [{query: key, secret: {env: QUERY}}]}
  path: {format: json, credentials: [{path: true, secret: {env: PATH_SECRET}}]}
  hmac: {format: json, credentials: [{hmac: {header: X-Signature, secret: {env: HMAC_KEY}}}]}
  standard: {format: json, credentials: [{standard_webhooks: {secret: {env: WEBHOOK}}}]}
  station: {format: ecowitt}
  lines: {format: influx_line_protocol}
rules:
  TooHot: {metric: temperature, above: 30}
receivers:
  ops: {webhook: {url: {env: OPS_URL}, secret: {env: OUTGOING}}}
routes: [{to: [ops]}]
network: {allow: [127.0.0.1]}
";

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_reaches_queue_database_log_or_trace() {
    let (ops, collector) = (TestReceiver::start().await, TestReceiver::start().await);
    let mut plan = Plan::new(PIPELINE);
    plan.environment = environment(&ops, &collector);
    let Some(stand) = Stand::up(plan).await else { return };
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let ingest = stand.running.service_url("ingest").unwrap();
    for request in requests(&client, &ingest) {
        let shown = format!("{request:?}");
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{} {shown}", answer.status());
    }
    for request in refused(&client, &ingest) {
        assert!(request.send().await.unwrap().status().is_client_error());
    }
    eventually(Duration::from_secs(20), || async { !ops.received().is_empty() }).await;
    stand.rest().await;

    let database = tables(&stand).await;
    // The processes write their last spans and lines when they stop; the folder is read after that.
    let kept = keep_folder(stand).await;
    let (mut queue, mut log) = (Vec::new(), Vec::new());
    files(kept.path(), &mut |file, content| {
        let is_log = file.extension().is_some_and(|extension| extension == "log");
        if is_log { log.extend(content) } else { queue.extend(content) }
    });
    let trace: Vec<u8> = collector.received().into_iter().flat_map(|received| received.body).collect();
    for (place, content) in [("queue", queue), ("database", database), ("log", log), ("trace", trace)] {
        let content = searchable(&content);
        let witness = if matches!(place, "queue" | "database") { DEVICE } else { "receive" };
        assert!(content.contains(witness), "{place} was not searched: {} bytes", content.len());
        for secret in secrets() {
            assert!(!content.contains(&secret.to_lowercase()), "{secret} is in the {place}");
            assert!(!content.contains(&hex(secret.as_bytes())), "{secret} is in the {place} in hex");
        }
    }
}

fn environment(ops: &TestReceiver, collector: &TestReceiver) -> Vec<(String, String)> {
    [
        ("HEADER", HEADER.to_owned()),
        ("BEARER", BEARER.to_owned()),
        ("PASSWORD", PASSWORD.to_owned()),
        ("QUERY", QUERY.to_owned()),
        ("PATH_SECRET", PATH.to_owned()),
        ("HMAC_KEY", HMAC_KEY.to_owned()),
        ("WEBHOOK", format!("whsec_{WEBHOOK}")),
        ("OUTGOING", format!("whsec_{OUTGOING}")),
        ("OPS_URL", ops.url("/alerts")),
        ("RUST_LOG", "debug".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The secrets, and what is sent in their place.
fn secrets() -> Vec<String> {
    let mut secrets: Vec<String> =
        [HEADER, BEARER, PASSWORD, QUERY, PATH, HMAC_KEY, WEBHOOK, OUTGOING, PASSKEY, DOWNLINK, TOKEN]
            .map(str::to_owned)
            .to_vec();
    secrets.push(BASE64.encode(format!("ann:{PASSWORD}")));
    secrets.push(hex(&mac(HMAC_KEY.as_bytes(), body().as_bytes())));
    secrets
}

fn body() -> String {
    format!(r#"{{"device": "{DEVICE}", "temperature": 31.5}}"#)
}

/// One request for each kind of credential, and those that platforms add themselves.
fn requests(client: &reqwest::Client, ingest: &str) -> Vec<RequestBuilder> {
    let json = |path: &str| {
        client.post(format!("{ingest}{path}")).header("content-type", "application/json").body(body())
    };
    let uplink = format!(
        r#"{{"end_device_ids": {{"device_id": "{DEVICE}", "application_ids": {{"application_id": "a"}}}},
            "uplink_message": {{"f_port": 1, "decoded_payload": {{"temperature": 21.5}}}}}}"#
    );
    let now = runtime::Clock::system().now().as_second();
    let key = BASE64.decode(WEBHOOK).unwrap();
    let signature = BASE64.encode(mac(&key, format!("msg_1.{now}.{}", body()).as_bytes()));
    vec![
        json("/hooks/header").header("x-api-key", HEADER),
        json("/hooks/bearer").bearer_auth(BEARER).header("x-downlink-apikey", DOWNLINK).body(uplink),
        json("/hooks/basic").basic_auth("ann", Some(PASSWORD)),
        json(&format!("/hooks/query?key={QUERY}")),
        json(&format!("/hooks/path/{PATH}")),
        json("/hooks/hmac").header("x-signature", hex(&mac(HMAC_KEY.as_bytes(), body().as_bytes()))),
        json("/hooks/standard")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", now)
            .header("webhook-signature", format!("v1,{signature}")),
        client
            .post(format!("{ingest}/hooks/station/data/report/"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("PASSKEY={PASSKEY}&dateutc=now&tempf=70.1")),
        client
            .post(format!("{ingest}/hooks/lines/api/v2/write?u=ann&p={TOKEN}&token={TOKEN}"))
            .header("authorization", format!("Token {TOKEN}"))
            .body(format!("inlet,host={DEVICE} temperature=21.5")),
        // What makes no sense is kept as a dead letter.
        json("/hooks/header").header("x-api-key", HEADER).body(r#"{"device": "x", "temperature": "hot"}"#),
    ]
}

/// Credentials that come to the wrong door.
fn refused(client: &reqwest::Client, ingest: &str) -> Vec<RequestBuilder> {
    let post = |path: String| client.post(format!("{ingest}{path}")).body(body());
    vec![
        post(format!("/hooks/nobody/{PATH}")),
        post(format!("/hooks/query?key=x{QUERY}")),
        post("/hooks/header".to_owned()).header("x-api-key", format!("x{HEADER}")),
    ]
}

fn mac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

/// Every row of every table, as text; bytes as they are.
async fn tables(stand: &Stand) -> Vec<u8> {
    let client = stand.database().await;
    let names = client
        .query("select relname::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace", &[])
        .await
        .unwrap();
    let mut content = Vec::new();
    for name in names {
        let name: String = name.get(0);
        for row in client.query(&format!(r#"select t::text from "{name}" t"#), &[]).await.unwrap() {
            content.extend(row.get::<_, String>(0).into_bytes());
        }
    }
    for column in ["body from request", "data from dead_letter where data is not null"] {
        let rows = client.query(&format!("select {column}"), &[]).await.unwrap();
        assert!(!rows.is_empty(), "there is no {column}");
        rows.iter().for_each(|row| content.extend(row.get::<_, Vec<u8>>(0)));
    }
    content
}

/// Stops the stand, and keeps the broker's folder.
async fn keep_folder(stand: Stand) -> tempfile::TempDir {
    let Stand { running, folder, postgres, .. } = stand;
    running.stop().await;
    drop(postgres);
    folder
}

/// Every file below `folder`.
fn files(folder: &Path, take: &mut impl FnMut(&Path, Vec<u8>)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, take);
        } else {
            take(&path, std::fs::read(&path).unwrap());
        }
    }
}

/// Lower case, and without the zeros of which a log's unused part consists.
fn searchable(content: &[u8]) -> String {
    let bytes: Vec<u8> = content.iter().filter(|byte| **byte != 0).map(u8::to_ascii_lowercase).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
