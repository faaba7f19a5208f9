//! E-mail over SMTP, with STARTTLS required unless the pipeline file says otherwise (RFC 3207, RFC 8314).
//!
//! What a server says before TLS is not believed after it: the connection is read a line at a time ([`Lines`]), so that
//! whatever stands behind the reply to STARTTLS is the beginning of TLS, and no reply.
//!
//! Mail servers know no idempotency key, though many drop a `Message-ID` that they have seen: a crash between sending
//! and recording may send it twice. Messages of one alert refer to its first, so that mail programs show them together.
//! A server that refuses one of several receivers refuses the message.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use pipeline_config::receiver::Tls;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::address::Privacy;
use crate::outgoing::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, Outgoing, refused};
use crate::{Attempt, Outcome, Receiver};

/// Replies that refuse the mail itself or a mailbox (RFC 5321, section 4.2.3; 556 is RFC 7504's). The other 5xx are about the
/// server, the login that it wants (530, 534, 535, 538: RFC 4954) or the name in EHLO (504).
const ABOUT_THE_MAIL: RangeInclusive<u16> = 550..=559;

/// How long a good-bye is waited for.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);
/// The most bytes of one read.
const LONGEST_READ: usize = 4096;

/// A submission server and who is written to.
pub struct Smtp {
    outgoing: Arc<Outgoing>,
    server: Server,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// A submission server.
pub struct Server {
    /// Its name, which its certificate must carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub tls: Tls,
    /// The account, where it wants one.
    pub login: Option<Credentials>,
    /// The name that EHLO gives.
    pub hello: String,
}

/// A mail that is no notification of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mail<'a> {
    /// What its `Message-ID` is made of: the same in every attempt.
    pub id: Uuid,
    /// Its subject, one line.
    pub subject: &'a str,
    /// Its plain text.
    pub text: &'a str,
    /// The same as HTML, which mail programs show that can.
    pub html: Option<Html<'a>>,
    /// When it is sent.
    pub now: Timestamp,
}

/// The HTML of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Html<'a> {
    /// The document.
    pub html: &'a str,
    /// The pictures that it names `cid:`, by their `Content-ID` without brackets (RFC 2392): PNG.
    pub images: &'a [(String, Vec<u8>)],
}

/// Why a mail cannot be addressed.
#[derive(Debug, Error)]
#[error("`{0}` is not a mail address")]
pub struct MailboxError(pub String);

impl Smtp {
    /// Writes from `from` to `to` (`Name <user@host>` or `user@host`).
    ///
    /// # Errors
    /// [`MailboxError`]
    pub fn new(
        outgoing: Arc<Outgoing>,
        server: Server,
        from: &str,
        to: &[String],
    ) -> Result<Self, MailboxError> {
        let to = to.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?;
        Ok(Self { outgoing, server, from: mailbox(from)?, to })
    }

