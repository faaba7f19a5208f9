//! What clients of InfluxDB ask of a server beside writing, and where they write who can be told a host alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::World;

const YAML: &str = "
sources:
  lines: {format: influx_line_protocol}
  tokens: {format: influx_line_protocol, credentials: [{bearer: {env: SECRET}}]}
  path: {format: influx_line_protocol, credentials: [{path: true, secret: {env: SECRET}}]}
  open: {format: senml_json}
";
const LINE: &str = "weather,host=a temp=1 1768478340000000000";

#[tokio::test]
async fn a_client_that_asks_for_the_health_before_it_writes_is_answered() {
    let world = World::start(YAML);
    for hook in ["/hooks/lines", "/hooks/tokens", "/hooks/path/open%20sesame", "/hooks/lines/api/v2", ""] {
        for method in ["GET", "HEAD"] {
            let ping = world.request(method, &format!("{hook}/ping")).send().await.unwrap();
            assert_eq!(ping.status().as_u16(), 204, "{method} {hook}");
            assert_eq!(ping.headers()["x-influxdb-version"], "1.8.10");
            assert_eq!(ping.headers()["x-influxdb-build"], "OSS");
            let health = world.request(method, &format!("{hook}/health")).send().await.unwrap();
            assert_eq!(health.status().as_u16(), 200, "{method} {hook}");
            assert_eq!(health.headers()["x-influxdb-version"], "1.8.10");
            assert_eq!(health.headers()["content-type"], "application/json");
            let body = health.text().await.unwrap();
            if method == "GET" {
                let body: Value = serde_json::from_str(&body).unwrap();
                assert_eq!((&body["name"], &body["status"]), (&json!("influxdb"), &json!("pass")));
            }
        }
        assert_eq!(world.status(world.request("GET", &format!("{hook}/ping?verbose=true"))).await, 200);
    }
    assert!(world.queue.take().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn health_is_of_sources_of_this_format_and_of_who_has_the_whole_address() {
    let world = World::start(YAML);
    for (path, status) in [
        ("/hooks/open/health", 405),
        ("/hooks/nobody/health", 404),
        ("/hooks/path/health", 401),
        ("/hooks/path/wrong/ping", 401),
    ] {
        assert_eq!(world.status(world.request("GET", path)).await, status, "{path}");
    }
    assert_eq!(world.status(world.request("POST", "/hooks/lines/health").body(" ")).await, 400);
    world.stop().await;
    let world = World::start("sources: {open: {format: senml_json}}");
    for path in ["/health", "/ping"] {
        assert_eq!(world.status(world.request("GET", path)).await, 404, "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_database_that_is_made_before_the_first_write_is_there() {
    let world = World::start(YAML);
    let asked = |path: &str, body: &'static str| {
        let request = world.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        request.header("authorization", "Token open sesame").header("content-length", body.len()).body(body)
    };
    let create = "/hooks/tokens/query?q=CREATE+DATABASE+%22telegraf%22";
    for request in [asked(create, ""), asked("/hooks/tokens/query", "q=create+database+telegraf")] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body, json!({"results": [{"statement_id": 0}]}));
    }
    assert_eq!(world.status(asked("/hooks/tokens/query?q=SELECT+1", "")).await, 422);
    assert_eq!(world.status(world.request("POST", create)).await, 401);
    assert!(world.queue.take().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_knows_a_host_alone_names_the_source_as_its_database() {
    let world = World::start(YAML);
    let write =
        |path: &str| world.request("POST", path).header("authorization", "Bearer open sesame").body(LINE);
    for path in [
        "/write?db=tokens&precision=ns",
        "/api/v2/write?org=any&bucket=tokens&precision=ns",
        "/api/v2/write?bucket=tokens/autogen",
        "/api/v3/write_lp?db=tokens&precision=nanosecond",
    ] {
        assert_eq!(world.status(write(path)).await, 204, "{path}");
        let (event, recorded) = world.queue.one();
        assert_eq!(cloudevents::AttributesReader::source(&event), "/sources/tokens", "{path}");
        assert_eq!(recorded.target(), path);
        assert_eq!(recorded.body, LINE.as_bytes());
    }
    for (path, status) in [
        ("/write", 404),
        ("/write?bucket=tokens", 404),
        ("/write?db=nobody", 404),
        ("/api/v2/other?bucket=tokens", 404),
    ] {
        assert_eq!(world.status(write(path)).await, status, "{path}");
    }
    let stranger = world.request("POST", "/write?db=tokens").body(LINE);
    assert_eq!(world.status(stranger).await, 401);
    assert!(world.queue.take().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn an_error_says_why_where_clients_of_influxdb_look() {
    let world = World::start(YAML);
    for (path, status, code) in [
        ("/hooks/tokens/api/v2/write?bucket=b", 401, "unauthorized"),
        ("/hooks/nobody/write?db=b", 404, "not found"),
        ("/hooks/lines/write?db=b&precision=x", 400, "invalid"),
    ] {
        let answer = world.request("POST", path).body(LINE).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["code"], code, "{path}");
        assert!(body["detail"].is_string() && body["detail"] == body["message"], "{body}");
        assert_eq!(body["detail"], body["error"]);
    }
    let answer = world.request("POST", "/hooks/nobody").body(LINE).send().await.unwrap();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    world.stop().await;
}
