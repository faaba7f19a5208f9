//! One entry of `receivers`.

use std::net::IpAddr;

use url::{Host, Url};

use crate::fields::Fields;
use crate::network::{Allowed, Network};
use crate::receiver::{
    Alertmanager, Authorization, Login, Ntfy, Receiver, Setting, Slack, Smtp, Tls, Webhook,
};
use crate::report::Report;
use crate::scalar;
use crate::yaml::{Entry, Node, Place};

use super::{network, secret};

/// The keys that say which kind a receiver is.
const KINDS: [&str; 5] = ["webhook", "smtp", "slack", "alertmanager", "ntfy"];
/// The public ntfy server.
const NTFY: &str = "https://ntfy.sh";

/// What reading a receiver needs.
#[derive(Clone, Copy)]
struct Context<'a> {
    network: &'a Network,
    report: &'a Report,
}

/// The entry.
pub(crate) fn read(entry: &Entry, network: &Network, report: &Report) -> Option<Receiver> {
    let name = scalar::name(entry, "receiver", report);
    let fields = Fields::of(&entry.node, "Receiver", report)?;
    let present = fields.present(&KINDS);
    let context = Context { network, report };
    let receiver = match present[..] {
        [kind] => fields.get(kind).and_then(|node| match kind {
            "webhook" => webhook(node, context).map(Receiver::Webhook),
            "smtp" => smtp(node, context).map(Receiver::Smtp),
            "slack" => slack(node, context).map(Receiver::Slack),
            "alertmanager" => alertmanager(node, context).map(Receiver::Alertmanager),
            _ => ntfy(node, context).map(Receiver::Ntfy),
        }),
        _ => {
            report.mistake(fields.place, format!("expected one of: {}", KINDS.join(", ")));
            None
        }
    };
    fields.close();
    name.and(receiver)
}

fn webhook(node: &Node, context: Context<'_>) -> Option<Webhook> {
    let fields = Fields::of(node, "Webhook", context.report)?;
    let url = fields.require("url").and_then(|node| address(node, context));
    let secrets =
        fields.get("secret").map(|node| secret::one_or_many(node, context.report)).unwrap_or_default();
    if fields.get("secret").is_none() {
        context.report.warn(fields.place, "the webhook is not signed: its receiver cannot tell who sent it");
    }
    fields.close();
    Some(Webhook { url: url?, secrets })
}

fn smtp(node: &Node, context: Context<'_>) -> Option<Smtp> {
    let report = context.report;
    let fields = Fields::of(node, "Smtp", report)?;
    let host = fields.require("host").and_then(|node| host(node, context));
    let modes = [("starttls", Tls::StartTls), ("tls", Tls::Implicit), ("none", Tls::None)];
    let tls = fields.get("tls").and_then(|node| scalar::choice(node, &modes, report)).unwrap_or_default();
    let port = fields.get("port").and_then(|node| scalar::whole(node, 1, 65_535, report));
    let login = optional_login(&fields);
    if tls == Tls::None && login.is_some() {
        report.mistake(
            fields.place_of("user"),
            "a password is never sent without TLS: say `tls: starttls` or `tls: tls`",
        );
    }
    let from = fields.require("from").and_then(|node| mailbox(node, report));
    let to = fields.require("to").map_or(&[][..], scalar::one_or_many);
    let to = to.iter().filter_map(|node| mailbox(node, report)).collect();
    fields.close();
    let default_port = if tls == Tls::Implicit { 465 } else { 587 };
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default_port);
    Some(Smtp { host: host?, port, tls, login, from: from?, to })
}

fn slack(node: &Node, context: Context<'_>) -> Option<Slack> {
    let fields = Fields::of(node, "Slack", context.report)?;
    let url = fields.require("url").and_then(|node| secret::read(node, context.report));
    fields.close();
    url.map(|url| Slack { url })
}

fn alertmanager(node: &Node, context: Context<'_>) -> Option<Alertmanager> {
    let report = context.report;
    let fields = Fields::of(node, "Alertmanager", report)?;
    let urls = fields.require("url").map_or(&[][..], scalar::one_or_many);
    let urls = urls.iter().filter_map(|node| address(node, context)).collect();
    let bearer = fields.get("bearer").and_then(|node| secret::read(node, report)).map(Authorization::Bearer);
    let basic = fields.get("basic").and_then(|node| login(node, report)).map(Authorization::Basic);
    if fields.get("bearer").is_some() && fields.get("basic").is_some() {
        report.mistake(fields.place_of("basic"), "expected one of `bearer` and `basic`, not both");
    }
    fields.close();
    Some(Alertmanager { urls, authorization: bearer.or(basic) })
}

