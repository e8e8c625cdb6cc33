//! What the cluster itself made and left in Azure: the group of its nodes with balancers, addresses and disks in it.
//!
//! AKS takes that group along when the cluster goes; what is looked for here is what is still there afterwards, and what
//! stands in the stack's own group without being the stack's. A false delete is worse than a leak: things that are not
//! provably ours are named with their owner and left alone, and groups that Azure makes by itself (`NetworkWatcherRG`,
//! `DefaultResourceGroup-…`) are never looked into.

use super::client::{AzureCx, Op, version};
use super::models::{Answered, Provisioned};
use super::refs::ArmId;
use super::steps::support::observe;
use super::steps::{self, cluster, node_group, resource_group};
use super::sweep::deletable;
use super::tags::{self, is_ours};
use super::{disks, names, plan, stages};
use crate::engine::{Caused, Clock, Leftover, Observed, StepError, StepId};
use crate::model::{Cloud, Stack};
use crate::providers::patience::{if_known, patient};
use crate::providers::{VolumeFate, in_cluster, kit};

const TAGGED: Op = Op::new("resources:resources.list", version::RESOURCES);

/// One look for leftovers.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Whose.
    pub stack: &'a Stack,
    /// What is proven ours: being inside one of these is a proof.
    pub known: &'a [Observed],
    /// What the user wants done with disks.
    pub volumes: VolumeFate,
}

impl Look<'_> {
    /// Our own cluster, while it stands or after it went.
    fn clusters(&self) -> impl Iterator<Item = &str> {
        self.known.iter().filter(|it| it.reference.kind == cluster::KIND).map(|it| it.reference.id.as_str())
    }

    fn node_group(&self, cx: &AzureCx) -> Result<ArmId, StepError> {
        Ok(ArmId::group(cx.subscription_id()?.name(), &names::node_group(self.stack)))
    }
}

/// What can be seen at this stage. Reads only.
///
/// # Errors
/// What the first listing that failed says: a partial answer would pass for "nothing left".
pub async fn leftovers(
    cx: &AzureCx,
    clock: &dyn Clock,
    stage: &str,
    look: Look<'_>,
) -> Result<Vec<Leftover>, StepError> {
    match stage {
        stages::IN_CLUSTER => inside(cx, look).await,
        stages::NODE_GROUP => patient(clock, || nodes(cx, look)).await,
        stages::GROUP_CONTENT => patient(clock, || content(cx, look)).await,
        stages::AUDIT => {
            let (nodes, copies) =
                tokio::try_join!(patient(clock, || nodes(cx, look)), patient(clock, || copies(cx, look)))?;
            Ok([nodes, copies].concat())
        }
        // Nothing of this provider's is asked for at a stage it does not know.
        _ => Ok(Vec::new()),
    }
}

/// What stands in the cluster and holds something in the cloud. Data that is to stay stops the teardown here, before
/// anything goes: everything still stands, and there is a way to save it.
async fn inside(cx: &AzureCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    for cluster in look.clusters().filter(|_| look.volumes != VolumeFate::Delete) {
        let held = super::in_cluster::held(cx, cluster, &look.node_group(cx)?).await?;
        if !held.is_empty() {
            return Err(disks::would_die(&format!("cluster {}", look.stack.name), look.stack, &held));
        }
    }
    in_cluster::made(cx, look.clusters(), look.volumes).await
}

/// The group of the nodes, once the cluster is gone: as long as it stands the group is AKS's to remove.
async fn nodes(cx: &AzureCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let cluster_id = plan::cluster_id(cx.subscription_id()?.name(), look.stack);
    if cluster::get(cx, &cluster_id).await?.is_some_and(|(_, it)| is_ours(look.stack, &it.tags)) {
        return Ok(Vec::new());
    }
    let id = look.node_group(cx)?;
    let Some((mut seen, group)) = node_group::TYPE.read::<Provisioned>(cx, &id).await? else { return Ok(Vec::new()) };
    // AKS writes the cluster on it, and hands the cluster's tags on.
    let managed = group.managed_by.as_deref().is_some_and(|by| cluster_id.is(by));
    if managed && look.clusters().any(|known| cluster_id.is(known)) {
        let container = look.clusters().find(|known| cluster_id.is(known)).unwrap_or_default().to_owned();
        seen.evidence.caused = Some(Caused::InsideOwned { container });
    } else if !is_ours(look.stack, &group.tags) {
        let owner = format!("resource group {} has our name, but not our tags", id.name());
        return Ok(vec![named(seen, owner)]);
    }
    let mut found = Vec::new();
    if look.volumes != VolumeFate::Delete {
        // The group is not removed over data that somebody wants kept.
        let held = disks::of_claims(cx, &cluster_id, id.name()).await?;
        for disk in &held {
            found.push(kept_disk(cx, disk));
        }
        if !held.is_empty() {
            return Ok(found);
        }
    }
    let step = StepId::new(format!("caused/node-group/{}", id.name()));
    let step = deletable(step, node_group::KIND, &steps::node_group::NodeGroup { id });
    found.push(Leftover { step, seen, keep: false, owner: None, usd_per_hour: None });
    Ok(found)
}

