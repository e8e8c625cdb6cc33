//! API servers as clients meet them: signed tokens in, documents out, controllers at work in the account.

use super::{
    server::{Answer, Asked, Trouble, answer},
    watch::Lists,
};
use crate::sandbox::{
    aws::{DEFAULT_ACCOUNT, eks::tests::Bench, sigv4, sts},
    world::Kind,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const CLASSIC: Kind = Kind::new("elasticloadbalancing", "classic-load-balancer");
const GROUP: Kind = Kind::new("ec2", "security-group");
const VOLUME: Kind = Kind::new("ec2", "volume");
const WALL: &str = "2026-11-20T12:01:00Z";

/// A bearer token of the account's permanent user.
fn token(cluster: &str) -> String {
    let (key, secret) = sts::permanent_keys(DEFAULT_ACCOUNT);
    let host = "sts.us-east-1.amazonaws.com";
    let headers = [("host".to_owned(), host.to_owned()), ("x-k8s-aws-id".to_owned(), cluster.to_owned())];
    let query = "Action=GetCallerIdentity&Version=2011-06-15";
    let signed = sigv4::presign((&key, &secret), "sts", query, &headers, "20261120T120000Z");
    format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(format!("https://{host}/?{signed}")))
}

/// The code and document of a reply; nothing when nothing listens.
fn call(bench: &mut Bench, method: &str, path: &str, token: Option<String>, body: &Value) -> Option<(u16, Value)> {
    let uid =
        bench.world.objects().find(|o| o.service == "eks" && o.kind == "cluster").map(|o| o.text("uid").to_owned());
    let whole = format!("/clusters/{}{path}", uid.unwrap_or_default());
    let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
    let patch = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let asked =
        Asked::read(method, path, query, patch, token, body.to_string().into_bytes()).expect("a cluster's path");
    let wall: Timestamp = WALL.parse().expect("a time");
    let now = bench.world.now();
    let mut tx = bench.world.begin(now);
    match answer(&mut tx, &asked, &Arc::<Lists>::default(), wall) {
        Ok(Answer::Whole(code, document)) => {
            tx.commit().expect("committed");
            Some((code, document))
        }
        Ok(Answer::Nothing) => Some((204, Value::Null)),
        Ok(Answer::Stream(_) | Answer::Printed(_)) => panic!("no stream was asked for"),
        Err(Trouble::No(refusal)) => Some((refusal.code(), refusal.body())),
        Err(Trouble::Silent) => None,
        Err(Trouble::World(error)) => panic!("{error}"),
    }
}

pub(super) fn ask(bench: &mut Bench, method: &str, path: &str, body: Value) -> (u16, Value) {
    call(bench, method, path, Some(token("demo")), &body).expect("somebody listens")
}

pub(super) fn get(bench: &mut Bench, path: &str) -> Value {
    let (code, document) = ask(bench, "GET", path, Value::Null);
    assert_eq!(code, 200, "{path}: {document}");
    document
}

/// A cluster with two Ready nodes and the add-ons that need them.
pub(super) fn furnished() -> Bench {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let nodes = bench.node_role();
    let driver = bench.role("driver", "pods.eks.amazonaws.com", &["service-role/AmazonEBSCSIDriverPolicy"]);
    bench.minutes(1);
    for name in ["vpc-cni", "coredns", "eks-pod-identity-agent"] {
        bench.addon(name);
    }
    let identity = json!([{"serviceAccount": "ebs-csi-controller-sa", "roleArn": driver}]);
    let values = json!({"controller": {"extraVolumeTags": {"kubewright-stack": "demo-0000beef"}}}).to_string();
    let request =
        json!({"addonName": "aws-ebs-csi-driver", "podIdentityAssociations": identity, "configurationValues": values});
    bench.eks("POST", "/clusters/demo/addons", request).expect("accepted");
    let request = bench.group_request(&nodes);
    bench.eks("POST", "/clusters/demo/node-groups", request).expect("accepted");
    bench.minutes(6);
    bench
}