    /// The connection on which the server has taken the mail.
    async fn send(&self, mail: &lettre::Message) -> Result<AsyncSmtpConnection, Outcome> {
        let mut connection = self.connect().await?;
        if let Some(credentials) = &self.server.login {
            if self.server.tls == Tls::None {
                return Err(Outcome::no_use("the password is not sent over a connection without TLS"));
            }
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, credentials).await.map_err(|error| not_ready(&error))?;
        }
        connection.send(mail.envelope(), &mail.formatted()).await.map_err(|error| judge(&error))?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Outcome> {
        let Server { host, port, tls, .. } = &self.server;
        let privacy = if *tls == Tls::None { Privacy::Plain } else { Privacy::Encrypted };
        let addresses = self.outgoing.addresses().resolve(host, *port, privacy).await;
        let addresses = &addresses.map_err(|error| refused(&error))?[..];
        let name = ClientId::Domain(self.server.hello.clone());
        if *tls == Tls::Implicit {
            let tls = Some(self.tls_parameters()?);
            let connected =
                AsyncSmtpConnection::connect_tokio1(addresses, Some(CONNECT_TIMEOUT), &name, tls, None).await;
            return connected.map_err(|error| not_ready(&error));
        }
        let socket = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addresses)).await;
        let socket = socket.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let socket =
            socket.map_err(|error| Outcome::retry(format!("no connection to the mail server: {error}")))?;
        let connected = AsyncSmtpConnection::connect_with_transport(Box::new(Lines(socket)), &name).await;
        let mut connection = connected.map_err(|error| not_ready(&error))?;
        if *tls == Tls::StartTls {
            let tls = self.tls_parameters()?;
            connection.starttls(tls, &name).await.map_err(|error| not_ready(&error))?;
        }
        Ok(connection)
    }

    fn tls_parameters(&self) -> Result<TlsParameters, Outcome> {
        let mut builder = TlsParametersBuilder::new(self.server.host.clone())
            .certificate_store(CertificateStore::WebpkiRoots);
        if let Some(pem) = self.outgoing.further_roots()? {
            builder = builder.add_root_certificate(
                Certificate::from_pem(pem.as_bytes()).map_err(|error| not_ready(&error))?,
            );
        }
        builder.build_rustls().map_err(|error| not_ready(&error))
    }

    /// Sends a mail.
    pub async fn send_mail(&self, mail: &Mail<'_>) -> Outcome {
        self.attempt(self.written(mail)).await
    }

    fn written(&self, mail: &Mail<'_>) -> Result<lettre::Message, lettre::error::Error> {
        let builder = self.builder((mail.id, mail.now), mail.subject);
        match mail.html {
            Some(html) => builder.multipart(alternatives(mail, html)),
            None => builder.header(ContentType::TEXT_PLAIN).body(mail.text.to_owned()),
        }
    }

    /// Makes one attempt at a mail.
    async fn attempt(&self, mail: Result<lettre::Message, lettre::error::Error>) -> Outcome {
        let mail = match mail {
            Ok(mail) => mail,
            Err(error) => return Outcome::no_use(format!("no mail can be made of it: {error}")),
        };
        match tokio::time::timeout(ATTEMPT_TIMEOUT, self.send(&mail)).await {
            Ok(Ok(mut connection)) => {
                // The server has taken the mail; how it says good-bye does not matter.
                let _ = tokio::time::timeout(QUIT_TIMEOUT, connection.quit()).await;
                Outcome::Delivered
            }
            Ok(Err(outcome)) => outcome,
            Err(_) => Outcome::retry("no answer from the mail server in time"),
        }
    }

    /// What mails of this account have in common.
    fn builder(&self, (id, now): (Uuid, Timestamp), subject: impl Into<String>) -> MessageBuilder {
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .date(SystemTime::from(now))
            .message_id(Some(self.message_id(id)))
            .subject(subject);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        automatic(builder)
    }

    fn message_id(&self, id: Uuid) -> String {
        format!("<{id}@{}>", self.from.email.domain())
    }

    fn mail(&self, attempt: &Attempt<'_>) -> Result<lettre::Message, lettre::error::Error> {
        let message = attempt.message;
        let mut builder = self.builder((message.id, attempt.now), message.title());
        if let Some(thread) = message.thread {
            builder = builder.in_reply_to(self.message_id(thread)).references(self.message_id(thread));
        }
        builder.header(ContentType::TEXT_PLAIN).body(message.text())
    }
}

/// The text, and the HTML with its pictures (RFC 2046, section 5.1.4; RFC 2387). The same bytes each time.
fn alternatives(mail: &Mail<'_>, Html { html, images }: Html<'_>) -> MultiPart {
    let document = SinglePart::builder().header(ContentType::TEXT_HTML).body(encoded(html));
    let mut related = MultiPart::related().boundary(boundary("related", mail.id)).singlepart(document);
    for (id, png) in images {
        let picture = Attachment::new_inline(id.clone());
        related = related.singlepart(picture.body(in_base64(png.clone()), png_type()));
    }
    let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(encoded(mail.text));
    MultiPart::alternative().boundary(boundary("text", mail.id)).singlepart(text).multipart(related)
}

