//! Networks brought along: a good one is built in and left as it was, a bad one is refused before the first write.

use super::rig::World;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

const ELB: &str = "kubernetes.io/role/internal-elb";

pub(crate) struct Network {
    vpc: String,
    private: Vec<String>,
}

impl Network {
    pub(crate) fn yaml(&self) -> String {
        format!(
            "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: aws\nregion: us-east-1\n\
             network: {{ existing: {{ vpc: {}, privateSubnets: [{}] }} }}\n",
            self.vpc,
            self.private.join(", ")
        )
    }
}

fn tags(kind: ResourceType, pairs: &[(&str, &str)]) -> TagSpecification {
    let tags = pairs.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build());
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags.collect())).build()
}

impl World {
    async fn vpc(&self) -> String {
        let ec2 = self.ec2();
        let made = ec2
            .create_vpc()
            .cidr_block("10.20.0.0/16")
            .tag_specifications(tags(ResourceType::Vpc, &[("Name", "acme")]))
            .send()
            .await
            .unwrap();
        let vpc = made.vpc.unwrap().vpc_id.unwrap();
        let yes = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
        ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(yes).send().await.unwrap();
        vpc
    }

    async fn subnet(&self, vpc: &str, range: &str, zone: &str, pairs: &[(&str, &str)]) -> String {
        let call = self.ec2().create_subnet().vpc_id(vpc).cidr_block(range).availability_zone(zone);
        let call = if pairs.is_empty() { call } else { call.tag_specifications(tags(ResourceType::Subnet, pairs)) };
        call.send().await.unwrap().subnet.unwrap().subnet_id.unwrap()
    }

    /// A VPC as a company has it: a public subnet with a NAT gateway, two private ones behind it.
    pub(crate) fn good_network(&self) -> Network {
        let (vpc, nat, private) = self.wait(async {
            let ec2 = self.ec2();
            let vpc = self.vpc().await;
            let public = self.subnet(&vpc, "10.20.0.0/24", "us-east-1a", &[]).await;
            let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
            let gateway = gateway.internet_gateway_id.unwrap();
            ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
            let by = Filter::builder().name("vpc-id").values(&vpc).build();
            let main = ec2.describe_route_tables().filters(by).send().await.unwrap().route_tables.unwrap();
            let main = main[0].route_table_id().unwrap();
            let route = ec2.create_route().route_table_id(main).destination_cidr_block("0.0.0.0/0");
            route.gateway_id(&gateway).send().await.unwrap();
            let address = ec2.allocate_address().send().await.unwrap().allocation_id.unwrap();
            let nat = ec2.create_nat_gateway().subnet_id(&public).allocation_id(address).send().await.unwrap();
            let mut private = Vec::new();
            for (range, zone) in [("10.20.16.0/20", "us-east-1a"), ("10.20.32.0/20", "us-east-1b")] {
                private.push(self.subnet(&vpc, range, zone, &[(ELB, "1")]).await);
            }
            (vpc, nat.nat_gateway.unwrap().nat_gateway_id.unwrap(), private)
        });
        self.minutes(5);
        self.wait(async {
            let ec2 = self.ec2();
            let table = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap().route_table.unwrap();
            let table = table.route_table_id.unwrap();
            let route = ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0");
            route.nat_gateway_id(nat).send().await.unwrap();
            for subnet in &private {
                ec2.associate_route_table().route_table_id(&table).subnet_id(subnet).send().await.unwrap();
            }
        });
        Network { vpc, private }
    }

    /// What somebody else has in EC2, by id, with its tags.
    fn belongings(&self) -> Vec<(String, String)> {
        let all = self.show().objects;
        let ec2 = all.into_iter().filter(|it| it.service == "ec2" && it.state != "deleted" && it.state != "terminated");
        ec2.map(|it| (it.id.clone(), format!("{} {:?} {:?}", it.kind, it.parent, it.tags))).collect()
    }
}

