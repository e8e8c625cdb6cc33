//! Pools that scale, pools with GPUs, pools of several types: built, used, looked at, and taken down to nothing.

use super::rig::World;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{Node, Pod, ServiceAccount},
};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kubewright::sandbox::clock::Speed;
use serde_json::{Value, json};

const POOLS: &str = r#"
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
nodePools:
  - { name: default, instanceType: m6a.large, count: 1 }
  - { name: burst, instanceTypes: [m6a.xlarge, m5.xlarge], min: 0, max: 3, spot: true, labels: { for: batch } }
  - { name: gpu, instanceType: { gpu: "T4:1" }, min: 0, max: 2, count: 1, taints: [{ key: nvidia.com/gpu, value: present, effect: NoSchedule }] }
"#;

/// The smallest cluster with an autoscaler.
pub(super) const SCALED: &str = r#"
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
nodePools:
  - { name: default, instanceType: m6a.large, count: 1 }
  - { name: burst, instanceType: m6a.xlarge, min: 0, max: 2 }
"#;

const IN_CLUSTER: usize = 6;

impl World {
    fn provision(&self) -> Value {
        self.go(&["provision", "--yes", "-o", "json"]).expect(0).json()
    }

    fn apply<K>(&self, namespace: &str, object: Value)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + serde::Serialize,
    {
        self.wait(async {
            let api: Api<K> = Api::namespaced(self.kubernetes("demo").await, namespace);
            api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        });
    }

    fn pod(&self, name: &str) -> Pod {
        self.wait(async { Api::namespaced(self.kubernetes("demo").await, "default").get(name).await.unwrap() })
    }

    fn delete_pod(&self, name: &str) {
        self.wait(async {
            let api: Api<Pod> = Api::namespaced(self.kubernetes("demo").await, "default");
            api.delete(name, &DeleteParams::default()).await.unwrap();
        });
    }

    fn nodes(&self) -> Vec<Node> {
        self.wait(async {
            let api: Api<Node> = Api::all(self.kubernetes("demo").await);
            api.list(&ListParams::default()).await.unwrap().items
        })
    }

    /// Nodes ordered for a pool, by EKS's own word.
    fn desired(&self, pool: &str) -> u64 {
        let seen = self.go(&["status", "demo", "-o", "json"]).json();
        let pools = seen["clusters"][0]["nodePools"].as_array().unwrap();
        pools.iter().find(|it| it["name"] == pool).unwrap()["desired"].as_u64().unwrap()
    }

    fn hourly(&self) -> f64 {
        self.go(&["status", "demo", "-o", "json"]).json()["clusters"][0]["usdPerHour"].as_f64().unwrap()
    }

    fn autoscaler(&self) -> Option<Deployment> {
        self.wait(async {
            let api: Api<Deployment> = Api::namespaced(self.kubernetes("demo").await, "kube-system");
            api.get_opt("cluster-autoscaler").await.unwrap()
        })
    }

    /// Deployments and service accounts of ours in the cluster.
    fn inside(&self) -> usize {
        self.wait(async {
            let client = self.kubernetes("demo").await;
            let ours = ListParams::default().labels("kubewright-stack,kubewright-step");
            let deployments: Api<Deployment> = Api::all(client.clone());
            let accounts: Api<ServiceAccount> = Api::all(client);
            deployments.list(&ours).await.unwrap().items.len() + accounts.list(&ours).await.unwrap().items.len()
        })
    }
}

fn runs(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
}

fn job(name: &str, selector: Value, resources: Value, tolerations: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "nodeSelector": selector, "tolerations": tolerations,
            "containers": [{"name": "work", "image": "work:1", "resources": resources}],
        },
    })
}

