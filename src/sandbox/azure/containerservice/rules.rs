//! What AKS judges of a cluster before it begins: identity, network, tier, Entra, subnets and the rights on them.

use super::{principal, profile::parameter};
use crate::sandbox::{
    azure::{
        access, managedidentity, network,
        path::{name_of, within},
        store::{self, of_kind},
        wire::{ArmError, Cx, dig, or_default, text, texts},
    },
    world::Object,
};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

/// Ranges that AKS keeps for itself.
const FORBIDDEN: &[&str] = &["169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"];

fn bad(code: &str, why: impl Into<String>) -> ArmError {
    ArmError::bad(code, why)
}

/// Judges the body of a new cluster and completes it.
///
/// # Errors
/// In AKS's words.
pub(super) fn complete(cx: &mut Cx<'_, '_>, body: &mut Value) -> Result<(), ArmError> {
    or_default(body, "sku.name", json!("Base"));
    or_default(body, "sku.tier", json!("Free"));
    if text(body, "sku.name") == "Automatic" {
        return Err(ArmError::new(501, "NotImplemented", "The sandbox does not rehearse AKS Automatic."));
    }
    check_identity(cx, body)?;
    let properties = &mut body["properties"];
    check_dns(properties)?;
    check_features(properties)?;
    complete_network(properties)?;
    or_default(properties, "enableRBAC", json!(true));
    or_default(properties, "disableLocalAccounts", json!(false));
    or_default(properties, "supportPlan", json!("KubernetesOfficial"));
    for driver in ["diskCSIDriver", "fileCSIDriver", "snapshotController"] {
        or_default(properties, &format!("storageProfile.{driver}.enabled"), json!(true));
    }
    or_default(properties, "autoUpgradeProfile.nodeOSUpgradeChannel", json!("NodeImage"));
    or_default(properties, "oidcIssuerProfile.enabled", json!(false));
    or_default(properties, "nodeProvisioningProfile.mode", json!("Manual"));
    or_default(properties, "bootstrapProfile.artifactSource", json!("Direct"));
    if dig(properties, "aadProfile.managed") == &json!(true) {
        or_default(properties, "aadProfile.tenantID", json!(crate::sandbox::azure::TENANT));
        or_default(properties, "aadProfile.enableAzureRBAC", json!(false));
    }
    if text(body, "properties.supportPlan") == "AKSLongTermSupport" && text(body, "sku.tier") != "Premium" {
        let message = "AKSLongTermSupport support plan is only available for clusters of Premium tier.";
        return Err(bad("InvalidSupportPlan", message));
    }
    Ok(())
}

fn check_identity(cx: &mut Cx<'_, '_>, body: &Value) -> Result<(), ArmError> {
    let own: Vec<String> =
        super::super::wire::members(dig(body, "identity.userAssignedIdentities")).map(|(id, _)| id.clone()).collect();
    let client = text(body, "properties.servicePrincipalProfile.clientId");
    match (text(body, "identity.type"), own.as_slice()) {
        ("UserAssigned", [id]) => {
            if of_kind(cx.tx, managedidentity::IDENTITY, id).is_none() {
                let message = format!(
                    "Failed to perform resource identity operation. Status: 'BadRequest'. Response: 'Resource '{id}' was not found.'"
                );
                return Err(bad("FailedIdentityOperation", message));
            }
            let action = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
            access::linked(cx, "Microsoft.ContainerService/managedClusters/write", action, id)
        }
        ("UserAssigned", _) => {
            Err(parameter("identity.userAssignedIdentities", "exactly one user assigned identity must be given"))
        }
        ("SystemAssigned", []) => Ok(()),
        ("SystemAssigned", _) => {
            Err(parameter("identity", "a system assigned identity goes with no user assigned ones"))
        }
        _ if client.is_empty() => {
            Err(parameter("servicePrincipalProfile", "the cluster must have a managed identity or a service principal"))
        }
        _ => {
            Err(ArmError::new(501, "NotImplemented", "The sandbox does not rehearse clusters with service principals."))
        }
    }
}

fn check_dns(properties: &Value) -> Result<(), ArmError> {
    let prefix = text(properties, "dnsPrefix");
    if prefix.is_empty() && text(properties, "fqdnSubdomain").is_empty() {
        return Err(bad("MissingDnsPrefix", "Required parameter dnsPrefix is missing."));
    }
    let (first, last) = (prefix.chars().next(), prefix.chars().next_back());
    let well = prefix.len() <= 54
        && prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && first.is_some_and(|c| c.is_ascii_alphanumeric())
        && last.is_some_and(|c| c.is_ascii_alphanumeric());
    if well {
        return Ok(());
    }
    Err(parameter(
        "dnsPrefix",
        format!(
            "DNS prefix '{prefix}' is invalid: 1 to 54 letters, digits and hyphens, beginning and ending with a letter or digit"
        ),
    ))
}

