//! Address ranges and the way out: what is new must keep clear of what is there.

use super::super::adopted::{self, Adopted, Way};
use super::super::ranges;
use super::{Aks, Ranges, Work};
use crate::model::spec::{AksNetwork, AksOutbound, ExistingNetwork, Nat, NetworkSpec, ResolvedNetwork};
use ipnet::Ipv4Net;

const CIDR: &str = "10.0.0.0/16";
/// Azure takes networks from /8 down; nodes, surge and balancers want at least this.
const SMALLEST: u8 = 26;
const LARGEST: u8 = 8;
/// AKS takes so many ranges (AKS documentation, "API server authorized IP ranges").
const MAX_API_RANGES: usize = 200;
/// One more node comes while a pool rolls.
const SURGE: u32 = 1;

/// How machines get out.
pub(super) fn outbound(network: &ResolvedNetwork, adopted: Option<&Adopted>) -> AksOutbound {
    if network.existing.is_none() {
        return if network.nat == Nat::None { AksOutbound::LoadBalancer } else { AksOutbound::NatGateway };
    }
    match adopted.and_then(Adopted::subnet).map(|subnet| &subnet.way) {
        Some(Way::NatGateway(_)) => AksOutbound::NatGateway,
        Some(Way::Routed(_) | Way::DeadEnd(_)) => AksOutbound::Routes,
        Some(Way::Open) | None => AksOutbound::LoadBalancer,
    }
}

impl Work {
    pub(super) fn network(&mut self, spec: Option<&NetworkSpec>) -> ResolvedNetwork {
        let spec = spec.cloned().unwrap_or_default();
        let everywhere = vec!["0.0.0.0/0".parse().expect("a constant")];
        if let Some(existing) = &spec.existing {
            self.existing(&spec, existing);
        } else {
            for (path, missing) in [("network.cidr", spec.cidr.is_none()), ("network.nat", spec.nat.is_none())] {
                if missing {
                    self.defaults.push(path.to_owned());
                }
            }
        }
        let cidr = spec.cidr.unwrap_or_else(|| CIDR.parse().expect("a constant"));
        if spec.existing.is_none() {
            self.own_range(cidr);
        }
        if spec.nat == Some(Nat::PerZone) {
            self.hinted(
                "KW-NET",
                "network.nat: per-zone has no counterpart on AKS: a subnet has one NAT gateway, and one subnet spans all zones",
                "nat: single",
            );
        }
        let api_allow = self.or(spec.api_allow, "network.apiAllow", everywhere);
        self.api_allow(&api_allow);
        ResolvedNetwork {
            cidr: cidr.trunc(),
            zones: Vec::new(),
            nat: match spec.existing {
                Some(_) => Nat::None,
                None => spec.nat.unwrap_or(Nat::Single),
            },
            api_allow,
            existing: spec.existing,
        }
    }

    fn own_range(&mut self, cidr: Ipv4Net) {
        if cidr != cidr.trunc() {
            self.hinted(
                "KW-NET",
                format!("network.cidr {cidr} does not start where its range does"),
                format!("cidr: {}", cidr.trunc()),
            );
        }
        let first = cidr.addr();
        if first.is_loopback() || first.is_multicast() || first.octets()[0] == 0 {
            self.problem("KW-NET", format!("network.cidr {cidr} is not a range for machines; use one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"));
        }
        if !(LARGEST..=SMALLEST).contains(&cidr.prefix_len()) {
            self.problem("KW-NET", format!("network.cidr {cidr}: a network of ours is a /{LARGEST} to a /{SMALLEST}"));
        }
    }

    fn existing(&mut self, spec: &NetworkSpec, existing: &ExistingNetwork) {
        for (key, _) in [("cidr", spec.cidr.is_some()), ("nat", spec.nat.is_some())].iter().filter(|(_, set)| *set) {
            self.problem(
                "KW-NET",
                format!(
                    "network.{key} and network.existing exclude each other: a network brought along stays as it is"
                ),
            );
        }
        let Some(network) = adopted::network_id(&existing.vpc) else {
            self.hinted(
                "KW-NET",
                format!("network.existing.vpc `{}` is not the id of a virtual network", existing.vpc),
                "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Network/virtualNetworks/NAME",
            );
            return;
        };
        match &existing.private_subnets[..] {
            [one] if adopted::subnet_id(&network, one).is_none() => {
                self.problem("KW-NET", format!("network.existing: `{one}` is not a subnet of {}", network.name()));
            }
            [_] => {}
            several => self.problem(
                "KW-NET",
                format!(
                    "network.existing.privateSubnets names {} subnets; on AKS it is one, which spans all zones",
                    several.len()
                ),
            ),
        }
        for (key, set) in [
            ("publicSubnets", !existing.public_subnets.is_empty()),
            ("podRange", existing.pod_range.is_some()),
            ("serviceRange", existing.service_range.is_some()),
        ] {
            if set {
                self.hinted(
                    "KW-NET",
                    format!("network.existing.{key} has no counterpart on AKS"),
                    "leave it out; azure.podCidr and azure.serviceCidr set the cluster's own ranges",
                );
            }
        }
    }