fn service() -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
}

#[test]
fn only_the_known_get_in() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let nobody = call(&mut bench, "GET", "/api/v1/nodes", None, &Value::Null).expect("listens");
    assert_eq!((nobody.0, nobody.1["reason"].as_str()), (401, Some("Unauthorized")));
    let stranger = call(&mut bench, "GET", "/api/v1/nodes", Some(token("other")), &Value::Null).expect("listens");
    assert_eq!(stranger.0, 401, "a token for another cluster");
    assert_eq!(call(&mut bench, "GET", "/readyz", None, &Value::Null).map(|(code, _)| code), Some(200));
    assert_eq!(get(&mut bench, "/version")["minor"], "35");
    assert_eq!(get(&mut bench, "/api/v1/nodes")["items"], json!([]));
    let me = ask(&mut bench, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({}));
    assert_eq!(me.0, 201);
    // Without its access entry the creator is a stranger too.
    let principal = sts::permanent_caller(DEFAULT_ACCOUNT).arn.replace('/', "%2F");
    bench.eks("DELETE", &format!("/clusters/demo/access-entries/{principal}"), Value::Null).expect("deleted");
    assert_eq!(ask(&mut bench, "GET", "/api/v1/nodes", Value::Null).0, 401);
}

#[test]
fn an_entry_without_a_policy_may_nothing() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let principal = sts::permanent_caller(DEFAULT_ACCOUNT).arn.replace('/', "%2F");
    let policy = "arn:aws:eks::aws:cluster-access-policy%2FAmazonEKSClusterAdminPolicy";
    let at = format!("/clusters/demo/access-entries/{principal}/access-policies/{policy}");
    bench.eks("DELETE", &at, Value::Null).expect("disassociated");
    let (code, status) = ask(&mut bench, "GET", "/api/v1/nodes", Value::Null);
    assert_eq!((code, status["reason"].as_str()), (403, Some("Forbidden")));
    assert!(status["message"].as_str().expect("words").contains("cannot list resource \"nodes\""));
}

