//! The way into AKS clusters: where the API server is, with a token of ours.

use super::client::AzureCx;
use super::refs::ArmId;
use super::steps::cluster;
use super::{access, error, token};
use crate::engine::StepError;
use crate::k8s;
use crate::providers::in_cluster::WayIn;
use async_trait::async_trait;
use std::time::Duration;

/// Azure says that a new role takes up to five minutes to count ("Use Azure RBAC for Kubernetes authorization").
const LET_IN_WITHIN: Duration = Duration::from_secs(330);

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

#[async_trait]
impl WayIn for AzureCx {
    async fn connect(&self, id: &str) -> Result<Option<k8s::Client>, StepError> {
        let id = ArmId(id.to_owned());
        let Some((_, found)) = cluster::get(self, &id).await? else { return Ok(None) };
        // Before it has a name nobody can be asked for the way to it.
        if found.properties.fqdn.is_none() {
            return Ok(None);
        }
        client_of(self, &id).await
    }

    async fn enter(&self, id: &str) -> Result<Option<k8s::Client>, StepError> {
        let id = ArmId(id.to_owned());
        let Some((_, found)) = cluster::get(self, &id).await? else { return Ok(None) };
        let state = found.properties.provisioning_state.unwrap_or_default().to_ascii_lowercase();
        // A failed one may work all the same.
        if found.properties.fqdn.is_none() || ["deleting", "creating"].contains(&state.as_str()) {
            return Ok(None);
        }
        client_of(self, &id).await
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
