//! The network's steps: adopted, or made from nothing.

use super::{Build, GROUP, Habits, Net, VPC, cluster_name, ec2, timing};
use crate::engine::{Creation, Identity, Input, StepId};
use crate::model::spec::{ExistingNetwork, Nat};
use crate::model::{Unit, Usage};
use crate::providers::aws::layout::{Layout, letter};
use crate::providers::aws::names::SECURITY_GROUP_MAX;
use crate::providers::aws::steps::{
    self, ExtraTags,
    refs::{SecurityGroupId, SubnetId, VpcId},
    route::RouteTarget,
};
use ipnet::Ipv4Net;

const GATEWAY: &str = "network/internet-gateway";
const ATTACHMENT: &str = "network/internet-gateway/attachment";
const EVERYWHERE: &str = "0.0.0.0/0";

impl Build<'_> {
    pub(super) fn network(&mut self, layout: &Layout) -> Net {
        match self.spec.network.existing.clone() {
            Some(existing) => self.adopted_network(&existing),
            None => self.new_network(layout),
        }
    }

    fn adopted_network(&mut self, existing: &ExistingNetwork) -> Net {
        let vpc_id = VpcId(existing.vpc.clone());
        let external = |id: &str| Identity::External { id: id.to_owned() };
        let params = steps::ExistingVpc { id: vpc_id.clone() };
        self.steps.add(
            VPC,
            steps::existing::VPC_KIND,
            &params,
            external(&existing.vpc),
            Habits::adopted("ec2"),
            vec![],
        );
        let adopt = |build: &mut Self, side: &str, ids: &[String]| -> Vec<Input<SubnetId>> {
            let steps = ids.iter().enumerate().map(|(at, id)| {
                let params = steps::ExistingSubnet { id: SubnetId(id.clone()), vpc: vpc_id.clone() };
                let step = format!("network/subnet/{side}-{}", at + 1);
                let step = build.steps.add(
                    step.as_str(),
                    steps::existing::SUBNET_KIND,
                    &params,
                    external(id),
                    Habits::adopted("ec2"),
                    vec![VPC.into()],
                );
                steps::subnet::ID.of(step)
            });
            steps.collect()
        };
        let private = adopt(self, "private", &existing.private_subnets);
        let public = adopt(self, "public", &existing.public_subnets);
        let group = self.control_plane_group();
        let (nodes, public_nodes) = if private.is_empty() { (public.clone(), true) } else { (private.clone(), false) };
        let control = if private.len() >= 2 { private } else { private.into_iter().chain(public).collect() };
        Net { control, nodes, group, egress: Vec::new(), public_nodes }
    }

    fn control_plane_group(&mut self) -> Input<SecurityGroupId> {
        let name = self.named("control-plane", SECURITY_GROUP_MAX);
        let description = format!("control plane of cluster {} (kubewright)", self.stack.name);
        let params = steps::SecurityGroup { vpc: steps::vpc::ID.of(VPC), name, description };
        let habits = ec2(Creation::Plain, true, timing(2, 10, 180, 2, 1800));
        let id = self.steps.add(GROUP, steps::security_group::KIND, &params, Identity::Tags, habits, vec![]);
        steps::security_group::ID.of(id)
    }

    fn new_network(&mut self, layout: &Layout) -> Net {
        let plain = ec2(Creation::Plain, true, timing(2, 10, 180, 2, 1800));
        let child = ec2(Creation::ByName, false, timing(1, 5, 180, 1, 1800));
        let token = ec2(Creation::Token, true, timing(2, 10, 180, 2, 1800));
        let params = steps::Vpc { cidr: self.spec.network.cidr, extra_tags: self.anchor.clone() };
        self.steps.add(
            VPC,
            steps::vpc::KIND,
            &params,
            Identity::Tags,
            Habits { timing: timing(3, 15, 180, 2, 1800), ..plain },
            vec![],
        );
        let vpc = || steps::vpc::ID.of(VPC);

        self.steps.add(
            GATEWAY,
            steps::internet_gateway::KIND,
            &steps::InternetGateway {},
            Identity::Tags,
            plain,
            vec![],
        );
        let params = steps::GatewayAttachment { vpc: vpc(), gateway: steps::internet_gateway::ID.of(GATEWAY) };
        let identity = Identity::Child { parent: VPC.into(), key: steps::gateway_attachment::KEY.to_owned() };
        let attachment = self.steps.add(ATTACHMENT, steps::gateway_attachment::KIND, &params, identity, child, vec![]);

        let public = self.subnets("public", &layout.public, layout.private.is_empty());
        let private = self.subnets("private", &layout.private, false);
        let group = self.control_plane_group();

        let public_table = self.route_table(
            "public",
            RouteTarget::InternetGateway(steps::internet_gateway::ID.of(GATEWAY)),
            vec![attachment.clone()],
            &public,
            0,
        );
        let mut egress = vec![attachment.clone()];
        egress.extend(public_table.iter().skip(1).cloned());
        let mut tables = vec![public_table[0].clone()];
        if !private.is_empty() {
            egress.truncate(0);
            tables.clear();
            let gateways = match self.spec.network.nat {
                Nat::PerZone => private.len(),
                Nat::Single | Nat::None => 1,
            };
            for at in 0..gateways {
                // The gateway's own traffic leaves through the public table: without its route it answers nobody.
                let mut needs = vec![attachment.clone()];
                needs.extend(public_table.iter().skip(1).cloned());
                let nat = self.nat(at, &public[at], needs);
                let (name, served, offset) = if gateways == 1 {
                    ("private".to_owned(), &private[..], 0)
                } else {
                    (format!("private-{}", letter(at)), &private[at..=at], at)
                };
                let made = self.route_table(
                    &name,
                    RouteTarget::NatGateway(steps::nat_gateway::ID.of(nat)),
                    vec![],
                    served,
                    offset,
                );
                tables.push(made[0].clone());
                egress.extend(made.into_iter().skip(1));
            }
        }
        let params = steps::VpcEndpoint {
            vpc: vpc(),
            service_name: format!("com.amazonaws.{}.s3", self.spec.region),
            route_tables: tables.into_iter().map(|table| steps::route_table::ID.of(table)).collect(),
        };
        self.steps.add(
            "network/endpoint/s3",
            steps::vpc_endpoint::KIND,
            &params,
            Identity::Tags,
            Habits { timing: timing(5, 20, 300, 5, 900), ..token },
            vec![],
        );

        let public_nodes = private.is_empty();
        let nodes: Vec<Input<SubnetId>> =
            if public_nodes { &public } else { &private }.iter().map(|id| steps::subnet::ID.of(id.clone())).collect();
        Net { control: nodes.clone(), nodes, group, egress, public_nodes }
    }

    fn subnets(&mut self, side: &str, ranges: &[Ipv4Net], holds_nodes: bool) -> Vec<StepId> {
        let habits = ec2(Creation::Plain, true, timing(2, 10, 180, 2, 1800));
        let role = if side == "public" { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" };
        let mut made = Vec::new();
        for (at, cidr) in ranges.iter().enumerate() {
            // Read by the in-cluster load balancer controllers: `elb` on public subnets, `internal-elb` on private ones.
            let mut extra_tags = ExtraTags::from([
                (role.to_owned(), "1".to_owned()),
                (format!("kubernetes.io/cluster/{}", cluster_name(self.stack)), "owned".to_owned()),
            ]);
            if holds_nodes {
                extra_tags.insert("kubernetes.io/role/internal-elb".to_owned(), "1".to_owned());
            }
            let zone = self.spec.network.zones[at].clone();
            let params =
                steps::Subnet { vpc: steps::vpc::ID.of(VPC), cidr: *cidr, zone, public: side == "public", extra_tags };
            made.push(self.steps.add(
                format!("network/subnet/{side}-{}", letter(at)).as_str(),
                steps::subnet::KIND,
                &params,
                Identity::Tags,
                habits,
                vec![],
            ));
        }
        made
    }

    /// A NAT gateway with its address.
    fn nat(&mut self, at: usize, subnet: &StepId, needs: Vec<StepId>) -> StepId {
        let id = format!("network/nat/{}", letter(at));
        let habits = ec2(Creation::Plain, true, timing(2, 5, 180, 2, 1800));
        let address = self.steps.add(
            format!("{id}/address").as_str(),
            steps::elastic_ip::KIND,
            &steps::ElasticIp {},
            Identity::Tags,
            habits,
            vec![],
        );
        let key = self.steps.component("public-ipv4");
        self.steps.bill([Usage::fixed(key, Unit::Hour, 1.0)]);
        let params = steps::NatGateway {
            subnet: steps::subnet::ID.of(subnet.clone()),
            allocation: steps::elastic_ip::ALLOCATION.of(address),
        };
        let habits = ec2(Creation::Token, true, timing(110, 180, 900, 60, 900));
        let nat = self.steps.add(id.as_str(), steps::nat_gateway::KIND, &params, Identity::Tags, habits, needs);
        let key = self.steps.component("nat-gateway");
        self.steps.bill([Usage::fixed(key, Unit::Hour, 1.0)]);
        nat
    }

    /// A table, its default route and its subnets; returned in this order.
    fn route_table(
        &mut self,
        name: &str,
        target: RouteTarget,
        route_needs: Vec<StepId>,
        subnets: &[StepId],
        offset: usize,
    ) -> Vec<StepId> {
        let token = ec2(Creation::Token, true, timing(2, 10, 180, 2, 1800));
        let child = ec2(Creation::ByName, false, timing(1, 5, 180, 1, 900));
        let id = format!("network/routes/{name}");
        let params = steps::RouteTable { vpc: steps::vpc::ID.of(VPC) };
        let table = self.steps.add(id.as_str(), steps::route_table::KIND, &params, Identity::Tags, token, vec![]);
        let mut made = vec![table.clone()];
        let destination = EVERYWHERE.parse().expect("a constant");
        let params = steps::Route { table: steps::route_table::ID.of(table.clone()), destination, target };
        let identity = Identity::Child { parent: table.clone(), key: EVERYWHERE.to_owned() };
        made.push(self.steps.add(
            format!("{id}/default").as_str(),
            steps::route::KIND,
            &params,
            identity,
            child,
            route_needs,
        ));
        for (at, subnet) in subnets.iter().enumerate() {
            let params = steps::RouteTableAssociation {
                table: steps::route_table::ID.of(table.clone()),
                subnet: steps::subnet::ID.of(subnet.clone()),
            };
            let identity = Identity::Child { parent: table.clone(), key: subnet.to_string() };
            let step = format!("{id}/subnet-{}", letter(at + offset));
            made.push(self.steps.add(
                step.as_str(),
                steps::route_table_association::KIND,
                &params,
                identity,
                child,
                vec![],
            ));
        }
        made
    }
}
