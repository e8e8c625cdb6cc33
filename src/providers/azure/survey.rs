//! A whole region at a glance: every AKS cluster, whoever made it, with its pools and what tags tell.
//!
//! Reads only. Azure lists a whole subscription at once, whatever the region: a look at all regions asks once and every
//! region takes its part of the answer. One refused question does not hide the answers to the others.

use super::client::{AzureCx, Op, version};
use super::clusters::{self, Cluster, Group, Resource, is_in, objects, show};
use super::refs::ArmId;
use crate::engine::{Clock, StepError};
use crate::model::{Cloud, PriceKey, Region, Unit, Usage};
use crate::providers::kit::stacks_among;
use crate::providers::patience::patient;
use crate::providers::{Bill, CloudCluster, StackSeen, Survey};
use serde::Deserialize;
use std::collections::BTreeMap;
use tokio::sync::OnceCell;

const LOCATIONS: Op = Op::new("resources:subscriptions.listLocations", version::SUBSCRIPTIONS);

/// The listings of a subscription, each asked for once.
#[derive(Debug, Default)]
pub struct Listings {
    clusters: OnceCell<Result<Vec<Cluster>, StepError>>,
    groups: OnceCell<Result<Vec<Group>, StepError>>,
    resources: OnceCell<Result<Vec<Resource>, StepError>>,
}

impl Listings {
    async fn read(
        &self,
        cx: &AzureCx,
        clock: &dyn Clock,
    ) -> (Asked<'_, Cluster>, Asked<'_, Group>, Asked<'_, Resource>) {
        futures::join!(
            self.clusters.get_or_init(|| clusters::all(cx, clock)),
            self.groups.get_or_init(|| clusters::groups(cx, clock)),
            self.resources.get_or_init(|| clusters::resources(cx, clock)),
        )
    }
}

type Asked<'a, T> = &'a Result<Vec<T>, StepError>;

#[derive(Deserialize)]
struct Location {
    name: String,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    region_type: Option<String>,
}

/// The regions of this subscription in which something can stand.
///
/// # Errors
/// As the call's.
pub async fn regions(cx: &AzureCx, clock: &dyn Clock) -> Result<Vec<Region>, StepError> {
    let at = ArmId(format!("{}/locations", cx.subscription_id()?));
    let found: Vec<Location> = patient(clock, || cx.list(LOCATIONS, "the subscription's locations", &at, &[])).await?;
    // Staging areas and groupings of regions ("europe") are listed among them.
    let physical = |it: &Location| {
        let kind = it.metadata.as_ref().and_then(|it| it.region_type.as_deref());
        kind.is_none_or(|kind| kind.eq_ignore_ascii_case("Physical"))
    };
    let mut regions: Vec<Region> = found.into_iter().filter(physical).map(|it| Region(it.name)).collect();
    regions.sort();
    Ok(regions)
}

/// Everything of Kubernetes in this region.
///
/// # Errors
/// When the clusters cannot be read.
pub async fn survey(cx: &AzureCx, clock: &dyn Clock, listings: &Listings) -> Result<Survey, StepError> {
    let (clusters, groups, resources) = listings.read(cx, clock).await;
    let clusters = clusters.as_ref().map_err(Clone::clone)?;
    let mut found = Survey::default();
    let groups = keep(groups, &mut found.refused);
    let resources = keep(resources, &mut found.refused);
    found.stacks = stacks_among(objects(&cx.region, groups, resources, clusters));
    for it in clusters.iter().filter(|it| is_in(&cx.region, &it.location)) {
        let mut shown = show(it, clock.now());
        shown.bill = bill(&cx.region, it, &shown);
        found.clusters.push(shown);
    }
    Ok(found)
}

/// The answer; a refusal is put with the others.
fn keep<'a, T>(answer: &'a Result<Vec<T>, StepError>, refused: &mut Vec<StepError>) -> &'a [T] {
    match answer {
        Ok(found) => found,
        Err(err) => {
            refused.push(err.clone());
            &[]
        }
    }
}

