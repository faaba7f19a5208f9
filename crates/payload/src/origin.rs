//! The source that a payload belongs to.

use std::panic::AssertUnwindSafe;

use decoders::Decoder;
use pipeline_config::{Pipeline, Source};

use crate::refusal::Refusal;

/// A source of the pipeline, and its format.
#[derive(Clone, Copy)]
pub struct Origin<'p> {
    /// The source's name.
    pub name: &'p str,
    /// What the pipeline file says of it.
    pub source: &'p Source,
    /// Its format.
    pub decoder: &'static dyn Decoder,
}

impl<'p> Origin<'p> {
    /// The source `name`, which says `source` of itself.
    ///
    /// # Errors
    /// [`Refusal::UnknownSource`] where its format is not built in: the pipeline file names known formats only, and what another
    /// release put there is as unknown as its source.
    pub fn new(name: &'p str, source: &'p Source) -> Result<Self, Refusal> {
        let decoder = decoders::by_name(&source.format);
        let decoder = decoder.ok_or_else(|| Refusal::UnknownSource(name.to_owned()))?;
        Ok(Self { name, source, decoder })
    }

    /// The source of this name.
    ///
    /// # Errors
    /// [`Refusal::UnknownSource`].
    pub fn named(pipeline: &'p Pipeline, name: &str) -> Result<Self, Refusal> {
        let entry = pipeline.sources.get_key_value(name);
        let (name, source) = entry.ok_or_else(|| Refusal::UnknownSource(name.to_owned()))?;
        Self::new(name, source)
    }

    /// The source that takes events of this type as they are.
    ///
    /// # Errors
    /// [`Refusal::NotForUs`] where there is none.
    pub fn of_events(pipeline: &'p Pipeline, event_type: &str) -> Result<Self, Refusal> {
        let takes = |source: &Source| source.events.as_ref().is_some_and(|own| own.event_type == event_type);
        let mut sources = pipeline.sources.iter();
        let (name, source) = sources.find(|(_, source)| takes(source)).ok_or(Refusal::NotForUs)?;
        Self::new(name, source)
    }

    /// What the format does, which harms its own payload only where it panics.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> T) -> Result<T, Refusal> {
        std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| Refusal::Panicked(self.decoder.name()))
    }
}

impl std::fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("name", &self.name).field("format", &self.decoder.name()).finish()
    }
}