    fn api_allow(&mut self, ranges: &[Ipv4Net]) {
        if ranges.is_empty() {
            self.problem("KW-NET", "network.apiAllow is empty: nobody could reach the API server");
        }
        if ranges.len() > MAX_API_RANGES {
            self.problem("KW-NET", format!("network.apiAllow has {} ranges, AKS takes {MAX_API_RANGES}", ranges.len()));
        }
        let inner = |range: &&Ipv4Net| {
            let first = range.addr();
            first.is_private() || first.is_loopback() || first.is_link_local()
        };
        for range in ranges.iter().filter(inner) {
            self.problem("KW-NET", format!("network.apiAllow {range} is private: the API server is reached from the internet, so AKS takes public ranges"));
        }
    }

    /// Ranges for pods and services, beside the network's and what it is joined to.
    pub(super) fn ranges(
        &mut self,
        aks: &Aks,
        network: &ResolvedNetwork,
        adopted: Option<&Adopted>,
        nodes: u32,
    ) -> Ranges {
        let (own, theirs): (Vec<(String, Ipv4Net)>, bool) = match adopted {
            Some(adopted) => {
                (adopted.taken().into_iter().map(|it| (format!("the network's {it}"), it)).collect(), true)
            }
            None => (vec![(format!("network.cidr {}", network.cidr), network.cidr)], network.existing.is_some()),
        };
        if !theirs && let Some(bad) = ranges::forbidden(&network.cidr) {
            self.problem("KW-NET", format!("network.cidr {} holds {bad}, which AKS keeps for itself", network.cidr));
        }
        let mut taken: Vec<Ipv4Net> = own.iter().map(|(_, range)| *range).collect();
        taken.extend(aks.asked.service_cidr);
        let pods =
            self.one("azure.podCidr", aks.asked.pod_cidr, &own, ranges::for_pods(nodes.saturating_add(SURGE), &taken));
        let mut beside = own;
        beside.push((format!("azure.podCidr {pods}"), pods));
        taken.push(pods);
        let services = self.one("azure.serviceCidr", aks.asked.service_cidr, &beside, ranges::for_services(&taken));
        if let Some(why) = ranges::bad_services(&services) {
            self.problem("KW-NET", format!("azure.serviceCidr: {why}"));
        }
        self.room(aks, network, pods, nodes, theirs);
        Ranges { pods, services }
    }

    /// A range, given or free, held against those beside it.
    fn one(
        &mut self,
        path: &str,
        given: Option<Ipv4Net>,
        beside: &[(String, Ipv4Net)],
        free: Option<Ipv4Net>,
    ) -> Ipv4Net {
        let range = match (given, free) {
            (Some(range), _) => range,
            (None, Some(free)) => return self.or(None, path, free),
            (None, None) => {
                self.hinted("KW-NET", format!("no free range is left for {path}"), format!("name one: {path}"));
                return CIDR.parse().expect("a constant");
            }
        };
        if range != range.trunc() {
            self.hinted(
                "KW-NET",
                format!("{path} {range} does not start where its range does"),
                format!("{}", range.trunc()),
            );
        }
        let hint = free.map(|free| format!("{path}: {free}"));
        let clash = beside.iter().find(|(_, other)| ranges::overlap(&range, other));
        let what = clash.map(|(name, _)| format!("{path} {range} overlaps {name}"));
        let forbidden = ranges::forbidden(&range);
        let what =
            what.or_else(|| forbidden.map(|bad| format!("{path} {range} holds {bad}, which AKS keeps for itself")));
        match (what, hint) {
            (Some(what), Some(hint)) => self.hinted("KW-NET", what, hint),
            (Some(what), None) => self.problem("KW-NET", what),
            (None, _) => {}
        }
        range.trunc()
    }

    /// Whether all nodes get addresses, and their pods.
    fn room(&mut self, aks: &Aks, network: &ResolvedNetwork, pods: Ipv4Net, nodes: u32, theirs: bool) {
        let wanted = nodes.saturating_add(SURGE);
        let room = ranges::nodes_in(&pods);
        if room < wanted {
            let bits = 32 - wanted.saturating_sub(1).leading_zeros();
            let hint = format!("azure.podCidr: a /{} or larger; every node takes a /24", 24_u32.saturating_sub(bits));
            self.hinted("KW-NET", format!("azure.podCidr {pods} has room for {room} nodes, {wanted} are needed"), hint);
        }
        if aks.network == AksNetwork::Kubenet && nodes > KUBENET_NODES {
            self.problem(
                "KW-NET",
                format!("{nodes} nodes: kubenet takes {KUBENET_NODES}, a route table has no more routes"),
            );
        }
        let machines = ranges::addresses_in(&ranges::nodes_subnet(&network.cidr));
        if !theirs && machines < wanted {
            self.problem(
                "KW-NET",
                format!(
                    "network.cidr {}: its nodes' subnet has {machines} addresses, {wanted} are needed",
                    network.cidr
                ),
            );
        }
    }
}

/// AKS documentation, "Use kubenet networking": limitations.
const KUBENET_NODES: u32 = 400;
