//! Whole lives under exactly what is printed for them, and nothing printed that no life asks for.

use super::rig::{Printed, RARE, asked};
use crate::lives::rig::World;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use std::collections::{BTreeMap, BTreeSet};

/// What a life begins from and how it ends.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Default,
    Nat(&'static str),
    Adopted,
    Pools,
    Scaling,
}

const POOLS: &str = r#"
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
nodePools:
  - { name: default, instanceType: m6a.large, count: 1 }
  - { name: cheap, instanceType: m6i.large, count: 1, spot: true }
aws: { addons: [], accessEntry: false }
"#;

/// What scales asks for a role with a policy of its own, and for objects in the cluster.
const SCALING: &str = r#"
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
network: { nat: none }
nodePools:
  - { name: default, instanceType: m6a.large, count: 1 }
  - { name: burst, instanceTypes: [m6a.xlarge, m5.xlarge], spot: true, min: 0, max: 2 }
"#;

/// Every command of a cluster's life, with the journal lost on the way; ends where it began.
fn whole_life(shape: Shape) -> (Printed, BTreeMap<String, u64>) {
    let world = World::new();
    let nat: &[&str] = match &shape {
        Shape::Nat(word) => &["--nat", word],
        _ => &[],
    };
    match shape {
        Shape::Adopted => world.home.write("cluster.yaml", &world.good_network().yaml()),
        Shape::Pools => world.home.write("cluster.yaml", POOLS),
        Shape::Scaling => world.home.write("cluster.yaml", SCALING),
        _ => {}
    }
    let mut wish: Vec<&str> = if matches!(shape, Shape::Adopted | Shape::Pools | Shape::Scaling) {
        vec!["-f", "cluster.yaml"]
    } else {
        vec!["demo"]
    };
    wish.extend(nat);
    let printed = Printed::by(&world, &wish);
    let foreign = world.show().totals.objects;
    // What others ask for in these tests, before the life and in its midst.
    let mut by_others = allowed(&world);
    world.limit(&printed.texts());
    let provision = |more: &[&str]| world.go(&[&["provision"], &wish[..], more].concat());
    let checks = provision(&["--dry-run", "-o", "json"]).expect(0).json()["preflight"].clone();
    assert!(checks.to_string().contains("actions allowed, by simulation"), "{checks:#}");
    let built = provision(&["--yes", "-o", "json"]).expect(0).json();
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()), "{built:#}");
    let again = provision(&["-o", "json"]).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{again:#}");
    world.go(&["status", "demo", "--check"]).expect(0);
    world.go(&["status"]).expect(0);
    world.go(&["kubeconfig", "demo", "--print"]).expect(0);
    world.go(&["protect", "demo", "on"]).expect(0);
    world.go(&["protect", "demo", "off"]).expect(0);
    world.lose_journals();
    world.go(&["recover", "demo"]).expect(0);
    let again = world.go(&["provision", "demo", "-o", "json"]).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()), "{again:#}");
    let destroy = ["destroy", "demo", "--confirm", "demo"];
    if shape == Shape::Default {
        world.work_on("demo");
        let mut as_another = |work: &dyn Fn(&World)| {
            let before = allowed(&world);
            world.limit(&[]);
            work(&world);
            world.limit(&printed.texts());
            for (action, count) in allowed(&world) {
                *by_others.entry(action.clone()).or_default() += count - before.get(&action).copied().unwrap_or(0);
            }
        };
        as_another(&World::leave_traces);
        world.go(&[&destroy[..], &["--volumes", "delete"]].concat()).expect(0);
        as_another(&World::forget_traces);
        // Once more, and gone by its tags alone.
        provision(&["--yes", "--wait", "cloud"]).expect(0);
        world.go(&[&destroy[..], &["--from-tags"]].concat()).expect(0);
    } else {
        world.go(&destroy).expect(0);
    }
    assert_eq!(world.show().totals.objects, foreign, "{:#?}", world.show().objects);
    let mut used = BTreeMap::new();
    for (action, yes, no) in asked(&world) {
        // EKS may remove its group between the look and the call: what is not there carries no tag to be judged by.
        assert!(no == 0 || action == "ec2:DeleteSecurityGroup", "{action} was denied");
        let here = yes - by_others.get(&action).copied().unwrap_or_default();
        if here > 0 {
            assert!(action.starts_with("sts:") || printed.actions.contains(&action), "{action} is not in the policy");
            used.insert(action, here);
        }
    }
    (printed, used)
}

