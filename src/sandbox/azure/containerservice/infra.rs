//! What a cluster makes beside its machines: the node group, and in it a security group, a network where none was given,
//! the way out, and the kubelets' identity.

use super::{credentials, principal};
use crate::sandbox::{
    azure::{
        managedidentity, network,
        path::{group_of, name_of},
        resources::groups,
        store::{self, HIDDEN, of_kind},
        wire::{ArmError, dig, text},
    },
    world::{Object, Tx},
};
use serde_json::{Value, json};

/// The id of a cluster's node group.
pub(super) fn group_id(cluster: &Object) -> String {
    let group = text(&cluster.doc, "properties.nodeResourceGroup");
    let subscription: Vec<&str> = cluster.id.split('/').take(3).collect();
    format!("{}/resourceGroups/{group}", subscription.join("/"))
}

/// The id of something in a cluster's node group.
pub(super) fn inside(cluster: &Object, kind: &str, name: &str) -> String {
    format!("{}/providers/{kind}/{name}", group_id(cluster))
}

/// The digits that names of a cluster's things carry.
pub(super) fn suffix(cluster: &Object) -> &str {
    text(&cluster.doc, "_.suffix")
}

fn tags(cluster: &Object) -> Value {
    json!(cluster.tags)
}

/// Where the machines of a pool stand: the subnet it names, or the one that AKS made.
pub(super) fn subnet_of(cluster: &Object, profile: &Value) -> String {
    match text(profile, "vnetSubnetID") {
        "" => format!("{}/subnets/aks-subnet", own_network(cluster)),
        id => id.to_owned(),
    }
}

fn own_network(cluster: &Object) -> String {
    inside(cluster, "Microsoft.Network/virtualNetworks", &format!("aks-vnet-{}", suffix(cluster)))
}

/// The security group of a cluster's machines.
pub(super) fn security_group(cluster: &Object) -> String {
    inside(cluster, "Microsoft.Network/networkSecurityGroups", &format!("aks-agentpool-{}-nsg", suffix(cluster)))
}

/// The load balancer that Services and, with that outbound type, machines go through.
pub(super) fn balancer(cluster: &Object) -> String {
    inside(cluster, "Microsoft.Network/loadBalancers", "kubernetes")
}

/// Makes everything that is not there yet.
///
/// # Errors
/// A quota is used up.
pub(super) fn make(tx: &mut Tx<'_>, cluster: &Object) -> Result<(), ArmError> {
    let group = group_id(cluster);
    let location = cluster.region.as_str();
    if of_kind(tx, store::GROUP, &group).is_none() {
        let mut marks = tags(cluster);
        marks["aks-managed-cluster-name"] = json!(cluster.name);
        marks["aks-managed-cluster-rg"] = json!(group_of(&cluster.id).as_deref().map(name_of));
        groups::make(tx, &group, location, &cluster.id, marks);
    }
    let missing = |tx: &Tx<'_>, id: &str| store::find(tx, id).is_none();
    let guard = security_group(cluster);
    if missing(tx, &guard) {
        let body = json!({"tags": tags(cluster), "properties": {"securityRules": []}});
        network::make(tx, network::NSG, &guard, location, &body);
    }
    let pools = super::pools(tx, &cluster.id);
    let own = pools.iter().any(|pool| text(&pool.doc, "properties.vnetSubnetID").is_empty());
    if own && missing(tx, &own_network(cluster)) {
        make_network(tx, cluster, &guard);
    }
    if text(&cluster.doc, "properties.networkProfile.networkPlugin") == "kubenet" {
        let table =
            inside(cluster, "Microsoft.Network/routeTables", &format!("aks-agentpool-{}-routetable", suffix(cluster)));
        if missing(tx, &table) {
            let body =
                json!({"tags": tags(cluster), "properties": {"routes": [], "disableBgpRoutePropagation": false}});
            network::make(tx, network::ROUTE_TABLE, &table, location, &body);
        }
    }
    make_way_out(tx, cluster)?;
    make_kubelet_identity(tx, cluster);
    credentials::make(tx, &cluster.id);
    Ok(())
}

