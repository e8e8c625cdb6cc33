//! What belongs to others and looks like ours: refused or left alone, whichever way we come.

use super::rig::World;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use kubewright::sandbox::clock::Speed;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"Service":"SERVICE.amazonaws.com"}}]}"#;

fn tagged(kind: ResourceType, pairs: &[(&str, &str)]) -> TagSpecification {
    let tags = pairs.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build());
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags.collect())).build()
}

impl World {
    /// Plants look-alikes of a cluster's belongings; returns what must stand unchanged for ever.
    fn plant(&self, near: &[(&str, &str)]) -> Vec<String> {
        let by_cluster = [("kubernetes.io/cluster/demo", "owned"), ("kubernetes.io/created-for/pvc/name", "data")];
        let by_cni = [("cluster.k8s.amazonaws.com/name", "demo"), ("eks:eni:owner", "amazon-vpc-cni")];
        self.wait(async {
            let ec2 = self.ec2();
            let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tagged(ResourceType::Vpc, near));
            let vpc = vpc.send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
            let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.0.0/24").availability_zone("us-east-1a");
            let subnet = subnet.tag_specifications(tagged(ResourceType::Subnet, near)).send().await.unwrap();
            let subnet = subnet.subnet.unwrap().subnet_id.unwrap();
            let group = ec2.create_security_group().group_name("k8s-elb-demo").description("for ELB").vpc_id(&vpc);
            let group = group.tag_specifications(tagged(ResourceType::SecurityGroup, &by_cluster[..1]));
            let group = group.send().await.unwrap().group_id.unwrap();
            let eni = ec2.create_network_interface().subnet_id(&subnet).groups(&group);
            let eni = eni.description("aws-K8S-i-0ffffffffffffffff");
            let eni = eni.tag_specifications(tagged(ResourceType::NetworkInterface, &by_cni)).send().await.unwrap();
            let gateway = ec2.create_internet_gateway().tag_specifications(tagged(ResourceType::InternetGateway, near));
            let gateway = gateway.send().await.unwrap().internet_gateway.unwrap();
            let volume = ec2.create_volume().availability_zone("us-east-1a").size(10);
            let volume = volume.tag_specifications(tagged(ResourceType::Volume, &by_cluster)).send().await.unwrap();
            let address = ec2.allocate_address().tag_specifications(tagged(ResourceType::ElasticIp, near));
            let address = address.send().await.unwrap();
            vec![
                vpc,
                subnet,
                group,
                eni.network_interface.unwrap().network_interface_id.unwrap(),
                gateway.internet_gateway_id.unwrap(),
                volume.volume_id.unwrap(),
                address.allocation_id.unwrap(),
            ]
        })
    }

    pub(super) fn role(&self, name: &str, service: &str) -> String {
        let trust = TRUST.replace("SERVICE", service);
        let role =
            self.wait(self.iam().create_role().role_name(name).assume_role_policy_document(trust).send()).unwrap();
        role.role.unwrap().arn
    }
}