fn allowed(world: &World) -> BTreeMap<String, u64> {
    asked(world).into_iter().map(|(action, yes, _)| (action, yes)).collect()
}

impl World {
    /// What others attach to a role, or a service forgets: none of it may keep a teardown from ending.
    fn leave_traces(&self) {
        let node = self.standing("role").into_iter().find(|it| it.id.ends_with("-node")).unwrap();
        let stack = node.tags["kubewright-stack"].clone();
        let volume = self.standing("volume").into_iter().find(|it| it.tags.contains_key("CSIVolumeName")).unwrap().id;
        self.wait(async {
            let (iam, ec2) = (self.iam(), self.ec2());
            let any = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;
            let inline = iam.put_role_policy().role_name(&node.id).policy_name("notes").policy_document(any);
            inline.send().await.unwrap();
            let profile = "eks-0ac81f2e-5d6b-4c2a-9f10-0123456789ab";
            iam.create_instance_profile().instance_profile_name(profile).send().await.unwrap();
            let held = iam.add_role_to_instance_profile().instance_profile_name(profile).role_name(&node.id);
            held.send().await.unwrap();
            let tags = [("kubewright-stack", stack.as_str()), ("CSIVolumeSnapshotName", "snap-1")];
            let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
            let tags = TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(tags.into()));
            ec2.create_snapshot().volume_id(volume).tag_specifications(tags.build()).send().await.unwrap();
            let logs = self.logs().create_log_group().log_group_name("/aws/eks/demo/cluster");
            logs.send().await.unwrap();
        });
        self.minutes(2);
    }

    /// The log group is EKS's: it stays, and whoever made it here takes it away again.
    fn forget_traces(&self) {
        self.wait(self.logs().delete_log_group().log_group_name("/aws/eks/demo/cluster").send()).unwrap();
    }
}

#[test]
fn every_life_passes_with_what_is_printed_and_uses_all_of_it() {
    let shapes =
        [Shape::Default, Shape::Nat("none"), Shape::Nat("per-zone"), Shape::Adopted, Shape::Pools, Shape::Scaling];
    let (mut printed, mut used) = (BTreeSet::new(), BTreeMap::new());
    let mut asked = 0;
    for pair in shapes.chunks(2) {
        let lives = std::thread::scope(|scope| {
            let begun: Vec<_> = pair.iter().map(|shape| scope.spawn(|| whole_life(*shape))).collect();
            begun.into_iter().map(|life| life.join().unwrap()).collect::<Vec<_>>()
        });
        for (policy, actions) in lives {
            printed.extend(policy.actions);
            for (action, count) in actions {
                asked += count;
                *used.entry(action).or_insert(0_u64) += count;
            }
        }
    }
    let rare: BTreeSet<&str> = RARE.iter().map(|(action, _)| *action).collect();
    let idle: Vec<&String> =
        printed.iter().filter(|it| !used.contains_key(*it) && !rare.contains(it.as_str())).collect();
    assert!(idle.is_empty(), "printed, and no life asks for it: {idle:?}");
    println!(
        "policy: {} lives, {asked} questions, {} of {} actions asked for, {} rare",
        shapes.len(),
        printed.iter().filter(|it| used.contains_key(*it)).count(),
        printed.len(),
        rare.len()
    );
}

/// Each part of a life has enough in its own policy: one identity builds, another looks after it, a third removes it.
#[test]
fn each_part_of_a_life_is_enough_for_its_part() {
    let world = World::new();
    let part = |part: &str| Printed::by(&world, &["demo", "--for", part]).texts();
    world.limit(&part("build"));
    let built = world.go(&["provision", "demo", "--yes"]).expect(0);
    let said = format!("{}{}", built.out, built.err);
    assert!(said.contains("can build it and not take it down"), "{said}");
    world.go(&["destroy", "demo", "--confirm", "demo"]);
    assert!(!world.standing("cluster").is_empty(), "who builds cannot destroy");
    world.limit(&part("operate"));
    world.lose_journals();
    world.go(&["recover", "demo"]).expect(0);
    world.go(&["status", "demo"]).expect(0);
    world.go(&["kubeconfig", "demo", "--print"]).expect(0);
    world.go(&["protect", "demo", "on"]).expect(0);
    world.go(&["protect", "demo", "off"]).expect(0);
    world.limit(&part("destroy"));
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    world.assert_empty();
}
