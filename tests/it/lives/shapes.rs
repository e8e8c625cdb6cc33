//! The shapes a cluster may have: what was asked for is what stands in the cloud, and all of it goes again.

use super::rig::World;
use aws_sdk_eks::types::{AmiTypes, CapacityTypes, Nodegroup, TaintEffect};

impl World {
    fn node_group(&self, cluster: &str, pool: &str) -> Nodegroup {
        let step = format!("nodes__pool__{pool}");
        self.wait(async {
            let eks = self.eks();
            let names = eks.list_nodegroups().cluster_name(cluster).send().await.unwrap();
            for name in names.nodegroups() {
                let call = eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name);
                let group = call.send().await.unwrap().nodegroup.unwrap();
                if group.tags().is_some_and(|tags| tags.get("kubewright-step") == Some(&step)) {
                    return group;
                }
            }
            panic!("no node group of pool {pool} in {names:?}")
        })
    }
}

#[test]
fn without_translation_nodes_get_public_addresses() {
    let world = World::new();
    let built = world.build(&["demo", "--nat", "none"]);
    assert_eq!(built["outcome"], "created");
    assert_eq!(built["audit"]["clean"], true);
    assert!(world.standing("nat-gateway").is_empty() && world.standing("elastic-ip").is_empty());
    let reservations = world.wait(world.ec2().describe_instances().send()).unwrap();
    let machines: Vec<_> = reservations.reservations().iter().flat_map(|it| it.instances()).collect();
    assert_eq!(machines.len(), 2);
    for machine in machines {
        assert!(machine.public_ip_address().is_some(), "{machine:?}");
    }
    assert!(built["usdPerHour"].as_f64().unwrap() < 0.3338, "the gateway is not paid for");
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn three_zones_each_with_its_own_gateway() {
    let world = World::new();
    let built = world.build(&["demo", "--nat", "per-zone", "--zone-count", "3", "--nodes", "3"]);
    let count = |kind: &str| {
        let all = built["resources"].as_array().unwrap();
        all.iter().filter(|res| res["kind"].as_str().unwrap().ends_with(kind)).count()
    };
    assert_eq!((count("/subnet"), count("/nat-gateway"), count("/elastic-ip")), (6, 3, 3), "{built:#}");
    let gateways = world.wait(world.ec2().describe_nat_gateways().send()).unwrap();
    let subnets: std::collections::BTreeSet<_> =
        gateways.nat_gateways().iter().map(|it| it.subnet_id().unwrap()).collect();
    assert_eq!(subnets.len(), 3, "each gateway in a subnet of its own");
    // 0.3338 has one gateway with its address at 0.05 and two machines at 0.0919.
    let usd = built["usdPerHour"].as_f64().unwrap();
    assert!((usd - (0.3338 + 0.10 + 0.0919)).abs() < 0.001, "{usd}");
    world.destroy("demo");
    world.assert_empty();
}

const POOLS: &str = r#"
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
environment: test
ttl: 8h
tags: { team: research }
nodePools:
  - { name: default, instanceType: m6a.large, count: 2, diskGiB: 80 }
  - { name: arm, instanceType: m7g.large, count: 1, labels: { arch: arm }, taints: [ { key: only, value: arm, effect: NoSchedule } ] }
  - { name: cheap, instanceType: m6i.large, count: 1, spot: true }
aws: { addons: [] }
"#;

#[test]
fn pools_of_all_kinds_and_no_add_ons() {
    let world = World::new();
    world.home.write("cluster.yaml", POOLS);
    let built = world.build(&[]);
    assert_eq!((&built["outcome"], &built["stack"]["name"]), (&"created".into(), &"demo".into()));
    assert!(world.standing("addon").is_empty());
    let plain = world.node_group("demo", "default");
    assert_eq!(plain.scaling_config().unwrap().desired_size(), Some(2));
    let arm = world.node_group("demo", "arm");
    assert_eq!(arm.instance_types(), ["m7g.large"]);
    assert_eq!(arm.ami_type(), Some(&AmiTypes::Al2023Arm64Standard));
    assert_eq!(arm.labels().unwrap().get("arch").map(String::as_str), Some("arm"));
    let taint = &arm.taints()[0];
    assert_eq!(
        (taint.key(), taint.value(), taint.effect()),
        (Some("only"), Some("arm"), Some(&TaintEffect::NoSchedule))
    );
    let cheap = world.node_group("demo", "cheap");
    assert_eq!(cheap.capacity_type(), Some(&CapacityTypes::Spot));
    // The user's tags, the environment and the expiry stand on everything that carries tags at all.
    let expires: i64 = {
        let vpc = &world.standing("vpc")[0];
        assert_eq!(vpc.tags.get("team").map(String::as_str), Some("research"));
        assert_eq!(vpc.tags.get("environment").map(String::as_str), Some("test"));
        assert_eq!(vpc.tags.get("cluster_name").map(String::as_str), Some("demo"));
        vpc.tags["kubewright-expires-at"].parse().unwrap()
    };
    let told: jiff::Timestamp = built["expiresAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(told.as_second(), expires, "the document says what the tags say");
    let left = expires - world.show().world.virtual_time.as_second();
    assert!((1..=8 * 3_600).contains(&left), "{left} s of 8 h left");
    for kind in ["cluster", "role", "nodegroup", "instance", "volume"] {
        for object in world.standing(kind) {
            if object.tags.contains_key("kubewright-stack") {
                assert_eq!(object.tags.get("kubewright-expires-at"), Some(&expires.to_string()), "{object:?}");
            }
        }
    }
    let spec = world.go(&["provision", "--nodes", "3", "--yes"]).expect(8);
    assert!(spec.err.contains("nodePools.default.count 2 -> 3") && spec.err.contains("verb: nodepool"), "{}", spec.err);
    world.destroy("demo");
    world.assert_empty();
}

#[test]
fn roles_brought_along_are_used_and_left() {
    let world = World::new();
    let made = world.wait(async {
        let iam = world.iam();
        let mut arns = Vec::new();
        for (name, service, policies) in [
            ("acme-control", "eks", &["AmazonEKSClusterPolicy"][..]),
            (
                "acme-nodes",
                "ec2",
                &["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"],
            ),
        ] {
            let trust = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{{"Service":"{service}.amazonaws.com"}}}}]}}"#
            );
            let role = iam.create_role().role_name(name).assume_role_policy_document(trust).send().await.unwrap();
            for policy in policies {
                let arn = format!("arn:aws:iam::aws:policy/{policy}");
                iam.attach_role_policy().role_name(name).policy_arn(arn).send().await.unwrap();
            }
            arns.push(role.role().unwrap().arn().to_owned());
        }
        arns
    });
    world.minutes(2);
    let set = |key: &str, arn: &str| format!("aws.{key}={arn}");
    let (control, nodes) = (set("clusterRoleArn", &made[0]), set("nodeRoleArn", &made[1]));
    let built = world.build(&["demo", "--set", &control, "--set", &nodes]);
    assert_eq!(built["outcome"], "created");
    let cluster = world.wait(world.eks().describe_cluster().name("demo").send()).unwrap().cluster.unwrap();
    assert_eq!(cluster.role_arn(), Some(made[0].as_str()));
    assert_eq!(world.node_group("demo", "default").node_role(), Some(made[1].as_str()));
    world.destroy("demo");
    let roles: Vec<_> = world.standing("role").into_iter().map(|role| role.id).collect();
    assert_eq!(roles, ["acme-control", "acme-nodes"], "theirs stay, ours are gone");
    let policies = world.wait(world.iam().list_attached_role_policies().role_name("acme-nodes").send()).unwrap();
    assert_eq!(policies.attached_policies().len(), 3, "and keep their policies");
}

#[test]
fn the_expected_plan_is_built_and_no_other() {
    let world = World::new();
    let plan = world.go(&["provision", "demo", "--ttl", "2h", "--dry-run", "-o", "json"]).expect(0).json();
    let hash = plan["planHash"].as_str().unwrap().to_owned();
    let other = world.go(&["provision", "demo", "--ttl", "3h", "--expect-plan", &hash, "--yes", "-o", "json"]);
    let other = other.expect(8).json();
    assert_eq!((&other["schema"], &other["error"]["id"]), (&"kubewright.plan/v1".into(), &"KW-PLAN-CHANGED".into()));
    assert_eq!(world.show().requests.mutating, 0);
    let built = world.build(&["demo", "--ttl", "2h", "--expect-plan", &hash]);
    assert_eq!((&built["outcome"], &built["planHash"]), (&"created".into(), &hash.as_str().into()));
    world.destroy("demo");
    world.assert_empty();
}
