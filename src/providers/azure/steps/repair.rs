//! Repair of a cluster that ended `Failed` or `Canceled`: the same state put once more, which makes AKS go through it
//! again ("reconcile"). What was read goes back as it is, so nothing that somebody set elsewhere is lost.

use crate::providers::rest::drop_nulls;
use serde_json::Value;

/// What AKS only tells and never takes, by path; `*` stands for every entry of a list or a map.
const ONLY_READ: [&str; 23] = [
    "id",
    "name",
    "type",
    "eTag",
    "systemData",
    "identity/principalId",
    "identity/tenantId",
    "identity/userAssignedIdentities/*/principalId",
    "identity/userAssignedIdentities/*/clientId",
    "properties/provisioningState",
    "properties/powerState",
    "properties/maxAgentPools",
    "properties/currentKubernetesVersion",
    "properties/fqdn",
    "properties/privateFQDN",
    "properties/azurePortalFQDN",
    "properties/resourceUID",
    "properties/status",
    "properties/oidcIssuerProfile/issuerURL",
    "properties/networkProfile/loadBalancerProfile/effectiveOutboundIPs",
    "properties/networkProfile/natGatewayProfile/effectiveOutboundIPs",
    "properties/agentPoolProfiles/*/localDNSProfile/state",
    "properties/podIdentityProfile/userAssignedIdentities/*/provisioningState",
];
/// The same of each of its pools.
const ONLY_READ_OF_POOLS: [&str; 6] =
    ["eTag", "currentOrchestratorVersion", "nodeImageVersion", "provisioningState", "powerState", "status"];

/// A cluster as it was read, as it can be sent again.
pub(in crate::providers::azure) fn to_send(mut cluster: Value) -> Value {
    for path in ONLY_READ {
        drop_at(&mut cluster, &path.split('/').collect::<Vec<_>>());
    }
    for field in ONLY_READ_OF_POOLS {
        drop_at(&mut cluster, &["properties", "agentPoolProfiles", "*", field]);
    }
    drop_nulls(&mut cluster);
    cluster
}

/// The properties of a pool as they were read, as they can be sent again.
pub(in crate::providers::azure) fn pool_to_send(mut properties: Value) -> Value {
    for field in ONLY_READ_OF_POOLS {
        drop_at(&mut properties, &[field]);
    }
    drop_at(&mut properties, &["localDNSProfile", "state"]);
    drop_nulls(&mut properties);
    properties
}

fn drop_at(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([last], Value::Object(map)) => {
            map.remove(*last);
        }
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|item| drop_at(item, rest)),
        (["*", rest @ ..], Value::Object(map)) => map.values_mut().for_each(|item| drop_at(item, rest)),
        ([first, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*first) {
                drop_at(inner, rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_goes_back_is_all_that_was_set_and_nothing_that_is_only_told() {
        let read = json!({
            "id": "/x", "name": "demo", "type": "t", "eTag": "e", "location": "eastus", "systemData": {},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/i": {"clientId": "c", "principalId": "p"}}},
            "properties": {
                "provisioningState": "Failed", "powerState": {"code": "Running"}, "fqdn": "f", "kubernetesVersion": "1.34",
                "somethingNew": {"set": "elsewhere"}, "httpProxyConfig": null,
                "networkProfile": {"loadBalancerProfile": {"effectiveOutboundIPs": [], "managedOutboundIPs": {"count": 2}}},
                "agentPoolProfiles": [{"name": "default", "eTag": "p", "provisioningState": "Failed", "count": 3}],
            },
        });
        let sent = json!({
            "location": "eastus",
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/i": {}}},
            "properties": {
                "kubernetesVersion": "1.34", "somethingNew": {"set": "elsewhere"},
                "networkProfile": {"loadBalancerProfile": {"managedOutboundIPs": {"count": 2}}},
                "agentPoolProfiles": [{"name": "default", "count": 3}],
            },
        });
        assert_eq!(to_send(read), sent);
    }
}
