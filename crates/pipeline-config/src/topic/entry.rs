//! Which topics a source reads: names, and patterns of names.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// The longest name of a topic or a group that Kafka takes.
const MAX_NAME: usize = 249;
/// The most memory of a pattern that is compiled, in bytes.
const MAX_PATTERN: usize = 1024 * 1024;
/// How the names of Kafka's own topics begin.
const INTERNAL: &str = "__";

/// A topic, or the topics of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicEntry {
    /// The topic of this name.
    Name(String),
    /// Those whose names fit a pattern.
    Pattern(TopicPattern),
}

/// A regular expression over the whole name of a topic, which begins with `^`.
#[derive(Debug, Clone)]
pub struct TopicPattern {
    text: String,
    regex: Regex,
}

impl TopicEntry {
    /// Whether it is the topic of this name, or takes it; Kafka's own topics (`__consumer_offsets`) fit no pattern.
    pub fn takes(&self, topic: &str) -> bool {
        match self {
            Self::Name(name) => name == topic,
            Self::Pattern(pattern) => {
                !topic.starts_with(INTERNAL) && pattern.regex.is_match(topic.as_bytes())
            }
        }
    }

    /// Whether a topic is known that both take.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(name), other) | (other, Self::Name(name)) => other.takes(name),
            (Self::Pattern(one), Self::Pattern(other)) => one == other,
        }
    }

    /// Reads one of the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('^') {
            return name(text).map(Self::Name).map_err(str::to_owned);
        }
        // By itself first: what is put around it must not mend it.
        compiled(text)?;
        let regex = compiled(&format!("^(?:{text})$"))?;
        Ok(Self::Pattern(TopicPattern { text: text.to_owned(), regex }))
    }
}

/// Names of topics are ASCII.
fn compiled(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).unicode(false).size_limit(MAX_PATTERN).build();
    built.map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        format!("no regular expression: {}", reason.trim_start_matches("error: "))
    })
}

/// The name of a topic or a group.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=MAX_NAME).contains(&text.len()) && text.chars().all(allowed) && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    Err("expected a name of 1 to 249 letters, digits, `.`, `_` and `-`")
}

impl fmt::Display for TopicEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name(name) => name,
            Self::Pattern(pattern) => &pattern.text,
        })
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicPattern {}

#[cfg(test)]
mod tests {
    use super::TopicEntry;

    fn takes(entry: &str, topic: &str) -> bool {
        TopicEntry::parse(entry).unwrap().takes(topic)
    }

    #[test]
    fn a_pattern_is_over_the_whole_name_and_never_takes_what_is_kafkas_own() {
        assert!(takes("^plant-.*", "plant-7") && !takes("^plant-.*", "a-plant-7"));
        assert!(!takes("^plant", "plant-7") && takes(r"^plant-\d+", "plant-7"));
        assert!(takes("^a|ab", "ab"), "the longer one counts");
        assert!(takes("^.*", "readings") && !takes("^.*", "__consumer_offsets"));
        assert!(takes("readings", "readings") && !takes("plant.7", "plant-7"), "a name is no pattern");
    }

    #[test]
    fn what_is_neither_name_nor_pattern_says_why() {
        let refused = |entry: &str| TopicEntry::parse(entry).unwrap_err();
        assert!(refused("^plant-(").contains("unclosed group"), "{}", refused("^plant-("));
        assert!(refused("^a)|(b").contains("unopened group"));
        assert!(refused("^(a{1000}){1000}").contains("size limit"));
        assert!(refused("plant-.*").contains("expected a name"));
    }
}
