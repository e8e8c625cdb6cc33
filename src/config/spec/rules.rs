//! Rules that look at several values or at the provider's limits. Rules for one value stand in `read`.

use super::problem::SpecProblem;
use crate::model::{
    Cloud, ClusterSpec,
    spec::{InstanceWish, NetworkSpec, PoolSpec},
};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;

/// Tags an object can carry in AWS (50) less those of ours, with room for more of ours.
const AWS_TAGS: usize = 40;
/// Ranges in `publicAccessCidrs` of an EKS cluster.
const EKS_API_RANGES: usize = 40;
/// Labels and taints of a managed node group.
const EKS_LABELS: usize = 50;
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
        let given = [
            ("cidr", network.cidr.is_some()),
            ("zoneCount", network.zone_count.is_some()),
            ("zones", network.zones.is_some()),
            ("nat", network.nat.is_some()),
        ];
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
    match cloud {
        Cloud::Aws => aws(spec, &mut problems),
        Cloud::Gcp | Cloud::Azure => {
            for (index, pool) in spec.node_pools.iter().flatten().enumerate() {
                elsewhere(pool, index, cloud, &mut problems);
            }
            if spec.aws.is_some() {
                let message = format!("has no counterpart on {cloud}");
                problems.push(SpecProblem::new("aws", message).instead("remove it, or write `provider: aws`"));
            }
        }
    }
    problems
}

/// What pools can be on EKS and, in this version, nowhere else.
fn elsewhere(pool: &PoolSpec, index: usize, cloud: Cloud, problems: &mut Vec<SpecProblem>) {
    let mut refuse = |field: &str, message: String, instead: String| {
        problems.push(SpecProblem::new(format!("nodePools[{index}].{field}"), message).instead(instead));
    };
    if let Some((_, count, max)) = pool.sizes().filter(|_| pool.scales()) {
        let message = format!("pools with min < max cannot be built on {cloud} by this version");
        let fixed = if pool.count.is_some() { count } else { max };
        refuse("max", message, format!("write `count: {fixed}` for a fixed size"));
    }
    if matches!(&pool.instance_type, Some(InstanceWish::Needs(needs)) if needs.gpu.is_some()) {
        let message = format!("GPU pools cannot be built on {cloud} by this version");
        refuse("instanceType", message, "choose a type without accelerators".to_owned());
    }
    if !pool.instance_types.is_empty() {
        let message = format!("pools of several types cannot be built on {cloud} by this version");
        refuse("instanceTypes", message, "write one `instanceType`".to_owned());
    }
}

/// Several types in one group: what EKS takes.
const EKS_TYPES: usize = 20;
/// Whose pods hand the autoscaler its identity.
const POD_IDENTITY_AGENT: &str = "eks-pod-identity-agent";

/// What the autoscaler itself needs: an identity, and a node that is always there.
fn aws_scaling(spec: &ClusterSpec, refuse: &mut impl FnMut(&str, String, &str)) {
    let pools = spec.node_pools.as_deref().unwrap_or_default();
    let Some(first) = pools.iter().position(PoolSpec::scales) else { return };
    let addons = spec.aws.as_ref().and_then(|aws| aws.addons.as_ref());
    if addons.is_some_and(|addons| !addons.iter().any(|name| name == POD_IDENTITY_AGENT)) {
        let message = format!(
            "pool `{}` scales, and the cluster autoscaler gets its permissions through {POD_IDENTITY_AGENT}, which is not in the list",
            pools[first].name
        );
        refuse("aws.addons", message, &format!("add {POD_IDENTITY_AGENT}"));
    }
    if !pools.iter().any(PoolSpec::is_steady) {
        let message = "the cluster autoscaler would have no node to run on: every pool may be empty or has a taint that keeps it off".to_owned();
        let field = if pools[first].min.is_some() { "min" } else { "max" };
        refuse(
            &format!("nodePools[{first}].{field}"),
            message,
            "give one pool without taints `min: 1` or a fixed `count`",
        );
    }
}

/// One type's name as the user wrote it; says what is wrong with it.
fn aws_type(key: &str, name: &str, refuse: &mut impl FnMut(&str, String, &str)) {
    match name.split_once('.') {
        Some((family, size)) if !family.is_empty() && !size.is_empty() => {
            if let Some(what) = without_driver(family) {
                let message = format!("`{name}` has {what}; drivers are installed for NVIDIA GPUs only");
                refuse(key, message, "choose a type with NVIDIA GPUs, as `g4dn.xlarge`, or without accelerators");
            }
        }
        _ => refuse(key, format!("`{name}` is not an EC2 instance type"), "write it as in `m6a.large`"),
    }
}

