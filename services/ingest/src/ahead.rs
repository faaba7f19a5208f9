//! Which stages a request will need, told to them while it is queued.

use std::collections::BTreeMap;
use std::sync::Arc;

use decoders::{Context, Decoder, Profile};
use event_model::RecordedRequest;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use rules::{Place, Rule};
use runtime::{Env, Prewarm};

use crate::sources::Intake;

/// Wakes `transform` for every request, and `alert` for one that holds what a rule watches. The default wakes nobody.
#[derive(Debug, Clone, Default)]
pub struct Ahead {
    always: Prewarm,
    where_watched: Prewarm,
    watching: Arc<Watching>,
}

/// What it takes to say whether a rule watches a reading.
#[derive(Debug, Default)]
struct Watching {
    rules: Vec<Rule>,
    /// The tags of every source's devices.
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

impl Ahead {
    /// `PREWARM_URLS` and `PREWARM_WATCHED_URLS`; mistakes are noted in `env`.
    pub fn from_env(env: &mut Env, pipeline: &Pipeline) -> Self {
        let tags = pipeline.sources.iter().map(|(name, source)| (name.clone(), source.tags.clone()));
        Self {
            always: Prewarm::from_env(env, "PREWARM_URLS"),
            where_watched: Prewarm::from_env(env, "PREWARM_WATCHED_URLS"),
            watching: Arc::new(Watching { rules: pipeline.rules.clone(), tags: tags.collect() }),
        }
    }

    /// Wakes whom this request needs. Returns at once; the look into the request comes after what is under way.
    pub(crate) fn wake(&self, request: &RecordedRequest, source: &Intake, received_at: Timestamp) {
        self.always.send();
        if self.watching.rules.is_empty() {
            return;
        }
        let Some(turn) = self.where_watched.permit() else { return };
        let (watching, request) = (Arc::clone(&self.watching), request.clone());
        let (decoder, profile) = (source.decoder, source.profile.clone());
        tokio::spawn(async move {
            if watching.holds(&request, decoder, &profile, received_at) {
                turn.send().await;
            }
        });
    }
}

impl Watching {
    /// Whether a rule watches a stream that the request is about, as far as the request itself tells.
    fn holds(
        &self,
        request: &RecordedRequest,
        decoder: &dyn Decoder,
        profile: &Profile,
        received_at: Timestamp,
    ) -> bool {
        let Ok(decoded) = decoder.decode(request, Context { profile, received_at }) else { return false };
        decoded.readings.iter().any(|reading| {
            let mut rules = self.rules.iter().filter(|rule| rule.metric == reading.metric).peekable();
            if rules.peek().is_none() {
                return false;
            }
            let mut tags = self.tags.get(&profile.source).cloned().unwrap_or_default();
            let own = decoded.tags.iter().filter(|(device, ..)| *device == reading.device);
            tags.extend(own.map(|(_, tag, value)| (tag.clone(), value.clone())));
            let place = Place {
                source: &profile.source,
                device: &reading.device,
                channel: &reading.channel,
                tags: &tags,
            };
            rules.any(|rule| rule.watches(&reading.metric, place))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Ahead, Env, Pipeline, RecordedRequest, Timestamp};

    const PIPELINE: &str = "
sources:
  sea: {format: senml_json, tags: {site: north}}
rules:
  TooHot: {metric: temperature, above: 30, select: {device: 'gh-*', tags: {site: north}}}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

    #[test]
    fn only_what_a_rule_watches_needs_the_rules() {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        let ahead = Ahead::from_env(&mut Env::from_pairs(&[]), &pipeline);
        let decoder = decoders::by_name("senml_json").unwrap();
        let profile = &pipeline.sources["sea"].profile;
        for (body, watched) in [
            (r#"[{"bn":"gh-7:","n":"temperature","u":"Cel","v":21.5}]"#, true),
            (r#"[{"bn":"gh-7:","n":"pressure","u":"hPa","v":1000}]"#, false),
            (r#"[{"bn":"barn:","n":"temperature","u":"Cel","v":21.5}]"#, false),
            ("[", false),
        ] {
            let text =
                format!("POST /hooks/sea HTTP/1.1\r\ncontent-type: application/senml+json\r\n\r\n{body}");
            let request = RecordedRequest::parse(text.as_bytes()).unwrap();
            let holds = ahead.watching.holds(&request, decoder, profile, Timestamp::UNIX_EPOCH);
            assert_eq!(holds, watched, "{body}");
        }
    }
}
