//! What is printed for one cluster reaches no other: not by its commands, not by any call made by hand.

use super::rig::Printed;
use crate::lives::rig::World;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use std::fmt::Debug;

fn tagged(kind: ResourceType, stack: &str) -> TagSpecification {
    let tag = Tag::builder().key("kubewright-stack").value(stack).build();
    TagSpecification::builder().resource_type(kind).tags(tag).build()
}

/// Refused for lack of permission, in the service's own words.
#[track_caller]
fn denied<T: Debug, E: ProvideErrorMetadata + Debug>(answer: Result<T, E>) {
    let error = answer.expect_err("not within its reach");
    let code = error.code().unwrap_or_default();
    assert!(["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"].contains(&code), "{error:?}");
    let words = error.message().unwrap_or_default();
    assert!(words.contains("is not authorized to perform") && words.contains("no identity-based policy"), "{words}");
}

#[test]
fn the_policy_of_one_cluster_does_not_reach_another() {
    let world = World::new();
    world.build(&["other"]);
    // A name that begins alike is another name.
    world.build(&["demo-2"]);
    let before = world.show();
    world.limit(&Printed::by(&world, &["demo"]).texts());
    for other in ["other", "demo-2"] {
        world.go(&["protect", other, "on"]).expect(3);
        let said = world.go(&["destroy", other, "--confirm", other, "-o", "json"]);
        assert!(matches!(said.code, 3 | 9), "{}: {}", said.code, said.err);
        assert!(said.err.contains("not allowed for these credentials"), "{}", said.err);
        let by_tags = world.go(&["destroy", other, "--confirm", other, "--from-tags"]);
        assert!(matches!(by_tags.code, 3 | 9), "{}", by_tags.err);
    }
    let after = world.show();
    assert_eq!((after.totals.objects, after.totals.billable), (before.totals.objects, before.totals.billable));
    world.limit(&[]);
    world.destroy("other");
    world.destroy("demo-2");
    world.assert_empty();
}

#[test]
fn no_call_made_by_hand_reaches_what_is_not_its_own() {
    let world = World::new();
    world.build(&["other"]);
    let one =
        |kind: &str| world.standing(kind).into_iter().find(|it| it.tags.contains_key("kubewright-stack")).unwrap();
    let (vpc, subnet, role, group) = (one("vpc").id, one("subnet").id, one("role").id, one("nodegroup"));
    let (instance, address) = (one("instance").id, one("elastic-ip").id);
    let (ours, theirs) = world.wait(async {
        let ec2 = world.ec2();
        let make = async |stack: &str| {
            let call = ec2.create_internet_gateway().tag_specifications(tagged(ResourceType::InternetGateway, stack));
            call.send().await.unwrap().internet_gateway.unwrap().internet_gateway_id.unwrap()
        };
        (make("demo-0a1b2c3d").await, make("demo-2-0a1b2c3d").await)
    });
    world.limit(&Printed::by(&world, &["demo"]).texts());
    world.wait(async {
        let (ec2, eks, iam) = (world.ec2(), world.eks(), world.iam());
        denied(ec2.delete_vpc().vpc_id(&vpc).send().await);
        denied(ec2.delete_subnet().subnet_id(&subnet).send().await);
        denied(ec2.terminate_instances().instance_ids(&instance).send().await);
        denied(ec2.release_address().allocation_id(&address).send().await);
        denied(ec2.delete_internet_gateway().internet_gateway_id(&theirs).send().await);
        denied(eks.delete_cluster().name("other").send().await);
        denied(eks.describe_cluster().name("other").send().await);
        let name = group.name.clone().unwrap();
        denied(eks.delete_nodegroup().cluster_name("other").nodegroup_name(&name).send().await);
        denied(iam.delete_role().role_name(&role).send().await);
        let policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
        denied(iam.attach_role_policy().role_name(&role).policy_arn(policy).send().await);
        // Its own tag opens nothing that stands: neither put on later, nor sent along with something new.
        let claim = Tag::builder().key("kubewright-stack").value("demo-0a1b2c3d").build();
        denied(ec2.create_tags().resources(&vpc).tags(claim).send().await);
        let inside = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.255.0/24");
        denied(inside.tag_specifications(tagged(ResourceType::Subnet, "demo-0a1b2c3d")).send().await);
        // New things, only with its tag.
        denied(ec2.create_vpc().cidr_block("10.9.0.0/16").send().await);
        denied(
            ec2.create_vpc()
                .cidr_block("10.9.0.0/16")
                .tag_specifications(tagged(ResourceType::Vpc, "other-0a1b2c3d"))
                .send()
                .await,
        );
        // Machines only from its own launch templates.
        denied(ec2.run_instances().image_id("ami-00000000").min_count(1).max_count(1).send().await);
        // The control: what is its own is within reach.
        ec2.delete_internet_gateway().internet_gateway_id(&ours).send().await.unwrap();
        let made = ec2.create_vpc().cidr_block("10.9.0.0/16");
        let made = made.tag_specifications(tagged(ResourceType::Vpc, "demo-0a1b2c3d")).send().await.unwrap();
        let made = made.vpc.unwrap().vpc_id.unwrap();
        ec2.delete_vpc().vpc_id(made).send().await.unwrap();
    });
}

#[test]
fn a_role_of_ours_takes_only_the_policies_of_the_plan() {
    let world = World::new();
    world.build(&["demo"]);
    let role = world.standing("role").into_iter().find(|it| it.id.ends_with("-node")).unwrap().id;
    world.limit(&Printed::by(&world, &["demo"]).texts());
    world.wait(async {
        let attach = |policy: &str| {
            let arn = format!("arn:aws:iam::aws:policy/{policy}");
            world.iam().attach_role_policy().role_name(&role).policy_arn(arn)
        };
        denied(attach("AdministratorAccess").send().await);
        attach("AmazonEKSWorkerNodePolicy").send().await.unwrap();
    });
    world.destroy("demo");
    world.assert_empty();
}
