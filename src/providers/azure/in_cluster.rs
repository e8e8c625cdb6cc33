//! The way into AKS clusters: where the API server is, with a token of ours.

use super::client::AzureCx;
use super::models::ClusterProperties;
use super::refs::ArmId;
use super::steps::cluster;
use super::{access, disks, error, token};
use crate::engine::{ErrorClass, StepError};
use crate::k8s;
use crate::providers::VolumeFate;
use crate::providers::in_cluster::WayIn;
use async_trait::async_trait;
use std::time::Duration;

/// Azure says that a new role takes up to five minutes to count ("Use Azure RBAC for Kubernetes authorization").
const LET_IN_WITHIN: Duration = Duration::from_secs(330);

/// Whether Azure names the way to a cluster in this state: it has to have a name, and AKS refuses while it is being made
/// or removed.
fn can_be_asked(properties: &ClusterProperties) -> bool {
    let state = properties.provisioning_state.as_deref().unwrap_or_default();
    properties.fqdn.is_some() && !["deleting", "creating"].iter().any(|it| state.eq_ignore_ascii_case(it))
}

async fn client_of(cx: &AzureCx, id: &ArmId) -> Result<Option<k8s::Client>, StepError> {
    let Some(access) = access::user(cx, id).await? else { return Ok(None) };
    let token = token::token(cx.tokens()).await?.token;
    match k8s::connect(&k8s::Access { endpoint: access.server, ca_pem: access.ca_pem, token }) {
        Ok(client) => Ok(Some(client)),
        Err(why) => {
            tracing::warn!(cluster = id.name(), %why, "cannot look inside the cluster");
            Ok(None)
        }
    }
}

/// Volumes whose disks would go with the group of the nodes although they are to be kept: by their policy, or as asked.
/// Where nobody lets us look, every disk that a claim has may be one of them. Nothing of a cluster that is going: so are
/// they.
///
/// # Errors
/// When the API server answers, but not to all that was asked.
pub(super) async fn held(cx: &AzureCx, cluster: &str, node_group: &ArmId) -> Result<Vec<String>, StepError> {
    let id = ArmId(cluster.to_owned());
    let Some((_, found)) = cluster::get(cx, &id).await? else { return Ok(Vec::new()) };
    if found.properties.provisioning_state.is_some_and(|state| state.eq_ignore_ascii_case("deleting")) {
        return Ok(Vec::new());
    }
    let Some(made) = looked_inside(cx, cluster).await? else {
        let disks = disks::of_claims(cx, &id, node_group.name()).await?;
        return Ok(disks.iter().map(disks::in_words).collect());
    };
    let stays = |volume: &&k8s::VolumeMade| {
        let kept = volume.reclaim == k8s::Reclaim::Retain || cx.volumes == VolumeFate::Keep;
        kept && volume.provisioned && volume.volume_id.as_deref().is_none_or(|id| node_group.holds(id))
    };
    let in_words = |volume: &k8s::VolumeMade| {
        let named = volume.claim.as_ref().map(|claim| format!("{}/{}", claim.namespace, claim.name));
        let size = volume.size_gib.map(|gib| format!(" ({gib:.0} GiB)")).unwrap_or_default();
        let disk = volume.volume_id.as_deref().map(|id| format!(" on {}", id.rsplit('/').next().unwrap_or(id)));
        format!("{}{size}{}", named.unwrap_or_else(|| volume.volume.name.clone()), disk.unwrap_or_default())
    };
    Ok(made.volumes.iter().filter(stays).map(in_words).collect())
}

/// What the cluster made; none where nobody lets us look.
async fn looked_inside(cx: &AzureCx, cluster: &str) -> Result<Option<k8s::ClusterMade>, StepError> {
    let Some(client) = cx.connect(cluster).await? else { return Ok(None) };
    if k8s::reachable(&client).await.is_err() {
        return Ok(None);
    }
    match k8s::cluster_made(&client, cx.balancer_finalizers()).await {
        Err(denied) if denied.class == ErrorClass::Auth => Ok(None),
        made => made.map(Some),
    }
}

#[async_trait]
impl WayIn for AzureCx {
    async fn connect(&self, id: &str) -> Result<Option<k8s::Client>, StepError> {
        let id = ArmId(id.to_owned());
        match cluster::get(self, &id).await? {
            Some((_, found)) if can_be_asked(&found.properties) => client_of(self, &id).await,
            _ => Ok(None),
        }
    }

    // A failed one may work all the same; what is in one that goes cannot be asked for.
    async fn enter(&self, id: &str) -> Result<Option<k8s::Client>, StepError> {
        self.connect(id).await
    }

    fn count_mutating_call(&self) {
        self.count_call();
    }

    fn not_yet(&self) -> &'static str {
        error::NOT_YET
    }

    fn let_in_within(&self) -> Duration {
        LET_IN_WITHIN
    }
}
