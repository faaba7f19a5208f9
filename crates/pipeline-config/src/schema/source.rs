//! The shape of `sources`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{Duration, OneOrMany, Scalar, SecretRef};

/// Where payloads of one format come from.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Source {
    /// The format of its payloads.
    #[schemars(extend("enum" = crate::platform::formats()))]
    format: String,
    /// Any one of these lets a request in; two of a kind while a secret is changed over.
    credentials: Option<Vec<Credential>>,
    /// The IANA time zone of times that carry none; UTC where absent.
    time_zone: Option<String>,
    /// Tags of every device of the source.
    tags: Option<BTreeMap<String, Scalar>>,
    /// How long an equal payload without id and time of its own counts as one re-sent message; the format's default
    /// where absent.
    resend_window: Option<Duration>,
    /// The most requests that are taken (`100/s`, `/m` or `/h`); more are answered 429.
    #[schemars(regex(pattern = r"^[1-9][0-9]*/[smh]$"))]
    rate: Option<String>,
    /// Where things are in the JSON; formats `json`, `aws_iot_http`, `cloudevents` and `azure_event_grid`.
    mapping: Option<Mapping>,
    /// Format `influx_line_protocol`: the tags that may name the device; the first that is present wins.
    device_tags: Option<Vec<String>>,
    /// Format `influx_line_protocol`: the tags whose values, joined by `.`, are the channel.
    channel_tags: Option<Vec<String>>,
    /// Units of metrics whose unit the payload does not state.
    units: Option<BTreeMap<String, String>>,
    /// The most readings that one object may hold; 1000 where absent.
    #[schemars(range(min = 1, max = 100_000))]
    max_readings: Option<u32>,
    /// The source is events in the Broker instead of requests from outside.
    events: Option<Events>,
}

/// Events that others put into the Broker.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Events {
    /// Their CloudEvents `type`.
    r#type: String,
}

/// One way for a sender to show who it is.
#[derive(JsonSchema)]
#[schemars(untagged, deny_unknown_fields)]
enum Credential {
    /// A header field with a fixed value.
    Header {
        /// The field's name.
        header: String,
        /// Its value.
        secret: SecretRef,
    },
    /// `Authorization: Bearer`, or `Token`.
    Bearer {
        /// The token.
        bearer: SecretRef,
    },
    /// `Authorization: Basic`.
    Basic {
        /// User and password.
        basic: Basic,
    },
    /// A parameter of the query with a fixed value.
    Query {
        /// The parameter's name.
        query: String,
        /// Its value.
        secret: SecretRef,
    },
    /// The last segment of the path: `/hooks/{source}/{secret}`.
    Path {
        /// Always `true`.
        #[schemars(extend("const" = true))]
        path: bool,
        /// The segment.
        secret: SecretRef,
    },
    /// A header field with the HMAC of the raw body.
    Hmac {
        /// How it is signed.
        hmac: Hmac,
    },
    /// Signed after Standard Webhooks.
    StandardWebhooks {
        /// How it is signed.
        standard_webhooks: StandardWebhooks,
    },
}

/// User and password.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Basic {
    /// The user's name.
    user: String,
    /// The password.
    password: SecretRef,
}

/// An HMAC over the raw body.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Hmac {
    /// The header field that carries it.
    header: String,
    /// What stands before it in the field (`sha256=`).
    prefix: Option<String>,
    /// How it is written; `hex` where absent.
    #[schemars(extend("enum" = ["hex", "base64"]))]
    encoding: Option<String>,
    /// The hash function; `sha256` where absent.
    #[schemars(extend("enum" = ["sha256"]))]
    algorithm: Option<String>,
    /// The key.
    secret: SecretRef,
}

/// Standard Webhooks.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StandardWebhooks {
    /// The signing secret, `whsec_` and Base64.
    secret: SecretRef,
}

/// A JSON pointer (RFC 6901); after `^` it begins at the body's root instead of the item's.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Pointer(#[schemars(regex(pattern = r"^\^?(/([^~]|~[01])*)$"))] String);

/// Where things are in the JSON.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Mapping {
    /// The array whose elements are items of their own.
    items: Option<Pointer>,
    /// The device's name; the first that is present wins.
    device: Option<OneOrMany<Pointer>>,
    /// The channel.
    channel: Option<Pointer>,
    /// The time of measurement; the first that is present wins.
    time: Option<OneOrMany<Pointer>>,
    /// The platform's message id.
    message_id: Option<Pointer>,
    /// The metrics by name; every number, flag and text that is not named above where absent.
    metrics: Option<BTreeMap<String, Metric>>,
    /// Spellings of "no value".
    missing: Option<OneOrMany<Scalar>>,
}

/// Where a metric is.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Metric {
    /// Its value.
    Value(Pointer),
    /// Its value and more.
    Full(MetricMapping),
}

/// Where a metric is, and its unit.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MetricMapping {
    /// The value; an array gives one channel per index.
    value: Pointer,
    /// The unit as the platform writes it.
    unit: Option<String>,
    /// Where the payload states the unit; wins over `unit`.
    unit_at: Option<Pointer>,
    /// A channel for this metric only.
    channel: Option<Pointer>,
}
