//! What AKS and Azure take, as far as nothing has to be asked.

use super::{Refuse, apart, is_public, one_subnet, one_type, reserved_labels};
use crate::config::spec::{clouds::arm_resource, syntax::is_guid};
use crate::model::{
    Cloud, ClusterSpec,
    spec::{AksNetwork, InstanceWish, Nat, NetworkSpec, PoolSpec},
};
use ipnet::Ipv4Net;

/// Ranges in the authorized ranges of an API server (AKS, "Secure access to the API server", 2026-11).
const API_RANGES: usize = 200;
/// Tags an object can carry (50) less those of ours, with room for more of ours.
const TAGS: usize = 40;
/// Ranges that AKS keeps for itself (AKS, "Azure CNI Overlay networking", 2026-11).
const KEPT: [&str; 4] = ["169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"];
/// Largest range of Services.
const SERVICES: u8 = 12;

pub(super) fn rules(spec: &ClusterSpec, refuse: Refuse<'_>) {
    if let Some(text) = spec.region.as_ref().map(|region| region.as_str()).filter(|text| !is_region(text)) {
        refuse("region", format!("`{text}` is not an Azure region"), "write it as in `eastus`");
    }
    if let Some(account) = spec.account.as_deref().filter(|text| !is_guid(text)) {
        let message = format!("`{account}` is not the id of a subscription");
        refuse("account", message, "write it as in `11111111-2222-3333-4444-555555555555`");
    }
    if let Some(network) = &spec.network {
        of_network(network, refuse);
    }
    ranges(spec, refuse);
    of_azure(spec, refuse);
    one_type(spec, Cloud::Azure, refuse);
    reserved_labels(spec, Cloud::Azure, "kubernetes.azure.com/", refuse);
    pools(spec, refuse);
    for (index, admin) in spec.admins.iter().enumerate().filter(|(_, admin)| !is_guid(admin)) {
        let message = format!("`{admin}` is not the object id of an Entra identity");
        refuse(&format!("admins[{index}]"), message, "write it as in `11111111-2222-3333-4444-555555555555`");
    }
    tags(spec, refuse);
}

fn of_network(network: &NetworkSpec, refuse: Refuse<'_>) {
    if let Some(count) = network.zone_count.filter(|count| *count > 3) {
        refuse("network.zoneCount", format!("a region of Azure has 3 zones, not {count}"), "write `zoneCount: 3`");
    }
    for (index, zone) in network.zones.iter().flatten().enumerate() {
        if !matches!(zone.as_str(), "1" | "2" | "3") {
            let last = zone.chars().last().filter(|c| ('1'..='3').contains(c)).unwrap_or('1');
            let message = format!("`{zone}` is not a zone of Azure: a subscription's are 1, 2 and 3 in every region");
            refuse(&format!("network.zones[{index}]"), message, &format!("write `\"{last}\"`"));
        }
    }
    if network.nat == Some(Nat::PerZone) {
        let message = "has no counterpart on azure: a subnet has one NAT gateway, and AKS nodes live in one subnet";
        refuse("network.nat", message.to_owned(), "write `single`");
    }
    for (index, net) in network.api_allow.iter().flatten().enumerate() {
        if net.prefix_len() > 0 && !is_public(net) {
            let message = format!("`{net}` is a private range; only public addresses can be let through");
            refuse(&format!("network.apiAllow[{index}]"), message, "remove it");
        }
    }
    if let Some(ranges) = network.api_allow.as_ref().filter(|ranges| ranges.len() > API_RANGES) {
        let message = format!("AKS takes at most {API_RANGES} ranges, not {}", ranges.len());
        refuse("network.apiAllow", message, "join neighbouring ranges");
    }
    if let Some(existing) = &network.existing {
        one_subnet(existing, Cloud::Azure, refuse);
        if arm_resource(&existing.vpc, "Microsoft.Network/virtualNetworks").is_none() {
            let message = format!("`{}` is not the resource id of a virtual network", existing.vpc);
            let form =
                "write `/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Network/virtualNetworks/NAME`";
            refuse("network.existing.vpc", message, form);
        }
    }
}