fn check_features(properties: &Value) -> Result<(), ArmError> {
    let on = |path: &str| dig(properties, path) == &json!(true);
    if on("disableLocalAccounts") && !on("aadProfile.managed") {
        let message =
            "Disabling local accounts is only allowed for clusters with managed AAD: aadProfile.managed must be true.";
        return Err(bad("BadRequest", message));
    }
    if on("aadProfile.enableAzureRBAC") && !on("aadProfile.managed") {
        return Err(parameter("aadProfile.enableAzureRBAC", "Azure RBAC is only supported on managed AAD clusters"));
    }
    let tenant = text(properties, "aadProfile.tenantID");
    if !tenant.is_empty() && tenant != crate::sandbox::azure::TENANT {
        return Err(parameter(
            "aadProfile.tenantID",
            format!("tenant '{tenant}' is not the tenant of the subscription"),
        ));
    }
    if on("securityProfile.workloadIdentity.enabled") && !on("oidcIssuerProfile.enabled") {
        return Err(bad("BadRequest", "Enabling workload identity requires enabling OIDC issuer profile."));
    }
    let ranges = texts(dig(properties, "apiServerAccessProfile.authorizedIPRanges"));
    if on("apiServerAccessProfile.enablePrivateCluster") && !ranges.is_empty() {
        return Err(bad("BadRequest", "Authorized IP ranges are not supported on private clusters."));
    }
    if ranges.len() > 200 {
        return Err(parameter("apiServerAccessProfile.authorizedIPRanges", "at most 200 ranges are supported"));
    }
    for range in ranges {
        if range.parse::<Ipv4Net>().is_err() && range.parse::<std::net::Ipv4Addr>().is_err() {
            return Err(parameter("apiServerAccessProfile.authorizedIPRanges", format!("'{range}' is no IP range")));
        }
    }
    let group = text(properties, "nodeResourceGroup");
    if group.len() > 80 {
        return Err(bad("InvalidParameter", format!("The length of the node resource group name is too long. The maximum length is 80, and the length of the value provided is {}. Please see https://aka.ms/aks-naming-rules for more details.", group.len())).at("nodeResourceGroup"));
    }
    Ok(())
}

