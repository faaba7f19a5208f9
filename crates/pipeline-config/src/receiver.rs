//! A receiver: where notifications go. Each kind has a file of its own, with its type and its keys; this is the list.

pub(crate) mod address;
mod alertmanager;
mod bound;
mod ntfy;
mod slack;
mod smtp;
mod webhook;

use settings::{OneOf, Shape};

use crate::network::Network;
pub use crate::secret::{Login, Setting};
pub use alertmanager::{Alertmanager, Authorization};
pub use ntfy::Ntfy;
pub use slack::Slack;
pub use smtp::{Smtp, Tls};
pub use webhook::Webhook;

/// One entry of `receivers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// A POST of JSON, signed after Standard Webhooks.
    Webhook(Webhook),
    /// E-mail.
    Smtp(Smtp),
    /// Slack's incoming webhook.
    Slack(Slack),
    /// Alertmanager's API v2.
    Alertmanager(Alertmanager),
    /// An ntfy topic.
    Ntfy(Ntfy),
    /// None outside: the row of a notification is all that becomes of it. That of [`canary`](crate::canary).
    Row,
}

impl Receiver {
    /// The kind as `freshet.yaml` writes it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => webhook::KIND,
            Self::Smtp(_) => smtp::KIND,
            Self::Slack(_) => slack::KIND,
            Self::Alertmanager(_) => alertmanager::KIND,
            Self::Ntfy(_) => ntfy::KIND,
            Self::Row => "row",
        }
    }

    /// The mail account, where it is one.
    pub const fn mail_account(&self) -> Option<&Smtp> {
        match self {
            Self::Smtp(account) => Some(account),
            Self::Webhook(_) | Self::Slack(_) | Self::Alertmanager(_) | Self::Ntfy(_) | Self::Row => None,
        }
    }

    /// The most alerts that begin here within an hour; `None` for an Alertmanager, which takes many in one request and
    /// groups them itself, and where nobody reads them.
    pub const fn max_per_hour(&self) -> Option<u32> {
        match self {
            Self::Webhook(webhook) => Some(webhook.max_per_hour),
            Self::Smtp(smtp) => Some(smtp.max_per_hour),
            Self::Slack(slack) => Some(slack.max_per_hour),
            Self::Ntfy(ntfy) => Some(ntfy.max_per_hour),
            Self::Alertmanager(_) | Self::Row => None,
        }
    }
}

/// A receiver that may notify `network`.
pub(crate) fn shape(network: &Network) -> impl Shape<Value = Receiver> {
    OneOf::new("Receiver", "Where notifications go.")
        .kind(webhook::KIND, webhook::TEXT, |fields| {
            fields.required(webhook::KIND, webhook::TEXT, webhook::shape(network)).map(Receiver::Webhook)
        })
        .kind(smtp::KIND, smtp::TEXT, |fields| {
            fields.required(smtp::KIND, smtp::TEXT, smtp::shape(network)).map(Receiver::Smtp)
        })
        .kind(slack::KIND, slack::TEXT, |fields| {
            fields.required(slack::KIND, slack::TEXT, slack::shape()).map(Receiver::Slack)
        })
        .kind(alertmanager::KIND, alertmanager::TEXT, |fields| {
            let shape = alertmanager::shape(network);
            fields.required(alertmanager::KIND, alertmanager::TEXT, shape).map(Receiver::Alertmanager)
        })
        .kind(ntfy::KIND, ntfy::TEXT, |fields| {
            fields.required(ntfy::KIND, ntfy::TEXT, ntfy::shape(network)).map(Receiver::Ntfy)
        })
}
