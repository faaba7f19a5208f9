//! `kafka` of a source: a topic of others, on a cluster of theirs.

use std::net::SocketAddr;

use jiff::Timestamp;
use settings::{Choice, Fields, Object, OneOrMany, Parsed, Shape, Text};

use crate::network;
use crate::secret::{Login, Reference, Secret, SecretError, SecretRef};

/// The longest name of a topic or a group that Kafka takes.
const MAX_NAME: usize = 249;

/// A topic whose records are the payloads of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTopic {
    /// Brokers to begin with, `host:port` each; at least one.
    pub servers: Vec<String>,
    /// Its name.
    pub topic: String,
    /// The consumer group; `None`: the worker's own, a dot and the source's name.
    pub group: Option<String>,
    /// Where reading begins.
    pub from: Beginning,
    /// Set where the brokers are spoken to over TLS.
    pub tls: Option<TopicTls>,
    /// Set where they ask for a password.
    pub sasl: Option<Sasl>,
}

/// Where a topic is read from that was not read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Beginning {
    /// Its first record.
    #[default]
    Earliest,
    /// The first that was published after the source was added.
    Latest,
    /// The first that was published at this time or later.
    At(Timestamp),
}

/// Certificates in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicTls {
    /// The authority that signed those of the brokers; `None`: the public ones.
    pub ca: Option<SecretRef>,
    /// One of our own, and its key.
    pub identity: Option<(SecretRef, SecretRef)>,
}

/// Name and password (RFC 4422).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How they are sent.
    pub mechanism: Mechanism,
    /// Both.
    pub login: Login,
}

/// How name and password are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mechanism {
    /// As they are (RFC 4616).
    #[default]
    Plain,
    /// By SCRAM (RFC 5802) with SHA-256.
    ScramSha256,
    /// The same with SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// The secrets of a [`SourceTopic`].
#[derive(Debug, Clone, Default)]
pub struct TopicSecrets {
    /// The password.
    pub password: Option<Secret>,
    /// The authority's certificate.
    pub ca: Option<Secret>,
    /// Our certificate, and its key.
    pub identity: Option<(Secret, Secret)>,
}

impl SourceTopic {
    /// The secrets as they are now; `lookup` gives environment variables.
    ///
    /// # Errors
    /// That of the first that cannot be had.
    pub fn secrets(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<TopicSecrets, SecretError> {
        let resolve = |secret: &SecretRef| secret.resolve(lookup);
        let tls = self.tls.as_ref();
        let identity = tls.and_then(|tls| tls.identity.as_ref());
        Ok(TopicSecrets {
            password: self.sasl.as_ref().map(|sasl| resolve(&sasl.login.password)).transpose()?,
            ca: tls.and_then(|tls| tls.ca.as_ref()).map(resolve).transpose()?,
            identity: identity
                .map(|(certificate, key)| Ok::<_, SecretError>((resolve(certificate)?, resolve(key)?)))
                .transpose()?,
        })
    }
}

/// `kafka`.
pub(crate) fn shape() -> impl Shape<Value = SourceTopic> {
    Object::new("Kafka", "A topic of a Kafka cluster.", |fields: &Fields<'_>| {
        let servers =
            fields.required("servers", "Brokers to begin with, `host:port`.", OneOrMany(Parsed::new(server)));
        let topic = fields.required("topic", "Its name.", Parsed::new(name));
        let group = fields.optional(
            "group",
            "The consumer group; one of the worker's own where absent. Where it has read before, reading goes on there.",
            Parsed::new(name),
        );
        let from = fields.optional(
            "from",
            "Where reading begins: `earliest` (the default), `latest` (what is published after the source was added), or a \
             time. What was read before is not read again.",
            Parsed::new(beginning),
        );
        let tls = Object::new("KafkaTls", "Certificates in PEM.", tls);
        let tls = fields.optional("tls", "TLS; `{}` where the brokers' certificates are public ones.", tls);
        let sasl = fields.optional(
            "sasl",
            "Name and password.",
            Object::new("KafkaSasl", "Name and password.", sasl),
        );
        if sasl.is_some() && !fields.has("tls") {
            let text =
                "the password is sent without TLS: add `tls: {}` unless the network is one that you trust";
            fields.report.warn(fields.place_of("sasl"), text);
        }
        Some(SourceTopic {
            servers: servers?,
            topic: topic?,
            group,
            from: from.unwrap_or_default(),
            tls,
            sasl,
        })
    })
}

fn tls(fields: &Fields<'_>) -> Option<TopicTls> {
    let ca = fields.optional(
        "ca",
        "The authority that signed the brokers' certificates; the public ones where absent.",
        Reference,
    );
    let certificate = fields.optional("certificate", "A certificate of our own.", Reference);
    let key = fields.optional("key", "Its key.", Reference);
    if fields.has("certificate") != fields.has("key") {
        fields.report.mistake(fields.place, "`certificate` and `key` belong together");
    }
    Some(TopicTls { ca, identity: certificate.zip(key) })
}

fn sasl(fields: &Fields<'_>) -> Option<Sasl> {
    let mechanisms = Choice(&[
        ("plain", Mechanism::Plain),
        ("scram-sha-256", Mechanism::ScramSha256),
        ("scram-sha-512", Mechanism::ScramSha512),
    ]);
    let mechanism = fields.or("mechanism", "How they are sent.", mechanisms, Mechanism::default());
    let user = fields.required("user", "The name.", Text);
    let password = fields.required("password", "The password.", Reference);
    Some(Sasl { mechanism, login: Login { user: user?, password: password? } })
}

fn server(text: &str) -> Result<String, &'static str> {
    let is_named =
        |(host, port): (&str, &str)| network::is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if text.parse::<SocketAddr>().is_ok() || text.rsplit_once(':').is_some_and(is_named) {
        return Ok(text.to_owned());
    }
    Err("expected a broker like `kafka.example.com:9092`")
}

fn name(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=MAX_NAME).contains(&text.len()) && text.chars().all(allowed) && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    Err("expected a name of 1 to 249 letters, digits, `.`, `_` and `-`")
}

fn beginning(text: &str) -> Result<Beginning, &'static str> {
    match text {
        "earliest" => Ok(Beginning::Earliest),
        "latest" => Ok(Beginning::Latest),
        time => {
            let time = time.parse().map(Beginning::At);
            time.map_err(|_| "expected `earliest`, `latest` or a time such as `2026-03-01T00:00:00Z`")
        }
    }
}
