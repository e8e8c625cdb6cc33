//! Plans of GKE clusters: which steps there are, what each needs, and that the same spec makes the same plan.

use super::*;
use crate::engine::PlannedStep;
use crate::model::PriceKey;
use crate::model::spec::{Nat, ReleaseChannel, ResolvedNetwork, ResolvedPool};
use crate::model::{Region, spec::ExistingNetwork};
use serde_json::json;

fn pool(name: &str, count: u32) -> ResolvedPool {
    ResolvedPool {
        name: name.to_owned(),
        instance_type: "e2-standard-2".to_owned(),
        other_types: Vec::new(),
        billed_type: None,
        arch: "amd64".to_owned(),
        gpu: None,
        count,
        min: count,
        max: count,
        spot: false,
        disk_gib: 50,
        labels: BTreeMap::new(),
        taints: Vec::new(),
    }
}

pub(super) fn spec() -> ResolvedSpec {
    let gcp = ResolvedGcp {
        project_number: "123456789012".to_owned(),
        location: "us-central1-a".to_owned(),
        autopilot: false,
        release_channel: ReleaseChannel::Regular,
        initial_version: "1.35.1-gke.1".to_owned(),
        pod_cidr: None,
        service_cidr: None,
        node_service_account: None,
        oauth_scopes: vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()],
        addons: vec!["HttpLoadBalancing".to_owned()],
    };
    ResolvedSpec {
        name: "demo".parse().unwrap(),
        provider: Cloud::Gcp,
        region: Region("us-central1".to_owned()),
        account: "acme".to_owned(),
        environment: None,
        version: "1.35".to_owned(),
        ttl_secs: None,
        protect: false,
        budget: crate::model::spec::Budget::default(),
        network: ResolvedNetwork {
            cidr: "10.0.0.0/16".parse().unwrap(),
            zones: vec!["us-central1-a".to_owned(), "us-central1-b".to_owned()],
            nat: Nat::Single,
            api_allow: vec!["0.0.0.0/0".parse().unwrap()],
            existing: None,
        },
        node_pools: vec![pool("default", 2)],
        admins: Vec::new(),
        tags: BTreeMap::new(),
        aws: None,
        gcp: Some(gcp),
        azure: None,
        defaults: Vec::new(),
    }
}

