//! Whom a pod may reach.

use std::net::{IpAddr, Ipv4Addr};

use chart_tests::{Chart, Tools};
use pipeline_config::network::is_public;
use serde_json::Value;

use crate::object;

/// The first address of a block of IPv4, and how long its prefix is; `None` for IPv6.
fn block(cidr: &Value) -> Option<(u32, u32)> {
    let (address, length) = cidr.as_str()?.split_once('/')?;
    Some((address.parse::<Ipv4Addr>().ok()?.to_bits(), length.parse().ok()?))
}

#[test]
fn the_policy_lets_notify_reach_what_notifications_may_go_to_and_nothing_else() {
    let Some(tools) = Tools::of_this_test() else { return };
    let objects = Chart::new(tools).ci("everything").objects();
    let policy = object(&objects, "NetworkPolicy", "farm-notify");
    let peers = policy.at("/spec/egress").and_then(Value::as_array).unwrap().iter();
    let peers: Vec<_> = peers.flat_map(|rule| rule["to"].as_array().into_iter().flatten()).collect();
    let except = |cidr: &str| {
        let peer = peers.iter().find(|peer| peer["ipBlock"]["cidr"] == cidr);
        peer.unwrap_or_else(|| panic!("{cidr} is not among {peers:?}"))["ipBlock"]["except"]
            .as_array()
            .unwrap()
    };
    let blocks: Vec<_> = except("0.0.0.0/0").iter().filter_map(block).collect();
    assert_eq!(blocks.len(), except("0.0.0.0/0").len());
    let is_reached = |address: u32| {
        !blocks.iter().any(|(first, length)| (address ^ first).checked_shr(32 - length).unwrap_or(0) == 0)
    };
    // Every block of 4096 addresses, and the edges of the smaller ones.
    let edges = blocks.iter().flat_map(|(first, length)| {
        let last = first | u32::MAX.checked_shr(*length).unwrap_or(0);
        [first.wrapping_sub(1), *first, last, last.wrapping_add(1)]
    });
    for address in (0..1 << 20).map(|block| (block << 12) | 7).chain(edges) {
        let address = Ipv4Addr::from_bits(address);
        assert_eq!(is_reached(address.to_bits()), is_public(IpAddr::V4(address)), "{address}");
    }
    for cidr in except("2000::/3") {
        let first: IpAddr = cidr.as_str().unwrap().split('/').next().unwrap().parse().unwrap();
        assert!(!is_public(first), "{first}");
    }
}

#[test]
fn names_are_resolved_where_the_cluster_does() {
    let Some(tools) = Tools::of_this_test() else { return };
    let dns = |chart: Chart| {
        let objects = chart.objects();
        let policy = object(&objects, "NetworkPolicy", "farm-transform");
        let rules = policy.at("/spec/egress").and_then(Value::as_array).unwrap();
        let rule = rules.iter().find(|rule| rule["ports"][0]["port"] == 53).unwrap();
        rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].clone()
    };
    let chart = Chart::new(tools).ci("everything");
    assert_eq!(dns(chart.clone()), "kube-system");
    assert_eq!(dns(chart.argument("--set-json").argument("networkPolicy.dns=[]")), Value::Null);
}
