//! The group that AKS makes for a cluster's machines, balancers and disks, where it outlives the cluster.
//!
//! AKS removes it with the cluster. Never made by a plan; found by the looks of a teardown, and removed only when all
//! that is in it is the cluster's making.

use super::resource_group::{self, content};
use super::support::{Type, blocked, never_made};
use crate::engine::{Deletion, Found, Lookup, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token};
use crate::model::Stack;
use crate::providers::azure::client::AzureCx;
use crate::providers::azure::models::{Answered, Provisioned};
use crate::providers::azure::refs::ArmId;
use crate::providers::azure::tags::{self, Tags};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "azure/node-group";

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type =
    Type { kind: KIND, noun: "resource group of the nodes", ..resource_group::TYPE };

/// A group by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeGroup {
    /// Its id.
    pub id: ArmId,
}

/// Whether AKS, or what runs in the cluster, made this thing in the group of the nodes. AKS hands the cluster's tags on to
/// all that it makes; its controllers and drivers leave marks of their own.
pub(in crate::providers::azure) fn is_of_the_cluster(stack: &Stack, name: &str, tags: &Tags) -> bool {
    const MARKS: [&str; 4] = ["aks-managed-", "k8s-azure-", "kubernetes.io-created-for-", "aks-cluster-name"];
    const NAMES: [&str; 3] = ["aks-", "kubernetes", "pvc-"];
    tags::is_ours(stack, tags)
        || tags.keys().any(|key| MARKS.iter().any(|mark| key.starts_with(mark)))
        || NAMES.iter().any(|start| name.starts_with(start))
        // The kubelets' identity: `<cluster>-agentpool`; add-ons name theirs alike.
        || name.strip_prefix(stack.name.as_str()).is_some_and(|rest| rest.starts_with("-agentpool"))
}

/// What stands in the group and is not the cluster's.
pub(in crate::providers::azure) async fn strangers(
    cx: &AzureCx,
    stack: &Stack,
    group: &ArmId,
) -> Result<Vec<Answered<Provisioned>>, StepError> {
    let all = content(cx, group).await?;
    Ok(all.into_iter().filter(|it| !is_of_the_cluster(stack, &it.name, &it.tags)).collect())
}

/// Refuses to remove a group, or the cluster that takes it along, over somebody else's things in it.
pub(in crate::providers::azure) fn refused(what: &str, strangers: &[Answered<Provisioned>]) -> Option<StepError> {
    let first = strangers.first()?;
    let named: Vec<String> = strangers.iter().map(|it| format!("{} `{}`", it.kind, it.name)).collect();
    let why = format!("the group of its nodes holds what is not ours: {}", named.join(", "));
    Some(blocked(what, why).with_hint(format!(
        "move it (az resource move --destination-group ANOTHER --ids {0}) or remove it (az resource delete --ids {0})",
        first.id
    )))
}

#[async_trait]
impl Step<AzureCx> for NodeGroup {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        match by {
            Lookup::Id(_) => TYPE.find(cx, at, &self.id, by).await,
            Lookup::Identity => Ok(Found::None),
        }
    }

    async fn create(&self, _: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&TYPE.what(at)))
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, _: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let (what, id) = (TYPE.what(at), ArmId(owned.id().to_owned()));
        let Some((_, group)) = TYPE.read::<Provisioned>(cx, &id).await? else { return Ok(Deletion::Gone) };
        if group.properties.provisioning_state.is_some_and(|state| state.eq_ignore_ascii_case("deleting")) {
            return Ok(Deletion::Started);
        }
        if let Some(refused) = refused(&what, &strangers(cx, at.stack, &id).await?) {
            return Err(refused);
        }
        TYPE.delete(cx, at, owned.id(), &[]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::{TAG_STACK, TAG_STEP};

    #[test]
    fn what_the_cluster_made_is_told_from_what_somebody_put_there() {
        let stack = "demo-0a1b2c3d".parse().unwrap();
        let made = |name: &str, pairs: &[(&str, &str)]| {
            let tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            is_of_the_cluster(&stack, name, &tags)
        };
        assert!(made("x", &[(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "cluster")]));
        assert!(made("8b7c", &[("k8s-azure-service", "default/web")]));
        assert!(made("x", &[("kubernetes.io-created-for-pvc-name", "data")]));
        assert!(made("aks-default-1-vmss", &[]) && made("kubernetes-internal", &[]) && made("demo-agentpool", &[]));
        assert!(!made("jumpbox", &[]) && !made("demo-jumpbox", &[("team", "ops")]));
        assert!(!made("x", &[(TAG_STACK, "demo-ffffffff"), (TAG_STEP, "cluster")]));
    }
}
