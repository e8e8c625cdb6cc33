//! What EKS and AWS take, as far as nothing has to be asked.

use super::{Refuse, is_public};
use crate::model::{
    ClusterSpec,
    spec::{InstanceWish, NetworkSpec, PoolSpec},
};
use std::collections::BTreeMap;

/// Tags an object can carry in AWS (50) less those of ours, with room for more of ours.
const AWS_TAGS: usize = 40;
/// Ranges in `publicAccessCidrs` of an EKS cluster.
const EKS_API_RANGES: usize = 40;
/// Labels and taints of a managed node group.
const EKS_LABELS: usize = 50;
/// Several types in one group: what EKS takes.
const EKS_TYPES: usize = 20;
/// Whose pods hand the autoscaler its identity.
const POD_IDENTITY_AGENT: &str = "eks-pod-identity-agent";

/// What the autoscaler itself needs: an identity, and a node that is always there.
fn aws_scaling(spec: &ClusterSpec, refuse: Refuse<'_>) {
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
fn aws_type(key: &str, name: &str, refuse: Refuse<'_>) {
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

pub(super) fn rules(spec: &ClusterSpec, refuse: Refuse<'_>) {
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
        aws_network(network, region, refuse);
    }
    for (index, pool) in spec.node_pools.iter().flatten().enumerate() {
        let key = |field: &str| format!("nodePools[{index}].{field}");
        if let Some(InstanceWish::Named(name)) = &pool.instance_type {
            aws_type(&key("instanceType"), name, refuse);
        }
        for (at, name) in pool.instance_types.iter().enumerate() {
            aws_type(&format!("nodePools[{index}].instanceTypes[{at}]"), name, refuse);
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
    aws_scaling(spec, refuse);
    for (index, admin) in spec.admins.iter().enumerate() {
        if let Some(meant) = not_a_principal(admin) {
            refuse(&format!("admins[{index}]"), format!("`{admin}` is not the ARN of a role or user"), &meant);
        }
    }
    aws_tags(&spec.tags, refuse);
}

fn aws_network(network: &NetworkSpec, region: Option<&str>, refuse: Refuse<'_>) {
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
    // A subnet of EC2's is in one zone; elsewhere it reaches through all of a region.
    for (field, given) in [("zoneCount", network.zone_count.is_some()), ("zones", network.zones.is_some())] {
        if given {
            let message = "cannot be combined with `network.existing`, whose subnets decide it";
            refuse(&format!("network.{field}"), message.to_owned(), "remove one of the two");
        }
    }
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

fn aws_tags(tags: &BTreeMap<String, String>, refuse: Refuse<'_>) {
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
