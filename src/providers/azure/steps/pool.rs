//! What an agent pool is to be: the same in its cluster's first call and in a call of its own.

use crate::model::spec::{Taint, TaintEffect};
use crate::providers::azure::models::{GpuProfile, Pool};
use crate::providers::azure::refs::ArmId;
use crate::providers::azure::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolParams {
    /// Its name in AKS.
    pub name: String,
    /// Machine.
    pub vm_size: String,
    /// Root disk in GiB.
    pub disk_gib: u32,
    /// Nodes to begin with.
    pub count: u32,
    /// Fewest.
    pub min: u32,
    /// Most.
    pub max: u32,
    /// Spot machines.
    pub spot: bool,
    /// Machines with NVIDIA GPUs: AKS installs the driver.
    pub gpu: bool,
    /// Minor version.
    pub version: String,
    /// Zones by number; none in a region without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Kubernetes labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// Where a pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::azure) enum Place {
    /// In its cluster's body: AKS's own pods run there.
    System,
    /// By itself.
    User,
}

impl PoolParams {
    /// As it is sent.
    pub(in crate::providers::azure) fn body(&self, place: Place, subnet: &ArmId, tags: Tags) -> Pool {
        let scales = self.min < self.max;
        Pool {
            name: (place == Place::System).then(|| self.name.clone()),
            mode: if place == Place::System { "System" } else { "User" },
            kind: "VirtualMachineScaleSets",
            count: self.count,
            vm_size: self.vm_size.clone(),
            os_type: "Linux",
            os_sku: "Ubuntu",
            os_disk_size_gb: self.disk_gib,
            os_disk_type: "Managed",
            vnet_subnet_id: subnet.0.clone(),
            availability_zones: self.zones.clone(),
            enable_auto_scaling: scales,
            min_count: scales.then_some(self.min),
            max_count: scales.then_some(self.max),
            scale_set_priority: if self.spot { "Spot" } else { "Regular" },
            scale_set_eviction_policy: self.spot.then_some("Delete"),
            spot_max_price: self.spot.then_some(-1),
            gpu_profile: self.gpu.then_some(GpuProfile { driver: "Install" }),
            orchestrator_version: self.version.clone(),
            enable_node_public_ip: false,
            node_labels: self.labels.clone(),
            node_taints: self.taints.iter().map(taint).collect(),
            tags,
        }
    }
}

/// `key=value:Effect`
fn taint(taint: &Taint) -> String {
    let effect = match taint.effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    };
    format!("{}={}:{effect}", taint.key, taint.value.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spot_pool_that_scales_says_so_in_aks_words() {
        let pool = PoolParams {
            name: "gpu".to_owned(),
            vm_size: "Standard_NC4as_T4_v3".to_owned(),
            disk_gib: 80,
            count: 0,
            min: 0,
            max: 2,
            spot: true,
            gpu: true,
            version: "1.34".to_owned(),
            zones: vec!["1".to_owned()],
            labels: BTreeMap::new(),
            taints: vec![Taint { key: "only".to_owned(), value: None, effect: TaintEffect::NoExecute }],
        };
        let sent = serde_json::to_value(pool.body(Place::User, &"/s".into(), Tags::new())).unwrap();
        let wanted = json!({
            "mode": "User", "type": "VirtualMachineScaleSets", "count": 0, "vmSize": "Standard_NC4as_T4_v3",
            "osType": "Linux", "osSKU": "Ubuntu", "osDiskSizeGB": 80, "osDiskType": "Managed", "vnetSubnetID": "/s",
            "availabilityZones": ["1"], "enableAutoScaling": true, "minCount": 0, "maxCount": 2,
            "scaleSetPriority": "Spot", "scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1,
            "gpuProfile": { "driver": "Install" }, "orchestratorVersion": "1.34", "enableNodePublicIP": false,
            "nodeTaints": ["only=:NoExecute"], "tags": {},
        });
        assert_eq!(sent, wanted);
        let plain = PoolParams { spot: false, gpu: false, min: 2, max: 2, count: 2, zones: Vec::new(), ..pool };
        let sent = serde_json::to_value(plain.body(Place::System, &"/s".into(), Tags::new())).unwrap();
        assert_eq!(sent["name"], "gpu");
        for left_out in ["minCount", "spotMaxPrice", "gpuProfile", "availabilityZones", "scaleSetEvictionPolicy"] {
            assert_eq!(sent.get(left_out), None, "{left_out}");
        }
    }
}
