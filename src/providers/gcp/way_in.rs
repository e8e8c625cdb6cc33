//! The way into GKE clusters: where the API server is, with a token of ours.
//!
//! A cluster's name is good for one zone or region only, so what stands inside one is kept under both:
//! `us-central1-a/demo`.

use super::client::GcpCx;
use super::error;
use super::steps::cluster;
use super::wire;
use crate::engine::StepError;
use crate::k8s;
use crate::providers::in_cluster::WayIn;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::time::Duration;

/// IAM tells everybody of a new role within two minutes, as a rule ("Access change propagation").
const LET_IN_WITHIN: Duration = Duration::from_secs(180);

/// A cluster with its place.
pub fn id_of(location: &str, name: &str) -> String {
    format!("{location}/{name}")
}

async fn read(cx: &GcpCx, id: &str) -> Result<Option<wire::Cluster>, StepError> {
    let Some((location, name)) = id.split_once('/') else { return Ok(None) };
    Ok(cluster::get(cx, location, name).await?.map(|(_, cluster)| cluster))
}

async fn client_of(cx: &GcpCx, found: &wire::Cluster) -> Result<Option<k8s::Client>, StepError> {
    let endpoint = cluster::endpoint(found);
    let ca = STANDARD.decode(&found.master_auth.cluster_ca_certificate).ok().filter(|ca| !ca.is_empty());
    let (false, Some(ca)) = (endpoint.is_empty(), ca.and_then(|pem| String::from_utf8(pem).ok())) else {
        return Ok(None);
    };
    let access = k8s::Access { endpoint, ca_pem: ca, token: cx.access_token().await?.token };
    match k8s::connect(&access) {
        Ok(client) => Ok(Some(client)),
        Err(why) => {
            tracing::warn!(cluster = found.name, %why, "cannot look inside the cluster");
            Ok(None)
        }
    }
}

/// Beginning of the finalizers of GKE's own controllers, on Services with load balancers.
pub(super) const BALANCER_FINALIZERS: [&str; 1] = ["gke.networking.io/"];

#[async_trait]
impl WayIn for GcpCx {
    async fn connect(&self, cluster: &str) -> Result<Option<k8s::Client>, StepError> {
        match read(self, cluster).await? {
            Some(found) => client_of(self, &found).await,
            None => Ok(None),
        }
    }

    async fn enter(&self, cluster: &str) -> Result<Option<k8s::Client>, StepError> {
        match read(self, cluster).await? {
            Some(found) if !matches!(found.status.as_str(), "STOPPING" | "PROVISIONING" | "ERROR") => {
                client_of(self, &found).await
            }
            _ => Ok(None),
        }
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

    fn balancer_finalizers(&self) -> &'static [&'static str] {
        &BALANCER_FINALIZERS
    }
}
