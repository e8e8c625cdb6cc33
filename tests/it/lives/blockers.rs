//! What somebody else put into our network or joined to it: each is named with its id, none is touched, everything
//! that does not hang on them goes, and once they are gone the rest goes too.

use super::plants::{Ground, Who};
use super::rig::World;
use aws_sdk_ec2::types::{GatewayType, IpPermission, UserIdGroupPair};

/// In or at our network, by what it is.
struct Strangers {
    all: Vec<(&'static str, String)>,
    transit: String,
    other: String,
}

impl Strangers {
    fn id(&self, what: &str) -> &str {
        &self.all.iter().find(|(name, _)| *name == what).unwrap().1
    }
}

impl World {
    /// One of every kind of thing that keeps a network from going.
    fn move_in(&self, home: &Ground) -> Strangers {
        let mut all: Vec<(&'static str, String)> = Vec::new();
        let other = self.elsewhere("10.91").vpc;
        let ours = self.standing("security-group").into_iter().filter(|it| it.tags.contains_key("kubewright-step"));
        let ours = ours.map(|it| (it.parent, it.id)).find(|(parent, _)| parent.as_ref() == Some(&home.vpc)).unwrap().1;
        let transit = self.wait(async {
            let ec2 = self.ec2();
            let peering =
                ec2.create_vpc_peering_connection().vpc_id(&home.vpc).peer_vpc_id(&other).send().await.unwrap();
            let peering = peering.vpc_peering_connection.unwrap().vpc_peering_connection_id.unwrap();
            ec2.accept_vpc_peering_connection().vpc_peering_connection_id(&peering).send().await.unwrap();
            all.push(("peering", peering));
            let vpn = ec2.create_vpn_gateway().r#type(GatewayType::Ipsec1).send().await.unwrap();
            let vpn = vpn.vpn_gateway.unwrap().vpn_gateway_id.unwrap();
            ec2.attach_vpn_gateway().vpc_id(&home.vpc).vpn_gateway_id(&vpn).send().await.unwrap();
            all.push(("vpn", vpn));
            let egress = ec2.create_egress_only_internet_gateway().vpc_id(&home.vpc).send().await.unwrap();
            let egress = egress.egress_only_internet_gateway.unwrap().egress_only_internet_gateway_id.unwrap();
            all.push(("egress", egress));
            let group = ec2.create_security_group().group_name("reports").description("reports").vpc_id(&home.vpc);
            let group = group.send().await.unwrap().group_id.unwrap();
            // Its rule names a group of ours, which keeps that one from going too.
            let from = IpPermission::builder().ip_protocol("tcp").from_port(5432).to_port(5432);
            let from = from.user_id_group_pairs(UserIdGroupPair::builder().group_id(&ours).build()).build();
            ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(from).send().await.unwrap();
            let eni = ec2.create_network_interface().subnet_id(&home.subnets[0]).groups(&group);
            let eni =
                eni.description("AWS Lambda VPC ENI-reports-0f3a").send().await.unwrap().network_interface.unwrap();
            all.push(("lambda", eni.network_interface_id.unwrap()));
            all.push(("group", group));
            let subnet = ec2.create_subnet().vpc_id(&home.vpc).cidr_block("10.0.250.0/24").send().await.unwrap();
            let subnet = subnet.subnet.unwrap().subnet_id.unwrap();
            all.push(("subnet", subnet));
            let table = ec2.create_route_table().vpc_id(&home.vpc).send().await.unwrap().route_table.unwrap();
            all.push(("table", table.route_table_id.unwrap()));
            let transit = ec2.create_transit_gateway().description("backbone").send().await.unwrap();
            transit.transit_gateway.unwrap().transit_gateway_id.unwrap()
        });
        self.minutes(3);
        self.wait(async {
            let call = self.ec2().create_transit_gateway_vpc_attachment().transit_gateway_id(&transit);
            let call = call.vpc_id(&home.vpc).subnet_ids(&home.subnets[1]).send().await.unwrap();
            let attachment = call.transit_gateway_vpc_attachment.unwrap().transit_gateway_attachment_id.unwrap();
            all.push(("transit", attachment));
        });
        let around = self.plant_around(home, &Who::Nobody);
        let machines = self.plant_machines(home, &Who::Another);
        let keeps = ["application balancer", "classic balancer", "GuardDuty's endpoint", "leaked interface"];
        all.extend(around.into_iter().filter(|it| keeps.contains(&it.kind)).map(|it| (it.kind, it.id)));
        all.extend(machines.into_iter().filter(|it| it.kind == "machine").map(|it| (it.kind, it.id)));
        self.minutes(3);
        Strangers { all, transit, other }
    }

    /// Their owners take them away.
    fn move_out(&self, strangers: &Strangers, home: &Ground) {
        let id = |what: &str| strangers.id(what).to_owned();
        self.wait(async {
            let ec2 = self.ec2();
            ec2.delete_vpc_peering_connection().vpc_peering_connection_id(id("peering")).send().await.unwrap();
            ec2.detach_vpn_gateway().vpc_id(&home.vpc).vpn_gateway_id(id("vpn")).send().await.unwrap();
            ec2.delete_vpn_gateway().vpn_gateway_id(id("vpn")).send().await.unwrap();
            let egress = ec2.delete_egress_only_internet_gateway();
            egress.egress_only_internet_gateway_id(id("egress")).send().await.unwrap();
            let transit = ec2.delete_transit_gateway_vpc_attachment();
            transit.transit_gateway_attachment_id(id("transit")).send().await.unwrap();
            ec2.delete_transit_gateway().transit_gateway_id(&strangers.transit).send().await.unwrap();
            ec2.terminate_instances().instance_ids(id("machine")).send().await.unwrap();
            ec2.delete_vpc_endpoints().vpc_endpoint_ids(id("GuardDuty's endpoint")).send().await.unwrap();
            for eni in ["lambda", "leaked interface"] {
                ec2.delete_network_interface().network_interface_id(id(eni)).send().await.unwrap();
            }
            let balancers = self.elbv2().describe_load_balancers().send().await.unwrap().load_balancers.unwrap();
            for balancer in &balancers {
                let call = self.elbv2().delete_load_balancer();
                call.load_balancer_arn(balancer.load_balancer_arn().unwrap()).send().await.unwrap();
            }
            self.elb().delete_load_balancer().load_balancer_name(id("classic balancer")).send().await.unwrap();
        });
        self.minutes(15);
        self.wait(async {
            let ec2 = self.ec2();
            let enis = ec2.describe_network_interfaces().send().await.unwrap().network_interfaces.unwrap();
            for eni in enis.iter().filter(|it| it.vpc_id() == Some(&home.vpc) && it.requester_managed() != Some(true)) {
                let call = ec2.delete_network_interface().network_interface_id(eni.network_interface_id().unwrap());
                call.send().await.unwrap();
            }
            ec2.delete_subnet().subnet_id(id("subnet")).send().await.unwrap();
            ec2.delete_route_table().route_table_id(id("table")).send().await.unwrap();
            let groups = ec2.describe_security_groups().send().await.unwrap().security_groups.unwrap();
            for group in groups.iter().filter(|it| {
                it.vpc_id() == Some(&home.vpc) && it.group_name() != Some("default") && it.tags().is_empty()
            }) {
                ec2.delete_security_group().group_id(group.group_id().unwrap()).send().await.unwrap();
            }
            // GuardDuty's group without its tag is nobody's we know.
            ec2.delete_vpc().vpc_id(&strangers.other).send().await.err();
        });
    }
}

#[test]
fn every_stranger_is_named_and_none_is_touched() {
    let world = World::new();
    world.build(&["demo"]);
    let home = Ground { cluster_group: None, ..world.home_ground() };
    let strangers = world.move_in(&home);
    let ids: Vec<String> = strangers.all.iter().map(|(_, id)| id.clone()).collect();
    let before = world.look_at(&ids);
    assert_eq!(before.len(), ids.len(), "{before:#?}");
    let said = world.go(&["destroy", "demo", "--confirm", "demo"]).expect(9);
    let all = format!("{}{}", said.out, said.err);
    for (what, id) in &strangers.all {
        assert!(all.contains(id.as_str()), "{what} {id} is not named:\n{all}");
    }
    println!("{} strangers named", strangers.all.len());
    assert_eq!(world.look_at(&ids), before, "none is touched");
    // What the owner has to do, and what then.
    assert!(all.contains("aws ec2 delete-vpc-peering-connection"), "{all}");
    assert!(said.err.contains("destroy demo --confirm demo"), "{}", said.err);
    // Everything else is gone, and only what hangs on them still stands.
    let left = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9).json();
    let kinds: std::collections::BTreeSet<String> =
        left["remaining"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect();
    // EKS's interfaces stood in the group that a stranger's rule names: its role stays until that group is gone.
    let hangs = ["aws/subnet", "aws/vpc", "aws/security-group", "aws/iam-role", "aws/role-policy"];
    assert!(kinds.iter().all(|kind| hangs.contains(&kind.as_str())), "{kinds:?}: {left:#}");
    assert_eq!(left["usdPerHourRemaining"], 0.0, "{left:#}");
    assert_eq!(world.standing("cluster").len() + world.standing("nat-gateway").len(), 0);

    world.move_out(&strangers, &home);
    let gone = world.destroy("demo");
    assert_eq!((&gone["outcome"], &gone["audit"]["clean"]), (&"destroyed".into(), &true.into()));
    assert!(!world.standing("vpc").iter().any(|it| it.id == home.vpc));
}

/// A link alone: nothing stands inside, and the network is refused all the same.
#[test]
fn a_network_that_is_only_joined_to_another_is_kept_and_the_link_named() {
    let world = World::new();
    world.build(&["demo"]);
    let (home, other) = (world.home_ground(), world.elsewhere("10.91").vpc);
    let peering = world.wait(async {
        let call = world.ec2().create_vpc_peering_connection().vpc_id(&other).peer_vpc_id(&home.vpc);
        call.send().await.unwrap().vpc_peering_connection.unwrap().vpc_peering_connection_id.unwrap()
    });
    let left = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9).json();
    let error = &left["error"];
    assert_eq!((&error["id"], &error["exit"]), (&"KW-AWS-BLOCKED".into(), &9.into()), "{error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&peering) && message.contains(&other), "the link and who is behind it: {message}");
    assert!(error["hints"].to_string().contains("delete-vpc-peering-connection"), "{error:#}");
    assert_eq!(left["remaining"].as_array().unwrap().len(), 1, "{left:#}");
    world.wait(world.ec2().delete_vpc_peering_connection().vpc_peering_connection_id(&peering).send()).unwrap();
    // One that is deleted is still listed for a while, and is in nobody's way.
    assert_eq!(world.destroy("demo")["outcome"], "destroyed");
}
