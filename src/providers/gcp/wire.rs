//! What Google answers, as far as anybody here reads it. Fields that are not named are passed over, those that are
//! missing are empty: Google leaves out what has its default value, and adds fields whenever it likes.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$how:meta])* $field:ident : $kind:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[allow(missing_docs, reason = "named as in Google's API reference")]
        pub struct $name { $($(#[$how])* pub $field: $kind),* }
    )*};
}

// ---- Compute Engine

replies! {
    /// A network.
    Network {
        name: String, description: String, self_link: String, creation_timestamp: String, auto_create_subnetworks: bool,
        subnetworks: Vec<String>, peerings: Vec<Peering>,
    }
    /// A network joined to another.
    Peering { name: String, network: String, state: String }
    /// A subnetwork.
    Subnetwork {
        name: String, description: String, self_link: String, creation_timestamp: String, network: String,
        region: String, ip_cidr_range: String, secondary_ip_ranges: Vec<SecondaryRange>,
        private_ip_google_access: bool,
    }
    /// A further range of a subnetwork.
    SecondaryRange { range_name: String, ip_cidr_range: String }
    /// A router with its gateways.
    Router {
        name: String, description: String, self_link: String, creation_timestamp: String, network: String,
        nats: Vec<RouterNat>,
    }
    /// An address translation inside a router.
    RouterNat { name: String, nat_ips: Vec<String> }
    /// Anything of Compute Engine that a cluster can leave behind: the fields by which it is recognised, and those by
    /// which one names another.
    Thing {
        name: String, description: String, self_link: String, creation_timestamp: String, network: String,
        labels: BTreeMap<String, String>, region: String, zone: String, status: String,
        // Which names which.
        target: String, backend_service: String, backends: Vec<Backend>, health_checks: Vec<String>,
        default_service: String, path_matchers: Vec<PathMatcher>, url_map: String, ssl_certificates: Vec<String>,
        users: Vec<String>, instances: Vec<Value>,
        // What it costs.
        size_gb: String, r#type: String, address: String, load_balancing_scheme: String,
        #[serde(rename = "IPAddress")] ip_address: String,
        target_tags: Vec<String>, network_interfaces: Vec<NetworkInterface>,
    }
    /// Where a backend service sends what.
    Backend { group: String }
    /// Where a URL map sends what.
    PathMatcher { default_service: String, path_rules: Vec<PathRule> }
    /// One rule of it.
    PathRule { service: String }
    /// A machine's place in a network.
    NetworkInterface { network: String, subnetwork: String }
}

// ---- Kubernetes Engine

