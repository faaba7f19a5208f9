//! The real server: started, crashed, taken up again, left behind.

#![allow(clippy::unwrap_used, reason = "a test may")]

use postgres_local::{Error, Instance, Options, find_binaries};
use tokio_postgres::NoTls;

/// A directory that another user may reach, and a server in it; `None` where no binaries are installed.
fn start(options: impl FnOnce(Options) -> Options) -> Option<(tempfile::TempDir, Instance)> {
    if find_binaries().is_err() {
        assert!(std::env::var("CI").is_err(), "PostgreSQL's server binaries were not found");
        println!("skipped: PostgreSQL's server binaries were not found");
        return None;
    }
    let directory = tempfile::Builder::new().prefix("freshet-test-").tempdir_in("/tmp").unwrap();
    open_to_all(directory.path());
    let options = options(Options::new(directory.path().join("postgres")).without_fsync());
    let instance = Instance::start(&options).unwrap();
    Some((directory, instance))
}

fn open_to_all(directory: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn count(url: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("create table if not exists t (n int); insert into t values (1)").await.unwrap();
    client.query_one("select count(*) from t", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn what_was_committed_outlives_kill_9() {
    let Some((_directory, mut instance)) = start(|options| options) else { return };
    assert_eq!(count(&instance.url("postgres")).await, 1);
    instance.kill().unwrap();
    assert_eq!(instance.pid(), None);
    instance.restart().unwrap();
    assert_eq!(count(&instance.url("postgres")).await, 2);
}

#[tokio::test]
async fn a_second_start_stops_the_server_that_was_left_behind() {
    let Some((directory, instance)) = start(|options| options) else { return };
    count(&instance.url("postgres")).await;
    let left_behind = instance.pid();
    let options = Options::new(directory.path().join("postgres")).without_fsync();
    let second = Instance::start(&options).unwrap();
    assert_ne!(second.pid(), left_behind);
    assert_eq!(count(&second.url("postgres")).await, 2);
    drop(instance);
}

#[tokio::test]
async fn the_loopback_port_asks_for_the_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some((_directory, instance)) = start(|options| options.loopback_port(port)) else { return };
    let without = format!("postgresql://postgres:wrong@127.0.0.1:{port}/postgres");
    assert!(tokio_postgres::connect(&without, NoTls).await.is_err());
    let with = format!("postgresql://postgres:{}@127.0.0.1:{port}/postgres", instance.password().unwrap());
    assert_eq!(count(&with).await, 1);
}

#[tokio::test]
async fn a_long_path_gets_its_socket_elsewhere() {
    let Some((directory, instance)) = start(|options| options) else { return };
    drop(instance);
    let long =
        directory.path().join("a-directory-with-a-name-that-is-much-too-long-for-a-unix-socket/and-another");
    let instance = Instance::start(&Options::new(long).without_fsync()).unwrap();
    assert_eq!(count(&instance.url("postgres")).await, 1);
}

#[test]
fn a_setting_that_the_server_refuses_is_reported_with_its_log() {
    let Some((directory, instance)) = start(|options| options) else { return };
    drop(instance);
    let options = Options::new(directory.path().join("postgres")).setting("max_connections", "none");
    let Err(Error::Start(log)) = Instance::start(&options) else { panic!("it started") };
    assert!(log.contains("max_connections"), "{log}");
}