#[test]
fn nodes_are_seen_as_kubernetes_types() {
    let mut bench = furnished();
    let list = get(&mut bench, "/api/v1/nodes");
    let nodes: kube::core::ObjectList<k8s_openapi::api::core::v1::Node> =
        serde_json::from_value(list.clone()).expect("nodes");
    assert_eq!(nodes.items.len(), 2);
    for node in &list["items"].as_array().expect("a list").clone() {
        assert_eq!(node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"], "default");
        let ready = node["status"]["conditions"].as_array().expect("conditions").iter().find(|c| c["type"] == "Ready");
        assert_eq!(ready.expect("said")["status"], "True");
        assert!(node["spec"]["providerID"].as_str().expect("an id").starts_with("aws:///us-west-2"));
    }
    let pods: kube::core::ObjectList<k8s_openapi::api::core::v1::Pod> =
        serde_json::from_value(get(&mut bench, "/api/v1/namespaces/kube-system/pods")).expect("pods");
    assert!(
        pods.items.iter().filter(|p| p.metadata.name.as_deref().is_some_and(|n| n.starts_with("coredns"))).count() == 2
    );
    let deployments: kube::core::ObjectList<k8s_openapi::api::apps::v1::Deployment> =
        serde_json::from_value(get(&mut bench, "/apis/apps/v1/deployments")).expect("deployments");
    assert!(deployments.items.iter().all(|d| d.status.as_ref().and_then(|s| s.ready_replicas) == Some(2)));
    assert_eq!(ask(&mut bench, "GET", "/api/v1/namespaces/default/services/nope", Value::Null).0, 404);
    assert_eq!(ask(&mut bench, "GET", "/apis/gateway.networking.k8s.io/v1/gateways", Value::Null).0, 404);
    assert_eq!(ask(&mut bench, "POST", "/apis/batch/v1/namespaces/default/cronjobs", json!({})).0, 501);
}

#[test]
fn a_service_makes_a_balancer_and_its_deletion_removes_it() {
    let mut bench = furnished();
    let at = "/api/v1/namespaces/default/services";
    assert_eq!(ask(&mut bench, "POST", at, service()).0, 201);
    assert_eq!(ask(&mut bench, "POST", at, service()).0, 409);
    bench.minutes(1);
    let made = get(&mut bench, &format!("{at}/web"));
    assert!(
        made["status"]["loadBalancer"]["ingress"][0]["hostname"]
            .as_str()
            .expect("a host")
            .ends_with(".elb.amazonaws.com")
    );
    let balancers = bench.objects(CLASSIC);
    assert_eq!(balancers.len(), 1);
    assert_eq!(balancers[0].tags["kubernetes.io/cluster/demo"], "owned");
    assert_eq!(balancers[0].tags["kubernetes.io/service-name"], "default/web");
    assert_eq!(ask(&mut bench, "DELETE", &format!("{at}/web"), Value::Null).0, 200);
    assert!(get(&mut bench, &format!("{at}/web"))["metadata"]["deletionTimestamp"].is_string());
    bench.minutes(8);
    assert_eq!(ask(&mut bench, "GET", &format!("{at}/web"), Value::Null).0, 404);
    assert!(bench.objects(CLASSIC).is_empty());
    assert!(bench.objects(GROUP).iter().all(|g| !g.text("name").starts_with("k8s-elb-")));
}

#[test]
fn what_a_cluster_made_outlives_it() {
    let mut bench = furnished();
    ask(&mut bench, "POST", "/api/v1/namespaces/default/services", service());
    let class = json!({"metadata": {"name": "fast"}, "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"}});
    assert_eq!(ask(&mut bench, "POST", "/apis/storage.k8s.io/v1/storageclasses", class).0, 201);
    let claim = json!({"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "10Gi"}}}});
    assert_eq!(ask(&mut bench, "POST", "/api/v1/namespaces/default/persistentvolumeclaims", claim).0, 201);
    bench.minutes(2);
    let bound = get(&mut bench, "/api/v1/namespaces/default/persistentvolumeclaims/data");
    assert_eq!(bound["status"]["phase"], "Bound");
    let ours =
        |bench: &Bench| bench.objects(VOLUME).into_iter().find(|v| v.tags.contains_key("ebs.csi.aws.com/cluster"));
    let disk = ours(&bench).expect("a disk");
    assert_eq!(disk.tags["kubewright-stack"], "demo-0000beef");
    bench.eks("DELETE", "/clusters/demo/node-groups/default", Value::Null).expect("accepted");
    bench.minutes(9);
    bench.eks("DELETE", "/clusters/demo", Value::Null).expect("accepted");
    assert!(call(&mut bench, "GET", "/readyz", None, &Value::Null).is_none(), "nothing listens any more");
    bench.minutes(9);
    assert_eq!(bench.objects(CLASSIC).len(), 1);
    assert!(ours(&bench).is_some());
    assert!(bench.world.objects().all(|object| object.service != "kubernetes"));
}

#[test]
fn a_claim_given_up_takes_its_disk_along() {
    let mut bench = furnished();
    let class = json!({"metadata": {"name": "fast"}, "provisioner": "ebs.csi.aws.com"});
    ask(&mut bench, "POST", "/apis/storage.k8s.io/v1/storageclasses", class);
    let claim = json!({"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "1500Mi"}}}});
    ask(&mut bench, "POST", "/api/v1/namespaces/default/persistentvolumeclaims", claim);
    bench.minutes(2);
    let volumes = get(&mut bench, "/api/v1/persistentvolumes");
    let parsed: kube::core::ObjectList<k8s_openapi::api::core::v1::PersistentVolume> =
        serde_json::from_value(volumes).expect("volumes");
    assert_eq!(parsed.items.len(), 1);
    ask(&mut bench, "DELETE", "/api/v1/namespaces/default/persistentvolumeclaims/data", Value::Null);
    bench.minutes(1);
    assert!(bench.objects(VOLUME).iter().all(|v| !v.tags.contains_key("ebs.csi.aws.com/cluster")));
    assert_eq!(get(&mut bench, "/api/v1/persistentvolumes")["items"], json!([]));
}

#[test]
fn objects_are_changed_with_care() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let at = "/api/v1/namespaces/default/configmaps";
    let (code, made) = ask(&mut bench, "POST", at, json!({"metadata": {"name": "c"}, "data": {"a": "1"}}));
    assert_eq!(code, 201);
    let (code, patched) = ask(&mut bench, "PATCH", &format!("{at}/c"), json!({"data": {"b": "2"}}));
    assert_eq!((code, &patched["data"]), (200, &json!({"a": "1", "b": "2"})));
    let (code, _) = ask(&mut bench, "PUT", &format!("{at}/c"), made);
    assert_eq!(code, 409, "a stale resourceVersion");
    assert_eq!(
        ask(&mut bench, "POST", "/api/v1/namespaces/nope/configmaps", json!({"metadata": {"name": "c"}})).0,
        404
    );
    assert_eq!(ask(&mut bench, "POST", &format!("{at}?dryRun=All"), json!({"metadata": {"name": "d"}})).0, 201);
    assert_eq!(ask(&mut bench, "GET", &format!("{at}/d"), Value::Null).0, 404);
    ask(&mut bench, "POST", "/api/v1/namespaces", json!({"metadata": {"name": "team"}}));
    ask(&mut bench, "POST", "/api/v1/namespaces/team/configmaps", json!({"metadata": {"name": "x"}}));
    ask(&mut bench, "DELETE", "/api/v1/namespaces/team", Value::Null);
    bench.minutes(1);
    assert_eq!(ask(&mut bench, "GET", "/api/v1/namespaces/team", Value::Null).0, 404);
    assert_eq!(ask(&mut bench, "DELETE", "/api/v1/namespaces/default", Value::Null).0, 403);
}

/// A plugin as its maker ships it.
fn plugin() -> Value {
    let labels = json!({"name": "plugin"});
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "plugin"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
                    "containers": [{"name": "plugin", "image": "example.com/k8s-device-plugin:v1"}],
                },
            },
        },
    })
}

