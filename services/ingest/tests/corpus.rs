//! Published vectors of Standard Webhooks, where `FRESHET_CORPUS` names the folder that they are in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use support::{SECRETS, World};

const YAML: &str = "
sources:
  vectors: {format: json, credentials: [{standard_webhooks: {secret: {env: WEBHOOK_SECRET}}}]}
";

#[tokio::test]
async fn published_signatures_are_judged_as_published() {
    let Some(corpus) = std::env::var_os("FRESHET_CORPUS") else {
        println!("skipped: published_signatures_are_judged_as_published: FRESHET_CORPUS is not set");
        return;
    };
    let folder = Path::new(&corpus).join("standard_webhooks_signature");
    let mut judged = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".meta.json") {
            continue;
        }
        let meta: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(meta["secret"], SECRETS[2].1, "the tests' secret is the vectors'");
        let now = Timestamp::from_second(meta["verify_at"].as_i64().unwrap()).unwrap();
        let world = World::start_at(YAML, now, None);
        let body = std::fs::read(folder.join(meta["payload_file"].as_str().unwrap())).unwrap();
        let mut request = world.request("POST", "/hooks/vectors").body(body);
        request = request.header("content-type", meta["content_type"].as_str().unwrap());
        for (name, value) in meta["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let is_taken = world.status(request).await == 202;
        assert_eq!(is_taken, meta["verdict"] == "accept", "{}", path.display());
        judged += 1;
        world.stop().await;
    }
    assert!(judged > 0, "{} holds no vector", folder.display());
}
