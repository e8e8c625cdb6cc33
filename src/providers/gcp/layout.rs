//! Which addresses nodes, pods and Services of a new network get, and in which zones a pool stands.
//!
//! GKE counts: every node takes a whole /24 of the pods' range for its 110 pods, so that range bounds the cluster, not
//! the nodes' own (GKE, "Plan IP addresses when migrating to GKE", read 2026-11).

use ipnet::Ipv4Net;

/// What one node takes of the pods' range with the usual 110 pods.
pub const POD_BLOCK: u8 = 24;
/// The pods' range of a node's pods may not be larger than that.
const PODS: std::ops::RangeInclusive<u8> = 9..=24;
/// Smallest and largest range of Services.
const SERVICES: std::ops::RangeInclusive<u8> = 16..=27;
/// Smallest and largest range of a subnet.
const NODES: std::ops::RangeInclusive<u8> = 8..=29;
/// Google takes four addresses of every subnet.
const KEPT: u32 = 4;

/// Ranges that no subnet may touch: Google's own, and that of the nodes' container bridge. Compute Engine, "Subnets",
/// "Prohibited IPv4 subnet ranges"; GKE, "Network overview", read 2026-11.
const PROHIBITED: [(&str, &str); 9] = [
    ("0.0.0.0/8", "this network's"),
    ("127.0.0.0/8", "every machine's own"),
    ("169.254.0.0/16", "for links, and the metadata server"),
    ("172.17.0.0/16", "the container bridge's of every node"),
    ("192.0.0.0/24", "reserved by the IETF"),
    ("199.36.153.4/30", "restricted.googleapis.com"),
    ("199.36.153.8/30", "private.googleapis.com"),
    ("224.0.0.0/4", "for multicast"),
    ("255.255.255.255/32", "for broadcast"),
];

/// The three ranges of a new network's one subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The subnet's own, for nodes.
    pub nodes: Ipv4Net,
    /// Its secondary range for pods.
    pub pods: Ipv4Net,
    /// Its secondary range for Services.
    pub services: Ipv4Net,
}

impl Layout {
    /// Of `network.cidr`: the second half goes to pods, the first sixteenth to nodes, the next sixteenth to Services.
    /// What is given stands; where both are given and lie outside, the nodes have all of it.
    ///
    /// # Errors
    /// Everything that does not fit, in words.
    pub fn of(cidr: Ipv4Net, pods: Option<Ipv4Net>, services: Option<Ipv4Net>) -> Result<Self, Vec<String>> {
        let mut wrong: Vec<String> =
            prohibited(&[("network.cidr", Some(cidr)), ("gcp.podCidr", pods), ("gcp.serviceCidr", services)]);
        let outside = |range: Option<Ipv4Net>| range.is_some_and(|range| !meet(&range, &cidr));
        let whole = outside(pods) && outside(services);
        let most = if whole { 29 } else { 23 };
        if !(8..=most).contains(&cidr.prefix_len()) {
            wrong.push(format!(
                "network.cidr {cidr} must be between /8 and /{most}: a smaller one has no room for nodes, pods and Services"
            ));
            return Err(wrong);
        }
        let part = |longer: u8, at: usize| {
            let parts = cidr.subnets(cidr.prefix_len() + longer);
            parts.expect("at most /27, checked above").nth(at).expect("there are as many")
        };
        let capped =
            |range: Ipv4Net, prefix: u8| Ipv4Net::new(range.addr(), range.prefix_len().max(prefix)).expect("longer");
        let found = Self {
            nodes: if whole { cidr } else { part(4, 0) },
            pods: pods.unwrap_or_else(|| capped(part(1, 1), *PODS.start())),
            services: services.unwrap_or_else(|| capped(part(4, 1), *SERVICES.start())),
        };
        wrong.extend(found.problems());
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    }

    fn problems(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let named = [("nodes", self.nodes, NODES), ("pods", self.pods, PODS), ("Services", self.services, SERVICES)];
        for (at, (what, range, sizes)) in named.iter().enumerate() {
            if !sizes.contains(&range.prefix_len()) {
                let (largest, smallest) = (sizes.start(), sizes.end());
                wrong.push(format!("the range of {what}, {range}, must be between /{largest} and /{smallest}"));
            }
            for (other, second, _) in &named[at + 1..] {
                if meet(range, second) {
                    wrong.push(format!("the ranges of {what}, {range}, and of {other}, {second}, meet"));
                }
            }
        }
        wrong
    }

    /// How many nodes have room, one of them for surge while a pool is renewed.
    pub fn most_nodes(&self) -> u32 {
        blocks(self.pods).min(addresses(self.nodes).saturating_sub(KEPT)).saturating_sub(1)
    }
}

