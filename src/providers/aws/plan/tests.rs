//! What every plan must keep to, and how the default one looks.

use super::*;
use crate::engine::PlannedStep;
use crate::engine::StepId;
use crate::engine::io::references;
use crate::model::PriceKey;
use crate::model::spec::{ExistingNetwork, Nat};
use crate::providers::aws::layout::letter;
use crate::providers::aws::names::{LAUNCH_TEMPLATE_MAX, NODE_GROUP_MAX};
use crate::providers::aws::testing::{pool, spec};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn planned(spec: &ResolvedSpec) -> Plan {
    let stack = Stack { name: spec.name.clone(), id: "0a1b2c3d".parse().unwrap() };
    plan(spec, &stack, [].into()).unwrap()
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p PlannedStep {
    plan.steps.iter().find(|step| step.id.as_str() == id).unwrap_or_else(|| panic!("no step {id}"))
}

fn ancestors(plan: &Plan, id: &StepId) -> BTreeSet<StepId> {
    let mut found = BTreeSet::new();
    let mut todo = vec![id.clone()];
    while let Some(id) = todo.pop() {
        for need in &step(plan, id.as_str()).needs {
            if found.insert(need.clone()) {
                todo.push(need.clone());
            }
        }
    }
    found
}

#[test]
fn the_default_cluster() {
    let plan = planned(&spec("demo"));
    let lines: Vec<String> = plan
        .steps
        .iter()
        .map(|s| {
            let needs: Vec<&str> = s.needs.iter().map(StepId::as_str).collect();
            format!("{} <- {}", s.id, needs.join(" "))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let sweeps: Vec<String> = plan
        .sweeps
        .iter()
        .map(|p| format!("{}: after {}, before {}", p.stage, p.after.len(), p.before.len()))
        .collect();
    insta::assert_snapshot!(sweeps.join("\n"));
}

#[test]
fn the_control_plane_waits_for_nothing_slow() {
    let plan = planned(&spec("demo"));
    let before = ancestors(&plan, &CLUSTER.into());
    let slow: Vec<&StepId> = before.iter().filter(|id| step(&plan, id.as_str()).timing.p50_secs > 5).collect();
    assert!(slow.is_empty(), "{slow:?}");
    let nodes = ancestors(&plan, &"nodes/pool/default".into());
    for id in
        ["network/nat/a", "network/routes/private/default", "addons/vpc-cni", "iam/node-role/policy/network", CLUSTER]
    {
        assert!(nodes.contains(&id.into()), "{id}");
    }
    assert!(ancestors(&plan, &"addons/coredns".into()).contains(&"nodes/pool/default".into()));
}

/// A steady pool, one that scales from nothing, one with GPUs.
fn pools() -> ResolvedSpec {
    let mut spec = spec("demo");
    let mut burst = pool("burst");
    (burst.min, burst.count, burst.max, burst.spot) = (0, 0, 4, true);
    burst.other_types = vec!["m5.large".to_owned()];
    burst.billed_type = Some("m5.large".to_owned());
    let mut gpu = pool("gpu");
    (gpu.instance_type, gpu.gpu) = ("g4dn.xlarge".to_owned(), Some(("T4".to_owned(), 1)));
    spec.node_pools.extend([burst, gpu]);
    spec
}

#[test]
fn a_pool_that_scales_brings_the_autoscaler_with_its_identity() {
    let plan = planned(&pools());
    let deployment = step(&plan, "in-cluster/autoscaler/deployment");
    let before = ancestors(&plan, &deployment.id);
    for id in [
        "iam/autoscaler-role/policy/scale",
        "in-cluster/autoscaler/identity",
        "in-cluster/autoscaler/cluster-role-binding",
        "in-cluster/autoscaler/role-binding",
        "addons/eks-pod-identity-agent",
        "access/role-deploy/policy",
        "nodes/pool/default",
        // It goes before every pool: alive it would start machines for those that go.
        "nodes/pool/burst",
        "nodes/pool/gpu",
    ] {
        assert!(before.contains(&id.into()), "{id}");
    }
    let place = deployment.params["manifest"]["spec"]["template"]["spec"]["affinity"].to_string();
    assert!(place.contains("kw-demo-0a1b2c3d-default") && !place.contains("burst"), "{place}");
    for step in plan.steps.iter().filter(|step| step.kind.starts_with("k8s/")) {
        assert_eq!(step.dies_with, Some(CLUSTER.into()), "{}", step.id);
        assert!(step.tagged && step.id.tag_value().len() <= 63, "{} fits a label", step.id);
        assert!(ancestors(&plan, &step.id).contains(&"access/role-deploy/policy".into()), "{}", step.id);
    }
    let burst = step(&plan, "nodes/pool/burst");
    assert_eq!(burst.params["instanceTypes"], serde_json::json!(["m6a.large", "m5.large"]));
    let machine = burst.usage.iter().find(|usage| matches!(&usage.key, PriceKey::Instance { .. })).unwrap();
    assert_eq!((machine.min, machine.desired, machine.max), (0.0, 0.0, 4.0));
    assert!(
        matches!(&machine.key, PriceKey::Instance { instance_type, spot: true, .. } if instance_type == "m5.large")
    );
}

#[test]
fn a_pool_with_gpus_brings_driver_and_plugin() {
    let plan = planned(&pools());
    let group = step(&plan, "nodes/pool/gpu");
    assert_eq!(group.params["amiType"], "AL2023_x86_64_NVIDIA");
    assert_eq!(group.params["labels"]["k8s.amazonaws.com/accelerator"], "nvidia-t4");
    assert!(group.params.get("taints").is_none(), "no taint that nobody asked for");
    let plugin = step(&plan, "in-cluster/device-plugin");
    assert!(plugin.params.to_string().contains("kw-demo-0a1b2c3d-gpu"));
    assert!(!ancestors(&plan, &plugin.id).contains(&"nodes/pool/gpu".into()), "it is there before its nodes");
    let plain = planned(&spec("demo"));
    assert!(!plain.steps.iter().any(|step| step.id.as_str().contains("in-cluster") || step.dies_with.is_some()));
}

#[test]
fn without_nat_nodes_stand_in_public_subnets() {
    let mut spec = spec("demo");
    spec.network.nat = Nat::None;
    let plan = planned(&spec);
    assert!(!plan.steps.iter().any(|s| s.id.as_str().contains("private") || s.id.as_str().contains("nat")));
    let pool = step(&plan, "nodes/pool/default");
    assert!(
        pool.usage
            .iter()
            .any(|u| matches!(&u.key, PriceKey::Component { name, .. } if name == "public-ipv4") && u.desired == 2.0)
    );
    assert!(ancestors(&plan, &pool.id).contains(&"network/routes/public/default".into()));
}

#[test]
fn an_adopted_network_is_never_ours() {
    let mut spec = spec("demo");
    spec.network.existing = Some(ExistingNetwork {
        vpc: "vpc-0a1".to_owned(),
        private_subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
        public_subnets: vec![],
        ..ExistingNetwork::default()
    });
    let plan = planned(&spec);
    let ours: Vec<&str> = plan
        .steps
        .iter()
        .filter(|s| s.id.as_str().starts_with("network/") && s.identity.is_undone())
        .map(|s| s.id.as_str())
        .collect();
    assert_eq!(ours, [GROUP]);
    assert!(plan.steps.iter().filter(|s| !s.identity.is_undone()).all(|s| !s.tagged && s.usage.is_empty()));
}

#[test]
fn given_roles_are_used_and_not_made() {
    let mut spec = spec("demo");
    let aws = spec.aws.as_mut().unwrap();
    aws.cluster_role_arn = Some("arn:aws:iam::1:role/c".to_owned());
    aws.node_role_arn = Some("arn:aws:iam::1:role/n".to_owned());
    aws.addons.clear();
    let plan = planned(&spec);
    assert!(!plan.steps.iter().any(|s| s.id.as_str().starts_with("iam/")));
    assert_eq!(step(&plan, CLUSTER).params["role"], "arn:aws:iam::1:role/c");
    assert_eq!(step(&plan, CLUSTER).params["selfManagedAddons"], true);
}

#[test]
fn every_anchor_carries_the_spec() {
    let spec = spec("demo");
    let plan = planned(&spec);
    for id in [VPC, CLUSTER_ROLE, CLUSTER] {
        let extra: BTreeMap<String, String> =
            serde_json::from_value(step(&plan, id).params["extraTags"].clone()).unwrap();
        assert_eq!(tags::spec_of(&extra).as_ref(), Some(&spec), "{id}");
    }
}

#[test]
fn people_are_told_apart() {
    let mut spec = spec("demo");
    spec.admins = ["role/Platform", "role/team-a/Platform", "user/ann", "role/Deploy"]
        .map(|r| format!("arn:aws:iam::123456789012:{r}"))
        .to_vec();
    let plan = planned(&spec);
    let ids: Vec<&str> = plan
        .steps
        .iter()
        .map(|s| s.id.as_str())
        .filter(|id| id.starts_with("access/") && !id.ends_with("/policy"))
        .collect();
    assert_eq!(ids, ["access/role-deploy", "access/role-platform", "access/role-platform-2", "access/user-ann"]);
}

fn any_spec() -> impl Strategy<Value = ResolvedSpec> {
    let nat = prop_oneof![Just(Nat::None), Just(Nat::Single), Just(Nat::PerZone)];
    let pools = prop::collection::btree_set("[a-z][a-z0-9-]{0,40}[a-z0-9]", 0..5);
    let addons = prop::sample::subsequence(
        vec!["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver", "metrics-server"],
        0..=6,
    );
    ("[a-z][a-z0-9-]{0,38}[a-z0-9]", 2usize..=6, nat, pools, addons, 16u8..=23, any::<[bool; 4]>()).prop_map(
        |(name, zones, nat, pools, addons, prefix, flags)| {
            let mut spec = spec(&name);
            spec.network.zones = (0..zones).map(|at| format!("us-east-1{}", letter(at))).collect();
            spec.network.nat = nat;
            spec.network.cidr = format!("10.0.0.0/{prefix}").parse().unwrap();
            spec.node_pools = pools.iter().map(|name| pool(name)).collect();
            let aws = spec.aws.as_mut().unwrap();
            aws.addons = addons.into_iter().map(str::to_owned).collect();
            // What resolution lets through: a pool scales only where the agent hands out identities.
            let agent = aws.addons.iter().any(|name| name == POD_IDENTITY_AGENT);
            for (at, pool) in spec.node_pools.iter_mut().enumerate().skip(1) {
                if agent {
                    pool.max += u32::try_from(at).unwrap();
                }
                pool.gpu = (at % 2 == 0).then(|| ("T4".to_owned(), 1));
            }
            if flags[0] {
                aws.cluster_role_arn = Some("arn:aws:iam::1:role/c".to_owned());
            }
            if flags[1] {
                aws.node_role_arn = Some("arn:aws:iam::1:role/n".to_owned());
            }
            if flags[2] {
                aws.admin_principal_arn = None;
            }
            if flags[3] {
                let ids = |side: &str| (0..zones).map(|at| format!("subnet-{side}{at}")).collect();
                spec.network.existing = Some(ExistingNetwork {
                    vpc: "vpc-1".to_owned(),
                    private_subnets: ids("p"),
                    public_subnets: ids("q"),
                    ..ExistingNetwork::default()
                });
            }
            spec
        },
    )
}

proptest! {
    #[test]
    fn every_plan_is_sound(spec in any_spec()) {
        let plan = planned(&spec);
        prop_assert_eq!(plan.validate(), Ok(()));
        for step in &plan.steps {
            let before = ancestors(&plan, &step.id);
            for (from, _) in references(&step.params) {
                prop_assert!(before.contains(&from), "{} refers to {from}", step.id);
            }
            if let Identity::Child { parent, .. } = &step.identity {
                prop_assert!(before.contains(parent));
            }
            if let Identity::Name { name } = &step.identity {
                prop_assert!(name.len() <= 64, "{name}");
            }
            let name = step.params.get("name").and_then(|name| name.as_str()).unwrap_or_default();
            let limit = match step.kind.as_str() {
                steps::node_group::KIND => NODE_GROUP_MAX,
                steps::launch_template::KIND => LAUNCH_TEMPLATE_MAX,
                steps::iam_role::KIND => ROLE_MAX,
                _ => 255,
            };
            prop_assert!(name.len() <= limit, "{} {name}", step.id);
            prop_assert!(step.timing.p50_secs <= step.timing.p90_secs && step.timing.p90_secs < step.timing.deadline_secs);
            prop_assert!(step.id.tag_value().len() <= 256);
        }
        // Nothing of the plan is left out when it is undone in reverse: a sweep never waits for what waits for it.
        for point in &plan.sweeps {
            for before in &point.before {
                prop_assert!(!point.after.contains(before));
                for after in &point.after {
                    prop_assert!(!ancestors(&plan, before).contains(after) , "{}: {before} needs {after}", point.stage);
                }
            }
        }
        prop_assert_eq!(&plan, &planned(&spec));
    }
}
