//! The life of clusters and pools, tried at the gate's own door without HTTP.

use super::super::{
    PROJECT,
    compute::{Named, Place},
    permissions, projects,
    tests::Rig,
    token,
};
use super::*;
use crate::sandbox::{
    kubernetes::host::{Credentials, Disk, Front, FrontKind, Gpus, Host},
    world::{Origin, Settings},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PARENT: &str = "/v1/projects/kubewright-sandbox/locations";
const ACCOUNT: &str = "nodes-1a2b3c4d@kubewright-sandbox.iam.gserviceaccount.com";

fn settings() -> Settings {
    Settings { read_lag_ms: (0, 0), iam_lag_ms: (0, 0), ..Settings::default() }
}

/// A network with ranges, a NAT, and an account for nodes.
fn ground(settings: Settings) -> Rig {
    let mut rig = Rig::with(settings);
    rig.network("n1");
    rig.subnet("n1", "s1");
    let router = json!({"name": "r1", "network": "global/networks/n1", "nats": [{
        "name": "nat", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}]});
    rig.done("POST", "regions/europe-west4/routers", router);
    rig.ok("POST", "/v1/projects/kubewright-sandbox/serviceAccounts", json!({"accountId": "nodes-1a2b3c4d"}));
    rig.within(|tx| {
        projects::bind(tx, PROJECT, "roles/container.defaultNodeServiceAccount", &format!("serviceAccount:{ACCOUNT}"));
    });
    rig
}

fn pool(name: &str) -> Value {
    json!({
        "name": name, "initialNodeCount": 1,
        "config": {"machineType": "e2-standard-2", "diskSizeGb": 50, "serviceAccount": ACCOUNT,
            "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"], "resourceLabels": {"kubewright-stack": "demo-1"},
            "workloadMetadataConfig": {"mode": "GKE_METADATA"}},
        "management": {"autoRepair": true, "autoUpgrade": true},
    })
}