#[test]
fn pools_that_scale_and_pools_with_gpus_live_and_go() {
    let world = World::new();
    world.home.write("cluster.yaml", POOLS);
    let plan = world.go(&["provision", "--dry-run", "-o", "json"]).expect(0).json();
    let total = |word: &str| plan["cost"]["totals"]["usdPerHour"][word].as_f64().unwrap();
    assert!(total("min") < total("desired") && total("desired") < total("max"), "{:#}", plan["cost"]["totals"]);
    let built = world.provision();
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()), "{built:#}");
    assert_eq!(built["mutatingCalls"].as_u64(), Some(world.show().requests.mutating), "both count the same");
    assert_eq!((&built["cluster"]["nodesReady"], &built["cluster"]["nodesWanted"]), (&2.into(), &2.into()));
    // What stands in the cluster is among what was built, each with our labels.
    let kinds: Vec<&str> =
        built["resources"].as_array().unwrap().iter().filter_map(|res| res["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| kind.starts_with("k8s/")).count(), IN_CLUSTER + 1, "{kinds:?}");
    let autoscaler = world.autoscaler().unwrap();
    let labels = autoscaler.metadata.labels.clone().unwrap();
    assert_eq!(labels["kubewright-step"], "in-cluster__autoscaler__deployment");
    assert!(labels["kubewright-stack"].starts_with("demo-"));
    let pod = autoscaler.spec.unwrap().template.spec.unwrap();
    assert!(pod.containers[0].image.as_deref().unwrap().ends_with("cluster-autoscaler:v1.35.0"));
    // GPUs are for pods, on the one node that has them; the group's nodes say so from the start.
    let with_gpus: Vec<Node> = world
        .nodes()
        .into_iter()
        .filter(|node| node.status.as_ref().unwrap().allocatable.as_ref().unwrap().contains_key("nvidia.com/gpu"))
        .collect();
    assert_eq!(with_gpus.len(), 1);
    assert_eq!(with_gpus[0].metadata.labels.as_ref().unwrap()["k8s.amazonaws.com/accelerator"], "nvidia-t4");
    let same = world.provision();
    assert_eq!((&same["outcome"], &same["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    let seen = world.go(&["status", "demo", "--check", "-o", "json"]).expect(0).json();
    let pools = seen["clusters"][0]["nodePools"].as_array().unwrap();
    let burst = pools.iter().find(|pool| pool["name"] == "burst").unwrap();
    assert_eq!((&burst["min"], &burst["desired"], &burst["max"]), (&0.into(), &0.into(), &3.into()));
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn a_pool_grows_from_nothing_and_shrinks_to_nothing() {
    let world = World::new();
    world.home.write("cluster.yaml", POOLS);
    world.provision();
    let two_cores = json!({"requests": {"cpu": "2500m"}});
    world.apply::<Pod>("default", job("batch", json!({"for": "batch"}), two_cores, json!([])));
    assert!(!runs(&world.pod("batch")));
    world.minutes(5);
    assert_eq!(world.desired("burst"), 1);
    assert!(runs(&world.pod("batch")), "{:#?}", world.pod("batch").status);
    // A second GPU, for a pod that tolerates what keeps others off.
    let gpu = json!({"limits": {"nvidia.com/gpu": "1"}});
    let tolerant = json!([{"key": "nvidia.com/gpu", "operator": "Exists"}]);
    for name in ["train-a", "train-b"] {
        world.apply::<Pod>("default", job(name, json!({}), gpu.clone(), tolerant.clone()));
    }
    world.minutes(6);
    assert!(runs(&world.pod("train-a")) && runs(&world.pod("train-b")));
    assert_eq!((world.desired("gpu"), world.desired("burst")), (2, 1), "one more, and not two");
    let busy = world.hourly();
    for name in ["batch", "train-a", "train-b"] {
        world.delete_pod(name);
    }
    world.minutes(5);
    assert_eq!(world.desired("burst"), 1, "a node is given ten minutes");
    world.minutes(15);
    assert_eq!((world.desired("burst"), world.desired("gpu"), world.desired("default")), (0, 0, 1));
    assert!(world.hourly() < busy, "the price follows");
    world.go(&["status", "demo", "--check"]).expect(0);
    let same = world.provision();
    assert_eq!((&same["outcome"], &same["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{same:#}");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn without_its_identity_the_autoscaler_scales_nothing() {
    let world = World::new();
    world.home.write("cluster.yaml", SCALED);
    world.provision();
    world.wait(async {
        let listed =
            world.eks().list_pod_identity_associations().cluster_name("demo").service_account("cluster-autoscaler");
        let listed = listed.send().await.unwrap().associations.unwrap();
        let id = listed[0].association_id().unwrap();
        world.eks().delete_pod_identity_association().cluster_name("demo").association_id(id).send().await.unwrap();
    });
    let big = json!({"requests": {"cpu": "3"}});
    world.apply::<Pod>("default", job("big", json!({}), big, json!([])));
    world.minutes(10);
    assert!(!runs(&world.pod("big")));
    assert_eq!(world.desired("burst"), 0);
    let available = world.autoscaler().unwrap().status.unwrap().available_replicas;
    assert_eq!(available.unwrap_or(0), 0, "it does not run either");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn somebody_elses_autoscaler_is_refused_and_left_alone() {
    let mut world = World::with("k8s:CreateDeployment=error-before", Speed::Max);
    world.home.write("cluster.yaml", SCALED);
    world.go(&["provision", "--yes"]).expect(9);
    world.restart("", Speed::Max);
    let labels = json!({"app": "cluster-autoscaler"});
    world.apply::<Deployment>(
        "kube-system",
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cluster-autoscaler"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "own", "image": "own:1"}]}},
            },
        }),
    );
    let theirs = world.autoscaler().unwrap();
    let said = world.go(&["provision", "--yes", "-o", "json"]).expect(9);
    let doc = said.json();
    assert_eq!(doc["error"]["id"], "KW-NOT-OURS", "{doc:#}");
    assert!(doc["error"]["message"].as_str().unwrap().contains("Deployment kube-system/cluster-autoscaler"), "{doc:#}");
    let now = world.autoscaler().unwrap();
    assert_eq!((now.metadata.uid, now.spec), (theirs.metadata.uid, theirs.spec), "it stands as it was");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn lost_replies_and_lost_journals_inside_the_cluster_double_nothing() {
    let mut world = World::with("k8s:CreateDeployment=lost-reply@1,k8s:CreateClusterRole=lost-reply@1", Speed::Max);
    world.home.write("cluster.yaml", SCALED);
    let built = world.provision();
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()));
    assert_eq!(built["mutatingCalls"].as_u64(), Some(world.show().requests.mutating));
    assert_eq!(world.inside(), 2, "one of each");
    world.lose_journals();
    world.go(&["recover", "demo"]).expect(0);
    let same = world.provision();
    assert_eq!((&same["outcome"], &same["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{same:#}");
    // An object that somebody took away is missed.
    world.wait(async {
        let api: Api<ServiceAccount> = Api::namespaced(world.kubernetes("demo").await, "kube-system");
        api.delete("cluster-autoscaler", &DeleteParams::default()).await.unwrap();
    });
    let seen = world.go(&["status", "demo", "--check", "-o", "json"]).expect(10).json();
    assert_eq!(seen["clusters"][0]["drift"][0]["kind"], "k8s/service-account", "{seen:#}");
    // From the tags alone: what is in the cluster goes with it.
    world.lose_journals();
    world.restart("", Speed::Max);
    world.go(&["destroy", "demo", "--from-tags", "--confirm", "demo"]).expect(0);
    world.assert_empty();
}

#[test]
fn an_api_server_that_cannot_be_reached_keeps_nothing_standing() {
    let mut world = World::new();
    world.home.write("cluster.yaml", SCALED);
    world.provision();
    world.restart("k8s:*=drop", Speed::Max);
    let seen = world.go(&["status", "demo", "-o", "json"]).expect(0).json();
    assert_eq!((&seen["clusters"][0]["reachable"], &seen["complete"]), (&false.into(), &true.into()), "{seen:#}");
    assert_eq!(seen["clusters"][0]["drift"], json!([]), "what cannot be seen is not missed");
    let gone = world.destroy("demo");
    assert_eq!((&gone["outcome"], &gone["audit"]["clean"]), (&"destroyed".into(), &true.into()));
    world.assert_empty();
}

#[test]
fn killed_between_objects_of_the_cluster_it_goes_on_or_goes() {
    for op in ["CreateClusterRoleBinding", "CreateDeployment"] {
        let mut world = World::with(&format!("k8s:{op}=error-after"), Speed::Max);
        world.home.write("cluster.yaml", SCALED);
        world.go(&["provision", "--yes", "--timeout", "4h"]).expect(0);
        world.restart("k8s:DeleteDeployment=error-before", Speed::Max);
        let gone = world.destroy("demo");
        assert_eq!(gone["outcome"], "destroyed", "what will not go by itself goes with its cluster: {gone:#}");
        world.assert_empty();
    }
}

#[test]
fn a_gpu_pool_without_its_plugin_is_not_ready_and_says_why() {
    let world = World::new();
    world.home.write("cluster.yaml", POOLS);
    world.provision();
    world.wait(async {
        let api: Api<DaemonSet> = Api::namespaced(world.kubernetes("demo").await, "kube-system");
        api.delete("nvidia-device-plugin-daemonset", &DeleteParams::default()).await.unwrap();
    });
    let seen = world.go(&["status", "demo", "--check", "-o", "json"]).expect(10).json();
    let cluster = &seen["clusters"][0];
    assert_eq!(cluster["phase"], "degraded");
    let issue = cluster["issues"][0].as_str().unwrap();
    assert!(issue.starts_with("pool gpu: node ip-") && issue.contains("0 of 1 nvidia.com/gpu allocatable"), "{issue}");
    assert!(issue.ends_with("no pod of the device plugin is there"), "{issue}");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn sold_out_gpus_fail_the_build_by_their_own_cause() {
    let world = World::new();
    world.go(&["sandbox", "reset", "--sold-out", "g4dn.xlarge"]).expect(0);
    let said = world.go(&["provision", "demo", "--pool", "name=gpu,type=g4dn.xlarge,count=1", "--yes", "-o", "json"]);
    let said = said.expect(9).json();
    assert_eq!(said["error"]["id"], "KW-AWS-CAPACITY", "{said:#}");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn limits_of_gpus_are_asked_before_anything_is_made() {
    let world = World::new();
    world.go(&["sandbox", "reset", "--quota", "L-DB2E81BA=4"]).expect(0);
    let pool = "name=gpu,gpu=T4:1,count=1,max=2";
    let said = world.go(&["provision", "demo", "--nodes", "1", "--pool", pool, "--yes", "-o", "json"]).expect(5).json();
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.contains("Running On-Demand G and VT instances"), "judged at the maximum: {message}");
    assert_eq!(world.show().requests.mutating, 0);
}

#[test]
fn wishes_that_cannot_be_are_told_together() {
    let world = World::new();
    let refused = |pools: &[&str], code: i32| {
        let mut words = vec!["provision", "demo", "--yes"];
        for pool in pools {
            words.extend(["--pool", pool]);
        }
        world.go(&words).expect(code).err
    };
    for (pools, word) in [
        (&["name=a,min=3,max=1"][..], "min 3 is more than max 1"),
        (&["name=a,min=2,max=4,count=5"], "count 5 is more than max 4"),
        (&["name=a,min=0,max=4"], "would have no node to run on"),
        (&["name=a,count=1,taint=x:NoSchedule", "name=b,min=0,max=4"], "would have no node to run on"),
        (&["name=a,type=m6a.large|m7g.large,count=1"], "m7g.large cannot stand for m6a.large: its processor is arm64"),
        (&["name=a,type=g4dn.xlarge|g5.xlarge,count=1"], "g5.xlarge cannot stand for g4dn.xlarge"),
        (&["name=a,gpu=A10:1,count=1"], "A10G:1"),
        (&["name=a,type=inf2.xlarge,count=1"], "drivers are installed for NVIDIA GPUs only"),
        (&["name=a,type=m6a.large|m6a.lagre,count=1"], "did you mean m6a.large?"),
    ] {
        let said = refused(pools, 2);
        assert!(said.contains(word), "{pools:?}: {said}");
    }
    world.home.write(
        "cluster.yaml",
        "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: aws\nnodePools:\n  - { name: a, min: 1, max: 3 }\naws: { addons: [vpc-cni, kube-proxy, coredns] }\n",
    );
    let said = world.go(&["provision", "--yes"]).expect(2).err;
    assert!(said.contains("aws.addons: pool `a` scales") && said.contains("add eks-pod-identity-agent"), "{said}");
    assert_eq!(world.show().requests.mutating, 0);
}
