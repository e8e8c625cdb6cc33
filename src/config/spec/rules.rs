//! Rules that look at several values or at the provider's limits. Rules for one value stand in `read`.

mod aws;
mod azure;
mod gcp;

use super::problem::SpecProblem;
use crate::model::{
    Cloud, ClusterSpec,
    spec::{AksNetwork, ExistingNetwork, InstanceWish, NetworkSpec, PoolSpec},
};
use ipnet::Ipv4Net;

/// Where EKS puts Services: it takes the one that does not meet the network.
const EKS_SERVICE_RANGES: [&str; 2] = ["172.20.0.0/16", "10.100.0.0/16"];

/// Combinations that cannot be. `known` are the problems found so far: what could not be read is not judged again.
pub(super) fn across(spec: &ClusterSpec, known: &[SpecProblem]) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    if let Some(network) = &spec.network {
        across_network(network, &mut problems);
    }
    let Some(pools) = &spec.node_pools else { return problems };
    for (index, pool) in pools.iter().enumerate() {
        let key = |field: &str| format!("nodePools[{index}].{field}");
        if let Some(first) = pools[..index].iter().position(|other| other.name == pool.name && !pool.name.is_empty()) {
            problems
                .push(SpecProblem::new(key("name"), format!("`{}` is also the name of nodePools[{first}]", pool.name)));
        }
        match (pool.min, pool.max) {
            (Some(min), Some(max)) if min > max => {
                problems.push(SpecProblem::new(key("min"), format!("min {min} is more than max {max}")));
                continue;
            }
            (Some(_), None) => {
                problems.push(
                    SpecProblem::new(key("min"), "needs `max` beside it").instead("write `count` for a fixed size"),
                );
            }
            _ => {}
        }
        let (min, max) = (pool.min.unwrap_or(0), pool.max.unwrap_or(u32::MAX));
        if let (Some(_), false) = (&pool.instance_type, pool.instance_types.is_empty()) {
            let problem = SpecProblem::new(key("instanceTypes"), "cannot be combined with `instanceType`");
            problems.push(problem.instead("write all types into the list, the preferred one first"));
        }
        if let Some(count) = pool.count.filter(|count| !(min..=max).contains(count)) {
            let bound = if count < min { format!("less than min {min}") } else { format!("more than max {max}") };
            problems.push(SpecProblem::new(key("count"), format!("count {count} is {bound}")));
        }
    }
    let judged = |problem: &SpecProblem| problem.key.starts_with("nodePools");
    let empty = pools.iter().all(|pool| pool.count == Some(0) && pool.max.is_none());
    if empty && !known.iter().chain(&problems).any(judged) {
        problems.push(
            SpecProblem::new("nodePools", "the cluster would have no nodes")
                .instead("leave the key out for one default pool"),
        );
    }
    problems
}

fn across_network(network: &NetworkSpec, problems: &mut Vec<SpecProblem>) {
    if network.existing.is_some() {
        let given = [("cidr", network.cidr.is_some()), ("nat", network.nat.is_some())];
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = "cannot be combined with `network.existing`, whose subnets decide it";
            problems.push(SpecProblem::new(format!("network.{field}"), message).instead("remove one of the two"));
        }
    }
    if let (Some(count), Some(zones)) = (network.zone_count, &network.zones)
        && usize::from(count) != zones.len()
    {
        let message = format!("zoneCount is {count}, but `zones` names {}", zones.len());
        problems.push(SpecProblem::new("network.zoneCount", message).instead("remove one of the two"));
    }
}

/// What this provider, or this version on it, cannot do. Checked by [`super::load`] when the provider is known there;
/// for a spec that came another way, call it.
pub fn validate_for_provider(spec: &ClusterSpec, cloud: Cloud) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let refuse: Refuse<'_> = &mut |key, message, instead| {
        let problem = SpecProblem::new(key, message);
        problems.push(if instead.is_empty() { problem } else { problem.instead(instead) });
    };
    let sections =
        [(Cloud::Aws, spec.aws.is_some()), (Cloud::Gcp, spec.gcp.is_some()), (Cloud::Azure, spec.azure.is_some())];
    for (other, _) in sections.into_iter().filter(|(other, there)| *there && *other != cloud) {
        let instead = format!("remove it, or write `provider: {other}`");
        refuse(other.as_str(), format!("has no counterpart on {cloud}"), &instead);
    }
    if cloud != Cloud::Gcp
        && let Some(existing) = spec.network.as_ref().and_then(|network| network.existing.as_ref())
    {
        for (field, range) in [("podRange", &existing.pod_range), ("serviceRange", &existing.service_range)] {
            if range.is_some() {
                let message = format!("has no counterpart on {cloud}: subnets have secondary ranges on gcp only");
                refuse(&format!("network.existing.{field}"), message, "remove it");
            }
        }
    }
    match cloud {
        Cloud::Aws => aws::rules(spec, refuse),
        Cloud::Gcp => gcp::rules(spec, refuse),
        Cloud::Azure => azure::rules(spec, refuse),
    }
    problems
}

