//! The way into EKS clusters: where the API server is, with a token of ours.

use super::steps::cluster;
use super::{client::AwsCx, error, token};
use crate::engine::StepError;
use crate::k8s;
use crate::providers::in_cluster::WayIn;
use async_trait::async_trait;
use aws_sdk_eks::types::{Cluster as EksCluster, ClusterStatus};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::time::Duration;

/// EKS says that changes of access take up to a minute to arrive ("Associate access policies with access entries").
const LET_IN_WITHIN: Duration = Duration::from_secs(120);

async fn client_of(cx: &AwsCx, name: &str, found: &EksCluster) -> Result<Option<kube::Client>, StepError> {
    let ca = found.certificate_authority().and_then(|it| it.data()).and_then(|data| STANDARD.decode(data).ok());
    let (Some(endpoint), Some(ca)) = (found.endpoint(), ca.and_then(|pem| String::from_utf8(pem).ok())) else {
        return Ok(None);
    };
    let access = k8s::Access { endpoint: endpoint.to_owned(), ca_pem: ca, token: token::token(cx, name).await?.token };
    match k8s::connect(&access) {
        Ok(client) => Ok(Some(client)),
        Err(why) => {
            tracing::warn!(cluster = name, %why, "cannot look inside the cluster");
            Ok(None)
        }
    }
}

/// Beginning of the finalizers of the AWS Load Balancer Controller, on Services with load balancers.
pub(super) const BALANCER_FINALIZERS: [&str; 1] = ["service.k8s.aws/"];

#[async_trait]
impl WayIn for AwsCx {
    async fn connect(&self, name: &str) -> Result<Option<kube::Client>, StepError> {
        let Some((_, found)) = cluster::get(self, name).await? else { return Ok(None) };
        client_of(self, name, &found).await
    }

    async fn enter(&self, name: &str) -> Result<Option<kube::Client>, StepError> {
        let going = |found: &EksCluster| {
            matches!(found.status(), Some(ClusterStatus::Deleting | ClusterStatus::Creating | ClusterStatus::Failed))
        };
        match cluster::get(self, name).await? {
            Some((_, found)) if !going(&found) => client_of(self, name, &found).await,
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