/// What no part has, since each is encoded: `=` is followed by no `_` in quoted-printable, and Base64 has no `_` (RFC 2045, section 6.7).
fn boundary(of: &str, id: Uuid) -> String {
    format!("=_{of}_{}", id.simple())
}

/// A text in quoted-printable, or in Base64 where that is much shorter.
fn encoded(text: &str) -> Body {
    match Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable) {
        Ok(body) if body.len() <= text.len() + text.len() / 2 => body,
        _ => in_base64(text.as_bytes().to_vec()),
    }
}

fn in_base64(bytes: Vec<u8>) -> Body {
    Body::new_with_encoding(bytes, ContentTransferEncoding::Base64)
        .expect("everything can be written in Base64")
}

fn png_type() -> ContentType {
    ContentType::parse("image/png").expect("it is a media type")
}

/// RFC 3834: no vacation notes in answer to an alert.
fn automatic(builder: MessageBuilder) -> MessageBuilder {
    let field = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    builder
        .raw_header(field("Auto-Submitted", "auto-generated"))
        .raw_header(field("X-Auto-Response-Suppress", "All"))
}

fn mailbox(text: &str) -> Result<Mailbox, MailboxError> {
    text.parse().map_err(|_| MailboxError(text.to_owned()))
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.server.host).finish_non_exhaustive()
    }
}

impl Receiver for Smtp {
    fn deliver<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.attempt(self.mail(&attempt)).await })
    }
}

/// Judges what went wrong before the mail was offered. It is about the server, the network or the account, never of
/// the mail, and each can be mended: a server may be shut for a while (554), a password be changed, and a hop in between
/// may have taken STARTTLS away.
fn not_ready(error: &SmtpError) -> Outcome {
    Outcome::retry(format!("the mail server: {error}"))
}

/// Judges what went wrong with the mail. A 5xx reply is for good (RFC 5321, section 4.2.1) where it is about the mail.
fn judge(error: &SmtpError) -> Outcome {
    if error.status().is_some_and(|code| ABOUT_THE_MAIL.contains(&u16::from(code))) {
        Outcome::no_use(format!("the mail server: {error}"))
    } else {
        not_ready(error)
    }
}

/// A connection of which one read gives one line at most. TLS does not care how its bytes are cut.
#[derive(Debug)]
struct Lines(TcpStream);