#[test]
fn gpus_take_a_driver_a_plugin_and_a_toleration() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let role = bench.node_role();
    bench.minutes(1);
    bench.addon("vpc-cni");
    let taint = |key: &str| json!([{"key": key, "value": "x", "effect": "NO_SCHEDULE"}]);
    for (name, ami, taints) in [
        ("driven", "AL2023_x86_64_NVIDIA", json!([])),
        ("bare", "AL2023_x86_64_STANDARD", json!([])),
        ("usual", "AL2023_x86_64_NVIDIA", taint("nvidia.com/gpu")),
        ("other", "AL2023_x86_64_NVIDIA", taint("team")),
    ] {
        let mut request = bench.group_request(&role);
        (request["nodegroupName"], request["clientRequestToken"]) = (json!(name), json!(name));
        (request["instanceTypes"], request["amiType"], request["taints"]) =
            (json!(["g4dn.xlarge"]), json!(ami), taints);
        request["scalingConfig"] = json!({"minSize": 1, "maxSize": 1, "desiredSize": 1});
        bench.eks("POST", "/clusters/demo/node-groups", request).expect("accepted");
    }
    bench.minutes(8);
    let with_gpus = |bench: &mut Bench| -> Vec<String> {
        let all = get(bench, "/api/v1/nodes")["items"].as_array().expect("a list").clone();
        assert_eq!(all.len(), 4);
        let offering = all.iter().filter(|node| node["status"]["allocatable"]["nvidia.com/gpu"] == json!("1"));
        let mut groups: Vec<String> = offering
            .map(|node| {
                node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"].as_str().unwrap_or_default().to_owned()
            })
            .collect();
        groups.sort();
        groups
    };
    assert!(with_gpus(&mut bench).is_empty(), "a driver alone offers nothing");
    assert_eq!(ask(&mut bench, "POST", "/apis/apps/v1/namespaces/kube-system/daemonsets", plugin()).0, 201);
    bench.minutes(1);
    assert_eq!(with_gpus(&mut bench), ["driven", "usual"], "nor does a plugin without driver, or one that is kept off");
    let set = get(&mut bench, "/apis/apps/v1/namespaces/kube-system/daemonsets/plugin");
    assert_eq!((&set["status"]["desiredNumberScheduled"], &set["status"]["numberAvailable"]), (&json!(3), &json!(3)));
    // A pod gets what is there, and no more.
    let pod = |name: &str, gpus: &str| {
        json!({"metadata": {"name": name}, "spec": {"containers": [
            {"name": "a", "image": "a:1", "resources": {"limits": {"nvidia.com/gpu": gpus}}}]}})
    };
    for (name, gpus) in [("one", "1"), ("more", "1"), ("many", "4")] {
        assert_eq!(ask(&mut bench, "POST", "/api/v1/namespaces/default/pods", pod(name, gpus)).0, 201);
        bench.minutes(1);
    }
    bench.minutes(1);
    let phase = |bench: &mut Bench, name: &str| {
        get(bench, &format!("/api/v1/namespaces/default/pods/{name}"))["status"].clone()
    };
    assert_eq!(phase(&mut bench, "one")["phase"], "Running");
    for name in ["more", "many"] {
        let status = phase(&mut bench, name);
        assert_eq!(status["phase"], "Pending");
        let why = status["conditions"][0]["message"].as_str().expect("a reason").to_owned();
        assert!(why.starts_with("0/4 nodes are available: ") && why.contains("Insufficient nvidia.com/gpu"), "{why}");
    }
    assert_eq!(ask(&mut bench, "DELETE", "/api/v1/namespaces/default/pods/one", Value::Null).0, 200);
    assert_eq!(phase(&mut bench, "more")["phase"], "Running", "there is room again");
}