/// What Azure counts is what a pool has now: its `count` follows the autoscaler.
fn bill(region: &Region, cluster: &Cluster, shown: &CloudCluster) -> Bill {
    let mut bill = Bill { usage: Vec::new(), complete: !cluster.has_hidden_machines() };
    let component =
        |name: &str| PriceKey::Component { cloud: Cloud::Azure, region: region.clone(), name: name.to_owned() };
    if cluster.is_stopped() {
        return bill;
    }
    match cluster.sku.as_ref().and_then(|sku| sku.tier.as_deref()) {
        Some("Standard") => bill.usage.push(Usage::fixed(component("aks-standard"), Unit::Hour, 1.0)),
        Some("Premium") => bill.usage.push(Usage::fixed(component("aks-premium"), Unit::Hour, 1.0)),
        Some("Free") => bill.usage.push(Usage::fixed(component("aks-free"), Unit::Hour, 1.0)),
        _ => bill.complete = false,
    }
    let mut counted: BTreeMap<(&str, bool), u32> = BTreeMap::new();
    for pool in shown.node_pools.iter().filter(|pool| pool.status != "Stopped") {
        match pool.instance_types.first() {
            Some(kind) => *counted.entry((kind, pool.spot)).or_default() += pool.desired,
            None => bill.complete = false,
        }
    }
    for ((kind, spot), count) in counted.into_iter().filter(|(_, count)| *count > 0) {
        let (region, instance_type) = (region.clone(), kind.to_owned());
        let key = PriceKey::Instance { cloud: Cloud::Azure, region, instance_type, spot };
        bill.usage.push(Usage::fixed(key, Unit::Hour, f64::from(count)));
    }
    bill
}

/// Stacks of ours by the region of their resource groups: all of them in one listing, those in regions among them that
/// the subscription no longer names.
///
/// # Errors
/// As the call's.
pub async fn traces(
    cx: &AzureCx,
    clock: &dyn Clock,
    listings: &Listings,
) -> Result<Vec<(Region, StackSeen)>, StepError> {
    let groups = listings.groups.get_or_init(|| clusters::groups(cx, clock)).await.as_ref().map_err(Clone::clone)?;
    let mut by_region: BTreeMap<Region, Vec<_>> = BTreeMap::new();
    for group in groups {
        let Some(tags) = &group.tags else { continue };
        let plain = group.location.replace(' ', "").to_ascii_lowercase();
        by_region.entry(Region(plain)).or_default().push((tags.clone(), None));
    }
    let stacks = |(region, seen): (Region, Vec<_>)| stacks_among(seen).into_iter().map(move |it| (region.clone(), it));
    Ok(by_region.into_iter().flat_map(stacks).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cluster_is_billed_by_tier_and_machines_and_a_stopped_one_by_neither() {
        let cluster = |power: &str, tier: &str| -> Cluster {
            serde_json::from_value(json!({
                "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c",
                "name": "c", "location": "eastus", "sku": { "name": "Base", "tier": tier },
                "properties": { "provisioningState": "Succeeded", "powerState": { "code": power },
                    "agentPoolProfiles": [
                        { "name": "a", "count": 2, "vmSize": "Standard_D2as_v5" },
                        { "name": "b", "count": 1, "vmSize": "Standard_D2as_v5" },
                        { "name": "s", "count": 3, "vmSize": "Standard_D2as_v5", "scaleSetPriority": "Spot" },
                    ] },
            }))
            .unwrap()
        };
        let region = Region("eastus".to_owned());
        let billed = |it: &Cluster| bill(&region, it, &show(it, jiff::Timestamp::UNIX_EPOCH));
        let running = billed(&cluster("Running", "Standard"));
        let quantities: Vec<f64> = running.usage.iter().map(|it| it.desired).collect();
        assert!(running.complete && quantities == [1.0, 3.0, 3.0], "{running:?}");
        assert!(billed(&cluster("Stopped", "Standard")).usage.is_empty());
        assert!(!billed(&cluster("Running", "Gold")).complete);
    }
}
