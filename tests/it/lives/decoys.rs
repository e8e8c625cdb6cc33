//! Every kind of thing that a cluster leaves behind goes, beside look-alikes that stay to the last tag: the same names
//! without tags, another cluster's tags, our cluster's name where it proves nothing.

use super::plants::{Plant, Who};
use super::rig::World;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use serde_json::Value;
use std::collections::BTreeSet;

fn ids(plants: &[Plant]) -> Vec<String> {
    plants.iter().map(|it| it.id.clone()).collect()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn stack_of(built: &Value) -> String {
    format!("demo-{}", built["stack"]["id"].as_str().unwrap())
}

fn holds_data(plant: &Plant) -> bool {
    ["claim's disk", "snapshot"].contains(&plant.kind)
}

impl World {
    fn take_down(&self, volumes: Option<&str>, code: i32) -> Value {
        let mut words = vec!["destroy", "demo", "--confirm", "demo", "-o", "json"];
        words.extend(volumes.map(|fate| ["--volumes", fate]).into_iter().flatten());
        self.go(&words).expect(code).json()
    }

    fn remove_data(&self, plants: &[Plant]) {
        for it in plants.iter().filter(|it| holds_data(it)) {
            self.wait(async {
                match it.kind {
                    "snapshot" => drop(self.ec2().delete_snapshot().snapshot_id(&it.id).send().await.unwrap()),
                    _ => drop(self.ec2().delete_volume().volume_id(&it.id).send().await.unwrap()),
                }
            });
        }
    }
}

#[test]
fn every_leftover_goes_and_no_look_alike_does() {
    let world = World::new();
    let elsewhere = world.elsewhere("10.90");
    let mut decoys = Vec::new();
    for who in [Who::Nobody, Who::Another, Who::Named("demo-ffffffff".to_owned())] {
        decoys.extend(world.plant_all(&elsewhere, &who));
    }
    decoys.push(Plant { kind: "network", id: elsewhere.vpc.clone() });
    let decoys = ids(&decoys);
    world.minutes(5);
    let before = world.look_at(&decoys);
    assert_eq!(before.len(), decoys.len(), "{before:#?}");
    let (mut kinds, mut removed) = (BTreeSet::new(), 0);
    for (volumes, by_tags) in [(None, false), (Some("keep"), true), (Some("delete"), false), (Some("delete"), true)] {
        let told = format!("--volumes {volumes:?}, from the tags: {by_tags}");
        let stack = stack_of(&world.build(&["demo"]));
        let ours = world.plant_all(&world.home_ground(), &Who::Ours(stack));
        let profile = ours.iter().find(|it| it.kind == "instance profile").unwrap();
        world.give_node_role(&profile.id);
        world.minutes(5);
        assert_eq!(world.look_at(&ids(&ours)).len(), ours.len(), "{told}: all of ours stand");
        if by_tags {
            world.lose_journals();
        }
        let gone = world.take_down(volumes, 0);
        assert_eq!((&gone["outcome"], &gone["audit"]["clean"]), (&"destroyed".into(), &true.into()), "{told}");
        let (data, rest): (Vec<_>, Vec<_>) = ours.iter().cloned().partition(holds_data);
        assert_eq!(world.look_at(&ids(&rest)), [""; 0], "{told}");
        assert_eq!(world.look_at(&decoys), before, "{told}");
        let kept: Vec<&Value> =
            gone["kept"].as_array().unwrap().iter().filter(|it| data.iter().any(|our| it["id"] == our.id)).collect();
        if volumes == Some("delete") {
            assert_eq!((world.look_at(&ids(&data)), kept.len()), (Vec::new(), 0), "{told}");
            removed += data.len();
        } else {
            assert_eq!((world.look_at(&ids(&data)).len(), kept.len()), (2, 2), "{told}: {gone:#}");
            let disk = kept.iter().find(|it| it["kind"] == "aws/volume").unwrap();
            assert!(disk["usdPerHour"].as_f64().unwrap() > 0.0 && disk["why"].is_string(), "{told}: {disk:#}");
            world.remove_data(&data);
        }
        removed += rest.len();
        kinds.extend(ours.iter().map(|it| it.kind));
        // Nothing of the cluster's own is left under any tag of ours either.
        let named = world.show().objects.into_iter().filter(|it| {
            it.tags.get("kubernetes.io/cluster/demo").is_some_and(|value| value == "owned") && !decoys.contains(&it.id)
        });
        let named: Vec<_> = named.filter(|it| !["deleted", "terminated"].contains(&it.state.as_str())).collect();
        assert!(named.is_empty(), "{told}: {named:#?}");
    }
    println!("{} kinds, {removed} ours removed, {} decoys untouched", kinds.len(), decoys.len());
    assert!(kinds.len() >= 14, "{kinds:?}");
}

/// The proof decides, not the look: given to a look-alike it goes, taken from one of ours it stays and is told.
#[test]
fn a_proof_that_is_given_removes_and_one_that_is_taken_away_keeps() {
    let world = World::new();
    let stack = stack_of(&world.build(&["demo"]));
    let (home, named) = (world.home_ground(), Who::Named("demo-ffffffff".to_owned()));
    let of = |plants: &[Plant], kind: &str| plants.iter().find(|it| it.kind == kind).unwrap().id.clone();
    let (ours, nobodys) = (Who::Ours(stack.clone()), Who::Nobody);
    let (mine, theirs) = (world.plant_machines(&home, &ours), world.plant_machines(&home, &named));
    let untagged = world.plant_around(&home, &nobodys);
    let (given, taken) = (of(&theirs, "claim's disk"), of(&mine, "claim's disk"));
    let (interface, targets) = (of(&untagged, "leaked interface"), of(&untagged, "target group"));
    let copy = world.wait(async {
        let ec2 = world.ec2();
        ec2.create_tags().resources(&given).tags(tag("kubewright-stack", &stack)).send().await.unwrap();
        let bare = Tag::builder().key("kubewright-stack").build();
        ec2.delete_tags().resources(&taken).tags(bare).send().await.unwrap();
        let of_add_on = ec2.create_tags().resources(&interface).tags(tag("eks:eni:owner", "amazon-vpc-cni"));
        of_add_on.tags(tag("cluster.k8s.amazonaws.com/name", "demo")).send().await.unwrap();
        // Saved by hand, with the tags copied.
        let spec = TagSpecification::builder().resource_type(ResourceType::Snapshot);
        let spec = spec.tags(tag("kubewright-stack", &stack)).build();
        let saved = ec2.create_snapshot().volume_id(&taken).tag_specifications(spec).send().await.unwrap();
        saved.snapshot_id.unwrap()
    });
    // What stands in our network without a proof keeps it from going: away with all but what keeps nothing.
    world.wait(async {
        for it in &untagged {
            match it.kind {
                "application balancer" | "network balancer" => {
                    world.elbv2().delete_load_balancer().load_balancer_arn(&it.id).send().await.unwrap();
                }
                "classic balancer" => {
                    world.elb().delete_load_balancer().load_balancer_name(&it.id).send().await.unwrap();
                }
                "branch interface" => {
                    world.ec2().delete_network_interface().network_interface_id(&it.id).send().await.unwrap();
                }
                "GuardDuty's endpoint" => {
                    world.ec2().delete_vpc_endpoints().vpc_endpoint_ids(&it.id).send().await.unwrap();
                }
                _ => {}
            }
        }
        let machine = of(&theirs, "machine");
        world.ec2().terminate_instances().instance_ids(machine).send().await.unwrap();
    });
    world.minutes(10);
    world.wait(async {
        world.ec2().delete_security_group().group_id(of(&untagged, "GuardDuty's group")).send().await.unwrap();
        // The interface with a proof is still in it: both go.
        let group = world.ec2().create_tags().resources(of(&untagged, "security group"));
        group.tags(tag("elbv2.k8s.aws/cluster", "demo")).send().await.unwrap();
    });
    world.minutes(1);
    let stays = [taken.clone(), copy.clone(), targets.clone()];
    let before = world.look_at(&stays);
    let gone = world.take_down(Some("delete"), 0);
    assert_eq!(world.look_at(&[given, interface, of(&untagged, "security group")]), [""; 0], "given a proof: {gone:#}");
    assert_eq!(world.look_at(&stays), before, "without a proof");
    let kept = |id: &str| {
        let kept = gone["kept"].as_array().unwrap().iter().find(|it| it["id"] == id).cloned();
        kept.unwrap_or_else(|| panic!("{id} is not told: {gone:#}"))
    };
    assert!(kept(&taken)["why"].as_str().unwrap().contains("without our tag"), "{:#}", kept(&taken));
    assert!(kept(&taken)["usdPerHour"].as_f64().unwrap() > 0.0);
    assert!(kept(&copy)["why"].as_str().unwrap().contains("a copy that somebody else made"), "{:#}", kept(&copy));
}
