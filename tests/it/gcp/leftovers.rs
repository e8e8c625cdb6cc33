//! What the cluster itself made, and what others put into its network: the first goes, the second stays and is named.

use super::rig::{PROJECT, World};
use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Service},
    storage::v1::StorageClass,
};
use kube::api::{Api, PostParams};
use serde_json::json;

impl World {
    /// A load balancer and two claims, one whose disk goes with it and one whose disk is retained.
    fn work_on(&self, name: &str) {
        let one = PostParams::default();
        self.wait(async {
            let client = self.kubernetes(name).await;
            let classes: Api<StorageClass> = Api::all(client.clone());
            for (class, policy) in [("passing", "Delete"), ("lasting", "Retain")] {
                let class = json!({
                    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
                    "provisioner": "pd.csi.storage.gke.io", "reclaimPolicy": policy, "volumeBindingMode": "Immediate",
                });
                classes.create(&one, &serde_json::from_value(class).unwrap()).await.unwrap();
            }
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), "default");
            for class in ["passing", "lasting"] {
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

/// Kinds of a Service's load balancer, as the sandbox names them.
fn balancers(world: &World) -> Vec<String> {
    let parts = ["forwarding-rule", "target-pool", "forwardingRule", "targetPool"];
    let all = world.standing().into_iter();
    all.filter(|it| parts.iter().any(|part| it.kind.contains(part))).map(|it| it.id).collect()
}

fn disks(world: &World) -> Vec<String> {
    let all = world.standing().into_iter().filter(|it| it.kind == "disk");
    all.filter(|it| it.tags.contains_key("goog-gke-volume")).map(|it| it.id).collect()
}

#[test]
fn what_the_cluster_made_goes_and_retained_disks_stay() {
    let world = World::new();
    world.build(&["demo"]);
    world.work_on("demo");
    assert!(!balancers(&world).is_empty(), "{:#?}", world.standing());
    assert_eq!(disks(&world).len(), 2);
    let gone = world.destroy("demo");
    assert_eq!(gone["outcome"], "destroyed", "{gone:#}");
    assert!(balancers(&world).is_empty());
    assert_eq!(disks(&world).len(), 1, "its policy is Retain");
    assert_eq!(gone["kept"].as_array().unwrap().len(), 1, "{gone:#}");
}

#[test]
fn told_so_all_disks_go() {
    let world = World::new();
    world.build(&["demo"]);
    world.work_on("demo");
    world.go(&["destroy", "demo", "--confirm", "demo", "--volumes", "delete"]).expect(0);
    world.assert_empty();
}

/// Somebody deleted the cluster by hand: nobody inside removes what it made any more.
#[test]
fn what_a_cluster_that_is_gone_left_behind_goes_too() {
    let world = World::new();
    let doc = world.build(&["demo"]);
    world.work_on("demo");
    let clusters = world.rest("GET", &format!("v1/projects/{PROJECT}/locations/-/clusters"), None);
    let location = clusters["clusters"][0]["location"].as_str().unwrap();
    world.rest("DELETE", &format!("v1/projects/{PROJECT}/locations/{location}/clusters/demo"), None);
    world.minutes(20);
    assert!(!balancers(&world).is_empty(), "{doc:#}");
    let gone = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(0).json();
    assert!(balancers(&world).is_empty(), "{gone:#}");
    let left: Vec<String> = world.standing().into_iter().filter(|it| it.kind != "disk").map(|it| it.id).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_others_put_into_the_network_is_named_and_stays() {
    let world = World::new();
    world.build(&["demo"]);
    let compute = format!("compute/v1/projects/{PROJECT}");
    let networks = world.rest("GET", &format!("{compute}/global/networks"), None);
    let names = networks["items"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str());
    let network = names.into_iter().find(|name| name.starts_with("kw-demo-")).unwrap().to_owned();
    let rule = json!({"name": "allow-office", "network": format!("projects/{PROJECT}/global/networks/{network}"),
        "direction": "INGRESS", "sourceRanges": ["203.0.113.0/24"], "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]});
    world.rest("POST", &format!("{compute}/global/firewalls"), Some(rule));
    world.minutes(2);
    let said = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9);
    assert!(said.out.contains("allow-office"), "{}", said.out);
    assert!(said.out.contains("gcloud compute firewall-rules delete allow-office"), "{}", said.out);
    let rules = world.rest("GET", &format!("{compute}/global/firewalls"), None);
    assert!(rules["items"].as_array().unwrap().iter().any(|it| it["name"] == "allow-office"));
    world.rest("DELETE", &format!("{compute}/global/firewalls/allow-office"), None);
    world.minutes(2);
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    world.assert_empty();
}

/// Another cluster's load balancer, called alike, in another network.
#[test]
fn look_alikes_in_other_networks_survive() {
    let world = World::new();
    world.build(&["demo"]);
    let compute = format!("compute/v1/projects/{PROJECT}");
    let network = json!({"name": "theirs", "autoCreateSubnetworks": false});
    world.rest("POST", &format!("{compute}/global/networks"), Some(network));
    world.minutes(2);
    let name = "a0123456789abcdef0123456789abcde";
    for rule in [format!("k8s-fw-{name}"), "gke-demo-1a2b3c4d-all".to_owned(), "kw-demo-ffffffff-x".to_owned()] {
        let rule = json!({"name": rule, "network": format!("projects/{PROJECT}/global/networks/theirs"),
            "sourceRanges": ["0.0.0.0/0"], "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
            "description": "{\"kubernetes.io/service-name\":\"default/web\"}"});
        world.rest("POST", &format!("{compute}/global/firewalls"), Some(rule));
    }
    world.minutes(2);
    world.destroy("demo");
    let rules = world.rest("GET", &format!("{compute}/global/firewalls"), None);
    let names: Vec<&str> = rules["items"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    for stays in [format!("k8s-fw-{name}").as_str(), "gke-demo-1a2b3c4d-all", "kw-demo-ffffffff-x"] {
        assert!(names.contains(&stays), "{stays} in {names:?}");
    }
}
