//! A [`ClusterSpec`] as cluster.yaml: what [`super::parse`] reads back as the same spec.

use super::{API_VERSION, KIND, clouds};
use crate::model::{
    ClusterSpec,
    spec::{Budget, InstanceWish, Nat, NetworkSpec, PoolSpec, TaintEffect},
};
use serde::Serialize;
use serde_yaml::{Mapping, Value};

/// The spec as text; omitted stays omitted.
pub fn write(spec: &ClusterSpec) -> String {
    let mut top = Map::default();
    top.put("apiVersion", Some(API_VERSION));
    top.put("kind", Some(KIND));
    top.put("name", spec.name.as_ref().map(ToString::to_string));
    top.put("provider", spec.provider.map(|cloud| cloud.as_str()));
    top.put("region", spec.region.as_ref().map(ToString::to_string));
    top.put("account", spec.account.as_ref());
    top.put("environment", spec.environment.as_ref());
    top.put("version", spec.version.as_ref());
    top.put("ttl", spec.ttl_secs.map(write_span));
    top.put("protect", spec.protect);
    top.put("budget", spec.budget.as_ref().map(budget));
    top.put("network", spec.network.as_ref().map(network));
    top.put("nodePools", spec.node_pools.as_ref().map(|pools| pools.iter().map(pool).collect::<Vec<_>>()));
    top.put("admins", Some(&spec.admins).filter(|list| !list.is_empty()));
    top.put("tags", Some(&spec.tags).filter(|tags| !tags.is_empty()));
    top.put("aws", spec.aws.as_ref().map(clouds::write_aws));
    top.put("gcp", spec.gcp.as_ref().map(clouds::write_gcp));
    top.put("azure", spec.azure.as_ref().map(clouds::write_azure));
    serde_yaml::to_string(&top.0).expect("a mapping of plain values can always be written")
}

/// A span of whole seconds as [`crate::model::time::parse_span`] reads it, exactly: `1h30m`.
pub fn write_span(secs: u64) -> String {
    let units = [("d", 86_400, u64::MAX), ("h", 3_600, 24), ("m", 60, 60), ("s", 1, 60)];
    let part =
        |(unit, size, wrap)| Some(secs / size % wrap).filter(|count| *count > 0).map(|count| format!("{count}{unit}"));
    units.into_iter().filter_map(part).collect()
}

#[derive(Default)]
pub(super) struct Map(pub(super) Mapping);

impl Map {
    pub(super) fn put(&mut self, key: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            let value = serde_yaml::to_value(value).expect("plain values can always be written");
            self.0.insert(Value::from(key), value);
        }
    }
}

fn budget(budget: &Budget) -> Mapping {
    let mut map = Map::default();
    map.put("hourlyUsd", budget.hourly_usd);
    map.put("monthlyUsd", budget.monthly_usd);
    map.put("warnAt", budget.warn_at);
    map.0
}

fn network(network: &NetworkSpec) -> Mapping {
    let mut map = Map::default();
    map.put("cidr", network.cidr);
    map.put("zoneCount", network.zone_count);
    map.put("zones", network.zones.as_ref());
    map.put("nat", network.nat.map(Nat::as_str));
    map.put("apiAllow", network.api_allow.as_ref());
    map.put(
        "existing",
        network.existing.as_ref().map(|existing| {
            let mut map = Map::default();
            map.put("vpc", Some(&existing.vpc));
            map.put("privateSubnets", Some(&existing.private_subnets));
            map.put("publicSubnets", Some(&existing.public_subnets).filter(|list| !list.is_empty()));
            map.put("podRange", existing.pod_range.as_ref());
            map.put("serviceRange", existing.service_range.as_ref());
            map.0
        }),
    );
    map.0
}

fn pool(pool: &PoolSpec) -> Mapping {
    let mut map = Map::default();
    map.put("name", Some(&pool.name));
    match &pool.instance_type {
        Some(InstanceWish::Named(name)) => map.put("instanceType", Some(name)),
        Some(InstanceWish::Needs(needs)) => {
            let mut inner = Map::default();
            inner.put("cpu", needs.cpu);
            inner.put("memoryGiB", needs.memory_gib);
            inner.put("gpu", needs.gpu.as_ref());
            map.put("instanceType", Some(inner.0));
        }
        None => {}
    }
    map.put("instanceTypes", Some(&pool.instance_types).filter(|types| !types.is_empty()));
    map.put("count", pool.count);
    map.put("min", pool.min);
    map.put("max", pool.max);
    map.put("spot", pool.spot);
    map.put("diskGiB", pool.disk_gib);
    map.put("labels", Some(&pool.labels).filter(|labels| !labels.is_empty()));
    let taints: Vec<Mapping> = pool
        .taints
        .iter()
        .map(|taint| {
            let mut map = Map::default();
            map.put("key", Some(&taint.key));
            map.put("value", taint.value.as_ref());
            map.put(
                "effect",
                Some(match taint.effect {
                    TaintEffect::NoSchedule => "NoSchedule",
                    TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                    TaintEffect::NoExecute => "NoExecute",
                }),
            );
            map.0
        })
        .collect();
    map.put("taints", Some(taints).filter(|list| !list.is_empty()));
    map.0
}