/// Judges the network profile of a new cluster and completes it.
fn complete_network(properties: &mut Value) -> Result<(), ArmError> {
    or_default(properties, "networkProfile.networkPlugin", json!("azure"));
    let plugin = text(properties, "networkProfile.networkPlugin").to_owned();
    let mode = text(properties, "networkProfile.networkPluginMode").to_owned();
    let custom = properties["agentPoolProfiles"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|pool| !text(pool, "vnetSubnetID").is_empty());
    if plugin == "kubenet" && mode == "overlay" {
        return Err(parameter("networkProfile.networkPluginMode", "overlay needs networkPlugin azure"));
    }
    if plugin == "azure" && mode.is_empty() && !dig(properties, "networkProfile.podCidr").is_null() {
        return Err(bad(
            "PodCidrNotAllowed",
            "podCidr is not supported with networkPlugin azure without networkPluginMode overlay.",
        ));
    }
    let dataplane = text(properties, "networkProfile.networkDataplane").to_owned();
    let policy = text(properties, "networkProfile.networkPolicy").to_owned();
    if dataplane == "cilium" && (plugin != "azure" || mode != "overlay") {
        return Err(bad(
            "BadRequest",
            "Cilium dataplane requires networkPlugin azure with networkPluginMode overlay or a pod subnet.",
        ));
    }
    match (policy.as_str(), dataplane.as_str()) {
        ("cilium", "cilium") | ("" | "none", _) | ("calico", "" | "azure") => {}
        ("azure", "" | "azure") if plugin == "azure" => {}
        (policy, dataplane) => {
            let message = format!(
                "Network policy '{policy}' does not go with network dataplane '{dataplane}' and network plugin '{plugin}'."
            );
            return Err(bad("BadRequest", message));
        }
    }
    for (key, value) in [
        ("networkDataplane", json!(if plugin == "azure" { Some("azure") } else { None })),
        ("networkPolicy", json!("none")),
        ("serviceCidr", json!("10.0.0.0/16")),
        ("loadBalancerSku", json!("standard")),
        ("outboundType", json!("loadBalancer")),
        ("ipFamilies", json!(["IPv4"])),
    ] {
        or_default(properties, &format!("networkProfile.{key}"), value);
    }
    let sku = text(properties, "networkProfile.loadBalancerSku").to_ascii_lowercase();
    if sku != "standard" {
        return Err(bad("BasicLoadBalancerRetired", "Clusters with basic load balancers cannot be created any more."));
    }
    properties["networkProfile"]["loadBalancerSku"] = json!(sku);
    if plugin == "kubenet" || mode == "overlay" {
        or_default(properties, "networkProfile.podCidr", json!("10.244.0.0/16"));
    }
    let service = text(properties, "networkProfile.serviceCidr").to_owned();
    let services = range(&service, "networkProfile.serviceCidr")?;
    let usual = std::net::Ipv4Addr::from(u32::from(services.network()) + 10).to_string();
    or_default(properties, "networkProfile.dnsServiceIP", json!(usual));
    properties["networkProfile"]["serviceCidrs"] = json!([service]);
    if services.prefix_len() < 12 {
        return Err(parameter("networkProfile.serviceCidr", format!("Service CIDR {service} must be /12 or smaller")));
    }
    let dns = text(properties, "networkProfile.dnsServiceIP").to_owned();
    let inside = dns.parse().is_ok_and(|ip: std::net::Ipv4Addr| services.contains(&ip) && ip != services.network());
    if !inside {
        let message = format!("Specified DNS service IP {dns} is not within the Service CIDR {service}.");
        return Err(bad("DnsServiceIpOutOfServiceCidr", message).at("networkProfile.dnsServiceIP"));
    }
    if let Some(pods) = dig(properties, "networkProfile.podCidr").as_str().map(str::to_owned) {
        let net = range(&pods, "networkProfile.podCidr")?;
        if overlap(net, services) {
            return Err(bad(
                "ServiceCidrOverlapExistingPodCidr",
                format!("The specified service CIDR {service} conflicts with the pod CIDR {pods}."),
            ));
        }
        // Each node takes a /24 of it.
        let nodes = 1_u64 << 24_u8.saturating_sub(net.prefix_len());
        let wanted: u64 = properties["agentPoolProfiles"].as_array().into_iter().flatten().map(most_nodes).sum();
        if net.prefix_len() > 24 || wanted > nodes {
            let message = format!("Pod CIDR {pods} has room for {nodes} nodes, and {wanted} are asked for.");
            return Err(bad("InsufficientPodCidr", message));
        }
        properties["networkProfile"]["podCidrs"] = json!([pods]);
    }
    complete_egress(properties, custom)
}

fn most_nodes(pool: &Value) -> u64 {
    pool["maxCount"].as_u64().unwrap_or_else(|| pool["count"].as_u64().unwrap_or(1))
}

fn complete_egress(properties: &mut Value, custom: bool) -> Result<(), ArmError> {
    let outbound = text(properties, "networkProfile.outboundType").to_owned();
    match outbound.as_str() {
        "loadBalancer" => {
            let others = ["outboundIPs", "outboundIPPrefixes"]
                .iter()
                .any(|key| properties["networkProfile"]["loadBalancerProfile"][*key].is_object());
            if !others {
                or_default(properties, "networkProfile.loadBalancerProfile.managedOutboundIPs.count", json!(1));
            }
            or_default(properties, "networkProfile.loadBalancerProfile.backendPoolType", json!("NodeIPConfiguration"));
            let ports =
                dig(properties, "networkProfile.loadBalancerProfile.allocatedOutboundPorts").as_i64().unwrap_or(0);
            if !(0..=64_000).contains(&ports) || ports % 8 != 0 {
                return Err(parameter(
                    "networkProfile.loadBalancerProfile.allocatedOutboundPorts",
                    "it must be a multiple of 8 from 0 to 64000",
                ));
            }
        }
        "managedNATGateway" if custom => {
            let message = "OutboundType managedNATGateway is not supported with a custom virtual network: use userAssignedNATGateway.";
            return Err(bad("InvalidOutboundType", message));
        }
        "managedNATGateway" => {
            or_default(properties, "networkProfile.natGatewayProfile.managedOutboundIPProfile.count", json!(1))
        }
        "userAssignedNATGateway" | "userDefinedRouting" if !custom => {
            let message = format!(
                "OutboundType {outbound} requires a custom virtual network: agentPoolProfiles[].vnetSubnetID must be given."
            );
            return Err(bad("InvalidOutboundType", message));
        }
        _ => {}
    }
    if outbound != "loadBalancer"
        && properties["networkProfile"]["loadBalancerProfile"]["managedOutboundIPs"].is_object()
    {
        return Err(bad(
            "InvalidLoadBalancerProfile",
            format!("Load balancer profile must not have outbound IPs with outbound type {outbound}."),
        ));
    }
    Ok(())
}