#[test]
fn look_alikes_survive_every_way() {
    let mut world = World::new();
    // Everything but a proof: the words for people, and a stack tag that is none.
    let near =
        [("cluster_name", "demo"), ("created_by", "kubewright"), ("kubewright-stack", "demo"), ("Name", "kw-demo")];
    let mut strangers = world.plant(&near);
    world.role("kw-demo-node", "ec2");
    strangers.push("kw-demo-node".to_owned());
    let before = world.look_at(&strangers);
    assert_eq!(before.len(), 8, "{before:#?}");
    // Built through a failure, continued, recovered, destroyed by its journal.
    world.restart("eks:CreateNodegroup=error-before", Speed::Max);
    world.go(&["provision", "demo", "--yes"]).expect(9);
    assert_eq!(world.look_at(&strangers), before, "after a failed build");
    world.restart("", Speed::Max);
    assert_eq!(world.build(&["demo"])["outcome"], "resumed");
    world.lose_journals();
    world.go(&["recover", "demo"]).expect(0);
    assert_eq!(world.look_at(&strangers), before, "after a recovery");
    let gone = world.destroy("demo");
    assert_eq!(gone["outcome"], "destroyed");
    assert_eq!(world.look_at(&strangers), before, "after a destroy");
    // And by the tags alone, beside another stack of the name.
    let built = world.build(&["demo"]);
    strangers.extend(world.plant(&[("kubewright-stack", "demo-ffffffff"), ("cluster_name", "demo")]));
    let before = world.look_at(&strangers);
    world.lose_journals();
    let id = built["stack"]["id"].as_str().unwrap();
    world.go(&["destroy", "demo", "--stack", id, "--confirm", "demo"]).expect(0);
    assert_eq!(world.look_at(&strangers), before, "after a destroy from the tags");
    let ours = world.show().objects.into_iter().filter(|it| it.tags.contains_key("kubewright-step"));
    let ours: Vec<_> = ours.filter(|it| !["deleted", "terminated"].contains(&it.state.as_str())).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn a_cluster_made_by_hand_is_refused_everywhere() {
    let world = World::new();
    let role = world.role("legacy", "eks");
    world.wait(async {
        let policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
        world.iam().attach_role_policy().role_name("legacy").policy_arn(policy).send().await.unwrap();
    });
    world.minutes(2);
    world.wait(async {
        let subnets = world.ec2().describe_subnets().send().await.unwrap().subnets.unwrap();
        let zones = ["us-east-1a", "us-east-1b"];
        let ids = subnets.iter().filter(|it| zones.contains(&it.availability_zone().unwrap()));
        let ids = ids.map(|it| it.subnet_id().unwrap().to_owned()).collect();
        let network = aws_sdk_eks::types::VpcConfigRequest::builder().set_subnet_ids(Some(ids)).build();
        let call = world.eks().create_cluster().name("demo").role_arn(&role).resources_vpc_config(network);
        call.tags("kubewright", "demo").tags("cluster_name", "demo").send().await.unwrap();
    });
    world.minutes(20);
    let calls = world.show().requests.mutating;
    let said = world.go(&["provision", "demo", "--yes", "-o", "json"]).expect(8).json();
    assert_eq!(said["error"]["id"], "KW-NOT-OURS", "{said:#}");
    let said = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(8).json();
    assert_eq!(said["error"]["id"], "KW-NOT-OURS");
    world.go(&["destroy", "demo", "--confirm", "demo", "--from-tags"]).expect(8);
    world.go(&["destroy", "demo", "--confirm", "demo", "--ignore-not-found"]).expect(8);
    world.go(&["recover", "demo"]).expect(4);
    let seen = world.go(&["status", "demo", "-o", "json"]).expect(0).json();
    assert_eq!(seen["clusters"][0]["managedBy"], "other");
    assert_eq!(world.show().requests.mutating, calls, "nothing was sent that changes anything");
    let cluster = world.wait(world.eks().describe_cluster().name("demo").send()).unwrap().cluster.unwrap();
    assert_eq!(cluster.status().map(|it| it.as_str()), Some("ACTIVE"));
}

#[test]
fn a_role_and_a_volume_that_only_look_like_ours_stay() {
    let mut world = World::with("iam:CreateRole=error-before", Speed::Max);
    world.go(&["provision", "demo", "--yes"]).expect(9);
    world.restart("", Speed::Max);
    // Somebody takes the very name that the node role is to have.
    let plan = world.go(&["provision", "demo", "--dry-run", "-o", "json"]).expect(0).json();
    let step = plan["steps"].as_array().unwrap().iter().find(|step| step["id"] == "iam/node-role").unwrap();
    let name = step["identity"]["name"].as_str().unwrap_or_else(|| panic!("{step:#}")).to_owned();
    world.role(&name, "ec2");
    world.minutes(2);
    let said = world.go(&["provision", "demo", "--yes", "-o", "json"]);
    assert!(said.code == 8 || said.code == 9, "{} {}", said.code, said.err);
    assert_eq!(said.json()["error"]["id"], "KW-NOT-OURS", "{}", said.out);
    let volume = world.wait(async {
        let tags = [("kubernetes.io/cluster/demo", "owned"), ("kubernetes.io/created-for/pvc/name", "data")];
        let call = world.ec2().create_volume().availability_zone("us-east-1a").size(10);
        call.tag_specifications(tagged(ResourceType::Volume, &tags)).send().await.unwrap().volume_id.unwrap()
    });
    let gone =
        world.go(&["destroy", "demo", "--confirm", "demo", "--volumes", "delete", "-o", "json"]).expect(0).json();
    assert_eq!(gone["outcome"], "destroyed");
    let role = world.wait(world.iam().get_role().role_name(&name).send()).unwrap().role.unwrap();
    assert!(role.tags().is_empty(), "it stands as it was: {role:?}");
    assert_eq!(world.standing("volume").into_iter().map(|it| it.id).collect::<Vec<_>>(), [volume]);
}

#[test]
fn what_lost_its_tags_stays_and_the_way_out_is_told() {
    let world = World::new();
    world.build(&["demo"]);
    let vpc = world.standing("vpc").remove(0).id;
    let bare = ["kubewright-stack", "kubewright-step"].map(|key| aws_sdk_ec2::types::Tag::builder().key(key).build());
    world.wait(world.ec2().delete_tags().resources(&vpc).set_tags(Some(bare.to_vec())).send()).unwrap();
    let said = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9).json();
    assert_eq!(said["error"]["id"], "KW-NOT-OURS", "{said:#}");
    let hints: Vec<&str> = said["error"]["hints"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
    assert!(hints.iter().any(|hint| hint.contains("give it its tags back (kubewright-stack=demo-")), "{hints:?}");
    let standing: Vec<String> = world.standing("vpc").into_iter().map(|it| it.id).collect();
    assert_eq!(standing, std::slice::from_ref(&vpc), "it stays");
    // Whoever it belongs to removes it; what the journal tells of is gone then.
    world.wait(world.ec2().delete_vpc().vpc_id(&vpc).send()).unwrap();
    let gone = world.destroy("demo");
    assert_eq!(gone["outcome"], "destroyed", "{gone:#}");
    world.assert_empty();
}

/// One of our two tags proves nothing: what carries it neither ends a stack nor counts as a part of it.
#[test]
fn an_expiry_on_what_is_not_ours_ends_nothing() {
    let world = World::new();
    let built = world.build(&["demo"]);
    let stack = format!("demo-{}", built["stack"]["id"].as_str().unwrap());
    let half = [("kubewright-stack", stack.as_str()), ("kubewright-expires-at", "1000000000")];
    let tags = tagged(ResourceType::Vpc, &half);
    let vpc = world.wait(world.ec2().create_vpc().cidr_block("10.9.0.0/16").tag_specifications(tags).send()).unwrap();
    let vpc = vpc.vpc.unwrap().vpc_id.unwrap();
    let before = world.look_at(std::slice::from_ref(&vpc));
    let calls = world.show().requests.mutating;
    for lost in [false, true] {
        if lost {
            world.lose_journals();
        }
        let said = world.go(&["reap", "--delete", "--region", "us-east-1", "-o", "json"]).expect(0).json();
        assert_eq!(said["due"], serde_json::json!([]), "{said:#}");
    }
    assert_eq!(world.show().requests.mutating, calls);
    let gone = world.destroy("demo");
    assert_eq!(gone["outcome"], "destroyed", "{gone:#}");
    assert_eq!(world.look_at(&[vpc]), before);
}

#[test]
fn a_node_group_that_somebody_made_in_our_cluster_goes_with_it() {
    let world = World::new();
    for lost in [false, true] {
        world.build(&["demo"]);
        world.wait(async {
            let eks = world.eks();
            let all = eks.list_nodegroups().cluster_name("demo").send().await.unwrap().nodegroups.unwrap();
            let ours = eks.describe_nodegroup().cluster_name("demo").nodegroup_name(&all[0]).send().await.unwrap();
            let ours = ours.nodegroup.unwrap();
            let call = eks.create_nodegroup().cluster_name("demo").nodegroup_name("byhand");
            let call = call.node_role(ours.node_role().unwrap()).set_subnets(ours.subnets);
            call.send().await.unwrap();
        });
        world.minutes(10);
        if lost {
            world.lose_journals();
        }
        let gone = world.destroy("demo");
        assert_eq!(gone["outcome"], "destroyed", "{gone:#}");
        world.assert_empty();
    }
}
