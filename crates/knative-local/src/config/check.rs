//! What a configuration must keep, all mistakes at once.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Config, DeadLetterSink, ServiceSpec, Subscriber};

/// Ports of Knative's own queue proxy, and its shutdown endpoint, which a container may not use.
pub(crate) const FORBIDDEN_PORTS: [u16; 7] = [8008, 8012, 8013, 8022, 8112, 9090, 9091];

/// Environment that Knative sets itself and lets no user set; and where a process listens, which is loopback.
const RESERVED_ENV: [&str; 5] = ["PORT", "LISTEN_ADDRESS", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"];

/// A mistake in a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Two services, triggers or timers have one name.
    #[error("there are two {kind}s `{name}`")]
    Twice {
        /// Service, trigger or timer.
        kind: &'static str,
        /// Their name.
        name: String,
    },
    /// A subscriber names a service that is not there.
    #[error("`{user}` names the service `{service}`, which is not there")]
    UnknownService {
        /// The trigger, or the dead letter topic.
        user: String,
        /// The name.
        service: String,
    },
    /// A subscriber's address is not `http://`.
    #[error("`{user}` names `{url}`, which is no http:// address")]
    Url {
        /// The trigger, or the dead letter topic.
        user: String,
        /// The address.
        url: String,
    },
    /// A trigger names the dead letter topic, and there is none.
    #[error("the trigger `{0}` names the dead letter topic, which is not there")]
    NoDeadLetterTopic(String),
    /// A service sets a variable of Knative's own.
    #[error("the service `{service}` sets {name}, which Knative sets itself")]
    ReservedEnv {
        /// The service.
        service: String,
        /// The variable.
        name: String,
    },
    /// A service listens on a port that Knative uses itself.
    #[error("the service `{service}` takes requests on {port}, a port of Knative's own")]
    ForbiddenPort {
        /// The service.
        service: String,
        /// The port.
        port: u16,
    },
    /// `max_scale` is 0 or below `min_scale`.
    #[error("the service `{0}` needs a max_scale of at least 1 and at least its min_scale")]
    Scale(String),
    /// A filter's attribute name is none.
    #[error("the trigger `{trigger}` filters on `{name}`, which is no attribute name")]
    Attribute {
        /// The trigger.
        trigger: String,
        /// The name.
        name: String,
    },
    /// There are no partitions.
    #[error("a broker needs at least 1 partition")]
    Partitions,
}

/// Every mistake of a configuration.
pub(crate) fn check(config: &Config) -> Vec<ConfigError> {
    let mut mistakes = Vec::new();
    twice("service", config.services.iter().map(|spec| spec.name.as_str()), &mut mistakes);
    twice("trigger", config.triggers.iter().map(|spec| spec.name.as_str()), &mut mistakes);
    twice("timer", config.timers.iter().map(|spec| spec.name.as_str()), &mut mistakes);
    if config.partitions == 0 {
        mistakes.push(ConfigError::Partitions);
    }
    for service in &config.services {
        check_service(service, &mut mistakes);
    }
    check_triggers(config, &mut mistakes);
    mistakes
}

fn twice<'a>(kind: &'static str, names: impl Iterator<Item = &'a str>, mistakes: &mut Vec<ConfigError>) {
    let mut seen = BTreeSet::new();
    for name in names.filter(|name| !seen.insert(*name)).collect::<Vec<_>>() {
        mistakes.push(ConfigError::Twice { kind, name: name.to_owned() });
    }
}

fn check_service(service: &ServiceSpec, mistakes: &mut Vec<ConfigError>) {
    let name = || service.name.clone();
    for variable in service.env.keys().filter(|variable| RESERVED_ENV.contains(&variable.as_str())) {
        mistakes.push(ConfigError::ReservedEnv { service: name(), name: variable.clone() });
    }
    if FORBIDDEN_PORTS.contains(&service.listen.port()) {
        mistakes.push(ConfigError::ForbiddenPort { service: name(), port: service.listen.port() });
    }
    if service.max_scale == 0 || service.max_scale < service.min_scale {
        mistakes.push(ConfigError::Scale(name()));
    }
}

fn check_triggers(config: &Config, mistakes: &mut Vec<ConfigError>) {
    for trigger in &config.triggers {
        check_subscriber(config, &trigger.name, &trigger.subscriber, mistakes);
        match &trigger.dead_letter_sink {
            Some(DeadLetterSink::Topic | DeadLetterSink::KafkaSink) if config.dead_letter_topic.is_none() => {
                mistakes.push(ConfigError::NoDeadLetterTopic(trigger.name.clone()));
            }
            Some(DeadLetterSink::Subscriber(sink)) => {
                check_subscriber(config, &trigger.name, sink, mistakes);
            }
            Some(DeadLetterSink::Topic | DeadLetterSink::KafkaSink) | None => {}
        }
        for name in trigger.filter.keys().filter(|name| !is_attribute_name(name)) {
            mistakes.push(ConfigError::Attribute { trigger: trigger.name.clone(), name: name.clone() });
        }
    }
    if let Some(topic) = &config.dead_letter_topic {
        check_subscriber(config, "the dead letter topic", &topic.subscriber, mistakes);
    }
}

fn check_subscriber(config: &Config, user: &str, subscriber: &Subscriber, mistakes: &mut Vec<ConfigError>) {
    match subscriber {
        Subscriber::Service(name) if !config.services.iter().any(|service| service.name == *name) => {
            mistakes.push(ConfigError::UnknownService { user: user.to_owned(), service: name.clone() });
        }
        Subscriber::Url(url) if !url.starts_with("http://") => {
            mistakes.push(ConfigError::Url { user: user.to_owned(), url: url.clone() });
        }
        Subscriber::Service(_) | Subscriber::Url(_) => {}
    }
}

/// `^[a-z][a-z0-9]*$`
fn is_attribute_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, check};
    use crate::config::{Config, ServiceSpec, Subscriber, TriggerSpec};

    #[test]
    fn every_mistake_is_listed() {
        let mut config = Config::new("/nowhere");
        let mut service = ServiceSpec::new("a", "/bin/true");
        service.env.insert("PORT".to_owned(), "1".to_owned());
        service.listen.set_port(8012);
        config.services = vec![service];
        config.triggers = vec![TriggerSpec::new("t", Subscriber::Service("b".to_owned()))];
        assert_eq!(
            check(&config),
            [
                ConfigError::ReservedEnv { service: "a".to_owned(), name: "PORT".to_owned() },
                ConfigError::ForbiddenPort { service: "a".to_owned(), port: 8012 },
                ConfigError::UnknownService { user: "t".to_owned(), service: "b".to_owned() },
            ]
        );
    }

    #[test]
    fn a_configuration_reads_back_from_json() {
        let mut config = Config::new("/nowhere");
        config.services = vec![ServiceSpec::new("a", "/bin/true")];
        config.triggers = vec![TriggerSpec::new("t", Subscriber::Service("a".to_owned()))];
        let text = serde_json::to_string(&config).unwrap();
        let back: Config = serde_json::from_str(&text).unwrap();
        assert!(check(&back).is_empty());
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