impl AsyncRead for Lines {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = &mut self.get_mut().0;
        let mut bytes = [0; LONGEST_READ];
        let room = into.remaining().min(LONGEST_READ);
        let mut ahead = ReadBuf::new(&mut bytes[..room]);
        ready!(socket.poll_peek(cx, &mut ahead))?;
        let ahead = ahead.filled();
        let length = ahead.iter().position(|byte| *byte == b'\n').map_or(ahead.len(), |end| end + 1);
        // Where nothing is ahead the connection has ended, and a read says so.
        let mut line = ReadBuf::new(&mut bytes[..length.max(1)]);
        ready!(Pin::new(socket).poll_read(cx, &mut line))?;
        into.put_slice(line.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Lines {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use pipeline_config::receiver::Tls;
    use uuid::Uuid;

    use super::{Html, Mail, Server, Smtp};
    use crate::message::tests::{at, firing};
    use crate::{AddressPolicy, Attempt, Message, Outgoing};

    fn smtp() -> Smtp {
        let outgoing = Arc::new(Outgoing::new(AddressPolicy::default(), None));
        let (host, hello) = ("mail.example.com".into(), "example.com".into());
        let server = Server { host, port: 587, tls: Tls::StartTls, login: None, hello };
        Smtp::new(outgoing, server, "Freshet <alerts@example.com>", &["ops@example.com".into()]).unwrap()
    }

    fn written(message: &Message) -> String {
        let attempt =
            Attempt { message, now: at("2026-03-01T12:00:05Z"), tick: SignedDuration::from_mins(5) };
        String::from_utf8(smtp().mail(&attempt).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_says_that_it_is_automatic_and_belongs_to_a_thread() {
        let mut message = firing();
        message.thread = Some(Uuid::from_u128(3));
        let mail = written(&message);
        for field in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>\r\n",
            "References: <00000000-0000-0000-0000-000000000003@example.com>\r\n",
            "In-Reply-To: <00000000-0000-0000-0000-000000000003@example.com>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Sun, 01 Mar 2026 12:00:05 +0000\r\n",
            "Subject: [FIRING] GreenhouseTooHot: gh-1/roof\r\n",
        ] {
            assert!(mail.contains(field), "{field} is missing in\n{mail}");
        }
    }

    #[test]
    fn a_devices_name_cannot_add_a_header_field() {
        let mut message = firing();
        message.alert.device = "gh\r\nBcc: all@example.com\r\n\r\nbody".into();
        let mail = written(&message);
        let head = mail.split("\r\n\r\n").next().unwrap();
        assert!(!head.to_ascii_lowercase().contains("\nbcc:"), "{head}");
    }

    fn with_html(text: &str, html: &str, images: &[(String, Vec<u8>)]) -> String {
        let mail = Mail {
            id: Uuid::from_u128(9),
            subject: "north",
            text,
            html: Some(Html { html, images }),
            now: at("2026-03-01T12:00:05Z"),
        };
        String::from_utf8(smtp().written(&mail).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_with_pictures_has_the_same_bytes_each_time() {
        let images =
            [("1@example.com".to_owned(), vec![0_u8, 255, 7]), ("2@example.com".to_owned(), vec![1])];
        let mail = with_html("The mean is 20 °C.\n", "<p>20 °C</p>", &images);
        assert_eq!(mail, with_html("The mean is 20 °C.\n", "<p>20 °C</p>", &images));
        let (_, parts) = mail.split_once("\r\n\r\n").unwrap();
        let id = "00000000000000000000000000000009";
        let expected = format!(
            "--=_text_{id}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             The mean is 20 =C2=B0C.\r\n\r\n\
             --=_text_{id}\r\nContent-Type: multipart/related;\r\n boundary=\"=_related_{id}\"\r\n\r\n\
             --=_related_{id}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             <p>20 =C2=B0C</p>\r\n\
             --=_related_{id}\r\nContent-ID: <1@example.com>\r\nContent-Disposition: inline\r\nContent-Type: image/png\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nAP8H\r\n\
             --=_related_{id}\r\nContent-ID: <2@example.com>\r\nContent-Disposition: inline\r\nContent-Type: image/png\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nAQ==\r\n\
             --=_related_{id}--\r\n--=_text_{id}--\r\n"
        );
        assert_eq!(parts, expected);
        assert!(
            mail.contains(&format!("Content-Type: multipart/alternative;\r\n boundary=\"=_text_{id}\"\r\n")),
            "{mail}"
        );
    }

    #[test]
    fn no_name_ends_a_part() {
        let name = format!("--=_text_{}--\n--=_related_{}--\n", "0".repeat(31) + "9", "0".repeat(31) + "9");
        let plain = with_html("a", "b", &[]);
        let mail = with_html(&name, &name, &[]);
        for mark in ["\n--=_text_", "\n--=_related_"] {
            assert_eq!(mail.matches(mark).count(), plain.matches(mark).count(), "{mail}");
        }
    }

    #[test]
    fn a_text_of_another_script_is_not_three_times_as_long() {
        let text = "гринхаус ".repeat(1000);
        let mail = with_html(&text, &text, &[]);
        assert!(mail.len() < text.len() * 2 * 3 / 2, "{} of {}", mail.len(), text.len());
    }
}