fn make_network(tx: &mut Tx<'_>, cluster: &Object, guard: &str) {
    let id = own_network(cluster);
    let body = json!({"tags": tags(cluster), "properties": {"addressSpace": {"addressPrefixes": ["10.224.0.0/12"]}, "enableDdosProtection": false}});
    network::make(tx, network::VNET, &id, &cluster.region, &body);
    let subnet = json!({"properties": {
        "addressPrefix": "10.224.0.0/16", "networkSecurityGroup": {"id": guard}, "delegations": [],
        "privateEndpointNetworkPolicies": "Disabled", "privateLinkServiceNetworkPolicies": "Enabled",
    }});
    network::make(tx, network::SUBNET, &format!("{id}/subnets/aks-subnet"), &cluster.region, &subnet);
}

/// A public address in the node group.
pub(super) fn make_address(tx: &mut Tx<'_>, cluster: &Object, name: &str, tags: Value) -> Result<String, ArmError> {
    network::usages::room(tx, network::PUBLIC_IP, &cluster.region)?;
    let id = inside(cluster, "Microsoft.Network/publicIPAddresses", name);
    let body = json!({
        "tags": tags, "sku": {"name": "Standard", "tier": "Regional"},
        "properties": {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4", "idleTimeoutInMinutes": 30, "ipTags": []},
    });
    network::make(tx, network::PUBLIC_IP, &id, &cluster.region, &body);
    Ok(id)
}

/// The empty load balancer of a cluster.
pub(super) fn make_balancer(tx: &mut Tx<'_>, cluster: &Object, id: &str) {
    if store::find(tx, id).is_some() {
        return;
    }
    let body = json!({
        "tags": {"aks-managed-cluster-name": cluster.name}, "sku": {"name": "Standard", "tier": "Regional"},
        "properties": {
            "frontendIPConfigurations": [],
            "backendAddressPools": [{"name": "kubernetes", "id": format!("{id}/backendAddressPools/kubernetes"), "properties": {"provisioningState": "Succeeded"}}],
            "loadBalancingRules": [], "probes": [], "inboundNatRules": [], "outboundRules": [], "inboundNatPools": [],
        },
    });
    network::make(tx, network::BALANCER, id, &cluster.region, &body);
}

fn make_way_out(tx: &mut Tx<'_>, cluster: &Object) -> Result<(), ArmError> {
    let profile = &cluster.doc["properties"]["networkProfile"];
    match text(profile, "outboundType") {
        "loadBalancer" => {
            let id = balancer(cluster);
            if store::find(tx, &id).is_some() {
                return Ok(());
            }
            make_balancer(tx, cluster, &id);
            let wanted = dig(profile, "loadBalancerProfile.managedOutboundIPs.count").as_u64().unwrap_or(1);
            let mut frontends = Vec::new();
            for _ in 0..wanted {
                let name = tx.uuid();
                let address = make_address(
                    tx,
                    cluster,
                    &name,
                    json!({"aks-managed-cluster-name": cluster.name, "aks-managed-type": "aks-slb-managed-outbound-ip"}),
                )?;
                frontends.push((name, address));
            }
            let list = |frontend: &str| format!("{id}/frontendIPConfigurations/{frontend}");
            let shown: Vec<Value> = frontends
                .iter()
                .map(|(name, address)| json!({"name": name, "id": list(name), "properties": {"provisioningState": "Succeeded", "privateIPAllocationMethod": "Dynamic", "publicIPAddress": {"id": address}}}))
                .collect();
            let rule = json!({
                "name": "aksOutboundRule", "id": format!("{id}/outboundRules/aksOutboundRule"),
                "properties": {
                    "provisioningState": "Succeeded", "allocatedOutboundPorts": 0, "protocol": "All", "enableTcpReset": true,
                    "idleTimeoutInMinutes": 30,
                    "backendAddressPool": {"id": format!("{id}/backendAddressPools/kubernetes")},
                    "frontendIPConfigurations": frontends.iter().map(|(name, _)| json!({"id": list(name)})).collect::<Vec<_>>(),
                },
            });
            super::set(tx, &id, |properties| {
                properties["frontendIPConfigurations"] = json!(shown);
                properties["outboundRules"] = json!([rule]);
            });
            let addresses: Vec<Value> = frontends.iter().map(|(_, address)| json!({"id": address})).collect();
            super::set(tx, &cluster.id, |properties| {
                properties["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"] = json!(addresses);
            });
        }
        "managedNATGateway" => {
            let id = inside(cluster, "Microsoft.Network/natGateways", &format!("aks-natgateway-{}", suffix(cluster)));
            if store::find(tx, &id).is_some() {
                return Ok(());
            }
            let name = tx.uuid();
            let address = make_address(tx, cluster, &name, json!({"aks-managed-cluster-name": cluster.name}))?;
            let body = json!({"tags": tags(cluster), "sku": {"name": "Standard"}, "properties": {"idleTimeoutInMinutes": 4, "publicIpAddresses": [{"id": address}]}});
            network::make(tx, network::NAT, &id, &cluster.region, &body);
            let subnet = format!("{}/subnets/aks-subnet", own_network(cluster));
            super::set(tx, &subnet, |properties| properties["natGateway"] = json!({"id": id}));
            super::set(tx, &cluster.id, |properties| {
                properties["networkProfile"]["natGatewayProfile"]["effectiveOutboundIPs"] = json!([{"id": address}]);
            });
        }
        _ => {}
    }
    Ok(())
}

fn make_kubelet_identity(tx: &mut Tx<'_>, cluster: &Object) {
    let name = format!("{}-agentpool", cluster.name.as_deref().unwrap_or_default());
    let id = inside(cluster, "Microsoft.ManagedIdentity/userAssignedIdentities", &name);
    if store::find(tx, &id).is_some() {
        return;
    }
    let mut identity = store::by_controller(store::resource(
        tx,
        managedidentity::IDENTITY,
        &id,
        &cluster.region,
        &json!({"tags": tags(cluster)}),
    ));
    "Succeeded".clone_into(&mut identity.state);
    let (object, client) = (tx.uuid(), tx.uuid());
    identity.doc["properties"] = json!({"tenantId": super::super::TENANT, "principalId": object, "clientId": client});
    identity.doc[HIDDEN] = json!({"knownAt": tx.now().to_string()});
    tx.put(identity);
    super::set(tx, &cluster.id, |properties| {
        properties["identityProfile"] =
            json!({"kubeletidentity": {"resourceId": id, "clientId": client, "objectId": object}});
    });
}

/// Takes the security group and the gateway of AKS off what stays: nothing outside names what is to go.
pub(super) fn detach(tx: &mut Tx<'_>, cluster: &Object) {
    let group = group_id(cluster);
    let outside: Vec<Object> = store::each(tx, network::SUBNET)
        .filter(|subnet| !crate::sandbox::azure::path::within(&subnet.id, &group))
        .cloned()
        .collect();
    for subnet in outside {
        for key in ["routeTable", "networkSecurityGroup", "natGateway"] {
            let own = subnet.doc["properties"][key]["id"]
                .as_str()
                .is_some_and(|id| crate::sandbox::azure::path::within(id, &group));
            if own {
                super::set(tx, &subnet.id, |properties| properties[key] = Value::Null);
            }
        }
    }
}

/// Whether a cluster's identity may do something: its controllers act as it.
pub(super) fn identity_may(tx: &Tx<'_>, cluster: &Object, action: &str, scope: &str) -> bool {
    // In its own group it owns everything.
    crate::sandbox::azure::path::within(scope, &group_id(cluster))
        || crate::sandbox::azure::access::may(tx, &principal(tx, cluster), action, scope)
}
