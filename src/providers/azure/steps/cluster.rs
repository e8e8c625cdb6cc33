//! The AKS control plane, with its first pool: AKS makes no cluster without one.

use super::pool::{Place, PoolParams};
use super::support::{Type, all_tags, visible};
use super::{node_group, repair};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step,
    StepError, Token,
};
use crate::model::spec::{AksNetwork, AksOutbound, AksTier};
use crate::providers::VolumeFate;
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::error::{DENIED, NOT_YET};
use crate::providers::azure::models::{
    Answered, ApiAccess, ClusterProperties, Enabled, Entra, Identity, Network, NewCluster, NewClusterProperties,
    Nothing, Security, Sku,
};
use crate::providers::azure::refs::ArmId;
use crate::providers::azure::tags;
use crate::providers::azure::{disks, lro};
use crate::providers::kit::ExtraTags;
use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::Ipv4Addr;

/// How plans name this kind.
pub const KIND: &str = "azure/aks-cluster";
/// Its type, as ids spell it.
pub const ARM_TYPE: &str = "Microsoft.ContainerService/managedClusters";
/// The cluster's id.
pub const ID: OutputKey<ArmId> = OutputKey::new("id");
/// The same as plain text, for what is done in clusters of every cloud.
pub const PLAIN_ID: OutputKey<String> = OutputKey::new("id");
/// The API server's name.
pub const FQDN: OutputKey<String> = OutputKey::new("fqdn");
/// The OIDC issuer. Missing where the cloud does not say.
pub const OIDC_ISSUER: OutputKey<String> = OutputKey::new("oidcIssuer");

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "cluster",
    get: Op::new("containerservice:managedClusters.get", version::AKS),
    put: Op::new("containerservice:managedClusters.createOrUpdate", version::AKS),
    delete: Op::new("containerservice:managedClusters.delete", version::AKS),
};

/// A cluster. Identity: `Name`, tagged. Its `ResourceRef` id is its resource id. Must wait for the role of its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Its id, known beforehand.
    pub id: ArmId,
    /// Region.
    pub location: String,
    /// The group that AKS makes for what the cluster itself makes.
    pub node_group: String,
    /// First label of the API server's name.
    pub dns_prefix: String,
    /// Kubernetes minor version.
    pub version: String,
    /// Tier of the control plane.
    pub tier: AksTier,
    /// Who the control plane is.
    pub identity: Input<ArmId>,
    /// The nodes' subnet.
    pub subnet: Input<ArmId>,
    /// How pods get addresses.
    pub network: AksNetwork,
    /// Range of pods.
    pub pod_cidr: Ipv4Net,
    /// Range of Services.
    pub service_cidr: Ipv4Net,
    /// Address of the cluster's DNS.
    pub dns_ip: Ipv4Addr,
    /// How machines reach the world.
    pub outbound: AksOutbound,
    /// Ranges that may reach the API server; none for everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_allow: Vec<Ipv4Net>,
    /// The address from which nodes come to the API server, where ranges are named and it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Input<String>>,
    /// The tenant.
    pub tenant: String,
    /// Azure roles decide inside.
    pub azure_rbac: bool,
    /// Groups whose members are admins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin_groups: Vec<String>,
    /// Client certificates beside Entra.
    pub local_accounts: bool,
    /// Its first pool, which takes AKS's own pods.
    pub system_pool: PoolParams,
}

/// One cluster with its tags.
pub(in crate::providers::azure) async fn get(
    cx: &AzureCx,
    id: &ArmId,
) -> Result<Option<(Observed, Answered<ClusterProperties>)>, StepError> {
    TYPE.read(cx, id).await
}

