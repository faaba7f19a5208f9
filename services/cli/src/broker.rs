//! The Broker that a command sends to.

use std::str::FromStr;

use reqwest::Url;

use crate::local_addresses;
use runtime::Failure;

/// A Broker as the command line names it: its ingress, or `up`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Broker {
    /// That of the `freshet up` which runs in this folder.
    #[default]
    Up,
    /// The one at this URL.
    At(Url),
}

impl Broker {
    /// Its ingress.
    ///
    /// # Errors
    /// Where no `freshet up` runs in this folder.
    pub fn url(self) -> Result<Url, Failure> {
        match self {
            Self::At(url) => Ok(url),
            Self::Up => local_addresses::broker_url().and_then(|text| text.parse().ok()).ok_or_else(|| {
                Failure::new("no `freshet up` runs in this folder")
                    .hint("name the Broker's ingress with --broker URL")
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
        text.parse().map(Self::At).map_err(|error| format!("neither a URL nor `up`: {error}"))
    }
}