#[test]
fn what_a_workload_says_is_held_to_its_kind() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let at = "/apis/apps/v1/namespaces/default/daemonsets";
    let mut odd = plugin();
    odd["spec"]["template"]["spec"]["toleration"] = json!([]);
    odd["spec"]["template"]["spec"]["hostNetwrok"] = json!(true);
    let (code, told) = ask(&mut bench, "POST", &format!("{at}?fieldValidation=Strict"), odd.clone());
    assert_eq!(code, 400);
    assert!(
        told["message"].as_str().expect("words").contains("unknown field \"spec.template.spec.hostNetwrok\""),
        "{told}"
    );
    assert_eq!(ask(&mut bench, "POST", &format!("{at}?fieldValidation=Sometimes"), plugin()).0, 422);
    assert_eq!(ask(&mut bench, "POST", at, odd).0, 201, "dropped where nobody asks for more");
    let (_, mut stands) = ask(&mut bench, "GET", &format!("{at}/plugin"), Value::Null);
    assert_eq!(stands["metadata"]["generation"], 1);
    stands["spec"]["selector"]["matchLabels"]["name"] = json!("else");
    assert_eq!(ask(&mut bench, "PUT", &format!("{at}/plugin"), stands).0, 422, "a selector is for ever");
    let account = json!({"metadata": {"name": "late", "labels": {"a": "not/a/label"}}});
    assert_eq!(ask(&mut bench, "POST", "/api/v1/namespaces/default/serviceaccounts", account).0, 422);
}