impl Cluster {
    fn body(&self, at: Scope<'_>) -> Result<NewCluster, StepError> {
        let subnet = at.inputs.get(&self.subnet)?;
        let tags = all_tags(at, &ExtraTags::new());
        let mut ranges: Vec<String> = self.api_allow.iter().map(ToString::to_string).collect();
        if let Some(address) = &self.egress {
            // AKS lets only its own load balancer's address in by itself.
            ranges.push(format!("{}/32", at.inputs.get(address)?));
        }
        let overlay = self.network == AksNetwork::Overlay;
        let network = Network {
            network_plugin: if overlay { "azure" } else { "kubenet" },
            network_plugin_mode: overlay.then_some("overlay"),
            network_dataplane: overlay.then_some("cilium"),
            network_policy: overlay.then_some("cilium"),
            pod_cidr: self.pod_cidr.to_string(),
            service_cidr: self.service_cidr.to_string(),
            dns_service_ip: self.dns_ip.to_string(),
            outbound_type: match self.outbound {
                AksOutbound::LoadBalancer => "loadBalancer",
                AksOutbound::NatGateway => "userAssignedNATGateway",
                AksOutbound::Routes => "userDefinedRouting",
            },
            load_balancer_sku: "standard",
        };
        let tier = match self.tier {
            AksTier::Free => "Free",
            AksTier::Standard => "Standard",
            AksTier::Premium => "Premium",
        };
        Ok(NewCluster {
            location: self.location.clone(),
            tags: tags.clone(),
            sku: Sku { name: "Base", tier },
            identity: Identity {
                kind: "UserAssigned",
                user_assigned_identities: [(at.inputs.get(&self.identity)?.0, Nothing {})].into(),
            },
            properties: NewClusterProperties {
                kubernetes_version: self.version.clone(),
                dns_prefix: self.dns_prefix.clone(),
                node_resource_group: self.node_group.clone(),
                enable_rbac: true,
                disable_local_accounts: !self.local_accounts,
                aad_profile: Entra {
                    managed: true,
                    enable_azure_rbac: self.azure_rbac,
                    admin_group_object_ids: self.admin_groups.clone(),
                    tenant_id: self.tenant.clone(),
                },
                oidc_issuer_profile: Enabled { enabled: true },
                security_profile: Security { workload_identity: Enabled { enabled: true } },
                network_profile: network,
                api_server_access_profile: (!ranges.is_empty()).then_some(ApiAccess { authorized_ip_ranges: ranges }),
                agent_pool_profiles: vec![self.system_pool.body(Place::System, &subnet, tags)],
            },
        })
    }
}

/// The role was given a moment ago, and AKS may not have heard of it: it says that the subnet must not be joined.
fn role_on_its_way(mut refused: StepError) -> StepError {
    if refused.id == DENIED && refused.message.contains("subnets/join") {
        refused.class = ErrorClass::NotYet;
        refused.id = NOT_YET.to_owned();
        refused.retry_for = Some(std::time::Duration::from_secs(300));
    }
    refused
}

