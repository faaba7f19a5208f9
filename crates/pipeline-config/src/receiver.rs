//! A receiver: one place where people are told.

use crate::secret::SecretRef;

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
}

/// A text that may be secret, such as an address with a token in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// It stands in the file.
    Plain(String),
    /// The file says where it is.
    Secret(SecretRef),
}

/// A signed webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to post; `http` or `https`.
    pub url: Setting,
    /// The signing secrets (`whsec_` and Base64); each gives one signature, so that a receiver can change over.
    /// Empty: not signed.
    pub secrets: Vec<SecretRef>,
}

/// A mail account to send from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// The submission server's name.
    pub host: String,
    /// Its port; 587 by default, 465 with [`Tls::Implicit`].
    pub port: u16,
    /// How the connection is secured.
    pub tls: Tls,
    /// The account; `None`: the server wants none.
    pub login: Option<Login>,
    /// The sender (`Freshet <alerts@example.com>`).
    pub from: String,
    /// The receivers; at least one.
    pub to: Vec<String>,
}

/// A user's name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: SecretRef,
}

/// How a mail connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// STARTTLS, required (RFC 3207).
    #[default]
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// None: for a relay on the same machine or network.
    None,
}

/// Slack's incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slack {
    /// The webhook's address, which is the secret.
    pub url: SecretRef,
}

/// An Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// The base address of each replica, without `/api/v2`; at least one. Every one is told, never a load
    /// balancer before them (`url` in the file: one text, or a list).
    pub urls: Vec<Setting>,
    /// How to log in there; `None`: not at all.
    pub authorization: Option<Authorization>,
}

/// How Freshet shows who it is to an Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// `Authorization: Bearer`.
    Bearer(SecretRef),
    /// `Authorization: Basic`.
    Basic(Login),
}

/// An ntfy topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ntfy {
    /// The server's base address; `https://ntfy.sh` by default.
    pub url: String,
    /// The topic; whoever knows it can read and write, unless the server says otherwise.
    pub topic: Setting,
    /// An access token.
    pub token: Option<SecretRef>,
}

impl Receiver {
    /// The kind as `freshet.yaml` writes it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Smtp(_) => "smtp",
            Self::Slack(_) => "slack",
            Self::Alertmanager(_) => "alertmanager",
            Self::Ntfy(_) => "ntfy",
        }
    }
}
