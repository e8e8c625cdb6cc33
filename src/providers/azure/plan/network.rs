//! The network's steps: adopted, or made from nothing.

use super::{Build, GROUP, Habits, NAT, NETWORK, Net, ROLE, SUBNET, arm, refuse, timing};
use crate::engine::{Identity, Input, StepError, StepId};
use crate::model::spec::{AksOutbound, ExistingNetwork, Nat};
use crate::model::{Unit, Usage};
use crate::providers::azure::names::{self, NETWORK_MAX, VIRTUAL_NETWORK_MAX};
use crate::providers::azure::refs::{ArmId, PrincipalId};
use crate::providers::azure::steps::{
    self, existing, nat_gateway, public_ip,
    role_assignment::{self, NETWORK_CONTRIBUTOR},
    virtual_network,
};
use ipnet::Ipv4Net;

impl Build<'_> {
    pub(super) fn network(&mut self) -> Result<Net, StepError> {
        match self.spec.network.existing.clone() {
            Some(existing) => self.adopted_network(&existing),
            None => self.new_network(),
        }
    }

    fn adopted_network(&mut self, existing: &ExistingNetwork) -> Result<Net, StepError> {
        let network = ArmId(existing.vpc.clone());
        let [subnet] = existing.private_subnets.as_slice() else {
            return Err(refuse("AKS takes exactly one subnet for its nodes")
                .with_hint("name one under network.existing.privateSubnets"));
        };
        let subnet =
            if subnet.starts_with('/') { ArmId(subnet.clone()) } else { network.part("subnets", subnet.as_str()) };
        let external = |id: &ArmId| Identity::External { id: id.0.clone() };
        let habits = Habits::adopted("network");
        let params = steps::ExistingNetwork { id: network.clone() };
        self.steps.add(NETWORK, existing::NETWORK_KIND, &params, external(&network), habits, vec![GROUP.into()]);
        let params = steps::ExistingSubnet { id: subnet.clone() };
        self.steps.add(SUBNET, existing::SUBNET_KIND, &params, external(&subnet), habits, vec![NETWORK.into()]);
        Ok(Net { subnet: virtual_network::SUBNET_ID.of(SUBNET), ours: false, adopted: Some(subnet), egress: None })
    }

    fn new_network(&mut self) -> Result<Net, StepError> {
        let egress = match (self.azure.outbound, self.spec.network.nat) {
            (_, Nat::PerZone) => {
                return Err(refuse(
                    "on Azure one NAT gateway serves the nodes' subnet in all zones, so there is none per zone",
                )
                .with_hint("network.nat: single"));
            }
            (AksOutbound::NatGateway, _) => Some(self.nat()),
            (AksOutbound::LoadBalancer, _) => None,
            (AksOutbound::Routes, _) => {
                return Err(refuse("routes can only be those of a network that is brought along"));
            }
        };
        let (id, identity) = self.named("Microsoft.Network/virtualNetworks", "net", VIRTUAL_NETWORK_MAX);
        let params = steps::VirtualNetwork {
            id,
            location: self.location(),
            cidr: self.spec.network.cidr,
            subnet: part_for_nodes(self.spec.network.cidr),
            nat_gateway: egress.is_some().then(|| nat_gateway::ID.of(NAT)),
        };
        let habits = arm("network", true, timing(5, 20, 600, 8, 1800));
        self.steps.add(NETWORK, virtual_network::KIND, &params, identity, habits, vec![GROUP.into()]);
        Ok(Net { subnet: virtual_network::SUBNET_ID.of(NETWORK), ours: true, adopted: None, egress })
    }

    /// A NAT gateway with its address; returns the address.
    fn nat(&mut self) -> Input<String> {
        let address = format!("{NAT}/address");
        let (id, identity) = self.named("Microsoft.Network/publicIPAddresses", "nat", NETWORK_MAX);
        let params = steps::PublicIp { id, location: self.location() };
        let habits = arm("network", true, timing(4, 15, 600, 4, 1800));
        self.steps.add(address.as_str(), public_ip::KIND, &params, identity, habits, vec![GROUP.into()]);
        let key = self.steps.component("public-ip-standard-static");
        self.steps.bill([Usage::fixed(key, Unit::Hour, 1.0)]);
        let (id, identity) = self.named("Microsoft.Network/natGateways", "nat", NETWORK_MAX);
        let params = steps::NatGateway { id, location: self.location(), address: public_ip::ID.of(address.as_str()) };
        let habits = arm("network", true, timing(12, 40, 900, 12, 1800));
        self.steps.add(NAT, nat_gateway::KIND, &params, identity, habits, vec![GROUP.into()]);
        let key = self.steps.component("nat-gateway");
        self.steps.bill([Usage::fixed(key, Unit::Hour, 1.0)]);
        public_ip::ADDRESS.of(address.as_str())
    }

    /// What lets the control plane join the subnet; nothing where whoever brought both along has seen to that.
    pub(super) fn role(&mut self, net: &Net, principal: Option<Input<PrincipalId>>) -> Option<StepId> {
        let principal = principal?;
        let name = names::assignment(self.stack, &ROLE.into());
        let params = steps::RoleAssignment {
            scope: net.subnet.clone(),
            name: name.clone(),
            role: NETWORK_CONTRIBUTOR.to_owned(),
            principal,
            principal_type: Some("ServicePrincipal".to_owned()),
        };
        let identity = match &net.adopted {
            Some(subnet) => Identity::Member { of: subnet.0.clone(), key: name },
            None => Identity::Child { parent: NETWORK.into(), key: name },
        };
        let habits = arm("authorization", false, timing(2, 20, 600, 2, 600));
        debug_assert!(net.ours || net.adopted.is_some());
        Some(self.steps.add(ROLE, role_assignment::KIND, &params, identity, habits, vec![]))
    }
}

/// The nodes' part of the network: half of it. Pods have a range of their own, so a node takes one address, and the
/// other half is free for what joins the network later.
fn part_for_nodes(cidr: Ipv4Net) -> Ipv4Net {
    // Azure keeps five addresses of a subnet, and takes none smaller than /29.
    let halves = cidr.subnets(cidr.prefix_len() + 1).ok().filter(|_| cidr.prefix_len() < 28);
    halves.and_then(|mut halves| halves.next()).unwrap_or(cidr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_get_half_of_a_network_that_has_room() {
        let part = |text: &str| part_for_nodes(text.parse().unwrap()).to_string();
        assert_eq!(part("10.0.0.0/16"), "10.0.0.0/17");
        assert_eq!(part("10.0.0.0/28"), "10.0.0.0/28");
    }
}
