//! A real mail server with STARTTLS.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peers;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use lettre::transport::smtp::authentication::Credentials;
use peers::Peer;
use pipeline_config::receiver::Tls;
use receivers::smtp::{Server, Smtp};
use receivers::{Attempt, Outcome, Receiver};
use tempfile::TempDir;
use testkit::{MAIL_SERVER, eventually, free_port, python_with};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

struct MailServer {
    folder: TempDir,
    port: u16,
    _peer: Peer,
}

impl MailServer {
    async fn start(mode: &str) -> Option<Self> {
        let python = peers::need(python_with("aiosmtpd"), "Python's aiosmtpd")?;
        peers::need(peers::program("openssl"), "openssl")?;
        let folder = TempDir::new().unwrap();
        certify(folder.path());
        let port = free_port();
        let mut command = Command::new(python);
        command.arg(MAIL_SERVER).arg(port.to_string()).arg(folder.path()).arg(mode);
        command.arg(folder.path().join("cert.pem")).arg(folder.path().join("key.pem"));
        let peer = Peer(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        eventually(Duration::from_secs(20), || async { TcpStream::connect(("127.0.0.1", port)) }).await;
        Some(Self { folder, port, _peer: peer })
    }

    fn receiver(&self, to: &str, password: &str, trusted: bool) -> Smtp {
        self.receiver_with(to, Some(Credentials::new("freshet".into(), password.into())), trusted)
    }

    fn receiver_with(&self, to: &str, login: Option<Credentials>, trusted: bool) -> Smtp {
        let roots = trusted.then(|| self.folder.path().join("cert.pem"));
        let server = server(self.port, login);
        Smtp::new(Arc::new(peers::outgoing(roots)), server, "Freshet <alerts@example.com>", &[to.into()])
            .unwrap()
    }

    fn mail(&self, number: u32) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(format!("{number}.eml"))).ok()
    }
}

fn server(port: u16, login: Option<Credentials>) -> Server {
    let (host, hello) = ("localhost".into(), "freshet.example.com".into());
    Server { host, port, tls: Tls::StartTls, login, hello }
}

