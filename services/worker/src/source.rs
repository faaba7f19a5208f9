//! The topics of a source, each with a feed of its own: looked up when the worker starts, and again and again.
//!
//! ```text
//! which topics are there? ─> the first time: note the source, and what is not read of each ─> a feed for each that is new
//!   ^                                                                                          an end to those that are gone
//!   └── a minute ──────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kafka::PartitionEnd;
use pipeline_config::topic::{Beginning, MAX_TOPICS};
use store::topic_offsets::{self, Begin};
use store::{Client, StoreError};
use tokio::sync::watch;

use crate::config::SourceConfig;
use crate::feed::Feed;
use crate::feed_parts::FeedParts;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Before a look that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A source, and the feeds of its topics.
#[derive(Debug)]
pub(crate) struct Source {
    config: SourceConfig,
    parts: Arc<FeedParts>,
    feeds: BTreeMap<String, Feed>,
    is_noted: bool,
    told: Trouble,
}

/// What a look finds.
struct Found {
    topics: Vec<String>,
    /// Those that were read, and are not there any more.
    gone: Vec<String>,
}

/// What is told once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trouble {
    /// Topics that the source names, and Kafka does not show.
    missing: Vec<String>,
    /// How many are more than may be read.
    too_many: usize,
}

type LookError = Box<dyn Error + Send + Sync>;

impl Source {
    pub(crate) fn new(config: SourceConfig, parts: Arc<FeedParts>) -> Self {
        Self { config, parts, feeds: BTreeMap::new(), is_noted: false, told: Trouble::default() }
    }

    /// Reads its topics until the end is wished for; then finishes what is under way.
    pub(crate) async fn read(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let found = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                found = self.look() => found,
            };
            let pause = match found {
                Ok(found) => {
                    self.is_noted = true;
                    self.follow(found).await;
                    EVERY
                }
                Err(error) => {
                    let (error, source) = (&*error as &dyn Error, &self.config.name);
                    tracing::warn!(error, source, "it is not known which topics the source has");
                    AGAIN
                }
            };
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        end(std::mem::take(&mut self.feeds)).await;
    }

    /// Which topics there are; notes in the database what follows.
    async fn look(&self) -> Result<Found, LookError> {
        let SourceConfig { name, topics, .. } = &self.config;
        let kafka = self.config.kafka();
        let there = topics.among(kafka::topics(kafka.clone()).await?);
        let known = self.feeds.keys().map(String::as_str).chain(topics.names());
        let unseen: BTreeSet<&str> = known.filter(|topic| !there.iter().any(|one| one == topic)).collect();
        let unseen: Vec<String> = unseen.into_iter().map(str::to_owned).collect();
        let gone = kafka::gone_topics(kafka.clone(), unseen.clone()).await?;
        let client = self.parts.database.client().await?;
        if !self.is_noted {
            self.note(&client, &there).await?;
        }
        let kept = unseen.into_iter().filter(|topic| !gone.contains(topic));
        let read: Vec<String> = there.iter().cloned().chain(kept).collect();
        let of_source = (Some(name.as_str()), self.parts.clock.now());
        let left = topic_offsets::leave_others(&client, of_source, &read).await;
        left.map_err(StoreError::from)?;
        Ok(Found { topics: there, gone })
    }

    /// Notes once that the source came, and with it what its topics held before, where that is not read.
    async fn note(&self, client: &Client, topics: &[String]) -> Result<(), LookError> {
        let name = &self.config.name;
        if topic_offsets::is_added(client, name).await.map_err(StoreError::from)? {
            return Ok(());
        }
        let ends = match self.config.topics.from {
            Beginning::Latest => kafka::ends(self.config.kafka().clone(), topics.to_vec()).await?,
            Beginning::Earliest | Beginning::At(_) => Vec::new(),
        };
        let begin =
            |PartitionEnd { topic, partition, end }: PartitionEnd| Begin { topic, partition, next: end };
        let begin: Vec<Begin> = ends.into_iter().map(begin).collect();
        let added = topic_offsets::add_source(client, (name, self.parts.clock.now()), &begin).await;
        Ok(added.map_err(StoreError::from)?)
    }

    /// Starts and ends feeds, so that what was found is read.
    async fn follow(&mut self, Found { topics, gone }: Found) {
        let source = &self.config.name;
        let ended =
            gone.iter().filter_map(|topic| self.feeds.remove_entry(topic)).collect::<BTreeMap<_, _>>();
        for topic in ended.keys() {
            tracing::info!(source, topic, "the topic is gone");
        }
        end(ended).await;
        let (begun, too_many) = to_begin(&topics, &self.feeds);
        for topic in begun {
            match Feed::start(self.config.feed(topic), &self.parts) {
                Ok(feed) => {
                    tracing::info!(source, topic, "the topic is read");
                    self.feeds.insert(topic.to_owned(), feed);
                }
                Err(error) => tracing::error!(%error, source, topic, "there is no thread to read the topic"),
            }
        }
        let missing = self.config.topics.names().filter(|name| !topics.iter().any(|topic| topic == name));
        let missing = missing.map(str::to_owned).collect();
        self.tell(Trouble { missing, too_many });
    }

    fn tell(&mut self, trouble: Trouble) {
        if self.told == trouble {
            return;
        }
        let (source, Trouble { missing, too_many }) = (&self.config.name, &trouble);
        if !missing.is_empty() {
            tracing::warn!(source, ?missing, "topics of the source are not there, or may not be read");
        }
        if *too_many > 0 {
            tracing::error!(
                source,
                too_many,
                "the source has more than {MAX_TOPICS} topics, and those beyond are not read"
            );
        }
        self.told = trouble;
    }
}

async fn end(feeds: BTreeMap<String, Feed>) {
    feeds.values().for_each(Feed::end);
    join_all(feeds.into_values().map(Feed::stop)).await;
}

/// Those of `topics` that are to be read beside those that are, as many as may be; and how many are too many.
fn to_begin<'t, T>(topics: &'t [String], read: &BTreeMap<String, T>) -> (Vec<&'t str>, usize) {
    let mut new: Vec<&str> =
        topics.iter().map(String::as_str).filter(|topic| !read.contains_key(*topic)).collect();
    let too_many = (read.len() + new.len()).saturating_sub(MAX_TOPICS);
    new.truncate(new.len() - too_many.min(new.len()));
    (new, too_many)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::to_begin;

    #[test]
    fn no_more_topics_are_read_than_a_hundred_and_those_that_are_go_on() {
        let topics: Vec<String> = (0..103).map(|number| format!("t{number:03}")).collect();
        let none = BTreeMap::<String, ()>::new();
        let (begun, too_many) = to_begin(&topics, &none);
        assert_eq!((begun.len(), begun.last(), too_many), (100, Some(&"t099"), 3));
        let read: BTreeMap<String, ()> = topics[3..].iter().map(|topic| (topic.clone(), ())).collect();
        assert_eq!(to_begin(&topics, &read), (Vec::new(), 3));
        let read: BTreeMap<String, ()> = topics[4..].iter().map(|topic| (topic.clone(), ())).collect();
        assert_eq!(to_begin(&topics, &read), (vec!["t000"], 3));
        assert_eq!(to_begin(&topics[..2], &none), (vec!["t000", "t001"], 0));
    }
}
