//! Addresses that receivers are reached at, and warnings where the address alone shows that nothing will arrive.

use std::net::IpAddr;

use serde_json::json;
use settings::{Custom, Place, Report, Shape, Spelling, Word, scalar};
use url::{Host, Url};

use crate::network::{self, Allowed, Network, is_private_name, is_public};

/// The address of a server: `http` or `https`, no user and no password.
pub(crate) fn address(network: &Network) -> impl Spelling<Value = String> {
    Custom::new(json!({"type": "string"}), move |node, report| {
        let text = Word("an address").read(node, report)?;
        let url =
            Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            report.mistake(node.place, "expected an address like `https://hooks.example.com/path`");
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() {
            let text = "an address with a user or password is a secret: write `{env: NAME}` here";
            report.mistake(node.place, text);
            return None;
        }
        warn_of_private(&url.host()?.to_owned(), network, (node.place, report));
        warn_of_plain(&url, network, (node.place, report));
        Some(text)
    })
}

/// A host without scheme and port.
pub(super) fn host(network: &Network) -> impl Shape<Value = String> {
    Custom::new(json!({"type": "string"}), move |node, report| {
        let text = scalar::text(node, report)?;
        let host = Host::parse(text).ok();
        let Some(host) = host.filter(|_| network::is_host(text) || text.parse::<IpAddr>().is_ok()) else {
            report.mistake(node.place, "expected the name of a host, without scheme and port");
            return None;
        };
        warn_of_private(&host, network, (node.place, report));
        Some(text.to_owned())
    })
}

fn warn_of_private(host: &Host<String>, network: &Network, (place, report): (Place, &Report)) {
    let is_refused = |address| !is_public(address) && !network.allows_address(address);
    let refused = match host {
        Host::Domain(name) => is_private_name(name) && !is_allowed_name(name, network),
        Host::Ipv4(address) => is_refused(IpAddr::V4(*address)),
        Host::Ipv6(address) => is_refused(IpAddr::V6(*address)),
    };
    if refused {
        let text =
            format!("{host} is no public address: notifications are refused unless `network.allow` names it");
        report.warn(place, text);
    }
}

/// Plain HTTP to a host that is not allow-listed would show alerts on the network between.
fn warn_of_plain(url: &Url, network: &Network, (place, report): (Place, &Report)) {
    let is_public_name = |name: &str| !is_private_name(name) && !is_allowed_name(name, network);
    if url.scheme() == "http" && url.domain().is_some_and(is_public_name) {
        report.warn(place, "plain http goes only to addresses that `network.allow` names: write https");
    }
}

/// Whether the list names the host, or holds a range in which its address may lie.
fn is_allowed_name(name: &str, network: &Network) -> bool {
    network.allows_host(name) || network.allow.iter().any(|allowed| matches!(allowed, Allowed::Range(_)))
}
