//! `network`: private addresses that notifications may go to.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::fields::Fields;
use crate::network::{Allowed, Network};
use crate::report::Report;
use crate::scalar;
use crate::yaml::Node;

/// The section.
pub(crate) fn read(node: &Node, report: &Report) -> Network {
    let Some(fields) = Fields::of(node, "Network", report) else { return Network::default() };
    let items = fields.require("allow").map_or(&[][..], |node| scalar::list(node, report));
    let allow = items.iter().filter_map(|item| allowed(item, report)).collect();
    fields.close();
    Network { allow }
}

fn allowed(node: &Node, report: &Report) -> Option<Allowed> {
    let text = scalar::text(node, report)?;
    let address = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        return Some(Allowed::Range(IpNet::from(address)));
    }
    if let Ok(range) = text.parse::<IpNet>() {
        if range.network() == range.addr() {
            return Some(Allowed::Range(range));
        }
        report.mistake(
            node.place,
            format!("`{text}` has bits beyond its prefix; did you mean `{}`?", range.trunc()),
        );
        return None;
    }
    if is_host(text) {
        return Some(Allowed::Host(text.to_ascii_lowercase()));
    }
    report.mistake(
        node.place,
        "expected a range of addresses (`10.0.0.0/8`), an address or a host name, without scheme and port",
    );
    None
}

/// A host name (RFC 1123), whose last label is not a number.
pub(crate) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_name = text.rsplit('.').next().is_some_and(|last| !last.chars().all(|c| c.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label) && last_is_name
}
