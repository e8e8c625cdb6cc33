//! An object in the cluster that we put there: the autoscaler with its rights, the device plugin.
//!
//! Made through the cluster's own API with our token, labelled in the creating call, found by kind and name, and ours
//! only by its labels: what somebody else made under the name stays as it is. It dies with the cluster; where that is
//! gone, or going, so is this.

use super::in_cluster::WayIn;
use super::kit::{self, visible, what};
use crate::engine::proof::{TAG_RUN, TAG_STACK, TAG_STEP};
use crate::engine::{
    Deletion, ErrorClass, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::k8s::{
    self,
    manifest::{self, Made, called},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How plans name these kinds.
pub const SERVICE_ACCOUNT: &str = "k8s/service-account";
/// A role for the whole cluster.
pub const CLUSTER_ROLE: &str = "k8s/cluster-role";
/// Gives it.
pub const CLUSTER_ROLE_BINDING: &str = "k8s/cluster-role-binding";
/// A role in a namespace.
pub const ROLE: &str = "k8s/role";
/// Gives it.
pub const ROLE_BINDING: &str = "k8s/role-binding";
/// Pods, as many as asked for.
pub const DEPLOYMENT: &str = "k8s/deployment";
/// A pod on every node it fits.
pub const DAEMON_SET: &str = "k8s/daemon-set";

/// An object. Identity: `Child` of the cluster's step with kind, namespace and name as key. Its `ResourceRef` id is its
/// uid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterObject {
    /// The cluster's id in its cloud.
    pub cluster: Input<String>,
    /// The object as it is sent, less our labels.
    pub manifest: Value,
}

/// The step's kind for a manifest's.
pub fn kind_of(manifest: &Value) -> &'static str {
    match manifest["kind"].as_str().unwrap_or_default() {
        "ClusterRole" => CLUSTER_ROLE,
        "ClusterRoleBinding" => CLUSTER_ROLE_BINDING,
        "DaemonSet" => DAEMON_SET,
        "Deployment" => DEPLOYMENT,
        "Role" => ROLE,
        "RoleBinding" => ROLE_BINDING,
        _ => SERVICE_ACCOUNT,
    }
}

/// Not let in yet is not the same as never.
fn let_in_soon(within: Duration, mut error: StepError) -> StepError {
    if error.class == ErrorClass::Auth && error.id.starts_with("KW-K8S-") {
        error.class = ErrorClass::NotYet;
        error.retry_for = Some(within);
    }
    error
}

impl ClusterObject {
    fn see(&self, cluster: &str, made: &Made) -> Observed {
        let mut seen = kit::seen_child(kind_of(&self.manifest), &made.uid, cluster, &called(&self.manifest));
        seen.reference.name = Some(called(&self.manifest));
        seen.evidence.tags = made.labels.clone();
        seen.created_at = made.created_at;
        seen
    }

    /// As it is sent: with both of our tags as labels, so that it is proven ours from its first moment.
    fn labelled(&self, at: Scope<'_>) -> Value {
        let mut whole = self.manifest.clone();
        for tag in [TAG_STACK, TAG_STEP] {
            whole["metadata"]["labels"][tag] = json!(at.tags.get(tag));
        }
        whole["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("kubewright");
        whole["metadata"]["annotations"][TAG_RUN] = json!(at.tags.get(TAG_RUN));
        whole
    }

    async fn read<Cx: WayIn>(&self, cx: &Cx, client: &k8s::Client) -> Result<Option<Made>, StepError> {
        manifest::read(client, &self.manifest).await.map_err(|why| let_in_soon(cx.let_in_within(), why))
    }
}

#[async_trait]
impl<Cx: WayIn> Step<Cx> for ClusterObject {
    async fn find(&self, cx: &Cx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let Some(client) = cx.enter(&cluster).await? else { return Ok(Found::None) };
        let made = self.read(cx, &client).await?;
        let made = made.filter(|made| !matches!(by, Lookup::Id(it) if it.id != made.uid));
        Ok(made.map_or(Found::None, |made| Found::One(self.see(&cluster, &made))))
    }

    async fn create(&self, cx: &Cx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let client = visible(cx.not_yet(), &what("API server", at), cx.enter(&cluster).await?)?;
        cx.count_mutating_call();
        let made =
            manifest::create(&client, &self.labelled(at)).await.map_err(|why| let_in_soon(cx.let_in_within(), why))?;
        Ok(self.see(&cluster, &made).reference)
    }

    async fn converge(&self, _: &Cx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &Cx, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        let what = what(&called(&self.manifest), at);
        let cluster = at.inputs.get(&self.cluster)?;
        let client = visible(cx.not_yet(), &what, cx.enter(&cluster).await?)?;
        let made = visible(cx.not_yet(), &what, self.read(cx, &client).await?)?;
        Ok(made.waits_for().map_or(Probe::Ready, Probe::NotYet))
    }

    async fn outputs(&self, _: &Cx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &Cx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let cluster = at.inputs.get(&self.cluster)?;
        let Some(client) = cx.enter(&cluster).await? else { return Ok(Deletion::Gone) };
        cx.count_mutating_call();
        manifest::remove(&client, &self.manifest, owned.id()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Residue;

    #[test]
    fn who_is_not_let_in_yet_is_let_in_within_minutes_or_told() {
        let refused = StepError::new(ErrorClass::Auth, "KW-K8S-UNAUTHORIZED", "no").with_residue(Residue::None);
        let within = Duration::from_secs(120);
        let waits = let_in_soon(within, refused);
        assert_eq!((waits.class, waits.retry_for), (ErrorClass::NotYet, Some(within)));
        let expired = StepError::new(ErrorClass::Auth, "KW-AWS-EXPIRED", "no");
        assert_eq!(let_in_soon(within, expired.clone()), expired);
    }
}
