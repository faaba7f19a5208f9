//! The Broker that a command sends to.

use std::str::FromStr;

use reqwest::Url;

use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

/// A Broker as the command line names it: its ingress, or `up`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Broker {
    /// That of a running `freshet up`.
    #[default]
    Up,
    /// The one at this URL.
    At(Url),
}

impl Broker {
    /// Its ingress; of a `freshet up` the one in `state`.
    ///
    /// # Errors
    /// Where no `freshet up` runs there.
    pub fn url(self, state: &StateDirectory) -> Result<Url, Failure> {
        match self {
            Self::At(url) => Ok(url),
            Self::Up => state.broker_url().and_then(|text| text.parse().ok()).ok_or_else(|| {
                Failure::new(format!("no `freshet up` runs in {}", state.path().display())).hint(
                    "name its state directory with --state-dir FOLDER, or the Broker's ingress with --broker URL",
                )
            }),
        }
    }
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "up" {
            return Ok(Self::Up);
        }
        words::url(text).map(Self::At).map_err(|error| format!("neither a URL nor `up`: {error}"))
    }
}
