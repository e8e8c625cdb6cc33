//! What every plan must keep to, and how the default one looks.

use super::*;
use crate::engine::PlannedStep;
use crate::model::spec::{AksOutbound, ExistingNetwork, Nat, ResolvedPool, Taint, TaintEffect};
use crate::providers::azure::kinds;
use crate::providers::azure::testing::{SUBSCRIPTION, cx, pool, spec};
use std::sync::Arc;

fn stack() -> Stack {
    "demo-0a1b2c3d".parse().unwrap()
}

fn planned(spec: &ResolvedSpec) -> Plan {
    plan(spec, &stack(), [].into()).unwrap()
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p PlannedStep {
    plan.steps.iter().find(|step| step.id.as_str() == id).unwrap_or_else(|| panic!("no step {id}"))
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

#[test]
fn the_default_cluster() {
    let plan = planned(&spec("demo"));
    let mut sorted = ids(&plan);
    sorted.sort_unstable();
    let wanted = [
        "access/admin",
        "cluster",
        "group",
        "iam/identity",
        "network/nat",
        "network/nat/address",
        "network/role",
        "network/vnet",
        "subscription/compute",
        "subscription/containerservice",
        "subscription/managedidentity",
        "subscription/network",
        "subscription/storage",
    ];
    assert_eq!(sorted, wanted);
    let needs: Vec<&str> = step(&plan, "cluster").needs.iter().map(StepId::as_str).collect();
    assert_eq!(needs, ["group", "iam/identity", "network/role", "network/vnet"]);
    let billed: Vec<&str> =
        plan.steps.iter().filter(|step| !step.usage.is_empty()).map(|step| step.id.as_str()).collect();
    assert_eq!(billed.len(), 3, "{billed:?}");
}

#[test]
fn a_fresh_process_can_run_every_plan() {
    let cx = Arc::new(cx());
    let mut wide = spec("demo");
    wide.node_pools.push(gpu_pool("gpu"));
    wide.network.api_allow = vec!["203.0.113.0/24".parse().unwrap()];
    wide.admins = vec!["44444444-4444-4555-8666-777777777777".to_owned()];
    let mut adopted = spec("demo");
    adopted.network.existing = Some(ExistingNetwork {
        vpc: format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/v"),
        private_subnets: vec!["nodes".to_owned()],
        ..ExistingNetwork::default()
    });
    adopted.azure.as_mut().unwrap().outbound = AksOutbound::LoadBalancer;
    for spec in [spec("demo"), wide, adopted] {
        let plan = planned(&spec);
        plan.validate().unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        let read: Plan = serde_json::from_str(&text).unwrap();
        for step in &read.steps {
            kinds::step(&cx, step).unwrap_or_else(|why| panic!("{}: {why}", step.id));
        }
    }
}

fn gpu_pool(name: &str) -> ResolvedPool {
    let mut made = pool(name);
    made.instance_type = "Standard_NC4as_T4_v3".to_owned();
    made.gpu = Some(("T4".to_owned(), 1));
    made
}

#[test]
fn aks_own_pods_get_the_first_pool_that_can_take_them() {
    let mut spec = spec("demo");
    let place = |spec: &ResolvedSpec| system_pool(spec).map(|at| spec.node_pools[at].name.clone());
    spec.node_pools[0].spot = true;
    assert_eq!(place(&spec), None);
    let refused = plan(&spec, &stack(), [].into()).unwrap_err();
    assert!(refused.message.contains("AKS's own pods"), "{}", refused.message);
    spec.node_pools.push(gpu_pool("gpu"));
    assert_eq!(place(&spec).as_deref(), Some("gpu"), "better one with GPUs than none");
    let mut tainted = pool("tainted");
    tainted.taints = vec![Taint { key: "only".to_owned(), value: None, effect: TaintEffect::NoSchedule }];
    let mut empty = pool("empty");
    empty.min = 0;
    spec.node_pools.extend([tainted, empty, pool("plain")]);
    assert_eq!(place(&spec).as_deref(), Some("plain"));
}

#[test]
fn further_pools_stand_in_line() {
    let mut spec = spec("demo");
    spec.node_pools.extend([pool("b"), pool("c")]);
    let plan = planned(&spec);
    assert!(!ids(&plan).contains(&"nodes/pool/default"), "it is made with the cluster");
    let needs = |id: &str| step(&plan, id).needs.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>();
    assert!(needs("nodes/pool/b").contains(&"cluster".to_owned()));
    assert!(needs("nodes/pool/c").contains(&"nodes/pool/b".to_owned()));
}

#[test]
fn what_azure_has_no_counterpart_for_is_said() {
    let mut zonal = spec("demo");
    zonal.network.nat = Nat::PerZone;
    let refused = plan(&zonal, &stack(), [].into()).unwrap_err();
    assert!(refused.message.contains("one NAT gateway") && refused.hints[0].contains("single"), "{refused:?}");
    let mut other = spec("demo");
    other.provider = Cloud::Aws;
    assert!(plan(&other, &stack(), [].into()).is_err());
}

#[test]
fn nodes_may_reach_an_api_server_that_is_closed_to_others() {
    let mut closed = spec("demo");
    closed.network.api_allow = vec!["203.0.113.0/24".parse().unwrap()];
    let plan = planned(&closed);
    let params = &step(&plan, "cluster").params;
    assert_eq!(params["egress"]["$from"], "network/nat/address");
    assert_eq!(params["apiAllow"][0], "203.0.113.0/24");
    let open = planned(&spec("demo"));
    let params = &step(&open, "cluster").params;
    assert!(params.get("egress").is_none() && params.get("apiAllow").is_none());
}

#[test]
fn names_and_proofs_hold_the_stack() {
    let plan = planned(&spec("demo"));
    for step in plan.steps.iter().filter(|step| step.identity.is_undone()) {
        match &step.identity {
            Identity::Name { name } => assert!(name.contains("0a1b2c3d") || name == "demo", "{name}"),
            Identity::Child { key, .. } => assert!(!key.is_empty()),
            other => panic!("{}: {other:?}", step.id),
        }
        // By a name alone nothing of ours is proven: it carries tags, or is part of what does.
        assert!(step.tagged || matches!(step.identity, Identity::Child { .. }), "{}", step.id);
    }
    let group = step(&plan, "group");
    assert!(group.params["extraTags"].as_object().unwrap().contains_key("kubewright-spec-0"));
}
