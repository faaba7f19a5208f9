//! Where Kafka is and how to speak to it: read once for producer, consumer and admin.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pipeline_config::topic::{Mechanism, TopicSecrets};
use pipeline_config::{Secret, SourceTopics};
use rdkafka::ClientConfig;
use runtime::Env;

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
const MECHANISMS: [&str; 3] =
    [Mechanism::Plain.name(), Mechanism::ScramSha256.name(), Mechanism::ScramSha512.name()];

/// How to reach a Kafka cluster.
#[derive(Clone)]
pub struct KafkaSettings {
    bootstrap_servers: String,
    protocol: String,
    sasl: Option<Sasl>,
    ca: Option<Pem>,
    /// Certificate and key.
    identity: Option<Box<(Pem, Pem)>>,
}

#[derive(Clone)]
enum Pem {
    /// A path.
    File(String),
    Text(String),
}

#[derive(Clone)]
struct Sasl {
    mechanism: String,
    username: String,
    password: String,
}

impl KafkaSettings {
    /// A cluster without TLS and passwords.
    pub fn plaintext(bootstrap_servers: &str) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.to_owned(),
            protocol: "PLAINTEXT".to_owned(),
            sasl: None,
            ca: None,
            identity: None,
        }
    }

    /// The cluster of a source's topic.
    ///
    /// # Errors
    /// In a build without Kafka: that it is one.
    pub fn of_source(topic: &SourceTopics, secrets: &TopicSecrets) -> Result<Self, &'static str> {
        let pem = |secret: &Secret| Pem::Text(secret.expose().to_owned());
        let protocol = match (&topic.sasl, &topic.tls) {
            (None, None) => "PLAINTEXT",
            (None, Some(_)) => "SSL",
            (Some(_), None) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        };
        let sasl = topic.sasl.as_ref().zip(secrets.password.as_ref()).map(|(sasl, password)| Sasl {
            mechanism: sasl.mechanism.name().to_owned(),
            username: sasl.login.user.clone(),
            password: password.expose().to_owned(),
        });
        Ok(Self {
            bootstrap_servers: topic.servers.join(","),
            protocol: protocol.to_owned(),
            sasl,
            ca: secrets.ca.as_ref().map(pem),
            identity: secrets
                .identity
                .as_ref()
                .map(|(certificate, key)| Box::new((pem(certificate), pem(key)))),
        })
    }

    /// Reads the `KAFKA_*` variables that the README lists; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let before = env.mistakes().len();
        let bootstrap_servers = env.required("KAFKA_BOOTSTRAP_SERVERS");
        let protocol = one_of(env, "KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", &PROTOCOLS);
        let sasl = protocol.starts_with("SASL_").then(|| Sasl {
            mechanism: one_of(env, "KAFKA_SASL_MECHANISM", Mechanism::Plain.name(), &MECHANISMS),
            username: env.required("KAFKA_SASL_USERNAME"),
            password: env.required("KAFKA_SASL_PASSWORD"),
        });
        let (mut ca, mut identity) = (None, None);
        if protocol.ends_with("SSL") {
            ca = readable(env, "KAFKA_CA_FILE").map(Pem::File);
            let pair = (readable(env, "KAFKA_CERTIFICATE_FILE"), readable(env, "KAFKA_KEY_FILE"));
            identity = match pair {
                (Some(certificate), Some(key)) => Some(Box::new((Pem::File(certificate), Pem::File(key)))),
                (None, None) => None,
                (Some(_), None) => {
                    env.mistake("KAFKA_KEY_FILE", "is not set, but KAFKA_CERTIFICATE_FILE is");
                    None
                }
                (None, Some(_)) => {
                    env.mistake("KAFKA_CERTIFICATE_FILE", "is not set, but KAFKA_KEY_FILE is");
                    None
                }
            };
        }
        (env.mistakes().len() == before).then_some(Self { bootstrap_servers, protocol, sasl, ca, identity })
    }

    /// The settings of every client of librdkafka.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "freshet")
            .set("security.protocol", self.protocol.to_ascii_lowercase())
            .set("socket.keepalive.enable", "true")
            .set("socket.connection.setup.timeout.ms", "5000")
            // A broker that comes back is found at once, not after ten seconds.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // Brokers close idle connections; that is no news.
            .set("log.connection.close", "false");
        if let Some(sasl) = &self.sasl {
            config
                .set("sasl.mechanisms", &sasl.mechanism)
                .set("sasl.username", &sasl.username)
                .set("sasl.password", &sasl.password);
        }
        if self.protocol.ends_with("SSL") {
            match &self.ca {
                Some(ca) => ca.set(&mut config, "ssl.ca"),
                None => Pem::Text(public_authorities()).set(&mut config, "ssl.ca"),
            }
        }
        if let Some((certificate, key)) = self.identity.as_deref() {
            certificate.set(&mut config, "ssl.certificate");
            key.set(&mut config, "ssl.key");
        }
        config
    }
}

