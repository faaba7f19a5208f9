//! A pipeline: all of one `freshet.yaml`, checked.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rules::Rule;

use crate::channel::Channel;
use crate::mistake::Mistake;
use crate::network::Network;
use crate::route::Route;
use crate::source::Source;

/// The lateness window where the file names none: 15 minutes.
pub const DEFAULT_LATENESS: SignedDuration = SignedDuration::from_mins(15);
/// The time between two ticks where the file names none: 5 minutes.
pub const DEFAULT_TICK: SignedDuration = SignedDuration::from_mins(5);

/// A checked pipeline: names that it uses exist, thresholds are in canonical units.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The sources by name.
    pub sources: BTreeMap<String, Source>,
    /// The rules, by name in the order of the alphabet.
    pub rules: Vec<Rule>,
    /// The channels by name.
    pub channels: BTreeMap<String, Channel>,
    /// The routes, in the order of the file. Where the file has none: one, to every channel that is no fallback.
    pub routes: Vec<Route>,
    /// Channels for what no route takes and for what other channels gave up.
    pub fallback: Vec<String>,
    /// Which private addresses notifications may go to.
    pub network: Network,
    /// How late, by its own series' time, a reading may be and still change alerts.
    pub lateness: SignedDuration,
    /// The time between two ticks.
    pub tick: SignedDuration,
    /// SHA-256, in hex, of the file's content: comments, order of keys and spacing do not change it.
    pub hash: String,
    /// What will hurt, though it is no mistake.
    pub warnings: Vec<Mistake>,
}