/// A certificate for `localhost` that is its own root.
fn certify(folder: &Path) {
    let status = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

async fn deliver(receiver: &Smtp) -> Outcome {
    let message = peers::firing(7);
    receiver
        .deliver(Attempt { message: &message, now: peers::now(), tick: SignedDuration::from_mins(5) })
        .await
}

#[tokio::test]
async fn a_mail_goes_through_starttls_and_login() {
    let Some(server) = MailServer::start("starttls").await else { return };
    assert_eq!(deliver(&server.receiver("ops@example.com", "s3cret", true)).await, Outcome::Delivered);
    let mail = server.mail(1).unwrap();
    assert!(mail.contains("Message-ID: <00000000-0000-0000-0000-000000000007@example.com>"), "{mail}");
    assert!(mail.contains("Auto-Submitted: auto-generated"), "{mail}");
    assert!(mail.contains("Subject: [FIRING] GreenhouseTooHot:"), "{mail}");
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_no_use_and_a_busy_one_is_tried_again() {
    let Some(server) = MailServer::start("starttls").await else { return };
    let nobody = deliver(&server.receiver("nobody@example.com", "s3cret", true)).await;
    assert!(matches!(nobody, Outcome::NoUse { .. }), "{nobody:?}");
    let busy = deliver(&server.receiver("busy@example.com", "s3cret", true)).await;
    assert!(matches!(busy, Outcome::Retry { .. }), "{busy:?}");
}

#[tokio::test]
async fn the_client_says_its_name_and_a_server_that_dislikes_it_refuses_no_mail_for_good() {
    let Some(server) = MailServer::start("starttls").await else { return };
    let strict = deliver(&server.receiver("strict@example.com", "s3cret", true)).await;
    assert!(matches!(&strict, Outcome::Retry { reason, .. } if reason.contains("(504)")), "{strict:?}");
    assert_eq!(std::fs::read_to_string(server.folder.path().join("ehlo")).unwrap(), "freshet.example.com");
}

#[tokio::test]
async fn what_was_said_before_tls_is_no_reply_within_it() {
    let Some(python) = peers::need(python_with("ssl"), "Python") else { return };
    let Some(_) = peers::need(peers::program("openssl"), "openssl") else { return };
    let folder = TempDir::new().unwrap();
    certify(folder.path());
    let port = free_port();
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/starttls.py")).arg(port.to_string());
    command.arg(folder.path().join("cert.pem")).arg(folder.path().join("key.pem"));
    command.arg(r"250-x\r\n250 HELP\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n221 bye\r\n");
    let _peer = Peer(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually(Duration::from_secs(20), || async { TcpStream::connect(("127.0.0.1", port)) }).await;
    let outgoing = Arc::new(peers::outgoing(Some(folder.path().join("cert.pem"))));
    let to = ["ops@example.com".to_owned()];
    let receiver = Smtp::new(outgoing, server(port, None), "alerts@example.com", &to).unwrap();
    let outcome = deliver(&receiver).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_login_that_is_refused_or_missing_is_tried_again() {
    let Some(server) = MailServer::start("starttls").await else { return };
    let stranger = deliver(&server.receiver("ops@example.com", "wrong", true)).await;
    assert!(matches!(&stranger, Outcome::Retry { reason, .. } if reason.contains("(535)")), "{stranger:?}");
    let nameless = deliver(&server.receiver_with("ops@example.com", None, true)).await;
    assert!(matches!(&nameless, Outcome::Retry { reason, .. } if reason.contains("(530)")), "{nameless:?}");
    assert_eq!(server.mail(1), None);
}

#[tokio::test]
async fn a_server_that_speaks_with_nobody_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let greeting = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"554 no SMTP service here\r\n").await.unwrap();
    });
    let server = server(port, None);
    let to = ["ops@example.com".to_owned()];
    let receiver = Smtp::new(Arc::new(peers::outgoing(None)), server, "alerts@example.com", &to).unwrap();
    let outcome = deliver(&receiver).await;
    assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("(554)")), "{outcome:?}");
    greeting.await.unwrap();
}

#[tokio::test]
async fn a_mail_that_was_taken_is_delivered_whatever_follows() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        // To the greeting, EHLO, MAIL, RCPT, DATA and the mail; to QUIT nothing.
        for reply in ["220 mail", "250 mail", "250 ok", "250 ok", "354 go", "250 taken"] {
            socket.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            let end: &[u8] = if reply == "354 go" { b"\r\n.\r\n" } else { b"\r\n" };
            let mut heard = Vec::new();
            while !heard.ends_with(end) {
                heard.push(socket.read_u8().await.unwrap());
            }
        }
        socket
    });
    let plain = Server { tls: Tls::None, ..server(port, None) };
    let to = ["ops@example.com".to_owned()];
    let receiver = Smtp::new(Arc::new(peers::outgoing(None)), plain, "alerts@example.com", &to).unwrap();
    assert_eq!(deliver(&receiver).await, Outcome::Delivered);
    serving.await.unwrap();
}

#[tokio::test]
async fn nothing_is_said_to_a_server_without_a_trusted_certificate_or_without_starttls() {
    let Some(server) = MailServer::start("starttls").await else { return };
    let untrusted = deliver(&server.receiver("ops@example.com", "s3cret", false)).await;
    assert!(matches!(untrusted, Outcome::Retry { .. }), "{untrusted:?}");
    let Some(plain) = MailServer::start("plain").await else { return };
    let without = deliver(&plain.receiver("ops@example.com", "s3cret", true)).await;
    assert!(matches!(&without, Outcome::Retry { reason, .. } if reason.contains("STARTTLS")), "{without:?}");
    assert_eq!((server.mail(1), plain.mail(1)), (None, None));
}
