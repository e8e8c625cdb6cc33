//! Objects as Resource Manager writes them: what is sent, field by field as the descriptions have it, and the part of the
//! answers that is read.
//!
//! Names and limits as in the interfaces of [`super::client::version`]. Nothing that is only read is ever sent.

use super::tags::Tags;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// An object as it is answered. Azure leaves out what is empty, or writes null.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answered<P: Default> {
    /// Its id, in Azure's spelling of the moment.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Namespace and type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is.
    pub location: String,
    /// Its tags.
    #[serde(deserialize_with = "nullable", bound(deserialize = ""))]
    pub tags: Tags,
    /// The version of this state of it.
    #[serde(alias = "eTag")]
    pub etag: Option<String>,
    /// What owns it: a machine its disk, a cluster its nodes' group.
    pub managed_by: Option<String>,
    /// When it was made.
    pub system_data: SystemData,
    /// What its type has beside that.
    #[serde(deserialize_with = "nullable", bound(deserialize = "P: Deserialize<'de> + Default"))]
    pub properties: P,
    /// In listings that ask for it.
    pub created_time: Option<Timestamp>,
}

/// Who made it and when, where Azure keeps that.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemData {
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// An id inside another object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubResource {
    /// The id.
    pub id: String,
}

/// What most types have: how far Azure is with it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Provisioned {
    /// `Succeeded`, `Failed`, or what is being done.
    pub provisioning_state: Option<String>,
}

/// A resource provider in the subscription.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceProvider {
    /// `Registered`, `Registering`, `NotRegistered`, `Unregistered`.
    pub registration_state: String,
}

/// A public address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PublicIpProperties {
    /// State.
    pub provisioning_state: Option<String>,
    /// The address.
    pub ip_address: Option<String>,
    /// The interface or balancer that has it.
    pub ip_configuration: Option<SubResource>,
    /// The NAT gateway that has it.
    pub nat_gateway: Option<SubResource>,
}

/// A NAT gateway.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatGatewayProperties {
    /// State.
    pub provisioning_state: Option<String>,
    /// The subnets that use it.
    pub subnets: Vec<SubResource>,
}

/// A virtual network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkProperties {
    /// State.
    pub provisioning_state: Option<String>,
    /// Its subnets.
    pub subnets: Vec<Answered<SubnetProperties>>,
    /// Networks it is joined to.
    pub virtual_network_peerings: Vec<Answered<Provisioned>>,
}

/// A subnet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubnetProperties {
    /// State.
    pub provisioning_state: Option<String>,
    /// Interfaces in it.
    pub ip_configurations: Vec<SubResource>,
    /// Private endpoints in it.
    pub private_endpoints: Vec<SubResource>,
}

/// A user-assigned identity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityProperties {
    /// What roles are given to.
    pub principal_id: Option<String>,
    /// What tokens are asked for.
    pub client_id: Option<String>,
}

/// A role assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleAssignmentProperties {
    /// The role.
    pub role_definition_id: String,
    /// Whom it is given to.
    pub principal_id: String,
    /// `User`, `Group`, `ServicePrincipal`: said, so that Azure does not look for a principal it has not heard of yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it holds; only read.
    #[serde(skip_serializing)]
    pub scope: Option<String>,
}

/// An AKS cluster, as far as it is read here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterProperties {
    /// State.
    pub provisioning_state: Option<String>,
    /// Its version.
    pub kubernetes_version: Option<String>,
    /// The API server's name.
    pub fqdn: Option<String>,
    /// The group of its nodes.
    pub node_resource_group: Option<String>,
    /// Its pools.
    pub agent_pool_profiles: Vec<PoolSeen>,
    /// Its issuer.
    pub oidc_issuer_profile: Issuer,
}

/// Where workloads' identities come from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Issuer {
    /// Its address.
    #[serde(rename = "issuerURL")]
    pub issuer_url: Option<String>,
}

/// A pool, as far as it is read here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolSeen {
    /// Its name, where it stands in its cluster.
    pub name: String,
    /// The version of this state of it.
    pub e_tag: Option<String>,
    /// `System` or `User`.
    pub mode: String,
    /// State.
    pub provisioning_state: Option<String>,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Tags,
}

/// A disk.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskProperties {
    /// State.
    pub provisioning_state: Option<String>,
    /// GiB.
    #[serde(rename = "diskSizeGB")]
    pub disk_size_gb: Option<f64>,
    /// `Attached`, `Unattached`, `Reserved`.
    pub disk_state: Option<String>,
}

/// A new AKS cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewCluster {
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: Tags,
    /// Tier.
    pub sku: Sku,
    /// Who the control plane is.
    pub identity: Identity,
    /// The rest.
    pub properties: NewClusterProperties,
}

/// Name and tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sku {
    /// `Base`.
    pub name: &'static str,
    /// `Free`, `Standard`, `Premium`.
    pub tier: &'static str,
}

/// Who something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `UserAssigned`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Ids, with nothing behind them.
    pub user_assigned_identities: BTreeMap<String, Nothing>,
}

/// `{}`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Nothing {}

