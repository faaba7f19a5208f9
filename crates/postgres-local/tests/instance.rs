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

#[test]
fn a_server_that_ends_by_itself_is_not_running() {
    let Some((_directory, mut instance)) = start(|options| options) else { return };
    assert!(instance.is_running());
    let pid = instance.pid().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let begin = std::time::Instant::now();
    while instance.is_running() {
        assert!(begin.elapsed() < std::time::Duration::from_secs(10), "it is still running");
        std::thread::yield_now();
    }
}

/// Where root starts the server, its folder belongs to another account, which may put links there.
#[test]
fn a_link_in_the_servers_folder_is_not_followed() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    let Some((directory, instance)) = start(|options| options) else { return };
    drop(instance);
    let victim = directory.path().join("victim");
    std::fs::write(&victim, "as it was").unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o600)).unwrap();
    let folder = directory.path().join("postgres");
    let before = std::fs::metadata(&victim).unwrap();
    let is_other = std::fs::metadata(&folder).unwrap().uid() != before.uid();
    for name in ["password", "postgres.log"] {
        if name == "postgres.log" && !is_other {
            println!("skipped: the server runs as ourselves, who may write to our own file");
            continue;
        }
        std::fs::remove_dir_all(folder.join("data")).unwrap();
        std::fs::remove_file(folder.join(name)).unwrap();
        symlink(&victim, folder.join(name)).unwrap();
        let started = Instance::start(&Options::new(&folder).without_fsync());
        let after = std::fs::metadata(&victim).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "as it was", "{name}");
        assert_eq!((after.uid(), after.mode()), (before.uid(), before.mode()), "{name}");
        drop(started);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    symlink(directory.path(), &folder).unwrap();
    assert!(Instance::start(&Options::new(&folder).without_fsync()).is_err());
    assert_eq!(std::fs::metadata(directory.path()).unwrap().permissions().mode() & 0o777, 0o755);
}
