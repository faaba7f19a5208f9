//! The sources that take requests from outside.

use std::collections::BTreeMap;

use decoders::Decoder;
use payload::{Origin, Refusal};
use pipeline_config::{Pipeline, Source};
use runtime::Env;

use crate::credentials::Guard;
use crate::direct::Taken;
use crate::rate::Limiter;

/// One source, ready to take requests.
pub(crate) struct Webhook {
    source: Source,
    pub(crate) guard: Guard,
    pub(crate) limiter: Option<Limiter>,
    /// What it has under way at the database and at the Broker, in direct mode.
    pub(crate) taken: [Taken; 2],
}

/// The sources by name; those that are events in the Broker or a topic are not among them.
#[derive(Default)]
pub struct Sources {
    by_name: BTreeMap<String, Webhook>,
    /// How the hash of their pipeline begins.
    pub(crate) pipeline: String,
}

impl Sources {
    /// Those of `pipeline`. A secret that cannot be had is noted in `env`.
    pub fn of(pipeline: &Pipeline, env: &mut Env) -> Self {
        let mut sources = BTreeMap::new();
        for (name, source) in pipeline.sources.iter().filter(|(_, source)| source.is_webhook()) {
            match webhook(name, source, env) {
                Ok(webhook) => {
                    sources.insert(name.clone(), webhook);
                }
                Err(reasons) => {
                    for reason in reasons {
                        env.mistake(format!("source {name}"), reason);
                    }
                }
            }
        }
        Self { by_name: sources, pipeline: pipeline.short_hash().to_owned() }
    }

    /// The formats of the sources.
    pub(crate) fn decoders(&self) -> impl Iterator<Item = &'static dyn Decoder> {
        self.by_name.values().filter_map(|webhook| decoders::by_name(&webhook.source.format))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<(Origin<'_>, &Webhook)> {
        let (name, webhook) = self.by_name.get_key_value(name)?;
        Some((Origin::new(name, &webhook.source).ok()?, webhook))
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

fn webhook(name: &str, source: &Source, env: &Env) -> Result<Webhook, Vec<String>> {
    let guard = Guard::of(&source.credentials, env)?;
    Origin::new(name, source).map_err(|refusal: Refusal| vec![refusal.to_string()])?;
    let (limiter, taken) = (source.rate.map(Limiter::new), Default::default());
    Ok(Webhook { source: source.clone(), guard, limiter, taken })
}