fn cluster(name: &str) -> Value {
    json!({"cluster": {
        "name": name, "network": "projects/kubewright-sandbox/global/networks/n1",
        "subnetwork": "projects/kubewright-sandbox/regions/europe-west4/subnetworks/s1",
        "releaseChannel": {"channel": "REGULAR"}, "resourceLabels": {"kubewright-stack": "demo-1"},
        "ipAllocationPolicy": {"useIpAliases": true, "clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
        "networkConfig": {"defaultEnablePrivateNodes": true, "datapathProvider": "ADVANCED_DATAPATH"},
        "workloadIdentityConfig": {"workloadPool": "kubewright-sandbox.svc.id.goog"},
        "nodePools": [pool("p1")],
    }})
}

fn made(rig: &mut Rig, location: &str, body: Value) -> Value {
    let op = rig.ok("POST", &format!("{PARENT}/{location}/clusters"), body);
    assert_eq!((op["operationType"].as_str(), op["status"].as_str()), (Some("CREATE_CLUSTER"), Some("RUNNING")));
    op
}

fn ended(rig: &mut Rig, location: &str, op: &Value, within: u64) -> Value {
    for _ in 0..within {
        let read = rig.get(&format!("{PARENT}/{location}/operations/{}", op["name"].as_str().expect("a name")));
        if read["status"] == json!("DONE") {
            return read;
        }
        rig.wait(60);
    }
    panic!("the operation does not end: {op}");
}

fn kinds(rig: &mut Rig) -> BTreeMap<String, usize> {
    rig.within(|tx| {
        let mut count = BTreeMap::new();
        let own = tx.all().filter(|o| {
            o.cloud == crate::model::Cloud::Gcp && o.kind != "operation" && o.created_by != Origin::Builtin
        });
        for object in own {
            *count.entry(object.kind.clone()).or_default() += 1;
        }
        count
    })
}

#[test]
fn a_cluster_comes_with_its_machines_and_goes_with_them() {
    let mut rig = ground(settings());
    let before = kinds(&mut rig);
    let op = made(&mut rig, "europe-west4", cluster("demo"));
    let path = format!("{PARENT}/europe-west4/clusters/demo");
    let young = rig.get(&path);
    assert_eq!((young["status"].as_str(), young.get("endpoint")), (Some("PROVISIONING"), None));
    let early = rig.refused("DELETE", &path, Value::Null);
    assert_eq!((early.http, early.status), (400, "FAILED_PRECONDITION"));
    assert_eq!(early.details[0]["reason"], "CLUSTER_ALREADY_HAS_OPERATION");
    assert!(early.message.contains(op["name"].as_str().expect("a name")), "{}", early.message);
    let again = rig.refused("POST", &format!("{PARENT}/europe-west4/clusters"), cluster("demo"));
    assert_eq!((again.http, again.status), (409, "ALREADY_EXISTS"));
    assert_eq!(ended(&mut rig, "europe-west4", &op, 12).get("error"), None);
    let running = rig.get(&path);
    assert_eq!((running["status"].as_str(), running["currentNodeCount"].as_i64()), (Some("RUNNING"), Some(3)));
    assert!(running["endpoint"].as_str().is_some_and(|at| at.contains("/clusters/")), "{}", running["endpoint"]);
    assert!(running["masterAuth"]["clusterCaCertificate"].is_string());
    let machines = rig.get("aggregated/instances?filter=labels.goog-k8s-cluster-name%3Ddemo");
    assert_eq!(machines["items"].as_object().map(serde_json::Map::len), Some(3));
    let one = &machines["items"]["zones/europe-west4-a"]["instances"][0];
    assert_eq!(
        (one["labels"]["goog-gke-node"].as_str(), one["labels"]["kubewright-stack"].as_str()),
        (Some(""), Some("demo-1"))
    );
    assert_eq!(rig.get(&format!("{PARENT}/-/clusters"))["clusters"][0]["name"], "demo");
    let used = rig.refused("DELETE", "regions/europe-west4/subnetworks/s1", Value::Null);
    assert_eq!(used.reason, "resourceInUseByAnotherResource");
    let op = rig.ok("DELETE", &path, Value::Null);
    assert_eq!(rig.get(&path)["status"], "STOPPING");
    assert_eq!(ended(&mut rig, "europe-west4", &op, 10).get("error"), None);
    assert_eq!(rig.refused("GET", &path, Value::Null).http, 404);
    assert_eq!(kinds(&mut rig), before);
}

#[test]
fn what_gke_would_not_take_is_refused() {
    let mut rig = ground(settings());
    let mut try_with = |pointer: &str, value: Value, why: &str| {
        let mut body = cluster("demo");
        let (at, key) = pointer.rsplit_once('/').expect("a pointer");
        body.pointer_mut(&format!("/cluster{at}")).expect("there")[key] = value;
        let refused = rig.refused("POST", &format!("{PARENT}/europe-west4/clusters"), body);
        assert!(refused.message.contains(why), "{pointer}: {}", refused.message);
        assert_eq!((refused.http, refused.status), (400, "INVALID_ARGUMENT"), "{pointer}");
    };
    for (pointer, value, why) in [
        ("/name", json!("Demo"), "Must be a match of regex"),
        ("/name", json!("a-name-that-is-much-longer-than-forty-characters"), "Must be a match"),
        ("/initialNodeCount", json!(1), "must not be set when"),
        ("/privateClusterConfig", json!({"enablePrivateNodes": true}), "is deprecated and cannot be used together"),
        ("/network", json!("none"), "does not exist"),
        ("/subnetwork", json!("none"), "does not exist"),
        ("/initialClusterVersion", json!("1.20"), "is unsupported"),
        ("/locations", json!(["us-central1-a"]), "is not a zone of region"),
        ("/resourceLabels", json!({"Bad": "x"}), "violates format constraints"),
        ("/nodePools", json!([]), "must be greater than zero"),
        ("/autopilot", json!({"enabled": true}), "Node pools cannot be set"),
        ("/workloadIdentityConfig", json!({"workloadPool": "other.svc.id.goog"}), "currently supported"),
        ("/ipAllocationPolicy/clusterSecondaryRangeName", json!("none"), "does not exist in subnet"),
        ("/ipAllocationPolicy/useIpAliases", json!(false), "VPC-native"),
        ("/nodePools/0/config/machineType", json!("m6a.large"), "does not exist in zone"),
        (
            "/nodePools/0/config/serviceAccount",
            json!("none@kubewright-sandbox.iam.gserviceaccount.com"),
            "does not exist",
        ),
        ("/nodePools/0/management/autoUpgrade", json!(false), "Auto_upgrade must be true"),
        (
            "/nodePools/0/autoscaling",
            json!({"enabled": true, "minNodeCount": 1, "totalMaxNodeCount": 3}),
            "Only one of",
        ),
        (
            "/nodePools/0/autoscaling",
            json!({"enabled": true, "minNodeCount": 3, "maxNodeCount": 1}),
            "limits are invalid",
        ),
        (
            "/nodePools/0/config/accelerators",
            json!([{"acceleratorType": "nvidia-l4", "acceleratorCount": "1"}]),
            "does not support accelerators",
        ),
    ] {
        try_with(pointer, value, why);
    }
    try_with("/releaseChanel", json!({}), "Unknown name \"releaseChanel\" at 'cluster'");
    assert_eq!(rig.refused("POST", &format!("{PARENT}/eu-west-1/clusters"), cluster("demo")).http, 403);
}

#[test]
fn a_stock_out_in_the_third_zone_leaves_a_broken_cluster_that_can_be_deleted() {
    let quotas = BTreeMap::from([("capacity/europe-west4-c/e2-standard-2".to_owned(), 0.0)]);
    let mut rig = ground(Settings { quotas, ..settings() });
    let before = kinds(&mut rig);
    let op = made(&mut rig, "europe-west4", cluster("demo"));
    rig.wait(400);
    let early = rig.get(&format!("{PARENT}/europe-west4/operations/{}", op["name"].as_str().expect("a name")));
    assert_eq!(early["nodepoolConditions"][0]["code"], "GCE_STOCKOUT", "{early}");
    let op = ended(&mut rig, "europe-west4", &op, 50);
    assert!(op["error"]["message"].as_str().is_some_and(|why| why.contains("ZONE_RESOURCE_POOL_EXHAUSTED")), "{op}");
    let broken = rig.get(&format!("{PARENT}/europe-west4/clusters/demo"));
    assert_eq!((broken["status"].as_str(), broken["currentNodeCount"].as_i64()), (Some("ERROR"), Some(2)));
    assert_eq!(broken["nodePools"][0]["status"], "ERROR");
    assert_eq!(broken["nodePools"][0]["conditions"][0]["canonicalCode"], "RESOURCE_EXHAUSTED");
    let op = rig.ok("DELETE", &format!("{PARENT}/europe-west4/clusters/demo"), Value::Null);
    ended(&mut rig, "europe-west4", &op, 10);
    assert_eq!(kinds(&mut rig), before);
}

#[test]
fn a_quota_ends_the_operation_with_its_name() {
    let quotas = BTreeMap::from([("compute/CPUS".to_owned(), 4.0)]);
    let mut rig = ground(Settings { quotas, ..settings() });
    let op = made(&mut rig, "europe-west4", cluster("demo"));
    let op = ended(&mut rig, "europe-west4", &op, 40);
    let why = op["error"]["message"].as_str().unwrap_or_default();
    assert!(why.contains("Quota 'CPUS' exceeded.  Limit: 4.0 in region europe-west4."), "{why}");
    assert_eq!(op["nodepoolConditions"][0]["code"], "GCE_QUOTA_EXCEEDED");
}

#[test]
fn nodes_need_a_role_and_a_way_out() {
    let mut rig = ground(settings());
    rig.ok("POST", "/v1/projects/kubewright-sandbox/serviceAccounts", json!({"accountId": "no-roles"}));
    let mut body = cluster("demo");
    body["cluster"]["nodePools"][0]["config"]["serviceAccount"] =
        json!("no-roles@kubewright-sandbox.iam.gserviceaccount.com");
    let op = made(&mut rig, "europe-west4-a", body);
    let op = ended(&mut rig, "europe-west4-a", &op, 40);
    assert_eq!(op["nodepoolConditions"][0]["code"], "NODE_SERVICE_ACCOUNT_MISSING_PERMISSIONS", "{op}");
    let mut rig = ground(settings());
    let closed = json!({"name": "no-way-out", "network": "global/networks/n1", "direction": "EGRESS",
        "denied": [{"IPProtocol": "all"}], "destinationRanges": ["0.0.0.0/0"]});
    rig.done("POST", "global/firewalls", closed);
    let op = made(&mut rig, "europe-west4-a", cluster("demo"));
    let op = ended(&mut rig, "europe-west4-a", &op, 40);
    assert!(
        op["error"]["message"].as_str().is_some_and(|why| why.contains("0 nodes out of 1 have registered")),
        "{op}"
    );
}

#[test]
fn pools_come_grow_and_go_one_at_a_time() {
    let mut rig = ground(settings());
    let op = made(&mut rig, "europe-west4-a", cluster("demo"));
    ended(&mut rig, "europe-west4-a", &op, 12);
    let path = format!("{PARENT}/europe-west4-a/clusters/demo");
    let mut gpu = pool("gpu");
    gpu["config"]["machineType"] = json!("n1-standard-4");
    gpu["config"]["accelerators"] = json!([{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": "1", "gpuDriverInstallationConfig": {"gpuDriverVersion": "DEFAULT"}}]);
    gpu["config"]["spot"] = json!(true);
    let op = rig.ok("POST", &format!("{path}/nodePools"), json!({"nodePool": gpu}));
    assert_eq!(rig.get(&path)["status"], "RECONCILING");
    let size = rig.refused("POST", &format!("{path}/nodePools/p1:setSize"), json!({"nodeCount": 2}));
    assert_eq!(size.details[0]["reason"], "CLUSTER_ALREADY_HAS_OPERATION");
    ended(&mut rig, "europe-west4-a", &op, 10);
    let facts = rig.within(|tx| {
        let owner = tx.all().find(|o| o.is(CLUSTER)).map(host::cluster_of).expect("there");
        Gke.nodes(tx, &owner)
    });
    let node = facts.iter().find(|node| node.pool == "gpu").expect("joined");
    assert_eq!((node.gpus, node.ready), (Gpus::Offered(1), true));
    assert_eq!(node.taints, [json!({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"})]);
    assert_eq!(node.labels.get("cloud.google.com/gke-spot").map(String::as_str), Some("true"));
    assert!(
        node.provider_id.starts_with("gce://kubewright-sandbox/europe-west4-a/gke-demo-gpu-"),
        "{}",
        node.provider_id
    );
    let op = rig.ok("POST", &format!("{path}/nodePools/p1:setSize"), json!({"nodeCount": 3}));
    ended(&mut rig, "europe-west4-a", &op, 10);
    assert_eq!(rig.get(&path)["currentNodeCount"], 4);
    let op = rig.ok("POST", &format!("{path}/nodePools/p1:setSize"), json!({"nodeCount": 1}));
    ended(&mut rig, "europe-west4-a", &op, 10);
    assert_eq!(rig.get(&path)["currentNodeCount"], 2);
    let op = rig.ok("DELETE", &format!("{path}/nodePools/gpu"), Value::Null);
    ended(&mut rig, "europe-west4-a", &op, 10);
    assert_eq!(rig.refused("GET", &format!("{path}/nodePools/gpu"), Value::Null).http, 404);
    let said = json!({"autoscaling": {"enabled": true, "minNodeCount": 1, "maxNodeCount": 3}});
    let op = rig.ok("POST", &format!("{path}/nodePools/p1:setAutoscaling"), said);
    ended(&mut rig, "europe-west4-a", &op, 3);
    let grown = rig.within(|tx| {
        let owner = tx.all().find(|o| o.is(CLUSTER)).map(host::cluster_of).expect("there");
        let pools = Gke.pools(tx, &owner);
        assert_eq!((pools[0].scales, pools[0].max, pools[0].desired), (true, 3, 1));
        Gke.resize(tx, &owner, "p1", 2, &[])
    });
    assert!(grown);
    rig.wait(300);
    assert_eq!(rig.get(&path)["currentNodeCount"], 2);
    let labels = rig.get(&path);
    let stale = json!({"resourceLabels": {"a": "b"}, "labelFingerprint": "x"});
    assert_eq!(rig.refused("POST", &format!("{path}:setResourceLabels"), stale).http, 412);
    let fresh = json!({"resourceLabels": {"a": "b"}, "labelFingerprint": labels["labelFingerprint"]});
    let op = rig.ok("POST", &format!("{path}:setResourceLabels"), fresh);
    ended(&mut rig, "europe-west4-a", &op, 3);
    assert_eq!(rig.get(&path)["resourceLabels"], json!({"a": "b"}));
    let info = rig.get(&format!("{path}:fetchClusterUpgradeInfo"));
    assert_eq!(info["endOfStandardSupportTimestamp"], "2027-04-11T00:00:00Z");
    let jump = json!({"update": {"desiredMasterVersion": "1.33"}});
    assert_eq!(rig.refused("PUT", &path, jump).http, 400);
    let op = rig.ok("PUT", &path, json!({"update": {"desiredAddonsConfig": {"dnsCacheConfig": {"enabled": true}}}}));
    ended(&mut rig, "europe-west4-a", &op, 3);
    assert_eq!(rig.get(&path)["addonsConfig"]["dnsCacheConfig"]["enabled"], true);
}

#[test]
fn what_the_cluster_made_stays_when_it_dies_first() {
    let mut rig = ground(settings());
    let op = made(&mut rig, "europe-west4-a", cluster("demo"));
    ended(&mut rig, "europe-west4-a", &op, 12);
    let spec = json!({"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30_080}]});
    let annotations = json!({"cloud.google.com/neg": "{\"exposed_ports\":{\"80\":{}}}"});
    let front = Front {
        kind: FrontKind::Service,
        uid: "0b5f3c52-6a53-4b0c-9c1d-6f3a1c9e2b57",
        namespace: "default",
        name: "web",
        annotations: &annotations,
        spec: &spec,
    };
    let web = json!({"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}});
    let ingress =
        Front { kind: FrontKind::Ingress, uid: "1c6f3c52", annotations: &Value::Null, spec: &web, ..front.clone() };
    let before = kinds(&mut rig);
    let (owner, disk) = rig.within(|tx| {
        let owner = tx.all().find(|o| o.is(CLUSTER)).map(host::cluster_of).expect("there");
        assert!(Gke.serves(tx, &owner, &front) && Gke.serves(tx, &owner, &ingress));
        assert!(Gke.make_balancer(tx, &owner, &front).is_some() && Gke.make_balancer(tx, &owner, &ingress).is_some());
        let parameters = json!({"type": "pd-balanced"});
        let disk = Disk {
            name: "pvc-1",
            zone: "europe-west4-a",
            gib: 20,
            parameters: &parameters,
            claim: ("default", "data"),
        };
        (owner.clone(), Gke.make_disk(tx, &owner, &disk).expect("made"))
    });
    assert_eq!(disk, "projects/kubewright-sandbox/zones/europe-west4-a/disks/pvc-1");
    assert_eq!(rig.get("zones/europe-west4-a/disks/pvc-1")["labels"]["goog-k8s-cluster-name"], "demo");
    let pool = rig.get("aggregated/targetPools");
    assert_eq!(pool["items"]["regions/europe-west4"]["targetPools"][0]["instances"].as_array().map(Vec::len), Some(1));
    // Gone while the cluster lives, nothing is left of them.
    rig.within(|tx| {
        assert!(Gke.remove_balancer(tx, &owner, &front) && Gke.remove_balancer(tx, &owner, &ingress));
        Gke.remove_disk(tx, &owner, &disk);
    });
    assert_eq!(kinds(&mut rig), before);
    // Gone after it, everything is, and the network cannot go.
    rig.within(|tx| {
        Gke.make_balancer(tx, &owner, &front).expect("made");
        Gke.make_balancer(tx, &owner, &ingress).expect("made");
    });
    let op = rig.ok("DELETE", &format!("{PARENT}/europe-west4-a/clusters/demo"), Value::Null);
    ended(&mut rig, "europe-west4-a", &op, 10);
    let left = kinds(&mut rig);
    for kind in [
        "forwardingRule",
        "targetPool",
        "networkEndpointGroup",
        "httpHealthCheck",
        "urlMap",
        "backendService",
        "address",
    ] {
        assert!(left.contains_key(kind), "{kind}: {left:?}");
    }
    rig.done("DELETE", "regions/europe-west4/routers/r1", Value::Null);
    let subnet = rig.refused("DELETE", "regions/europe-west4/subnetworks/s1", Value::Null);
    assert!(subnet.message.contains("networkEndpointGroups/k8s1-"), "{}", subnet.message);
    let pool = rig.within(|tx| tx.all().find(|o| o.kind == "targetPool").and_then(Named::of).expect("left"));
    assert_eq!(pool.place, Place::Region("europe-west4".to_owned()));
    let used = rig.refused("DELETE", &format!("regions/europe-west4/targetPools/{}", pool.name), Value::Null);
    assert!(used.message.contains("forwardingRules"), "{}", used.message);
    let held = rig.refused("DELETE", &format!("regions/europe-west4/addresses/{}", pool.name), Value::Null);
    assert_eq!(held.reason, "resourceInUseByAnotherResource");
}

#[test]
fn callers_are_known_by_their_tokens_and_roles() {
    let mut rig = ground(settings());
    let op = made(&mut rig, "europe-west4-a", cluster("demo"));
    ended(&mut rig, "europe-west4-a", &op, 12);
    let token = rig.token(super::super::ACCOUNT, 3_600);
    let late = rig.token(super::super::ACCOUNT, -1);
    let stranger = rig.token("nobody@else.example", 3_600);
    let wall = rig.now();
    rig.within(|tx| {
        let owner = tx.all().find(|o| o.is(CLUSTER)).map(host::cluster_of).expect("there");
        let known = |token: &str| Gke.identify(tx, &owner, Credentials { token: Some(token), certificate: None }, wall);
        assert_eq!(known(&token), Ok(crate::sandbox::kubernetes::host::User::master(super::super::ACCOUNT)));
        assert!(known(&late).is_err_and(|why| why.contains("expired")));
        assert!(known(&stranger).is_err_and(|why| why.contains("no role")));
        assert!(known("ya29.nonsense").is_err());
        assert_eq!(Gke.reach(tx, &owner.uid).map(|found| found.name), Some("demo".to_owned()));
    });
    assert!(permissions::exists("container.clusterRoleBindings.create") && !token::SCOPE.is_empty());
}

#[test]
fn a_cluster_without_named_ranges_gets_its_own_and_gives_them_back() {
    let mut rig = ground(settings());
    let mut body = cluster("demo");
    body["cluster"]["ipAllocationPolicy"] = json!({"useIpAliases": true, "clusterIpv4CidrBlock": "/16"});
    let op = made(&mut rig, "europe-west4-a", body);
    ended(&mut rig, "europe-west4-a", &op, 12);
    let ranges = rig.get("regions/europe-west4/subnetworks/s1")["secondaryIpRanges"].as_array().map(Vec::len);
    assert_eq!(ranges, Some(4));
    let op = rig.ok("DELETE", &format!("{PARENT}/europe-west4-a/clusters/demo"), Value::Null);
    ended(&mut rig, "europe-west4-a", &op, 10);
    let ranges = rig.get("regions/europe-west4/subnetworks/s1")["secondaryIpRanges"].as_array().map(Vec::len);
    assert_eq!(ranges, Some(2));
}

#[test]
fn autopilot_is_regional_and_brings_its_own_nodes() {
    let mut rig = ground(settings());
    let body = json!({"cluster": {
        "name": "auto", "network": "n1", "subnetwork": "s1", "autopilot": {"enabled": true},
        "ipAllocationPolicy": {"useIpAliases": true, "clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
        "autoscaling": {"autoprovisioningNodePoolDefaults": {"serviceAccount": ACCOUNT}},
    }});
    assert_eq!(rig.refused("POST", &format!("{PARENT}/europe-west4-a/clusters"), body.clone()).http, 400);
    let op = made(&mut rig, "europe-west4", body);
    assert_eq!(ended(&mut rig, "europe-west4", &op, 12).get("error"), None);
    let read = rig.get(&format!("{PARENT}/europe-west4/clusters/auto"));
    assert_eq!((read["status"].as_str(), read["autopilot"]["enabled"].as_bool()), (Some("RUNNING"), Some(true)));
    let refused =
        rig.refused("POST", &format!("{PARENT}/europe-west4/clusters/auto/nodePools"), json!({"nodePool": pool("p2")}));
    assert!(refused.message.contains("Autopilot"));
}

#[test]
fn versions_and_wide_lists() {
    let closed = BTreeMap::from([("us-east1".to_owned(), crate::sandbox::world::Closed::Silent)]);
    let mut rig = ground(Settings { closed, ..settings() });
    let config = rig.get(&format!("{PARENT}/europe-west4/serverConfig"));
    assert!(config["channels"].as_array().is_some_and(|all| all.len() == 4));
    let wide = rig.get(&format!("{PARENT}/-/clusters"));
    assert_eq!(wide["missingZones"], json!(["us-east1-b", "us-east1-c", "us-east1-d"]));
}

#[test]
fn a_failed_beginning_ends_in_an_error() {
    let mut rig = ground(settings());
    rig.doom(true);
    let op = made(&mut rig, "europe-west4-a", cluster("demo"));
    rig.doom(false);
    let op = ended(&mut rig, "europe-west4-a", &op, 20);
    assert_eq!(op["error"]["code"], 13);
    assert_eq!(rig.get(&format!("{PARENT}/europe-west4-a/clusters/demo"))["status"], "ERROR");
}
