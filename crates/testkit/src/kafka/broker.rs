//! One broker: KRaft, one node, a data folder and ports of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::distribution::Distribution;
use super::security::Security;
use crate::free_port;

/// For a broker to take connections, on a machine that does much else.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Becomes the broker; a watcher beside it waits for the end of our pipe, kills the broker then, and removes its folder.
const SCRIPT: &str = r#"
remove=$1; shift
exec 3<&0
(
    cat <&3 >/dev/null
    kill -KILL $$ 2>/dev/null
    # What is not gone yet still writes. The wait is bounded: nobody may be left to reap it.
    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 $$ 2>/dev/null || break; sleep 0.1; done
    [ -e "$remove/keep-$$" ] || rm -rf "$remove"
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// A broker of one test alone. It ends with this value, or with the test's process.
#[derive(Debug)]
pub struct OwnKafka {
    distribution: Distribution,
    folder: TempDir,
    port: u16,
    controller_port: u16,
    security: Option<Security>,
    child: Option<Child>,
}

impl OwnKafka {
    /// Starts one; the reason in one sentence where none can be had.
    pub(super) fn launch() -> Result<Self, String> {
        let (distribution, folder) = (Distribution::find()?, new_folder()?);
        distribution.copy_data(&folder.path().join("data"))?;
        Ok(Self::begin(distribution, folder, None))
    }

    /// Starts one that also asks who is there ([`Security`]).
    pub(super) fn launch_secured() -> Result<Self, String> {
        let (distribution, folder) = (Distribution::find()?, new_folder()?);
        let security = Security::make(folder.path())
            .map_err(|error| format!("the broker's certificates cannot be made: {error}"))?;
        distribution.format_with_user(&folder.path().join("data"), Security::USER, Security::PASSWORD)?;
        Ok(Self::begin(distribution, folder, Some(security)))
    }

    fn begin(distribution: Distribution, folder: TempDir, security: Option<Security>) -> Self {
        let (port, controller_port) = (free_port(), free_port());
        let mut broker = Self { distribution, folder, port, controller_port, security, child: None };
        broker.start();
        broker
    }

    /// Who may speak to it and how, where it was started to ask.
    pub(super) fn security(&self) -> Option<&Security> {
        self.security.as_ref()
    }

    /// What `KAFKA_BOOTSTRAP_SERVERS` takes; the same after a restart.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The watcher sees its pipe end as well: it must leave the folder alone.
            let keep = self.folder.path().join(format!("keep-{}", child.id()));
            std::fs::write(&keep, "").expect("the broker's folder can be written");
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again after [`OwnKafka::kill`], on the same data and ports, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(&mut self) {
        let folder = self.folder.path();
        let properties = folder.join("server.properties");
        std::fs::write(&properties, self.properties()).expect("the broker's folder can be written");
        let log = File::options().create(true).append(true).open(folder.join("log"));
        let log = log.expect("the broker's folder can be written");
        let errors = log.try_clone().expect("an open file can be shared");
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "test-kafka"])
            .arg(folder)
            .arg("java")
            .args(self.distribution.java())
            .arg("kafka.Kafka")
            .arg(&properties)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("no broker can be run: {error}"));
        self.child = Some(child);
        self.wait();
    }

    fn wait(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || begun.elapsed() > START_LIMIT {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(15).collect();
                panic!("the broker did not start ({ended:?}): {last:#?}");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn properties(&self) -> String {
        let Self { port, controller_port, .. } = self;
        let data = self.folder.path().join("data");
        let more = self.security.as_ref().map(Security::listeners).unwrap_or_default();
        let properties = self.security.as_ref().map(Security::properties).unwrap_or_default();
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{more}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more}\n\
             controller.listener.names=CONTROLLER\n\
             controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n\
             group.min.session.timeout.ms=1000\n\
             num.network.threads=1\n\
             num.io.threads=2\n\
             num.partitions=1\n\
             {properties}",
            data.display()
        )
    }
}

fn new_folder() -> Result<TempDir, String> {
    let made = tempfile::Builder::new().prefix("freshet-kafka-").tempdir_in("/tmp");
    made.map_err(|error| format!("/tmp takes no folder: {error}"))
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        self.kill();
    }
}