fn ntfy(node: &Node, context: Context<'_>) -> Option<Ntfy> {
    let report = context.report;
    let fields = Fields::of(node, "Ntfy", report)?;
    let url = match fields.get("url") {
        Some(node) => plain_address(node, context)?,
        None => NTFY.to_owned(),
    };
    let topic = fields.require("topic").and_then(|node| secret::setting(node, report));
    let token = fields.get("token").and_then(|node| secret::read(node, report));
    fields.close();
    Some(Ntfy { url, topic: topic?, token })
}

/// `user` and `password` of a mail account: both or none.
fn optional_login(fields: &Fields<'_>) -> Option<Login> {
    let user = fields.get("user").map(|node| scalar::text(node, fields.report));
    let password = fields.get("password").map(|node| secret::read(node, fields.report));
    if user.is_some() != password.is_some() {
        fields.report.mistake(fields.place, "`user` and `password` belong together");
    }
    Some(Login { user: user??.to_owned(), password: password?? })
}

fn login(node: &Node, report: &Report) -> Option<Login> {
    let fields = Fields::of(node, "Login", report)?;
    let user = fields.require("user").and_then(|node| scalar::text(node, report));
    let password = fields.require("password").and_then(|node| secret::read(node, report));
    fields.close();
    Some(Login { user: user?.to_owned(), password: password? })
}

/// An address, or a reference where the address is secret.
fn address(node: &Node, context: Context<'_>) -> Option<Setting> {
    match secret::setting(node, context.report)? {
        Setting::Plain(_) => plain_address(node, context).map(Setting::Plain),
        secret => Some(secret),
    }
}

fn plain_address(node: &Node, context: Context<'_>) -> Option<String> {
    let text = scalar::word(node, "an address", context.report)?;
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        context.report.mistake(node.place, "expected an address like `https://hooks.example.com/path`");
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        context
            .report
            .mistake(node.place, "an address with a user or password is a secret: write `{env: NAME}` here");
        return None;
    }
    warn_of_private(&url.host()?.to_owned(), node.place, context);
    warn_of_plain(&url, node.place, context);
    Some(text.to_owned())
}

fn host(node: &Node, context: Context<'_>) -> Option<String> {
    let text = scalar::text(node, context.report)?;
    let host = Host::parse(text).ok().filter(|_| network::is_host(text) || text.parse::<IpAddr>().is_ok());
    let Some(host) = host else {
        context.report.mistake(node.place, "expected the name of a host, without scheme and port");
        return None;
    };
    warn_of_private(&host, node.place, context);
    Some(text.to_owned())
}

/// Warns where the address alone shows that every notification will be refused.
fn warn_of_private(host: &Host<String>, place: Place, context: Context<'_>) {
    let refused = match host {
        Host::Domain(name) => is_private_name(name) && !is_allowed_name(name, context),
        Host::Ipv4(address) => {
            let inner = address.is_private() || address.is_loopback() || address.is_link_local();
            inner && !context.network.allows_address(IpAddr::V4(*address))
        }
        Host::Ipv6(address) => {
            let inner = address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local();
            inner && !context.network.allows_address(IpAddr::V6(*address))
        }
    };
    if refused {
        let text =
            format!("{host} is no public address: notifications are refused unless `network.allow` names it");
        context.report.warn(place, text);
    }
}

/// Warns of plain HTTP to a host that is not allow-listed: it would show alerts to everyone on the way.
fn warn_of_plain(url: &Url, place: Place, context: Context<'_>) {
    let public_name =
        url.domain().is_some_and(|name| !is_private_name(name) && !is_allowed_name(name, context));
    if url.scheme() == "http" && public_name {
        context
            .report
            .warn(place, "plain http goes only to addresses that `network.allow` names: write https");
    }
}

/// Names that are only ever private.
fn is_private_name(name: &str) -> bool {
    ["localhost", "local", "internal", "svc"]
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Whether the list names the host, or holds a range in which its address may lie.
fn is_allowed_name(name: &str, context: Context<'_>) -> bool {
    context.network.allows_host(name)
        || context.network.allow.iter().any(|allowed| matches!(allowed, Allowed::Range(_)))
}

/// A mail address, alone or as `Name <address>`.
fn mailbox(node: &Node, report: &Report) -> Option<String> {
    let text = scalar::text(node, report)?;
    let address = text.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
    let good = address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && network::is_host(host));
    if good && !address.contains(char::is_whitespace) {
        return Some(text.to_owned());
    }
    report
        .mistake(node.place, "expected a mail address like `ops@example.com` or `Freshet <ops@example.com>`");
    None
}
