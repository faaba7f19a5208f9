use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres_local::{Instance, Options, find_binaries};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

const CONNECTIONS: &str = "300";

/// A database of one test. It goes with the server at the end of the test process.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    url: String,
}

impl TestDatabase {
    /// What `DATABASE_URL` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same database as `role` sees it, once `roles` has been run there: SQL that makes the server's roles where they are not.
    ///
    /// # Panics
    /// Where the server does not take it.
    pub async fn as_role(&self, roles: &str, role: &str) -> Self {
        // Roles are the whole server's, and are made once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;
        self.connect().await.batch_execute(roles).await.expect("the server takes the roles");
        Self { url: self.url.replacen("://postgres@", &format!("://{role}@"), 1) }
    }

    /// A plain connection for the test's own statements.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub async fn connect(&self) -> Client {
        connect(&self.url).await
    }
}

/// A server of one test alone, to be killed and restarted.
#[derive(Debug)]
pub struct OwnPostgres {
    /// The server.
    pub instance: Instance,
    _directory: TempDir,
}

impl OwnPostgres {
    /// Its one database.
    pub fn database(&self) -> TestDatabase {
        self.named("postgres")
    }

    /// The database of this name.
    pub fn named(&self, name: &str) -> TestDatabase {
        TestDatabase { url: self.instance.url(name) }
    }
}

/// An empty database on the real server of this test process; `None` where PostgreSQL is not installed.
///
/// ```no_run
/// # async fn a_fact() {
/// let Some(database) = testkit::postgres().await else { return };
/// # }
/// ```
///
/// # Panics
/// Where PostgreSQL is not installed and `CI` is `true`, or where it does not start.
pub async fn postgres() -> Option<TestDatabase> {
    static SERVER: OnceLock<Option<OwnPostgres>> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let test = test_name();
    let server =
        tokio::task::spawn_blocking(move || SERVER.get_or_init(|| start(Options::ephemeral)).as_ref())
            .await
            .expect("starting the server panicked");
    let Some(server) = server else {
        report_skipped(&test, "PostgreSQL's server binaries were not found");
        return None;
    };
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let admin = connect(&server.instance.url("postgres")).await;
    // A template that nobody connects to, so that tests need not wait for each other.
    let statement = format!("create database {name} template template0");
    admin.batch_execute(&statement).await.expect("the server takes a new database");
    Some(TestDatabase { url: server.instance.url(&name) })
}

/// A server of the test's own; `None` where PostgreSQL is not installed.
///
/// # Panics
/// As [`postgres`].
pub async fn own_postgres() -> Option<OwnPostgres> {
    let test = test_name();
    let server = tokio::task::spawn_blocking(|| start(std::convert::identity))
        .await
        .expect("starting the server panicked");
    if server.is_none() {
        report_skipped(&test, "PostgreSQL's server binaries were not found");
    }
    server
}

/// A static is never dropped: the server of all tests removes its files itself, a test's own is restarted.
fn start(adjust: impl FnOnce(Options) -> Options) -> Option<OwnPostgres> {
    find_binaries().ok()?;
    let directory =
        tempfile::Builder::new().prefix("freshet-test-").tempdir_in("/tmp").expect("/tmp takes a directory");
    let options = Options::new(directory.path()).without_fsync().setting("max_connections", CONNECTIONS);
    let instance = Instance::start(&adjust(options)).unwrap_or_else(|error| panic!("{error}"));
    Some(OwnPostgres { instance, _directory: directory })
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    client
}

/// Says that a test was left out, and why.
///
/// # Panics
/// Where `CI` is `true`: there nothing is missing.
pub fn report_skipped(test: &str, reason: &str) {
    assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{test} was to be skipped: {reason}");
    println!("skipped: {test}: {reason}");
}

/// The test harness names each test's thread after the test.
pub(crate) fn test_name() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}
