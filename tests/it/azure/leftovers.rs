//! What a cluster's workloads made: balancers go, disks go by their policy, and data that is to be kept stops the removal
//! before it is lost.

use super::rig::{Azure, DISKS};
use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Service},
    storage::v1::StorageClass,
};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

impl Azure {
    /// A load balancer, and a claim under each of these policies.
    fn work_on(&self, name: &str, policies: &[&str]) {
        let one = PostParams::default();
        self.wait(async {
            let client = self.api_server(name).await;
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), "default");
            let classes: Api<StorageClass> = Api::all(client.clone());
            for policy in policies {
                let class = policy.to_ascii_lowercase();
                let made = json!({
                    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
                    "provisioner": "disk.csi.azure.com", "reclaimPolicy": policy, "volumeBindingMode": "Immediate",
                });
                classes.create(&one, &serde_json::from_value(made).unwrap()).await.unwrap();
                let claim = json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": format!("data-{class}")},
                    "spec": {"storageClassName": class, "accessModes": ["ReadWriteOnce"],
                             "resources": {"requests": {"storage": "20Gi"}}},
                });
                claims.create(&one, &serde_json::from_value(claim).unwrap()).await.unwrap();
            }
            let services: Api<Service> = Api::namespaced(client, "default");
            let web = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
            });
            services.create(&one, &serde_json::from_value(web).unwrap()).await.unwrap();
        });
        self.minutes(5);
    }
}

#[test]
fn balancers_and_disks_that_may_go_go() {
    let azure = Azure::new();
    azure.go(&["provision", "demo", "--yes"]).expect(0);
    azure.work_on("demo", &["Delete"]);
    assert_eq!(azure.everything("disks").len(), 1, "{:#?}", azure.show().objects);
    azure.destroy("demo");
    azure.assert_empty();
}

#[test]
fn data_that_is_to_be_kept_stops_the_removal_before_it_is_lost() {
    let azure = Azure::new();
    azure.go(&["provision", "demo", "--yes"]).expect(0);
    azure.work_on("demo", &["Delete", "Retain"]);
    let doc = azure.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9).json();
    let message = doc["error"]["message"].as_str().unwrap();
    assert!(message.contains("default/data-retain"), "{doc:#}");
    assert!(doc["error"]["hints"].to_string().contains("az snapshot create"), "{doc:#}");
    let disks = azure.everything("disks");
    assert_eq!(disks.len(), 2, "nothing goes, not even the one whose policy says so: {disks:#?}");
    assert_eq!(azure.standing("managedClusters").len(), 1);
    // Without the journal it is no different.
    azure.lose_journals();
    azure.go(&["destroy", "demo", "--confirm", "demo"]).expect(9);
    azure.arm("GET", &disks[0].id, DISKS, Value::Null);
    azure.go(&["destroy", "demo", "--confirm", "demo", "--volumes", "delete"]).expect(0);
    azure.assert_empty();
}

#[test]
fn a_cluster_nobody_gets_into_goes_from_outside() {
    let mut azure = Azure::new();
    azure.go(&["provision", "demo", "--yes"]).expect(0);
    azure.work_on("demo", &[]);
    azure.restart("kubernetes:*=error-before");
    azure.destroy("demo");
    azure.assert_empty();
}
