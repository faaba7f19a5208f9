//! `kafka` of a source: topics of others, on a cluster of theirs.

use std::net::SocketAddr;

use jiff::Timestamp;
use settings::{Choice, Fields, Object, OneOrMany, Parsed, Shape, Text};

use crate::network;
use crate::secret::{Login, Reference, Secret, SecretError, SecretRef};

use device::DeviceShape;
use entry::name;

mod device;
mod entry;

pub use device::RecordDevice;
pub use entry::{TopicEntry, TopicPattern};

/// The most topics that one source may read; each has a consumer of its own.
pub const MAX_TOPICS: usize = 100;

/// Topics whose records are the payloads of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTopics {
    /// Brokers to begin with, `host:port` each; at least one.
    pub servers: Vec<String>,
    /// Which topics; at least one entry.
    pub topics: Vec<TopicEntry>,
    /// The consumer group; `None`: the worker's own, a dot and the source's name.
    pub group: Option<String>,
    /// Where reading begins.
    pub from: Beginning,
    /// What of a record names the device, where its payload does not; `None`: that is the source's name.
    pub device: Option<RecordDevice>,
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

/// The secrets of a [`SourceTopics`].
#[derive(Debug, Clone, Default)]
pub struct TopicSecrets {
    /// The password.
    pub password: Option<Secret>,
    /// The authority's certificate.
    pub ca: Option<Secret>,
    /// Our certificate, and its key.
    pub identity: Option<(Secret, Secret)>,
}

impl SourceTopics {
    /// Whether the source reads the topic of this name.
    pub fn reads(&self, topic: &str) -> bool {
        self.topics.iter().any(|entry| entry.takes(topic))
    }

    /// The topics that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().filter_map(|entry| match entry {
            TopicEntry::Name(name) => Some(name.as_str()),
            TopicEntry::Pattern(_) => None,
        })
    }

    /// Its topic, where there is one and no other can come.
    pub fn only(&self) -> Option<&str> {
        self.names().next().filter(|_| self.topics.len() == 1)
    }

    /// Those of `there` that it reads, in the order of their names.
    pub fn among(&self, there: Vec<String>) -> Vec<String> {
        let mut read: Vec<String> = there.into_iter().filter(|topic| self.reads(topic)).collect();
        read.sort_unstable();
        read
    }

    /// A topic of it that `other` reads too, as a member of the same group of the same cluster.
    pub(crate) fn shared_with(&self, other: &Self) -> Option<&TopicEntry> {
        let is_one_cluster = self.servers.iter().any(|server| other.servers.contains(server));
        let is_one_group = self.group.is_some() && self.group == other.group;
        let is_shared = |entry: &&TopicEntry| other.topics.iter().any(|other| other.overlaps(entry));
        self.topics.iter().filter(|_| is_one_cluster && is_one_group).find(is_shared)
    }

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
pub(crate) fn shape() -> impl Shape<Value = SourceTopics> {
    Object::new("Kafka", "Topics of a Kafka cluster.", |fields: &Fields<'_>| {
        let servers =
            fields.required("servers", "Brokers to begin with, `host:port`.", OneOrMany(Parsed::new(server)));
        let topics = fields.required(
            "topic",
            "A topic, or a list of them: names, and patterns, which begin with `^` and are regular expressions over the whole \
             name.",
            OneOrMany(Parsed::new(TopicEntry::parse)),
        );
        refuse_twice(fields, topics.as_deref().unwrap_or_default());
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
        let device = fields.optional(
            "device",
            "What of a record names the device, where its payload does not: `key`, or `{header: NAME}`. A record without it is of the \
             device that has the source's name.",
            DeviceShape,
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
        Some(SourceTopics {
            servers: servers?,
            topics: topics?,
            group,
            from: from.unwrap_or_default(),
            device,
            tls,
            sasl,
        })
    })
}

/// Notes entries that are too many, and those whose topic another one takes too.
fn refuse_twice(fields: &Fields<'_>, topics: &[TopicEntry]) {
    let mistake = |text: String| fields.report.mistake(fields.place_of("topic"), text);
    if topics.len() > MAX_TOPICS {
        mistake(format!("one source reads at most {MAX_TOPICS} topics"));
    }
    for (index, entry) in topics.iter().enumerate() {
        if let Some(before) = topics[..index].iter().find(|before| before.overlaps(entry)) {
            mistake(format!("`{before}` and `{entry}` are one topic twice"));
        }
    }
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
