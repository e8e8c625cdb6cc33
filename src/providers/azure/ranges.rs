//! Address ranges of an AKS cluster: none of them may overlap another, nor what the network is joined to.
//!
//! Nodes stand in a subnet, pods (overlay) and services have ranges of their own that nobody outside sees. AKS refuses
//! some ranges because it uses them itself.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Used inside AKS (AKS documentation, "Azure CNI overlay: IP address planning", read 2026-11).
const FORBIDDEN: [&str; 4] = ["169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"];
/// Pods, best first: AKS's own default leads.
const PODS: [&str; 6] =
    ["10.244.0.0/16", "10.128.0.0/16", "172.20.0.0/16", "192.168.0.0/16", "10.64.0.0/16", "100.64.0.0/16"];
/// Services, best first. AKS's own default, 10.0.0.0/16, is where networks usually stand.
const SERVICES: [&str; 6] =
    ["10.245.0.0/16", "10.129.0.0/16", "172.21.0.0/16", "192.168.0.0/16", "10.65.0.0/16", "100.65.0.0/16"];
/// Every node takes a /24 of the pods' range.
const NODE_PREFIX: u8 = 24;
/// Azure keeps the first four addresses and the last of every subnet.
pub const KEPT: u32 = 5;
/// AKS takes service ranges smaller than this.
const LARGEST_SERVICES: u8 = 12;
/// Smallest ranges: Azure takes no smaller subnet, and a cluster needs some services.
const SMALLEST_SERVICES: u8 = 28;

/// Whether two ranges share an address.
pub fn overlap(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// The range of AKS's own that this one collides with.
pub fn forbidden(range: &Ipv4Net) -> Option<Ipv4Net> {
    FORBIDDEN.iter().map(|text| constant(text)).find(|bad| overlap(range, bad))
}

/// A range for the pods of so many nodes beside what is taken.
pub fn for_pods(nodes: u32, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let bits = 32 - nodes.saturating_sub(1).leading_zeros();
    free(&PODS, u8::try_from(u32::from(NODE_PREFIX).saturating_sub(bits)).unwrap_or_default(), taken)
}

/// A range for services beside what is taken.
pub fn for_services(taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    free(&SERVICES, u8::MAX, taken)
}

/// The first of these that is free, no smaller than this.
fn free(candidates: &[&str], prefix: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let wide = |text: &&str| {
        let range = constant(text);
        Ipv4Net::new(range.addr(), range.prefix_len().min(prefix)).map_or(range, |wide| wide.trunc())
    };
    let is_free = |range: &Ipv4Net| forbidden(range).is_none() && !taken.iter().any(|other| overlap(range, other));
    candidates.iter().map(wide).find(is_free)
}

fn constant(text: &str) -> Ipv4Net {
    text.parse().expect("a constant")
}

/// The address of the cluster's DNS, the tenth of the services' range as everywhere; none where it is too small.
pub fn dns_ip(services: &Ipv4Net) -> Option<Ipv4Addr> {
    let ip = Ipv4Addr::from_bits(services.network().to_bits().checked_add(10)?);
    (services.contains(&ip) && ip != services.broadcast()).then_some(ip)
}

/// What is wrong with a range for services.
pub fn bad_services(range: &Ipv4Net) -> Option<String> {
    let prefix = range.prefix_len();
    if prefix <= LARGEST_SERVICES {
        return Some(format!("AKS takes ranges smaller than /{LARGEST_SERVICES} for services, not {range}"));
    }
    (prefix > SMALLEST_SERVICES)
        .then(|| format!("{range} has room for too few services: at least a /{SMALLEST_SERVICES} is needed"))
}

/// How many nodes a range for pods has room for.
pub fn nodes_in(pods: &Ipv4Net) -> u32 {
    match NODE_PREFIX.checked_sub(pods.prefix_len()) {
        Some(bits) => 1_u32.checked_shl(bits.into()).unwrap_or(u32::MAX),
        None => 0,
    }
}

/// The subnet for nodes in a network of ours: the first half, so that something can still be put beside it.
pub fn nodes_subnet(network: &Ipv4Net) -> Ipv4Net {
    let half = network.prefix_len().saturating_add(1).min(32);
    Ipv4Net::new(network.network(), half).unwrap_or(*network)
}

/// How many addresses of a subnet machines can have.
pub fn addresses_in(subnet: &Ipv4Net) -> u32 {
    let all = 1_u64 << (32 - u32::from(subnet.prefix_len()));
    u32::try_from(all).unwrap_or(u32::MAX).saturating_sub(KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_defaults_stand_apart_from_each_other_and_from_usual_networks() {
        for network in ["10.0.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "10.244.0.0/15"] {
            let mut taken = vec![net(network)];
            for choose in [|taken: &[Ipv4Net]| for_pods(3, taken), for_services] {
                let range = choose(&taken).unwrap_or_else(|| panic!("nothing beside {network}"));
                assert!(forbidden(&range).is_none() && taken.iter().all(|it| !overlap(it, &range)), "{range}");
                taken.push(range);
            }
        }
        let own = [net("10.0.0.0/16")];
        assert_eq!(for_pods(256, &own), Some(net("10.244.0.0/16")));
        assert_eq!(
            (for_pods(257, &own), for_pods(5_001, &own)),
            (Some(net("10.244.0.0/15")), Some(net("10.224.0.0/11")))
        );
        assert_eq!(for_pods(3, &[net("0.0.0.0/0")]), None);
    }

    #[test]
    fn ranges_of_aks_itself_are_known() {
        assert_eq!(forbidden(&net("172.16.0.0/12")), Some(net("172.30.0.0/16")));
        assert_eq!(forbidden(&net("192.0.2.128/25")), Some(net("192.0.2.0/24")));
        assert_eq!(forbidden(&net("10.0.0.0/8")), None);
    }

    #[test]
    fn sizes_are_counted_as_azure_counts_them() {
        assert_eq!(
            (nodes_in(&net("10.244.0.0/16")), nodes_in(&net("10.0.0.0/25")), nodes_in(&net("0.0.0.0/0"))),
            (256, 0, 1 << 24)
        );
        assert_eq!((addresses_in(&net("10.0.0.0/29")), addresses_in(&net("10.0.0.0/31"))), (3, 0));
        assert_eq!(nodes_subnet(&net("10.0.0.0/16")), net("10.0.0.0/17"));
        assert_eq!(dns_ip(&net("10.245.0.0/16")), Some(Ipv4Addr::new(10, 245, 0, 10)));
        assert_eq!(dns_ip(&net("10.245.0.0/29")), None);
        assert!(bad_services(&net("10.0.0.0/8")).is_some() && bad_services(&net("10.0.0.0/30")).is_some());
        assert!(bad_services(&net("10.245.0.0/16")).is_none());
    }
}