impl Pem {
    fn set(&self, config: &mut ClientConfig, name: &str) {
        match self {
            Self::File(path) => config.set(format!("{name}.location"), path),
            Self::Text(text) => config.set(format!("{name}.pem"), text),
        };
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("protocol", &self.protocol)
            .field("mechanism", &self.sasl.as_ref().map(|sasl| &sasl.mechanism))
            .finish_non_exhaustive()
    }
}

fn one_of(env: &mut Env, name: &str, default: &str, known: &[&str]) -> String {
    let word = env.text_or(name, default);
    if !known.contains(&word.as_str()) {
        env.mistake(name, format!("is none of {}", known.join(", ")));
    }
    word
}

/// The path of a file that can be opened.
fn readable(env: &mut Env, name: &str) -> Option<String> {
    let path = env.text(name)?;
    if let Err(error) = std::fs::File::open(Path::new(&path)) {
        env.mistake(name, format!("names {path}, which cannot be read: {error}"));
    }
    Some(path)
}

/// The public certificate authorities in PEM: an image that holds one program has no folder of them.
fn public_authorities() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = BASE64.encode(certificate);
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use rdkafka::producer::BaseProducer;
    use runtime::Env;

    use super::KafkaSettings;

    #[test]
    fn scram_over_tls_is_what_operators_use() {
        let mut env = Env::from_pairs(&[
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka-0:9093,kafka-1:9093"),
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
            ("KAFKA_SASL_USERNAME", "freshet"),
            ("KAFKA_SASL_PASSWORD", "hunter2"),
        ]);
        let settings = KafkaSettings::from_env(&mut env).unwrap();
        let config = settings.client_config();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert!(!format!("{settings:?}").contains("hunter2"));
        // librdkafka was built with what this needs, and takes the public authorities.
        config.create::<BaseProducer>().unwrap();
    }

    #[test]
    fn every_mistake_is_listed_and_no_password_with_it() {
        let mut env = Env::from_pairs(&[
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_MECHANISM", "hunter2"),
            ("KAFKA_CA_FILE", "/nowhere/ca.crt"),
            ("KAFKA_KEY_FILE", "/dev/null"),
        ]);
        assert!(KafkaSettings::from_env(&mut env).is_none());
        let errors = env.finish().unwrap_err();
        let places: Vec<_> = errors.0.iter().map(|mistake| mistake.place.as_str()).collect();
        assert_eq!(
            places,
            [
                "KAFKA_BOOTSTRAP_SERVERS",
                "KAFKA_SASL_MECHANISM",
                "KAFKA_SASL_USERNAME",
                "KAFKA_SASL_PASSWORD",
                "KAFKA_CA_FILE",
                "KAFKA_CERTIFICATE_FILE",
            ]
        );
        assert!(!errors.to_string().contains("hunter2"));
    }
}