fn kept_disk(cx: &AzureCx, disk: &disks::Disk) -> Leftover {
    let id = ArmId(disk.id.clone());
    let seen = observe("azure/disk", &id, disk);
    let owner = format!("disk of {}, kept with its group; --volumes delete removes both", disks::in_words(disk));
    let sized = disk.properties.disk_size_gb.map(|gib| plan::disk_component(gib as u32));
    let usd_per_hour = sized.and_then(|component| kit::hourly(Cloud::Azure, &cx.region, component, 1.0));
    Leftover { keep: true, usd_per_hour, ..named(seen, owner) }
}

/// What stands in the stack's own group and is not the stack's.
async fn content(cx: &AzureCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let group = names::group_id(cx.subscription_id()?.name(), look.stack);
    let all = resource_group::content(cx, &group).await?;
    let foreign = all.into_iter().filter(|it| !is_ours(look.stack, &it.tags));
    Ok(foreign
        .map(|it| {
            let owner = format!("{} in our group {}, which cannot go before it", it.kind, group.name());
            named(observe(&kind_of(&it), &ArmId(it.id.clone()), &it), owner)
        })
        .collect())
}

/// Things elsewhere that carry our tags: whoever copies an object copies its tags. Told, never touched.
async fn copies(cx: &AzureCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let at = ArmId(format!("{}/resources", cx.subscription_id()?));
    let filter = tags::filter(look.stack);
    let all: Result<Vec<Answered<Provisioned>>, StepError> =
        cx.list(TAGGED, "tagged resources", &at, &[("$filter", &filter)]).await;
    let Some(all) = if_known(all)? else { return Ok(Vec::new()) };
    let own = [names::group_id(cx.subscription_id()?.name(), look.stack), look.node_group(cx)?];
    let elsewhere = all.into_iter().filter(|it| !own.iter().any(|group| group.holds(&it.id)));
    Ok(elsewhere
        .map(|it| {
            let owner = format!("{}: it carries our tag, but stands in a group that is not ours", it.kind);
            Leftover { keep: true, ..named(observe(&kind_of(&it), &ArmId(it.id.clone()), &it), owner) }
        })
        .collect())
}

/// `Microsoft.Compute/disks` as a kind of ours.
fn kind_of(it: &Answered<Provisioned>) -> String {
    format!("azure/{}", it.kind.rsplit('/').next().unwrap_or_default().to_ascii_lowercase())
}

/// Named, never touched.
fn named(seen: Observed, owner: String) -> Leftover {
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c.to_ascii_lowercase() } else { '-' };
    let name: String = ArmId(seen.reference.id.clone()).name().chars().map(plain).collect();
    let kind = seen.reference.kind.trim_start_matches("azure/");
    let id = ArmId(seen.reference.id.clone());
    let step = StepId::new(format!("caused/{kind}/{name}"));
    // No step of ours removes it: the params are those of the one kind that never goes by itself.
    let step = deletable(step, node_group::KIND, &steps::node_group::NodeGroup { id });
    Leftover { step, seen, keep: false, owner: Some(owner), usd_per_hour: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::prove_found;
    use crate::providers::azure::tags::Tags;

    #[test]
    fn what_is_named_is_never_proven() {
        let stack = "demo-0a1b2c3d".parse().unwrap();
        let seen =
            kit::seen("azure/virtualmachines", "/subscriptions/s/resourceGroups/g/providers/x/y/Jump Box", Tags::new());
        let found = named(seen, "somebody's".to_owned());
        assert_eq!(found.step.id.as_str(), "caused/virtualmachines/jump-box");
        assert!(
            prove_found(&stack, found.seen, &["/subscriptions/s/resourceGroups/g".to_owned()].into(), None).is_err()
        );
    }
}
