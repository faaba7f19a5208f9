//! The sources that take requests from outside.

use std::collections::BTreeMap;

use decoders::{Decoder, Profile};
use pipeline_config::{Pipeline, Source};
use runtime::Env;

use crate::credentials::Guard;
use crate::rate::Limiter;

/// One source, ready to take requests.
pub(crate) struct Intake {
    pub(crate) decoder: &'static dyn Decoder,
    pub(crate) profile: Profile,
    pub(crate) guard: Guard,
    pub(crate) limiter: Option<Limiter>,
}

/// The sources by name; those that are events in the Broker are not among them.
#[derive(Default)]
pub struct Sources(BTreeMap<String, Intake>);

impl Sources {
    /// Those of `pipeline`. A secret that cannot be had is noted in `env`.
    pub fn of(pipeline: &Pipeline, env: &mut Env) -> Self {
        let mut sources = BTreeMap::new();
        for (name, source) in pipeline.sources.iter().filter(|(_, source)| source.events.is_none()) {
            match intake(source, env) {
                Ok(intake) => {
                    sources.insert(name.clone(), intake);
                }
                Err(reasons) => {
                    for reason in reasons {
                        env.mistake(format!("source {name}"), reason);
                    }
                }
            }
        }
        Self(sources)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Intake> {
        self.0.get(name)
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn intake(source: &Source, env: &Env) -> Result<Intake, Vec<String>> {
    let guard = Guard::of(&source.credentials, env)?;
    let Some(decoder) = decoders::by_name(&source.format) else {
        return Err(vec![format!("there is no format `{}`", source.format)]);
    };
    Ok(Intake { decoder, profile: source.profile.clone(), guard, limiter: source.rate.map(Limiter::new) })
}
