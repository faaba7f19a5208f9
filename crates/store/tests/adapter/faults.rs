use std::time::Duration;

use store::{WriteError, Written};
use testkit::eventually;
use tokio::task::JoinSet;

use crate::world::{World, at, reading};

const NOON: &str = "2024-05-01T12:00:00Z";
const PAYLOADS: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_amid_writes_loses_nothing_that_was_answered_and_doubles_nothing_that_is_sent_again()
{
    let Some(mut server) = testkit::own_postgres().await else { return };
    let world = World::on(&server.database()).await;
    let mut payloads = Vec::new();
    for n in 0..PAYLOADS {
        let moment = at(NOON) + Duration::from_secs(n);
        payloads.push(world.payload(&n.to_string(), at(NOON), &[reading("d", "t", 1.0, moment)]).await);
    }
    let mut writes = JoinSet::new();
    for payload in payloads.clone() {
        let writer = world.writer.clone();
        writes.spawn(async move { writer.write(payload).await });
    }
    // The first answer means that more writes are on their way.
    let mut answers = vec![writes.join_next().await.unwrap().unwrap()];
    let instance = &mut server.instance;
    tokio::task::block_in_place(|| instance.kill().unwrap());
    answers.extend(writes.join_all().await);
    let refused = answers.iter().filter(|answer| matches!(answer, Err(WriteError::Unavailable(_)))).count();
    let stored = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(refused + stored, answers.len(), "whatever failed may be tried again");
    assert!(refused > 0, "the server was killed too late to hurt");

    tokio::task::block_in_place(|| instance.restart().unwrap());
    let client = server.database().connect().await;
    let kept: i64 = client.query_one("select count(*) from moment", &[]).await.unwrap().get(0);
    assert!(kept >= i64::try_from(stored).unwrap(), "{kept} kept, {stored} answered");
    for payload in payloads {
        eventually(Duration::from_secs(20), || world.writer.write(payload.clone())).await;
    }
    let kept: i64 = client.query_one("select count(*) from moment", &[]).await.unwrap().get(0);
    let receipts: i64 = client.query_one("select count(*) from receipt", &[]).await.unwrap().get(0);
    let all = i64::try_from(PAYLOADS).unwrap();
    assert_eq!((kept, receipts), (all, all));
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_comes_back() {
    let Some(mut server) = testkit::own_postgres().await else { return };
    let world = World::on(&server.database()).await;
    let payload = world.payload("1", at(NOON), &[reading("d", "t", 1.0, at(NOON))]).await;
    server.instance.stop().unwrap();
    let error = world.writer.write(payload.clone()).await.unwrap_err();
    assert!(matches!(error, WriteError::Unavailable(_)), "{error:?}");
    server.instance.restart().unwrap();
    let written = eventually(Duration::from_secs(20), || world.writer.write(payload.clone())).await;
    assert_eq!(written, Written::Stored);
}

#[tokio::test]
async fn a_connection_that_dies_is_replaced() {
    let Some(world) = World::build().await else { return };
    let payload = async |id: &str| world.payload(id, at(NOON), &[reading("d", "t", 1.0, at(NOON))]).await;
    world.writer.write(payload("1").await).await.unwrap();
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()";
    world.client.query(sql, &[]).await.unwrap();
    let second = payload("2").await;
    eventually(Duration::from_secs(10), || world.writer.write(second.clone())).await;
    assert_eq!(world.count("receipt").await, 2);
}
