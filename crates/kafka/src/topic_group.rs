//! A consumer group with its topic, and how far it is.

/// A consumer group and the topic that it reads: `TOPIC:GROUP` on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicGroup {
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
}

/// How far a group is in one partition of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionPosition {
    /// The partition.
    pub partition: i32,
    /// The offset of the first record that the group has not committed.
    pub next: i64,
    /// The offset that the partition's next record gets; looked at after `next`.
    pub end: i64,
}

impl PartitionPosition {
    /// How many records the group has not committed yet.
    pub fn lag(&self) -> i64 {
        (self.end - self.next).max(0)
    }
}

impl std::str::FromStr for TopicGroup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((topic, group)) if !topic.is_empty() && !group.is_empty() => {
                Ok(Self { topic: topic.to_owned(), group: group.to_owned() })
            }
            _ => Err("write it as TOPIC:GROUP".to_owned()),
        }
    }
}

impl std::fmt::Display for TopicGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.topic, self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::TopicGroup;

    #[test]
    fn a_topic_group_is_a_topic_and_a_group() {
        let parsed: TopicGroup = "plant.payloads:plant.transform".parse().unwrap();
        assert_eq!((parsed.topic.as_str(), parsed.group.as_str()), ("plant.payloads", "plant.transform"));
        assert_eq!(parsed.to_string(), "plant.payloads:plant.transform");
        assert!("plant".parse::<TopicGroup>().is_err());
    }
}