/// Machines, pods and Services have ranges of their own, and none of AKS's.
fn ranges(spec: &ClusterSpec, refuse: Refuse<'_>) {
    let azure = spec.azure.as_ref();
    let said = [
        ("network.cidr", spec.network.as_ref().and_then(|network| network.cidr)),
        ("azure.podCidr", azure.and_then(|azure| azure.pod_cidr)),
        ("azure.serviceCidr", azure.and_then(|azure| azure.service_cidr)),
    ];
    for (key, range) in said.iter().filter_map(|(key, range)| Some((key, (*range)?))) {
        let kept = KEPT.iter().find(|kept| {
            let kept: Ipv4Net = kept.parse().expect("it is a range");
            kept.contains(&range) || range.contains(&kept)
        });
        if let Some(kept) = kept {
            refuse(key, format!("{range} meets {kept}, which AKS keeps for itself"), "choose another range");
        }
    }
    apart(&said, refuse);
    if let Some(range) = azure.and_then(|azure| azure.service_cidr)
        && !(SERVICES..=28).contains(&range.prefix_len())
    {
        let message =
            format!("a range of /{} cannot be used for Services, only /{SERVICES} to /28", range.prefix_len());
        refuse("azure.serviceCidr", message, "");
    }
}

/// The `azure:` section by itself.
fn of_azure(spec: &ClusterSpec, refuse: Refuse<'_>) {
    let Some(azure) = &spec.azure else { return };
    let groups = azure.admin_groups.as_ref().is_some_and(|groups| !groups.is_empty());
    if azure.azure_rbac == Some(false) && !groups && azure.local_accounts != Some(true) {
        let message =
            "nobody could get in: without Azure roles it takes a group of admins or local accounts".to_owned();
        refuse("azure.azureRbac", message, "name `adminGroups`, or write `localAccounts: true`");
    }
    if azure.network == Some(AksNetwork::Kubenet) && spec.network.as_ref().is_some_and(|it| it.existing.is_some()) {
        let message = "kubenet writes routes into the subnet's table, and what was brought along is never changed";
        refuse("azure.network", message.to_owned(), "write `overlay`");
    }
}

/// AKS itself runs somewhere: on a pool of system nodes, which cannot be spot or empty or keep pods off.
fn pools(spec: &ClusterSpec, refuse: Refuse<'_>) {
    for (index, pool) in spec.node_pools.iter().flatten().enumerate() {
        if let Some(InstanceWish::Named(name)) = &pool.instance_type
            && !name.starts_with("Standard_")
        {
            let message = format!("`{name}` is not a size of virtual machines");
            refuse(&format!("nodePools[{index}].instanceType"), message, "write it as in `Standard_D2as_v5`");
        }
    }
    let pools = spec.node_pools.as_deref().unwrap_or_default();
    let carries = |pool: &PoolSpec| pool.is_steady() && pool.spot != Some(true) && pool.count != Some(0);
    if !pools.is_empty() && !pools.iter().any(carries) {
        let message =
            "AKS needs a pool for its own pods: every pool is spot, may be empty, or has a taint that keeps them off";
        refuse("nodePools", message.to_owned(), "give one pool without taints and spot `min: 1` or a fixed `count`");
    }
}

fn tags(spec: &ClusterSpec, refuse: Refuse<'_>) {
    if spec.tags.len() > TAGS {
        let message = format!("at most {TAGS} tags fit beside kubewright's own, not {}", spec.tags.len());
        refuse("tags", message, "");
    }
    for (key, value) in &spec.tags {
        let path = format!("tags.{key}");
        let (key_len, value_len) = (key.chars().count(), value.chars().count());
        let lower = key.to_lowercase();
        if ["microsoft", "azure", "windows"].iter().any(|prefix| lower.starts_with(prefix)) {
            refuse(&path, "keys that begin with microsoft, azure or windows belong to Azure".to_owned(), "");
        } else if key_len > 512 {
            refuse(&path, format!("a key has at most 512 characters in Azure, this has {key_len}"), "");
        } else if value_len > 256 {
            refuse(&path, format!("a value has at most 256 characters in Azure, this has {value_len}"), "");
        } else if let Some(bad) = key.chars().find(|c| r"<>%&\?/".contains(*c)) {
            refuse(&path, format!(r"Azure takes no `<>%&\?/` in keys of tags, and this has {bad:?}"), "");
        }
    }
}

/// `eastus2`, `swedencentral`: one word of letters, with a digit behind it at most.
fn is_region(text: &str) -> bool {
    let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
    name.len() >= 4 && text.len() - name.len() <= 1 && name.bytes().all(|b| b.is_ascii_lowercase())
}
