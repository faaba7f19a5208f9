//! The stages that a request will need, prewarmed while it is queued.

use std::sync::Arc;

use decoders::Decoded;
use jiff::Timestamp;
use payload::{Accepted, Inspected, holds_firing, holds_watched, may_be_watched};
use pipeline_config::Pipeline;
use rules::Rule;
use runtime::{Env, Prewarm};

/// A larger body is not decoded for a hint: `transform` will.
const MAX_LOOK_BYTES: usize = 64 * 1024;

/// `transform` for every request, `alert` for one that holds what a rule watches, and in direct mode `notify` for one that makes an
/// alert fire. The default is none.
#[derive(Debug, Clone, Default)]
pub struct NextStages {
    always: Prewarm,
    where_watched: Prewarm,
    where_firing: Prewarm,
    rules: Arc<[Rule]>,
}

impl NextStages {
    /// `PREWARM_URLS`, `PREWARM_WATCHED_URLS` and `PREWARM_FIRING_URLS`; mistakes are noted in `env`.
    pub fn from_env(env: &mut Env, pipeline: &Pipeline) -> Self {
        Self {
            always: Prewarm::from_env(env, "PREWARM_URLS"),
            where_watched: Prewarm::from_env(env, "PREWARM_WATCHED_URLS"),
            where_firing: Prewarm::from_env(env, "PREWARM_FIRING_URLS")
                .only_if(!pipeline.receivers.is_empty()),
            rules: pipeline.rules.clone().into(),
        }
    }

    /// Those that what a rule watches needs, for who finds out by itself what that is.
    pub fn where_watched(&self) -> Prewarm {
        self.where_watched.clone()
    }

    /// Prewarms those that are needed where a reading alone makes an alert fire: once, for where it goes on firing nobody is notified
    /// again.
    pub(crate) fn prewarm_if_firing(&self, accepted: &Accepted<'_>) {
        if self.where_firing.is_due() && holds_firing(&self.rules, accepted.origin, &accepted.decoded) {
            self.where_firing.send_once();
        }
    }

    /// Prewarms those that every request needs.
    pub(crate) fn prewarm(&self) {
        self.always.send();
    }

    /// Prewarms those that a watched request needs. The content is read only while they may be prewarmed and where a rule may
    /// watch the device; the permit is spent only where one does.
    pub(crate) fn prewarm_if_watched(&self, inspected: &Inspected<'_, '_>, received_at: Timestamp) {
        let (origin, device) = (inspected.origin, inspected.inspection.device.as_deref());
        let is_small = inspected.request.body.len() <= MAX_LOOK_BYTES;
        if !is_small || !self.where_watched.is_due() || !may_be_watched(&self.rules, origin, device) {
            return;
        }
        let decoded = inspected.decoded(received_at);
        // What a script would make of a frame is not known before it has run.
        let is_watched =
            |decoded: Decoded| !decoded.frames.is_empty() || holds_watched(&self.rules, origin, &decoded);
        if decoded.is_ok_and(is_watched) {
            self.where_watched.send();
        }
    }
}