replies! {
    /// A cluster.
    Cluster {
        name: String, description: String, id: String, self_link: String, location: String, locations: Vec<String>,
        status: String, status_message: String, conditions: Vec<Condition>, create_time: String,
        resource_labels: BTreeMap<String, String>, label_fingerprint: String, endpoint: String,
        master_auth: MasterAuth, current_master_version: String, initial_cluster_version: String,
        node_pools: Vec<NodePool>, network: String, subnetwork: String, network_config: NetworkConfig,
        autopilot: Autopilot, release_channel: ReleaseChannel,
        control_plane_endpoints_config: ControlPlaneEndpointsConfig, ip_allocation_policy: IpAllocationPolicy,
        workload_identity_config: WorkloadIdentityConfig, node_pool_defaults: Value,
    }
    /// What is wrong.
    Condition { code: String, canonical_code: String, message: String }
    /// How to trust its API server.
    MasterAuth { cluster_ca_certificate: String }
    /// Its network, whole.
    NetworkConfig { network: String, subnetwork: String, default_enable_private_nodes: bool }
    /// Whether nodes are Google's business.
    Autopilot { enabled: bool }
    /// Its channel.
    ReleaseChannel { channel: String }
    /// Its ranges.
    IpAllocationPolicy {
        cluster_ipv4_cidr_block: String, services_ipv4_cidr_block: String, cluster_secondary_range_name: String,
        services_secondary_range_name: String,
    }
    /// How pods become service accounts.
    WorkloadIdentityConfig { workload_pool: String }
    /// The ways to its API server.
    ControlPlaneEndpointsConfig { dns_endpoint_config: DnsEndpointConfig, ip_endpoints_config: IpEndpointsConfig }
    /// The way by name.
    DnsEndpointConfig { endpoint: String, allow_external_traffic: bool }
    /// The way by address.
    IpEndpointsConfig { public_endpoint: String, private_endpoint: String, enable_public_endpoint: bool }
    /// A node pool.
    NodePool {
        name: String, status: String, status_message: String, conditions: Vec<Condition>, config: NodeConfig,
        initial_node_count: u32, locations: Vec<String>, autoscaling: Autoscaling, version: String,
        instance_group_urls: Vec<String>, self_link: String, network_config: NodeNetworkConfig,
    }
    /// What its nodes are.
    NodeConfig {
        machine_type: String, disk_size_gb: u32, disk_type: String, spot: bool, service_account: String,
        resource_labels: BTreeMap<String, String>, labels: BTreeMap<String, String>, accelerators: Vec<Accelerator>,
    }
    /// Accelerators of a node.
    Accelerator { accelerator_type: String, accelerator_count: String }
    /// Its bounds.
    Autoscaling {
        enabled: bool, min_node_count: u32, max_node_count: u32, total_min_node_count: u32, total_max_node_count: u32,
    }
    /// Its nodes' addresses.
    NodeNetworkConfig { enable_private_nodes: bool }
}

// ---- projects, service accounts, services

replies! {
    /// A project.
    Project { project_id: String, project_number: String, lifecycle_state: String, name: String }
    /// Who pays for it.
    BillingInfo { billing_account_name: String, billing_enabled: bool }
    /// What a caller may do of what was asked.
    TestedPermissions { permissions: Vec<String> }
    /// A service account.
    ServiceAccount {
        name: String, email: String, unique_id: String, display_name: String, description: String, disabled: bool,
        project_id: String,
    }
    /// A service of a project.
    ServiceState { name: String, state: String }
}

/// The last part of a link: `kw-demo-0a1b2c3d-network` of `https://…/global/networks/kw-demo-0a1b2c3d-network`.
pub fn last(link: &str) -> &str {
    link.rsplit('/').next().unwrap_or(link)
}

/// A link without the service's address: `projects/acme/global/networks/x`, however it was written.
pub fn path_of(link: &str) -> &str {
    link.find("projects/").map_or(link, |at| &link[at..])
}

/// A link's place inside its project: `global/networks/x`.
pub fn inside_project(link: &str) -> &str {
    let path = path_of(link);
    path.strip_prefix("projects/").and_then(|rest| rest.split_once('/')).map_or(path, |(_, inside)| inside)
}

/// The project of a link.
pub fn project_of(link: &str) -> Option<&str> {
    path_of(link).strip_prefix("projects/")?.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_taken_apart() {
        let link = "https://www.googleapis.com/compute/v1/projects/acme/regions/us-central1/subnetworks/a";
        assert_eq!(last(link), "a");
        assert_eq!(path_of(link), "projects/acme/regions/us-central1/subnetworks/a");
        assert_eq!(inside_project(link), "regions/us-central1/subnetworks/a");
        assert_eq!(project_of(link), Some("acme"));
        assert_eq!(inside_project("default"), "default");
        assert_eq!(project_of("default"), None);
    }

    #[test]
    fn what_is_not_named_is_passed_over_and_what_is_missing_is_empty() {
        let it: Thing = serde_json::from_str(r#"{"name":"a","IPAddress":"10.0.0.1","kind":"compute#x"}"#).unwrap();
        assert_eq!((it.name.as_str(), it.ip_address.as_str(), it.network.as_str()), ("a", "10.0.0.1", ""));
    }
}
