//! A whole region at a glance: every GKE cluster, whoever made it, with its pools and what labels tell.
//!
//! Reads only. One refused question does not hide the answers to the others; what is missing is said.

use super::client::{GcpCx, Request};
use super::clusters::{self, Sizes, Told};
use super::labels::TAG_REGION;
use super::versions::{self, minor_of};
use super::{instances, wire};
use crate::engine::{Clock, StepError};
use crate::model::{Cloud, PriceKey, Region, Unit, Usage};
use crate::providers::patience::patient;
use crate::providers::{Bill, CloudCluster, StackSeen, Survey};
use jiff::tz::TimeZone;
use serde::Deserialize;

/// Every project that these credentials see and that is not being deleted.
///
/// # Errors
/// As the call's.
pub async fn projects(cx: &GcpCx, clock: &dyn Clock) -> Result<Vec<String>, StepError> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Found {
        project_id: String,
        lifecycle_state: String,
    }
    let read = || async {
        let request = Request::get("cloudresourcemanager:projects.list", "v1/projects", "projects");
        cx.list::<Found>("projects", request.query("filter", "lifecycleState:ACTIVE")).await
    };
    // Where Resource Manager is off nobody can say; that is no lack of the project at hand.
    let found = clusters::none_if_off(patient(clock, read).await)?;
    let live = found.into_iter().filter(|it| it.lifecycle_state == "ACTIVE" && !it.project_id.is_empty());
    Ok(live.map(|it| it.project_id).collect())
}

/// The regions that are up; none where Compute Engine is off in the project, and so nothing of a cluster can stand.
///
/// # Errors
/// As the call's.
pub async fn regions(cx: &GcpCx, clock: &dyn Clock) -> Result<Vec<Region>, StepError> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Found {
        name: String,
        status: String,
    }
    let read = || async {
        let request = Request::get("compute:regions.list", cx.compute_path("regions")?, "regions");
        cx.list::<Found>("items", request).await
    };
    let found = clusters::none_if_off(patient(clock, read).await)?;
    let up = found.into_iter().filter(|it| it.status == "UP" || it.status.is_empty());
    let mut regions: Vec<Region> = up.map(|it| Region(it.name)).collect();
    regions.sort();
    Ok(regions)
}

/// Everything of Kubernetes in this region.
///
/// # Errors
/// When the clusters cannot be listed.
pub async fn survey(cx: &GcpCx, clock: &dyn Clock) -> Result<Survey, StepError> {
    let listed = async { clusters::none_if_off(patient(clock, || clusters::all(cx)).await) };
    let (listed, regional) = futures::join!(listed, clusters::regional(cx, clock));
    let listed = listed?;
    let mut found = Survey::default();
    let mut told = regional.map_err(|err| found.refused.push(err)).unwrap_or_default();
    let sizes = if listed.is_empty() {
        None
    } else {
        patient(clock, || clusters::sizes(cx)).await.map_err(|err| found.refused.push(err)).ok()
    };
    for cluster in &listed {
        let mut shown = clusters::show(cluster, sizes.as_ref());
        let ends = minor_of(&cluster.current_master_version).and_then(|minor| versions::ends(&minor));
        shown.support_ends = ends.map(|at| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string());
        shown.bill = bill(cx, cluster, &shown, sizes.as_ref(), ends.is_some_and(|end| end <= clock.now()));
        found.clusters.push(shown);
        told.push(clusters::of_cluster(cluster));
    }
    found.stacks = clusters::stacks_among(told);
    Ok(found)
}

fn bill(cx: &GcpCx, cluster: &wire::Cluster, shown: &CloudCluster, sizes: Option<&Sizes>, past_support: bool) -> Bill {
    let component = |name: String| PriceKey::Component { cloud: Cloud::Gcp, region: cx.region.clone(), name };
    let mut usage = vec![Usage::fixed(component("gke-cluster".to_owned()), Unit::Hour, 1.0)];
    for (pool, it) in shown.node_pools.iter().zip(&cluster.node_pools) {
        let instance_type = it.config.machine_type.clone();
        let (nodes, spot) = (f64::from(pool.desired), pool.spot);
        let key = PriceKey::Instance { cloud: Cloud::Gcp, region: cx.region.clone(), instance_type, spot };
        usage.push(Usage::fixed(key, Unit::Hour, nodes));
        for attached in &it.config.accelerators {
            let gpu = instances::gpu_name(&attached.accelerator_type);
            let each: f64 = attached.accelerator_count.parse().unwrap_or(1.0);
            if let Some(name) = gpu.and_then(|gpu| instances::gpu_component(gpu, spot)) {
                usage.push(Usage::fixed(component(name), Unit::Hour, nodes * each));
            }
        }
    }
    // What Autopilot bills are pods; the extended channel costs more once standard support is over.
    let extended = cluster.release_channel.channel == "EXTENDED" && past_support;
    Bill { usage, complete: sizes.is_some() && !cluster.autopilot.enabled && !extended }
}

/// Stacks of ours that networks and service accounts tell of, by the region they name.
///
/// # Errors
/// As the calls'.
pub async fn traces(cx: &GcpCx, clock: &dyn Clock) -> Result<Vec<(Region, StackSeen)>, StepError> {
    let mut by_region: std::collections::BTreeMap<Region, Vec<Told>> = std::collections::BTreeMap::new();
    for told in clusters::roaming(cx, clock).await? {
        if let Some(region) = told.tag(TAG_REGION) {
            by_region.entry(Region(region.to_owned())).or_default().push(told);
        }
    }
    let stacks = |(region, told): (Region, Vec<Told>)| {
        clusters::stacks_among(told).into_iter().map(move |it| (region.clone(), it))
    };
    Ok(by_region.into_iter().flat_map(stacks).collect())
}