#[test]
fn a_good_network_is_built_in_and_left_as_it_was() {
    let world = World::new();
    let network = world.good_network();
    let before = world.belongings();
    world.home.write("cluster.yaml", &network.yaml());
    let plan = world.go(&["provision", "--dry-run"]).expect(0);
    let adopted = format!("adopted: {}, 2 subnets", network.vpc);
    assert!(plan.out.contains(&adopted) && plan.out.contains("never changed, never deleted"), "{}", plan.out);
    let built = world.build(&[]);
    assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"created".into(), &true.into()));
    let foreign: Vec<_> =
        built["resources"].as_array().unwrap().iter().filter(|it| it["origin"] == "external").collect();
    assert!(foreign.iter().any(|it| it["id"] == network.vpc.as_str()), "{foreign:#?}");
    let groups = world.wait(world.ec2().describe_instances().send()).unwrap();
    for machine in groups.reservations().iter().flat_map(|it| it.instances()) {
        assert!(network.private.iter().any(|id| Some(id.as_str()) == machine.subnet_id()), "{machine:?}");
    }
    let gone = world.destroy("demo");
    assert_eq!(gone["outcome"], "destroyed");
    assert_eq!(world.belongings(), before, "the network is as it was, tags and all");

    // And again from its tags alone.
    world.build(&[]);
    world.lose_journals();
    world.destroy("demo");
    assert_eq!(world.belongings(), before);
}

#[test]
fn a_network_that_cannot_work_is_refused_with_all_its_faults() {
    let world = World::new();
    let network = world.wait(async {
        let vpc = world.vpc().await;
        // The first is too small, the second leads nowhere; both of them lack the tag.
        let small = world.subnet(&vpc, "10.20.1.0/28", "us-east-1a", &[]).await;
        let closed = world.subnet(&vpc, "10.20.32.0/20", "us-east-1b", &[]).await;
        let ec2 = world.ec2();
        let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
        let gateway = gateway.internet_gateway_id.unwrap();
        ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
        let yes = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
        ec2.modify_subnet_attribute().subnet_id(&small).map_public_ip_on_launch(yes).send().await.unwrap();
        let table = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap().route_table.unwrap();
        let table = table.route_table_id.unwrap();
        let route = ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0");
        route.gateway_id(gateway).send().await.unwrap();
        ec2.associate_route_table().route_table_id(&table).subnet_id(&small).send().await.unwrap();
        Network { vpc, private: vec![small, closed] }
    });
    world.minutes(1);
    let (before, calls) = (world.belongings(), world.show().requests.mutating);
    world.home.write("cluster.yaml", &network.yaml());
    let said = world.go(&["provision", "--yes"]).expect(2);
    let (small, closed) = (&network.private[0], &network.private[1]);
    let all = format!("{}{}", said.out, said.err);
    for part in [
        format!("{closed} (us-east-1b) has no route to a NAT gateway"),
        "nodes there would never join".to_owned(),
        format!("{small} (us-east-1a) has 11 free addresses"),
        format!("aws ec2 create-tags --resources {small} {closed} --tags Key={ELB},Value=1"),
        "they are not ours and are not tagged".to_owned(),
        "nothing was created".to_owned(),
    ] {
        assert!(all.contains(&part), "{part}\n--- in\n{all}");
    }
    let doc = world.go(&["provision", "--yes", "-o", "json"]).expect(2).json();
    let ids: Vec<_> = doc["preflight"].as_array().unwrap().iter().filter(|it| it["status"] != "ok").collect();
    for (id, status) in [("KW-NET-EGRESS", "fail"), ("KW-NET-IPS", "fail"), ("network-tags", "warn")] {
        assert!(ids.iter().any(|it| it["id"] == id && it["status"] == status), "{id} in {ids:#?}");
    }
    assert_eq!(doc["error"]["exit"], 2);
    assert_eq!((world.belongings(), world.show().requests.mutating), (before, calls), "nothing was touched");
}

#[test]
fn missing_subnet_tags_are_a_warning_with_the_command() {
    let world = World::new();
    let network = world.good_network();
    world.wait(async {
        let tag = Tag::builder().key(ELB).build();
        world.ec2().delete_tags().set_resources(Some(network.private.clone())).tags(tag).send().await.unwrap();
    });
    world.minutes(1);
    world.home.write("cluster.yaml", &network.yaml());
    let plan = world.go(&["provision", "--dry-run"]).expect(0);
    assert!(plan.out.contains("warn network-tags"), "{}", plan.out);
    assert!(plan.out.contains("aws ec2 create-tags --resources"), "the command to paste: {}", plan.out);
}
