//! The shape of `receivers`.

use schemars::JsonSchema;

use super::{OneOrMany, SecretRef, Setting};

/// Where people are told.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(super) enum Receiver {
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

/// A signed webhook.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Webhook {
    /// Where to post.
    url: Setting,
    /// The signing secret, `whsec_` and Base64; several while it is changed over.
    secret: Option<OneOrMany<SecretRef>>,
}

/// A mail account to send from.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Smtp {
    /// The submission server's name.
    host: String,
    /// Its port; 587 where absent, 465 with `tls: tls`.
    #[schemars(range(min = 1, max = 65_535))]
    port: Option<u32>,
    /// How the connection is secured; `starttls` where absent.
    #[schemars(extend("enum" = ["starttls", "tls", "none"]))]
    tls: Option<String>,
    /// The account.
    user: Option<String>,
    /// Its password.
    password: Option<SecretRef>,
    /// The sender.
    from: String,
    /// The receivers.
    to: OneOrMany<String>,
}

/// Slack's incoming webhook.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Slack {
    /// Its address, which is secret.
    url: SecretRef,
}

/// An Alertmanager, or all replicas of one.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Alertmanager {
    /// The base address of each replica, without `/api/v2`.
    url: OneOrMany<Setting>,
    /// A token for `Authorization: Bearer`.
    bearer: Option<SecretRef>,
    /// User and password for `Authorization: Basic`.
    basic: Option<Login>,
}

/// User and password.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Login {
    /// The user's name.
    user: String,
    /// The password.
    password: SecretRef,
}

/// An ntfy topic.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Ntfy {
    /// The server's base address; `https://ntfy.sh` where absent.
    url: Option<String>,
    /// The topic.
    topic: Setting,
    /// An access token.
    token: Option<SecretRef>,
}