/// Takes a problem: its key, what is wrong, and what to write instead, which may be nothing.
type Refuse<'r> = &'r mut dyn FnMut(&str, String, &str);

/// Pools of several types are EKS's alone.
fn one_type(spec: &ClusterSpec, cloud: Cloud, refuse: Refuse<'_>) {
    for (index, pool) in spec.node_pools.iter().flatten().enumerate() {
        if let Some(first) = pool.instance_types.first() {
            let message = format!("{} pools have one machine type", cloud.terms().product);
            let instead = format!("write `instanceType: {first}`, and a second pool for other types");
            refuse(&format!("nodePools[{index}].instanceTypes"), message, &instead);
        }
    }
}

/// Labels that a cloud keeps to itself.
fn reserved_labels(spec: &ClusterSpec, cloud: Cloud, prefix: &str, refuse: Refuse<'_>) {
    for (index, pool) in spec.node_pools.iter().flatten().enumerate() {
        for key in pool.labels.keys().filter(|key| key.starts_with(prefix)) {
            let message = format!("labels such as `{key}` are set by {} itself", cloud.terms().product);
            refuse(&format!("nodePools[{index}].labels.{key}"), message, "");
        }
    }
}

/// One subnet for everything.
fn one_subnet(existing: &ExistingNetwork, cloud: Cloud, refuse: Refuse<'_>) {
    let product = cloud.terms().product;
    if existing.private_subnets.len() != 1 {
        let message = format!("{product} nodes live in one subnet, not {}", existing.private_subnets.len());
        refuse("network.existing.privateSubnets", message, "name exactly one subnet");
    }
    if !existing.public_subnets.is_empty() {
        let message = format!("has no counterpart on {cloud}: a subnet is neither public nor private there");
        refuse("network.existing.publicSubnets", message, "remove it");
    }
}

/// Ranges that must not meet; those that are not said are the provider's to choose.
fn apart(ranges: &[(&str, Option<Ipv4Net>)], refuse: Refuse<'_>) {
    let said: Vec<(&str, Ipv4Net)> = ranges.iter().filter_map(|(key, range)| Some((*key, (*range)?))).collect();
    for (at, (key, range)) in said.iter().enumerate() {
        if let Some((other, second)) = said[..at].iter().find(|(_, it)| it.contains(range) || range.contains(it)) {
            refuse(key, format!("{range} meets {other}, {second}"), "choose ranges that keep apart");
        }
    }
}

/// What is allowed but probably not meant, in sentences for the plan.
pub fn advice(spec: &ClusterSpec) -> Vec<String> {
    let mut advice = Vec::new();
    let on_eks = spec.provider.is_none_or(|cloud| cloud == Cloud::Aws);
    let pools = spec.node_pools.as_deref().unwrap_or_default();
    let mut steady = pools.iter().filter(|pool| pool.is_steady()).peekable();
    if on_eks
        && pools.iter().any(PoolSpec::scales)
        && let Some(first) = steady.peek().map(|pool| &pool.name)
        && steady.all(looks_accelerated)
    {
        advice.push(format!(
            "the cluster autoscaler runs on pool `{first}`, whose machines have GPUs; a small pool without is cheaper to keep"
        ));
    }
    if spec.azure.as_ref().is_some_and(|azure| azure.network == Some(AksNetwork::Kubenet)) {
        advice.push(
            "kubenet retires on 31 March 2028, and a cluster must be moved off it before; without azure.network it is Azure CNI in overlay mode"
                .to_owned(),
        );
    }
    let Some(cidr) = spec.network.as_ref().and_then(|network| network.cidr) else { return advice };
    if is_public(&cidr) {
        advice.push(format!(
            "network.cidr {cidr} is a public range: pods cannot reach the real hosts there; 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16 are private"
        ));
    }
    for range in EKS_SERVICE_RANGES.iter().filter(|_| on_eks) {
        let range: Ipv4Net = range.parse().expect("it is a range");
        if range.contains(&cidr) || cidr.contains(&range) {
            advice.push(format!("network.cidr {cidr} meets {range}, where EKS usually puts Services: EKS will use the other of its two ranges"));
        }
    }
    advice
}

fn is_public(net: &Ipv4Net) -> bool {
    let kept = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"];
    !kept.iter().any(|kept| kept.parse::<Ipv4Net>().expect("it is a range").contains(net))
}

/// As far as the wish alone tells.
fn looks_accelerated(pool: &PoolSpec) -> bool {
    let family = |name: &str| name.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
    let accelerated = |name: &String| matches!(family(name).as_str(), "g" | "gr" | "p");
    match &pool.instance_type {
        Some(InstanceWish::Needs(needs)) => needs.gpu.is_some(),
        Some(InstanceWish::Named(name)) => accelerated(name),
        None => pool.instance_types.first().is_some_and(accelerated),
    }
}