fn made(spec: &ResolvedSpec) -> Plan {
    plan(spec, &"demo-0a1b2c3d".parse().unwrap(), BTreeMap::new()).unwrap()
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p PlannedStep {
    plan.step(&id.into()).unwrap_or_else(|| panic!("no step {id}"))
}

#[test]
fn the_usual_cluster_has_these_steps() {
    let plan = made(&spec());
    let mut ids = ids(&plan);
    ids.sort_unstable();
    assert_eq!(
        ids,
        [
            "cluster",
            "network/network",
            "network/router",
            "network/subnetwork",
            "nodes/account",
            "nodes/account/role/images",
            "nodes/account/role/node",
            "service/cloudresourcemanager",
            "service/compute",
            "service/container",
            "service/iam",
        ]
    );
    assert!(plan.validate().is_ok());
    assert_eq!(plan, made(&spec()), "pure");
}

#[test]
fn every_untagged_name_holds_the_stack_id() {
    for step in made(&spec()).steps {
        if let (Identity::Name { name }, false) = (&step.identity, step.tagged) {
            assert!(name.contains("-0a1b2c3d-"), "{}", step.id);
        }
    }
}

#[test]
fn the_first_pool_is_the_steady_one_and_the_others_stand_in_a_row() {
    let mut spec = spec();
    let mut gpu = pool("gpu", 1);
    gpu.gpu = Some(("T4".to_owned(), 1));
    gpu.instance_type = "n1-standard-4".to_owned();
    let mut spot = pool("spot", 2);
    spot.spot = true;
    spec.node_pools = vec![gpu, spot, pool("default", 3)];
    let plan = made(&spec);
    let cluster = step(&plan, "cluster");
    assert_eq!(cluster.params["pool"]["name"], "default");
    // Three nodes do not come out even in two zones.
    assert_eq!(cluster.params["pool"]["zones"], json!(["us-central1-a"]));
    assert_eq!(cluster.params["pool"]["nodesPerZone"], 3);
    let gpu = step(&plan, "nodes/pool/gpu");
    assert_eq!(gpu.params["pool"]["accelerator"], json!(["nvidia-tesla-t4", 1]));
    assert!(gpu.usage.iter().any(|usage| matches!(&usage.key, PriceKey::Component { name, .. } if name == "gpu-t4")));
    assert!(step(&plan, "nodes/pool/spot").needs.contains(&"nodes/pool/gpu".into()));
    let router = step(&plan, "network/router");
    assert_eq!(router.usage[0].desired, 6.0);
}

#[test]
fn an_adopted_network_is_adopted_and_public_nodes_have_no_router() {
    let mut adopted = spec();
    adopted.network.existing = Some(ExistingNetwork {
        vpc: "projects/host/global/networks/shared".to_owned(),
        private_subnets: vec!["nodes".to_owned()],
        public_subnets: Vec::new(),
        pod_range: Some("pods".to_owned()),
        service_range: Some("services".to_owned()),
    });
    let plan = made(&adopted);
    assert!(matches!(step(&plan, "network/network").identity, Identity::External { .. }));
    assert!(plan.step(&"network/router".into()).is_none());
    adopted.network.existing.as_mut().unwrap().pod_range = None;
    let error = super::plan(&adopted, &"demo-0a1b2c3d".parse().unwrap(), BTreeMap::new()).unwrap_err();
    assert!(error.message.contains("podRange"), "{}", error.message);
    let mut public = spec();
    public.network.nat = Nat::None;
    let plan = made(&public);
    assert!(plan.step(&"network/router".into()).is_none());
    assert!(
        step(&plan, "cluster")
            .usage
            .iter()
            .any(|it| matches!(&it.key, PriceKey::Component { name, .. } if name == "ip-vm"))
    );
}

#[test]
fn autopilot_has_no_pools_and_what_cannot_be_is_refused() {
    let mut auto = spec();
    let gcp = auto.gcp.as_mut().unwrap();
    (gcp.autopilot, gcp.location) = (true, "us-central1".to_owned());
    let plan = made(&auto);
    assert!(step(&plan, "cluster").params.get("pool").is_none());
    let refused = |spec: &ResolvedSpec| {
        super::plan(spec, &"demo-0a1b2c3d".parse().unwrap(), BTreeMap::new()).unwrap_err().message
    };
    let mut empty = spec();
    empty.node_pools[0].count = 0;
    assert!(refused(&empty).contains("count: 1"));
    let mut labelled = spec();
    labelled.tags.insert("Team".to_owned(), "Data Science".to_owned());
    let why = refused(&labelled);
    assert!(why.contains("write `team`") && why.contains("write `data-science`"), "{why}");
}

#[test]
fn the_spec_comes_back_from_the_anchors() {
    let spec = spec();
    let plan = made(&spec);
    let text = |id: &str| step(&plan, id).params["extraTags"]["spec"].as_str().unwrap_or_default().to_owned();
    let tags = BTreeMap::from([("kubewright-stack".to_owned(), "demo-0a1b2c3d".to_owned())]);
    let told = |id: &str| format!("{}{}", labels::description("it", &tags), text(id));
    for anchor in ["network/network", "network/subnetwork", "cluster"] {
        assert_eq!(labels::spec_of([told(anchor).as_str()], None), Some(spec.clone()), "{anchor}");
        assert!(told(anchor).len() <= 2048);
    }
    let digest = labels::digest(&spec);
    assert_eq!(labels::spec_of([told("cluster").as_str()], Some(&digest)), Some(spec.clone()));
    assert_eq!(labels::spec_of([told("cluster").as_str()], Some("0000000000000000")), None, "changed since");
    // A larger one is shared out.
    let mut large = spec;
    large.admins = (0..40).map(|n| format!("engineer-{n}@example.com")).collect();
    let plan = made(&large);
    let text = |id: &str| step(&plan, id).params["extraTags"]["spec"].as_str().unwrap_or_default().to_owned();
    let (first, second) = (format!("[]{}", text("network/network")), format!("[]{}", text("network/subnetwork")));
    assert!(text("cluster").is_empty());
    assert_eq!(labels::spec_of([second.as_str(), first.as_str()], None), Some(large.clone()));
    assert_eq!(labels::spec_of([first.as_str()], None), None);
    large.admins = (0..400).map(|n| format!("engineer-{n}@example.com")).collect();
    assert!(!labels::fits(&large));
}

#[test]
fn admins_get_an_entry_that_says_it_is_ours() {
    let mut spec = spec();
    spec.admins = vec!["ana@example.com".to_owned(), "ci@acme.iam.gserviceaccount.com".to_owned()];
    let plan = made(&spec);
    let Identity::Member { of, key } = &step(&plan, "access/user-ana").identity else { panic!("a member") };
    assert_eq!(of, "projects/acme");
    assert_eq!(key, "roles/container.admin user:ana@example.com if kubewright demo-0a1b2c3d");
    assert!(ids(&plan).contains(&"access/serviceaccount-ci"));
}