fn aws(spec: &ClusterSpec, problems: &mut Vec<SpecProblem>) {
    let mut refuse = |key: &str, message: String, instead: &str| {
        let problem = SpecProblem::new(key, message);
        problems.push(if instead.is_empty() { problem } else { problem.instead(instead) });
    };
    let region = spec.region.as_ref().map(|region| region.as_str());
    if let Some(text) = region.filter(|text| !is_region(text)) {
        let zone = text.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|region| is_region(region));
        let meant = zone.map_or("write it as in `us-east-1`".to_owned(), |region| {
            format!("that is a zone; write `{region}` here and zones under `network.zones`")
        });
        refuse("region", format!("`{text}` is not an AWS region"), &meant);
    }
    if let Some(account) =
        spec.account.as_ref().filter(|text| text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()))
    {
        refuse("account", format!("`{account}` is not an AWS account, which has 12 digits"), "");
    }
    if let Some(network) = &spec.network {
        aws_network(network, region, &mut refuse);
    }
    for (index, pool) in spec.node_pools.iter().flatten().enumerate() {
        let key = |field: &str| format!("nodePools[{index}].{field}");
        if let Some(InstanceWish::Named(name)) = &pool.instance_type {
            aws_type(&key("instanceType"), name, &mut refuse);
        }
        for (at, name) in pool.instance_types.iter().enumerate() {
            aws_type(&format!("nodePools[{index}].instanceTypes[{at}]"), name, &mut refuse);
        }
        if pool.instance_types.len() > EKS_TYPES {
            let message = format!("EKS takes at most {EKS_TYPES} types for a pool, not {}", pool.instance_types.len());
            refuse(&key("instanceTypes"), message, "");
        }
        for (field, count) in [("labels", pool.labels.len()), ("taints", pool.taints.len())] {
            if count > EKS_LABELS {
                refuse(&key(field), format!("EKS takes at most {EKS_LABELS} {field} for a pool, not {count}"), "");
            }
        }
    }
    aws_scaling(spec, &mut refuse);
    for (index, admin) in spec.admins.iter().enumerate() {
        if let Some(meant) = not_a_principal(admin) {
            refuse(&format!("admins[{index}]"), format!("`{admin}` is not the ARN of a role or user"), &meant);
        }
    }
    aws_tags(&spec.tags, &mut refuse);
}

fn aws_network(network: &NetworkSpec, region: Option<&str>, refuse: &mut impl FnMut(&str, String, &str)) {
    if network.zone_count == Some(1) {
        refuse("network.zoneCount", "EKS needs subnets in at least 2 zones".to_owned(), "write `zoneCount: 2`");
    }
    if let Some(zones) = &network.zones {
        if zones.len() == 1 {
            refuse("network.zones", "EKS needs subnets in at least 2 zones".to_owned(), "name another zone");
        }
        for (index, zone) in zones.iter().enumerate() {
            let of = zone.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|region| is_region(region));
            let key = format!("network.zones[{index}]");
            match (of, region) {
                (None, _) => {
                    refuse(&key, format!("`{zone}` is not an availability zone"), "write it as in `us-east-1a`")
                }
                (Some(of), Some(region)) if of != region && is_region(region) => {
                    refuse(&key, format!("`{zone}` is not a zone of {region}"), &format!("write it as in `{region}a`"));
                }
                _ => {}
            }
        }
    }
    if let Some(ranges) = &network.api_allow {
        if ranges.len() > EKS_API_RANGES {
            let message = format!("EKS takes at most {EKS_API_RANGES} ranges, not {}", ranges.len());
            refuse("network.apiAllow", message, "join neighbouring ranges");
        }
        for (index, net) in ranges.iter().enumerate() {
            if net.prefix_len() > 0 && !is_public(net) {
                let message =
                    format!("`{net}` is a private range; these are the public addresses that may reach the API server");
                refuse(
                    &format!("network.apiAllow[{index}]"),
                    message,
                    "nodes inside the network reach it anyway, so remove it",
                );
            }
        }
    }
    let Some(existing) = &network.existing else { return };
    if !is_id(&existing.vpc, "vpc-") {
        refuse(
            "network.existing.vpc",
            format!("`{}` is not the id of a VPC", existing.vpc),
            "write it as in `vpc-0123456789abcdef0`",
        );
    }
    for (field, subnets) in [("privateSubnets", &existing.private_subnets), ("publicSubnets", &existing.public_subnets)]
    {
        for (index, subnet) in subnets.iter().enumerate().filter(|(_, subnet)| !is_id(subnet, "subnet-")) {
            let key = format!("network.existing.{field}[{index}]");
            refuse(&key, format!("`{subnet}` is not the id of a subnet"), "write it as in `subnet-0123456789abcdef0`");
        }
    }
    if existing.private_subnets.len() < 2 {
        let message = "EKS needs subnets in at least 2 zones".to_owned();
        refuse("network.existing.privateSubnets", message, "name at least two subnets");
    }
}