/// What a new cluster is to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewClusterProperties {
    /// Minor version.
    pub kubernetes_version: String,
    /// First label of the API server's name.
    pub dns_prefix: String,
    /// Group that AKS makes for the nodes.
    pub node_resource_group: String,
    /// Kubernetes' own roles.
    #[serde(rename = "enableRBAC")]
    pub enable_rbac: bool,
    /// No client certificates.
    pub disable_local_accounts: bool,
    /// Entra.
    pub aad_profile: Entra,
    /// Identities for workloads, step one: cannot be turned off later.
    pub oidc_issuer_profile: Enabled,
    /// Identities for workloads, step two.
    pub security_profile: Security,
    /// Network.
    pub network_profile: Network,
    /// Who may reach the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server_access_profile: Option<ApiAccess>,
    /// The first pools: at least one of mode `System`.
    pub agent_pool_profiles: Vec<Pool>,
}

/// Entra's part in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entra {
    /// Always.
    pub managed: bool,
    /// Azure roles decide inside.
    #[serde(rename = "enableAzureRBAC")]
    pub enable_azure_rbac: bool,
    /// Groups of admins.
    #[serde(rename = "adminGroupObjectIDs", skip_serializing_if = "Vec::is_empty")]
    pub admin_group_object_ids: Vec<String>,
    /// The tenant.
    #[serde(rename = "tenantID")]
    pub tenant_id: String,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Enabled {
    /// On.
    pub enabled: bool,
}

/// Security.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Security {
    /// Identities for workloads.
    pub workload_identity: Enabled,
}

/// Network of a new cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// `azure`, `kubenet`.
    pub network_plugin: &'static str,
    /// `overlay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_plugin_mode: Option<&'static str>,
    /// `cilium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_dataplane: Option<&'static str>,
    /// `cilium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<&'static str>,
    /// Range of pods.
    pub pod_cidr: String,
    /// Range of Services.
    pub service_cidr: String,
    /// Address of the cluster's DNS.
    #[serde(rename = "dnsServiceIP")]
    pub dns_service_ip: String,
    /// `loadBalancer`, `userAssignedNATGateway`, `userDefinedRouting`.
    pub outbound_type: &'static str,
    /// `standard`.
    pub load_balancer_sku: &'static str,
}

/// Ranges that may reach the API server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiAccess {
    /// CIDRs.
    #[serde(rename = "authorizedIPRanges")]
    pub authorized_ip_ranges: Vec<String>,
}

/// An agent pool, in its cluster's body with its name, by itself without.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `System`, `User`.
    pub mode: &'static str,
    /// `VirtualMachineScaleSets`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Nodes.
    pub count: u32,
    /// Machine.
    pub vm_size: String,
    /// `Linux`.
    pub os_type: &'static str,
    /// `Ubuntu`.
    #[serde(rename = "osSKU")]
    pub os_sku: &'static str,
    /// GiB.
    #[serde(rename = "osDiskSizeGB")]
    pub os_disk_size_gb: u32,
    /// `Managed`: as it is billed.
    pub os_disk_type: &'static str,
    /// Subnet.
    #[serde(rename = "vnetSubnetID")]
    pub vnet_subnet_id: String,
    /// Zones by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub availability_zones: Vec<String>,
    /// Azure decides how many.
    pub enable_auto_scaling: bool,
    /// Fewest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_count: Option<u32>,
    /// Most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_count: Option<u32>,
    /// `Spot`, `Regular`.
    pub scale_set_priority: &'static str,
    /// `Delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_set_eviction_policy: Option<&'static str>,
    /// -1: up to the price on demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_max_price: Option<i32>,
    /// Driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_profile: Option<GpuProfile>,
    /// Version.
    pub orchestrator_version: String,
    /// Public addresses for nodes.
    #[serde(rename = "enableNodePublicIP")]
    pub enable_node_public_ip: bool,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_labels: BTreeMap<String, String>,
    /// `key=value:Effect`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_taints: Vec<String>,
    /// Tags.
    pub tags: Tags,
}

/// What AKS does about a GPU's driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GpuProfile {
    /// `Install`.
    pub driver: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_or_null_is_empty() {
        let read: Answered<PublicIpProperties> =
            serde_json::from_value(json!({"id": "/x", "tags": null, "properties": null, "etag": "W/1"})).unwrap();
        assert!(read.tags.is_empty() && read.properties.ip_address.is_none());
        assert_eq!(read.etag.as_deref(), Some("W/1"));
        let aks: Answered<ClusterProperties> = serde_json::from_value(
            json!({"eTag": "a", "properties": {"agentPoolProfiles": [{"name": "p", "tags": null}]}}),
        )
        .unwrap();
        assert_eq!(aks.etag.as_deref(), Some("a"));
        assert_eq!(aks.properties.agent_pool_profiles[0].name, "p");
    }

    #[test]
    fn an_assignments_scope_is_never_sent() {
        let read: RoleAssignmentProperties =
            serde_json::from_value(json!({"roleDefinitionId": "r", "principalId": "p", "scope": "/s"})).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), json!({"roleDefinitionId": "r", "principalId": "p"}));
    }
}
