use std::sync::Arc;

use event_model::ids;
use uuid::Uuid;

/// A topic that is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// The source whose topic it is, on a cluster of others; `None`: the pipeline's own.
    pub source: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
}

impl Topic {
    /// A topic of the pipeline itself.
    pub fn own(name: impl Into<Arc<str>>) -> Self {
        Self { source: None, name: name.into() }
    }

    /// A topic that `source` reads.
    pub fn of_source(source: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { source: Some(source.into()), name: name.into() }
    }

    /// The source as the tables write it: empty where the topic is the pipeline's own.
    pub(crate) fn source_text(&self) -> &str {
        self.source.as_deref().unwrap_or_default()
    }

    /// What ids are derived of.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        [self.source.as_deref(), Some(&*self.name)].into_iter().flatten()
    }
}

impl From<&str> for Topic {
    fn from(name: &str) -> Self {
        Self::own(name)
    }
}

/// A Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// Its topic.
    pub topic: Topic,
    /// Which topic of this name, counted from 1: one that was deleted may be made anew.
    pub incarnation: i32,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl RecordPlace {
    /// The same whenever the record is read.
    pub fn id(&self) -> Uuid {
        let numbers = [i64::from(self.incarnation), i64::from(self.partition), self.offset];
        let numbers = numbers.map(|number| number.to_string());
        let place: Vec<&str> = self.topic.parts().chain(numbers.iter().map(String::as_str)).collect();
        ids::derive("record", &place)
    }
}