fn range(text: &str, name: &str) -> Result<Ipv4Net, ArmError> {
    let net: Option<Ipv4Net> = text.parse().ok().filter(|net: &Ipv4Net| net.trunc() == *net);
    let net = net.ok_or_else(|| parameter(name, format!("'{text}' is no CIDR range")))?;
    let kept = FORBIDDEN.iter().filter_map(|range| range.parse().ok()).find(|range| overlap(*range, net));
    match kept {
        Some(kept) => Err(parameter(name, format!("{text} overlaps {kept}, which AKS keeps for itself"))),
        None => Ok(net),
    }
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// Judges the subnets of pools: that they stand in one network with room, clear of the cluster's own ranges, and that
/// both the caller and the cluster's identity may use them. `cluster` is the cluster, or what is to be one.
///
/// # Errors
/// In AKS's words.
pub(super) fn check_subnets(cx: &mut Cx<'_, '_>, cluster: &Object, profiles: &[Value]) -> Result<(), ArmError> {
    let network_profile = cluster.doc["properties"]["networkProfile"].clone();
    let identity = principal(cx.tx, cluster);
    let mut networks: Vec<String> = super::pools(cx.tx, &cluster.id)
        .iter()
        .filter_map(|pool| store::parent_of(text(&pool.doc, "properties.vnetSubnetID")))
        .collect();
    let standing = super::pools(cx.tx, &cluster.id);
    let mut placed = standing.iter().map(|pool| &pool.doc["properties"]).chain(profiles);
    let custom = placed.next().is_some_and(|profile| !text(profile, "vnetSubnetID").is_empty());
    if placed.any(|profile| text(profile, "vnetSubnetID").is_empty() == custom) {
        let message = "All or none of the agentPoolProfiles must set vnetSubnetID";
        return Err(parameter("agentPoolProfile.vnetSubnetID", message));
    }
    for profile in profiles {
        let id = text(profile, "vnetSubnetID").to_owned();
        if id.is_empty() {
            continue;
        }
        let Some(subnet) = network::subnet(cx.tx, &id).cloned() else {
            let message = format!(
                "The value of parameter agentPoolProfile.vnetSubnetID is invalid. Error details: subnet '{id}' was not found."
            );
            return Err(bad("InvalidParameter", message).at("agentPoolProfile.vnetSubnetID"));
        };
        if subnet.region != cluster.region {
            return Err(parameter(
                "agentPoolProfile.vnetSubnetID",
                format!("subnet '{id}' is in {}, the cluster in {}", subnet.region, cluster.region),
            ));
        }
        networks.extend(store::parent_of(&subnet.id));
        if networks.iter().any(|one| !one.eq_ignore_ascii_case(&networks[0])) {
            let message = "All agent pools of a cluster must be in one virtual network.";
            return Err(bad("AgentPoolsNotInSameVnet", message));
        }
        let action = "Microsoft.Network/virtualNetworks/subnets/join/action";
        let write = "Microsoft.ContainerService/managedClusters/write";
        access::linked(cx, write, action, &subnet.id)?;
        let own = cluster.doc["identity"]["type"] == json!("UserAssigned");
        if own && !access::may(cx.tx, &identity, action, &subnet.id) {
            let message = format!(
                "The client '{identity}' with object id '{identity}' has permission to perform action '{write}' on scope '{}'; however, it does not have permission to perform action(s) '{action}' on the linked scope(s) '{}' (respectively) or the linked scope(s) are invalid.",
                cluster.id, subnet.id
            );
            return Err(ArmError::new(403, "LinkedAuthorizationFailed", message));
        }
        check_room(cx, &subnet, profile, &network_profile)?;
        check_routes(cx, &subnet, &network_profile)?;
    }
    Ok(())
}

fn check_room(cx: &Cx<'_, '_>, subnet: &Object, profile: &Value, network_profile: &Value) -> Result<(), ArmError> {
    for key in ["serviceCidr", "podCidr"] {
        let Ok(own) = text(network_profile, key).parse::<Ipv4Net>() else { continue };
        let space = network::network_ranges(cx.tx, &subnet.id);
        if let Some(clash) = space.iter().find(|range| overlap(**range, own)) {
            let (code, what) = match key {
                "serviceCidr" => ("ServiceCidrOverlapExistingSubnetsCidr", "service"),
                _ => ("PodCidrOverlapExistingSubnetsCidr", "pod"),
            };
            let message = format!("The specified {what} CIDR {own} is conflicted with an existing subnet CIDR {clash}");
            return Err(bad(code, message).at(&format!("networkProfile.{key}")));
        }
    }
    let flat =
        text(network_profile, "networkPlugin") == "azure" && text(network_profile, "networkPluginMode") != "overlay";
    let each = if flat { profile["maxPods"].as_u64().unwrap_or(30) + 1 } else { 1 };
    let wanted = most_nodes(profile) * each;
    // Azure keeps five addresses of every subnet.
    let room: u64 =
        network::ranges(subnet).iter().map(|net| (1_u64 << (32 - net.prefix_len())).saturating_sub(5)).sum();
    if wanted > room {
        let message = format!(
            "Pre-allocated IPs {wanted} exceeds IPs available {room} in Subnet Cidr {}, Subnet Name {}. http://aka.ms/aks/insufficientsubnetsize",
            network::ranges(subnet).iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            name_of(&subnet.id)
        );
        return Err(bad("InsufficientSubnetSize", message).at("agentPoolProfile.vnetSubnetID"));
    }
    Ok(())
}

fn check_routes(cx: &Cx<'_, '_>, subnet: &Object, network_profile: &Value) -> Result<(), ArmError> {
    let properties = &subnet.doc["properties"];
    match text(network_profile, "outboundType") {
        "userAssignedNATGateway" if !network::has_nat(subnet) => {
            let message =
                format!("OutboundType userAssignedNATGateway requires a NAT gateway at subnet '{}'.", subnet.id);
            Err(bad("InvalidUserAssignedNATGatewayOutboundType", message))
        }
        "userDefinedRouting" => {
            let table = properties["routeTable"]["id"].as_str().and_then(|id| of_kind(cx.tx, network::ROUTE_TABLE, id));
            let out = table.is_some_and(|table| {
                let routes = table.doc["properties"]["routes"].as_array().into_iter().flatten();
                routes.into_iter().any(|route| text(route, "properties.addressPrefix") == "0.0.0.0/0")
            });
            if out {
                return Ok(());
            }
            let message = format!(
                "OutboundType userDefinedRouting requires a route table with a 0.0.0.0/0 route at subnet '{}'.",
                subnet.id
            );
            Err(bad("ExistingRouteTableNotAssociatedWithSubnet", message))
        }
        _ => Ok(()),
    }
}

/// What a cluster has that cannot be changed, and what of it is asked to change.
///
/// # Errors
/// `PropertyChangeNotAllowed`.
pub(super) fn check_kept(stands: &Value, asked: &Value) -> Result<(), ArmError> {
    for path in [
        "dnsPrefix",
        "nodeResourceGroup",
        "networkProfile.networkPlugin",
        "networkProfile.networkPluginMode",
        "networkProfile.networkDataplane",
        "networkProfile.serviceCidr",
        "networkProfile.podCidr",
        "networkProfile.dnsServiceIP",
        "networkProfile.outboundType",
        "networkProfile.loadBalancerSku",
        "apiServerAccessProfile.enablePrivateCluster",
        "enableRBAC",
    ] {
        let (old, new) = (dig(stands, path), dig(asked, path));
        if !new.is_null() && new != old && !old.is_null() {
            let message = format!("Changing property '{path}' is not allowed.");
            return Err(bad("PropertyChangeNotAllowed", message).at(path));
        }
    }
    if dig(stands, "oidcIssuerProfile.enabled") == &json!(true)
        && dig(asked, "oidcIssuerProfile.enabled") == &json!(false)
    {
        return Err(bad("OIDCIssuerFeatureCannotBeDisabled", "OIDC issuer feature cannot be disabled."));
    }
    check_features(asked)
}

/// Whether a group of this name may become the cluster's own.
///
/// # Errors
/// There is one already.
pub(super) fn check_node_group(cx: &Cx<'_, '_>, group: &str) -> Result<(), ArmError> {
    let id = format!("{}/resourceGroups/{group}", cx.target.subscription_id());
    if within(&cx.target.group_id(), &id) {
        return Err(parameter("nodeResourceGroup", "it cannot be the cluster's own resource group"));
    }
    match of_kind(cx.tx, store::GROUP, &id) {
        Some(_) => Err(parameter("nodeResourceGroup", format!("resource group '{group}' already exists"))),
        None => Ok(()),
    }
}
