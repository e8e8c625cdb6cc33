//! The network everything else lives in, with its one subnet.
//!
//! The subnet is made in the network's own call: a later one could not leave out what somebody added meanwhile.

use super::support::{Type, all_tags, blocked, busy};
use crate::engine::{
    Deletion, Found, Input, Lookup, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::models::{NetworkProperties, SubnetProperties};
use crate::providers::azure::names::SUBNET;
use crate::providers::azure::refs::ArmId;
use crate::providers::kit::ExtraTags;
use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "azure/virtual-network";
/// Its id.
pub const ID: OutputKey<ArmId> = OutputKey::new("id");
/// The id of the nodes' subnet.
pub const SUBNET_ID: OutputKey<ArmId> = OutputKey::new("subnet");

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "virtual network",
    get: Op::new("network:virtualNetworks.get", version::NETWORK),
    put: Op::new("network:virtualNetworks.createOrUpdate", version::NETWORK),
    delete: Op::new("network:virtualNetworks.delete", version::NETWORK),
};

/// A virtual network with the nodes' subnet. Identity: `Name`, tagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VirtualNetwork {
    /// Its id, known beforehand.
    pub id: ArmId,
    /// Region.
    pub location: String,
    /// Address range.
    pub cidr: Ipv4Net,
    /// The subnet's part of it.
    pub subnet: Ipv4Net,
    /// The subnet's way out; none where the cluster's load balancer is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_gateway: Option<Input<ArmId>>,
}

/// What uses a network: what stays until somebody removes it, and what goes with the machine it belongs to.
fn users(network: &NetworkProperties) -> (Vec<String>, Vec<String>) {
    let (mut stays, mut goes) = (Vec::new(), Vec::new());
    stays.extend(network.virtual_network_peerings.iter().map(|peering| format!("peering {}", peering.name)));
    for subnet in &network.subnets {
        let SubnetProperties { private_endpoints, ip_configurations, .. } = &subnet.properties;
        let ties = ip_configurations.iter().map(|tie| holder(&tie.id));
        if subnet.name == SUBNET {
            goes.extend(ties);
        } else {
            stays.push(format!("subnet {}", subnet.name));
            stays.extend(ties);
        }
        stays.extend(private_endpoints.iter().map(|it| format!("private endpoint {}", ArmId(it.id.clone()).name())));
    }
    (stays, goes)
}

/// What an address configuration in a subnet belongs to.
fn holder(configuration: &str) -> String {
    let id = ArmId(configuration.to_owned());
    let owner = id.parent().unwrap_or(id);
    format!("{} {}", owner.kind().unwrap_or_default(), owner.name())
}

#[async_trait]
impl Step<AzureCx> for VirtualNetwork {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        TYPE.find(cx, at, &self.id, by).await
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        // Said, although newer versions have it so: which default holds hangs on the version of the interface.
        let mut subnet = json!({ "addressPrefix": self.subnet, "defaultOutboundAccess": false });
        if let Some(gateway) = &self.nat_gateway {
            subnet["natGateway"] = json!({ "id": at.inputs.get(gateway)? });
        }
        let body = json!({
            "location": self.location,
            "tags": all_tags(at, &ExtraTags::new()),
            "properties": {
                "addressSpace": { "addressPrefixes": [self.cidr] },
                "subnets": [{ "name": SUBNET, "properties": subnet }],
            },
        });
        TYPE.create(cx, at, &self.id, &body, Only::Always).await
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        TYPE.probe(cx, at, it).await
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        let id = ArmId(it.id.clone());
        Ok(Outputs::new().with(SUBNET_ID, &id.part("subnets", SUBNET)).with(ID, &id))
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let (what, id) = (TYPE.what(at), ArmId(owned.id().to_owned()));
        let Some((_, network)) = TYPE.read::<NetworkProperties>(cx, &id).await? else { return Ok(Deletion::Gone) };
        let (stays, goes) = users(&network.properties);
        if let Some(first) = stays.first() {
            let why = format!("in it stands what is not ours: {}", stays.join(", "));
            return Err(blocked(&what, why).with_hint(format!("remove {first}, then run the same command again")));
        }
        match TYPE.delete(cx, at, owned.id(), &[]).await {
            // Interfaces of the nodes linger for a while.
            Err(refused)
                if refused.code.as_deref().is_some_and(|code| code.starts_with("InUse")) && !goes.is_empty() =>
            {
                Err(busy(&what, format_args!("in use by {}", goes.join(", "))))
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_a_network_is_named_and_told_apart() {
        let tie =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/nic1/ipConfigurations/c";
        let network: NetworkProperties = serde_json::from_value(json!({
            "subnets": [
                { "name": "nodes", "properties": { "ipConfigurations": [{ "id": tie }] } },
                { "name": "reports" },
            ],
            "virtualNetworkPeerings": [{ "name": "hub" }],
        }))
        .unwrap();
        let (stays, goes) = users(&network);
        assert_eq!(stays, ["peering hub", "subnet reports"]);
        assert_eq!(goes, ["Microsoft.Network/networkInterfaces nic1"]);
    }
}