fn aws_tags(tags: &BTreeMap<String, String>, refuse: &mut impl FnMut(&str, String, &str)) {
    if tags.len() > AWS_TAGS {
        refuse("tags", format!("at most {AWS_TAGS} tags fit beside kubewright's own, not {}", tags.len()), "");
    }
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    for (key, value) in tags {
        let path = format!("tags.{key}");
        let (key_len, value_len) = (key.chars().count(), value.chars().count());
        if key.to_lowercase().starts_with("aws:") {
            refuse(&path, "keys that begin with `aws:` belong to AWS".to_owned(), "");
        } else if key_len > 128 {
            refuse(&path, format!("a key has at most 128 characters in AWS, this has {key_len}"), "");
        } else if value_len > 256 {
            refuse(&path, format!("a value has at most 256 characters in AWS, this has {value_len}"), "");
        } else if let Some(bad) = key.chars().chain(value.chars()).find(|c| !allowed(*c)) {
            refuse(&path, format!("AWS takes letters, digits, spaces and `_.:/=+-@` in tags, not {bad:?}"), "");
        }
    }
}

/// What is allowed but probably not meant, in sentences for the plan.
pub fn advice(spec: &ClusterSpec) -> Vec<String> {
    let mut advice = Vec::new();
    let pools = spec.node_pools.as_deref().unwrap_or_default();
    let mut steady = pools.iter().filter(|pool| pool.is_steady()).peekable();
    if pools.iter().any(PoolSpec::scales)
        && let Some(first) = steady.peek().map(|pool| &pool.name)
        && steady.all(looks_accelerated)
    {
        advice.push(format!(
            "the cluster autoscaler runs on pool `{first}`, whose machines have GPUs; a small pool without is cheaper to keep"
        ));
    }
    let Some(cidr) = spec.network.as_ref().and_then(|network| network.cidr) else { return advice };
    if is_public(&cidr) {
        advice.push(format!(
            "network.cidr {cidr} is a public range: pods cannot reach the real hosts there; 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16 are private"
        ));
    }
    for range in EKS_SERVICE_RANGES {
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

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-5`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    word(first)
        && first.len() <= 4
        && (1..=2).contains(&middle.len())
        && middle.iter().all(word)
        && (1..=2).contains(&last.len())
        && last.bytes().all(|b| b.is_ascii_digit())
}

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|id| {
        (8..=17).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
    })
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

/// What a family has that no driver is installed for: inf, trn, dl, vt and f with a number, and the one with AMD's GPUs.
fn without_driver(family: &str) -> Option<&'static str> {
    let letters: String = family.chars().take_while(char::is_ascii_alphabetic).collect();
    match letters.as_str() {
        "inf" | "trn" => Some("AWS's own chips"),
        "f" => Some("FPGAs"),
        "vt" => Some("video transcoders"),
        "dl" => Some("other accelerators"),
        _ if family == "g4ad" => Some("AMD GPUs"),
        _ => None,
    }
}

/// Why this is no principal of an access entry, as what to write instead; none when it is one.
fn not_a_principal(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, name]
            if account.len() == 12
                && ["role/", "user/"]
                    .iter()
                    .any(|kind| name.strip_prefix(kind).is_some_and(|name| !name.is_empty())) =>
        {
            None
        }
        ["arn", partition, "sts", "", account, session] if session.starts_with("assumed-role/") => {
            let role = session.split('/').nth(1).unwrap_or("NAME");
            Some(format!("that is a session; write the role: `arn:{partition}:iam::{account}:role/{role}`"))
        }
        _ => Some("write `arn:aws:iam::123456789012:role/NAME`".to_owned()),
    }
}
