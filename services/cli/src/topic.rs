//! A Kafka topic as the command line names it.

use std::str::FromStr;

/// The longest name that Kafka takes.
const MAX_NAME: usize = 249;

/// A topic that is to exist: `NAME:PARTITIONS:REPLICATION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it is made with.
    pub partitions: i32,
    /// How many brokers keep each.
    pub replication: i32,
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.split(':').collect();
        let [name, partitions, replication] = parts.as_slice() else {
            return Err("write it as NAME:PARTITIONS:REPLICATION, such as freshet-payloads:6:3".to_owned());
        };
        if !is_name(name) {
            return Err(format!(
                "{name:?} is no topic name: 1 to {MAX_NAME} of a-z, A-Z, 0-9, `.`, `_` and `-`"
            ));
        }
        Ok(Self {
            name: (*name).to_owned(),
            partitions: count("partitions", partitions)?,
            replication: count("replication", replication)?,
        })
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(allowed) && name != "." && name != ".."
}

fn count(what: &str, text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{what} is a number from 1, not {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::Topic;

    #[test]
    fn a_topic_is_a_name_and_two_counts() {
        let topic = Topic { name: "freshet-payloads".into(), partitions: 6, replication: 3 };
        assert_eq!("freshet-payloads:6:3".parse(), Ok(topic));
    }

    #[test]
    fn what_kafka_would_refuse_is_refused_before() {
        for text in ["a", "a:1", "a:1:1:1", ":1:1", "..:1:1", "a b:1:1", "a:0:1", "a:1:-1", "a:x:1"] {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
    }
}