/// Blocks of pods in a range: as many nodes have room for their pods.
pub fn blocks(pods: Ipv4Net) -> u32 {
    if pods.prefix_len() > POD_BLOCK { 0 } else { 1 << (POD_BLOCK - pods.prefix_len()) }
}

/// Addresses in a range.
pub fn addresses(range: Ipv4Net) -> u32 {
    u32::try_from(1_u64 << (32 - u32::from(range.prefix_len()))).unwrap_or(u32::MAX)
}

/// Whether two ranges have an address in common.
pub fn meet(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(other) || other.contains(one)
}

/// Ranges that cannot be a subnet's, with whose they are.
fn prohibited(named: &[(&str, Option<Ipv4Net>)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, range) in named.iter().filter_map(|(key, range)| Some((key, (*range)?))) {
        if range != range.trunc() {
            wrong.push(format!("{key} {range} does not start where its range does; write {}", range.trunc()));
        }
        for (taken, whose) in PROHIBITED {
            if meet(&range, &taken.parse().expect("a constant")) {
                wrong.push(format!("{key} {range} meets {taken}, which is {whose}: no subnet may"));
            }
        }
    }
    wrong
}

/// The zones in which a pool of a fixed size stands: as many of the cluster's as its count can be shared out among
/// evenly, for GKE counts nodes by zone. Pools that scale stand in all of them, for their bounds are totals.
pub fn pool_zones(zones: &[String], count: u32, scales: bool) -> &[String] {
    if scales || count == 0 {
        return zones;
    }
    let even = (1..=zones.len()).rev().find(|many| count.is_multiple_of(u32::try_from(*many).unwrap_or(1)));
    &zones[..even.unwrap_or(1).min(zones.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_usual_range_holds_a_hundred_nodes() {
        let usual = Layout::of(net("10.0.0.0/16"), None, None).unwrap();
        assert_eq!(
            usual,
            Layout { nodes: net("10.0.0.0/20"), pods: net("10.0.128.0/17"), services: net("10.0.16.0/20") }
        );
        assert_eq!(usual.most_nodes(), 127);
    }

    #[test]
    fn given_ranges_stand_and_must_keep_apart() {
        let apart = Layout::of(net("10.0.0.0/22"), Some(net("10.64.0.0/14")), Some(net("10.1.0.0/20"))).unwrap();
        assert_eq!(apart.nodes, net("10.0.0.0/22"));
        let wrong = Layout::of(net("10.0.0.0/16"), Some(net("10.0.0.0/17")), None).unwrap_err();
        assert!(wrong.iter().any(|it| it.contains("nodes, 10.0.0.0/20, and of pods, 10.0.0.0/17, meet")), "{wrong:?}");
        let both = Layout::of(net("10.0.0.0/16"), Some(net("10.8.0.0/14")), Some(net("10.8.0.0/20"))).unwrap_err();
        assert!(both.iter().any(|it| it.contains("pods") && it.contains("Services")), "{both:?}");
    }

    #[test]
    fn what_is_googles_or_too_small_is_refused_in_words() {
        let refused = |cidr: &str| Layout::of(net(cidr), None, None).unwrap_err().join("; ");
        assert!(refused("10.0.0.0/24").contains("/23"));
        assert!(refused("172.17.0.0/16").contains("container bridge"));
        assert!(refused("172.16.0.0/12").contains("172.17.0.0/16"));
        assert!(refused("169.254.0.0/16").contains("metadata"));
        assert!(refused("10.0.0.1/16").contains("write 10.0.0.0/16"));
        assert!(refused("0.0.0.0/0").contains("/8"));
    }

    #[test]
    fn pools_stand_where_their_count_comes_out_even() {
        let zones = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        for (count, scales, many) in
            [(2, false, 2), (3, false, 3), (4, false, 2), (5, false, 1), (0, false, 3), (5, true, 3)]
        {
            assert_eq!(pool_zones(&zones, count, scales).len(), many, "{count}");
        }
        assert_eq!(pool_zones(&zones[..2], 3, false), &zones[..1]);
    }

    proptest! {
        #[test]
        fn ranges_stay_inside_and_apart(prefix in 8u8..=23) {
            let cidr = net(&format!("10.0.0.0/{prefix}"));
            let it = Layout::of(cidr, None, None).unwrap();
            let all = [it.nodes, it.pods, it.services];
            for (at, one) in all.iter().enumerate() {
                prop_assert!(cidr.contains(one));
                for other in &all[at + 1..] {
                    prop_assert!(!meet(one, other), "{one} {other}");
                }
            }
            prop_assert!(SERVICES.contains(&it.services.prefix_len()) && PODS.contains(&it.pods.prefix_len()));
        }
    }
}
