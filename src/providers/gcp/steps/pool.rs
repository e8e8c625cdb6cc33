//! What a node pool is, be it made with its cluster or after it: one shape, one body.

use crate::engine::{Input, Inputs, StepError};
use crate::model::spec::{Taint, TaintEffect};
use crate::providers::gcp::labels::{self, Tags};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// GKE's word for Google's own node image.
const IMAGE: &str = "COS_CONTAINERD";

/// A node pool. Counts of nodes are by zone here, bounds are in all, as GKE takes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// Name in the cluster.
    pub name: String,
    /// Machine type.
    pub machine_type: String,
    /// Kind of root disk.
    pub disk_type: String,
    /// Size of the root disk.
    pub disk_gib: u32,
    /// Spot machines.
    pub spot: bool,
    /// The nodes' service account.
    pub account: Input<String>,
    /// What their token may be used for.
    pub scopes: Vec<String>,
    /// Zones.
    pub zones: Vec<String>,
    /// Nodes in each zone to begin with.
    pub nodes_per_zone: u32,
    /// Fewest and most in all, where an autoscaler decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<(u32, u32)>,
    /// Accelerator type and how many in one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<(String, u32)>,
    /// Kubernetes labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Nodes have no public addresses.
    pub private: bool,
    /// Google keeps the nodes' version with the channel's.
    pub upgraded: bool,
}

fn taint(taint: &Taint) -> Value {
    let effect = match taint.effect {
        TaintEffect::NoSchedule => "NO_SCHEDULE",
        TaintEffect::PreferNoSchedule => "PREFER_NO_SCHEDULE",
        TaintEffect::NoExecute => "NO_EXECUTE",
    };
    json!({"key": taint.key, "value": taint.value.as_deref().unwrap_or_default(), "effect": effect})
}

impl Pool {
    /// How many nodes it begins with.
    pub fn nodes(&self) -> u32 {
        self.nodes_per_zone * u32::try_from(self.zones.len()).unwrap_or(u32::MAX)
    }

    /// As GKE takes it.
    ///
    /// # Errors
    /// Where an input is missing: a fault of ours.
    pub fn body(&self, inputs: &Inputs, tags: &Tags) -> Result<Value, StepError> {
        let mut config = json!({
            "machineType": self.machine_type,
            "diskType": self.disk_type,
            "diskSizeGb": self.disk_gib,
            "imageType": IMAGE,
            "serviceAccount": inputs.get(&self.account)?,
            "oauthScopes": self.scopes,
            "resourceLabels": labels::labels(&labels::lasting(tags)),
            "metadata": {"disable-legacy-endpoints": "true"},
            // Pods get their own identity, not the machine's.
            "workloadMetadataConfig": {"mode": "GKE_METADATA"},
            "shieldedInstanceConfig": {"enableSecureBoot": true, "enableIntegrityMonitoring": true},
        });
        if self.spot {
            config["spot"] = json!(true);
        }
        if !self.labels.is_empty() {
            config["labels"] = json!(self.labels);
        }
        if !self.taints.is_empty() {
            config["taints"] = self.taints.iter().map(taint).collect();
        }
        if let Some((kind, count)) = &self.accelerator {
            config["accelerators"] = json!([{
                "acceleratorType": kind,
                "acceleratorCount": count.to_string(),
                "gpuDriverInstallationConfig": {"gpuDriverVersion": "DEFAULT"},
            }]);
            // Google's driver is not signed by the key that secure boot knows (GKE, "Run GPUs", "Limitations").
            config["shieldedInstanceConfig"]["enableSecureBoot"] = json!(false);
        }
        let mut body = json!({
            "name": self.name,
            "initialNodeCount": self.nodes_per_zone,
            "locations": self.zones,
            "config": config,
            "management": {"autoRepair": true, "autoUpgrade": self.upgraded},
            "upgradeSettings": {"strategy": "SURGE", "maxSurge": 1, "maxUnavailable": 0},
            "networkConfig": {"enablePrivateNodes": self.private},
            "maxPodsConstraint": {"maxPodsPerNode": "110"},
        });
        if let Some((min, max)) = self.bounds {
            let policy = if self.spot { "ANY" } else { "BALANCED" };
            body["autoscaling"] =
                json!({"enabled": true, "totalMinNodeCount": min, "totalMaxNodeCount": max, "locationPolicy": policy});
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_pool_that_scales_says_so_in_gkes_words() {
        let pool = Pool {
            name: "gpu".to_owned(),
            machine_type: "n1-standard-4".to_owned(),
            disk_type: "pd-balanced".to_owned(),
            disk_gib: 80,
            spot: true,
            account: Input::Given("a@b".to_owned()),
            scopes: vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()],
            zones: vec!["us-central1-a".to_owned(), "us-central1-b".to_owned()],
            nodes_per_zone: 0,
            bounds: Some((0, 3)),
            accelerator: Some(("nvidia-tesla-t4".to_owned(), 1)),
            labels: BTreeMap::new(),
            taints: vec![Taint { key: "gpu".to_owned(), value: None, effect: TaintEffect::NoSchedule }],
            private: true,
            upgraded: true,
        };
        let tags = Tags::from([("kubewright-builder".to_owned(), "me@host".to_owned())]);
        let body = pool.body(&Inputs::default(), &tags).unwrap();
        assert_eq!(body["config"]["accelerators"][0]["acceleratorCount"], "1");
        assert_eq!(body["config"]["taints"][0], json!({"key": "gpu", "value": "", "effect": "NO_SCHEDULE"}));
        assert_eq!(body["config"]["shieldedInstanceConfig"]["enableSecureBoot"], false);
        assert_eq!(body["config"]["resourceLabels"]["kubewright-builder"], "esc_me_40host");
        assert_eq!(body["autoscaling"]["totalMaxNodeCount"], 3);
        assert_eq!(body["autoscaling"]["locationPolicy"], "ANY");
        assert_eq!(body["initialNodeCount"], 0);
    }
}