#[async_trait]
impl Step<AzureCx> for Cluster {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        TYPE.find(cx, at, &self.id, by).await
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let made = TYPE.create(cx, at, &self.id, &self.body(at)?, Only::IfAbsent).await;
        made.map_err(role_on_its_way)
    }

    async fn converge(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        let (what, id) = (TYPE.what(at), ArmId(owned.id().to_owned()));
        let Some(whole) = cx.get::<Value>(TYPE.get, &what, &id).await? else { return Ok(()) };
        let state = whole["properties"]["provisioningState"].as_str().unwrap_or_default();
        if !["failed", "canceled"].contains(&state.to_ascii_lowercase().as_str()) {
            return Ok(());
        }
        let etag = whole["eTag"].as_str().map(str::to_owned);
        let only = etag.as_deref().map_or(Only::Always, Only::IfStill);
        let answer = cx.put(TYPE.put, &what, &id, repair::to_send(whole.clone()), only).await?;
        lro::repairing(cx, owned.id(), &answer);
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        TYPE.probe(cx, at, it).await
    }

    async fn outputs(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        let id = ArmId(it.id.clone());
        let (_, found) = visible(&TYPE.what(at), get(cx, &id).await?)?;
        let mut outputs = Outputs::new().with(ID, &id);
        for (key, value) in
            [(FQDN, found.properties.fqdn), (OIDC_ISSUER, found.properties.oidc_issuer_profile.issuer_url)]
        {
            if let Some(value) = value {
                outputs = outputs.with(key, &value);
            }
        }
        Ok(outputs)
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let (what, id) = (TYPE.what(at), ArmId(owned.id().to_owned()));
        let Some((seen, cluster)) = get(cx, &id).await? else { return Ok(Deletion::Gone) };
        // Once ours is gone, another of that name is somebody else's.
        if !tags::is_ours(at.stack, &seen.evidence.tags) {
            return Ok(Deletion::Taken);
        }
        if cluster.properties.provisioning_state.is_some_and(|state| state.eq_ignore_ascii_case("deleting")) {
            return Ok(Deletion::Started);
        }
        // The group of the nodes goes with the cluster, with all that is in it.
        let node_group = cluster.properties.node_resource_group.unwrap_or_else(|| self.node_group.clone());
        let nodes = ArmId::group(id.segment("subscriptions").unwrap_or_default(), &node_group);
        if let Some(refused) = node_group::refused(&what, &node_group::strangers(cx, at.stack, &nodes).await?) {
            return Err(refused);
        }
        if cx.volumes != VolumeFate::Delete {
            let held = disks::of_claims(cx, &id, &node_group).await?;
            if !held.is_empty() {
                let named: Vec<String> = held.iter().map(disks::in_words).collect();
                return Err(disks::would_die(&what, at.stack, &named));
            }
        }
        TYPE.delete(cx, at, owned.id(), &[]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::{azure::testing::cx_at, kit, testing::Told};
    use serde_json::json;

    const ID: &str = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/kw-demo/providers/Microsoft.ContainerService/managedClusters/demo";

    #[tokio::test]
    async fn a_cluster_of_the_name_that_is_not_ours_stays() {
        let step: Cluster =
            serde_json::from_value(json!({"id": ID, "location": "eastus", "nodeGroup": "kw-demo-nodes",
            "dnsPrefix": "demo", "version": "1.34", "tier": "free", "identity": "/i", "subnet": "/s",
            "network": "overlay", "podCidr": "10.244.0.0/16", "serviceCidr": "10.245.0.0/16", "dnsIp": "10.245.0.10",
            "outbound": "loadBalancer", "tenant": "t", "azureRbac": true, "localAccounts": false,
            "systemPool": {"name": "default", "vmSize": "m", "diskGib": 50, "count": 1, "min": 1, "max": 1,
                "spot": false, "gpu": false, "version": "1.34"}}))
            .unwrap();
        let told = Told::new("cluster", crate::engine::Identity::Name { name: "demo".to_owned() });
        for (tags, ends, deletes) in [
            (told.ours(), Deletion::Started, 1),
            (told.theirs(), Deletion::Taken, 0),
            (crate::providers::anchors::Tags::new(), Deletion::Taken, 0),
        ] {
            let cluster = json!({"id": ID, "name": "demo", "location": "eastus", "tags": tags,
                "properties": {"provisioningState": "Succeeded", "nodeResourceGroup": "kw-demo-nodes"}});
            let server = Server::start(move |asked| match &*asked.method {
                "DELETE" => Answer::text(202, ""),
                _ if asked.path.contains("managedClusters/demo") => Answer::of(200, cluster.clone()),
                _ => Answer::of(200, json!({"value": []})),
            })
            .await;
            let mut ours = kit::seen(KIND, ID, told.ours());
            ours.evidence.name = Some("demo".to_owned());
            let owned = told.owned(None, ours);
            let done = step.delete(&cx_at(&server.url()), told.scope(), &owned).await.unwrap();
            let sent = server.requests().iter().filter(|asked| asked.method == "DELETE").count();
            assert_eq!((done, sent), (ends, deletes));
        }
    }
}
