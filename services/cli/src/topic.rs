//! A Kafka topic as the command line names it.

use std::time::Duration;

use kafka::TopicSpec;

/// The longest name that Kafka takes.
const MAX_NAME: usize = 249;
const FORM: &str = "write it as NAME:PARTITIONS:REPLICATION or NAME:PARTITIONS:REPLICATION:RETENTION, such as freshet-payloads:6:3:30d";

/// A topic that is to be there: `NAME:PARTITIONS:REPLICATION`, and `:RETENTION` behind it or not.
///
/// # Errors
/// Says what is wrong with it, before Kafka would.
pub fn parse(text: &str) -> Result<TopicSpec, String> {
    let parts: Vec<_> = text.split(':').collect();
    let [name, partitions, replication, rest @ ..] = parts.as_slice() else {
        return Err(FORM.to_owned());
    };
    let retention = match rest {
        [] => None,
        [text] => Some(retention(text)?),
        _ => return Err(FORM.to_owned()),
    };
    if !is_name(name) {
        return Err(format!("{name:?} is no topic name: 1 to {MAX_NAME} of a-z, A-Z, 0-9, `.`, `_` and `-`"));
    }
    Ok(TopicSpec {
        name: (*name).to_owned(),
        partitions: count("partitions", partitions)?,
        replication: count("replication", replication)?,
        retention,
    })
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

fn retention(text: &str) -> Result<Duration, String> {
    pipeline_config::parse_duration(text)
        .filter(|retention| !retention.is_zero())
        .ok_or_else(|| format!("retention is a duration like 36h or 30d, at most 366d, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kafka::TopicSpec;

    use super::parse;

    #[test]
    fn a_topic_is_a_name_two_counts_and_a_time_or_none() {
        let topic =
            TopicSpec { name: "freshet-payloads".into(), partitions: 6, replication: 3, retention: None };
        assert_eq!(parse("freshet-payloads:6:3"), Ok(topic.clone()));
        let topic = TopicSpec { retention: Some(Duration::from_secs(2_592_000)), ..topic };
        assert_eq!(parse("freshet-payloads:6:3:30d"), Ok(topic));
    }

    #[test]
    fn what_kafka_would_refuse_is_refused_before() {
        for text in [
            "a",
            "a:1",
            "a:1:1:1",
            ":1:1",
            "..:1:1",
            "a b:1:1",
            "a:0:1",
            "a:1:-1",
            "a:x:1",
            "a:1:1:0s",
            "a:1:1:",
            "a:1:1:1d:1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
