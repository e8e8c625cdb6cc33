//! The network's steps: one that is made, or one that was brought along.

use super::{Build, Habits, NETWORK, Net, ROUTER, SUBNETWORK, anchor, compute, refuse, timing};
use crate::engine::{Identity, StepError};
use crate::model::spec::{ExistingNetwork, Nat};
use crate::model::{Unit, Usage};
use crate::providers::gcp::labels::Anchor;
use crate::providers::gcp::layout::Layout;
use crate::providers::gcp::names;
use crate::providers::gcp::steps::{self, subnetwork::Range};

/// As many machines as one gateway is billed for at most.
const BILLED_MACHINES: f64 = 32.0;
/// The price table's word for what a gateway costs for each machine behind it.
const NAT_PER_MACHINE: &str = "cloud-nat-per-vm(<=32)";

impl Build<'_> {
    pub(super) fn network(&mut self) -> Result<Net, StepError> {
        match self.spec.network.existing.clone() {
            Some(existing) => self.adopted_network(&existing),
            None => self.new_network(),
        }
    }

    fn adopted_network(&mut self, existing: &ExistingNetwork) -> Result<Net, StepError> {
        let [subnetwork] = existing.private_subnets.as_slice() else {
            return Err(refuse("network.existing.privateSubnets names exactly one subnetwork on Google Cloud"));
        };
        let (Some(pods), Some(services)) = (existing.pod_range.clone(), existing.service_range.clone()) else {
            return Err(refuse(
                "network.existing.podRange and serviceRange name the subnetwork's secondary ranges for pods and Services",
            ));
        };
        let external = |id: &str| Identity::External { id: id.to_owned() };
        let on = vec![self.service("compute")];
        let params = steps::ExistingNetwork { id: existing.vpc.clone() };
        let network = self.steps.add(
            NETWORK,
            steps::existing::NETWORK_KIND,
            &params,
            external(&existing.vpc),
            Habits::adopted("compute"),
            on,
        );
        let params = steps::ExistingSubnetwork {
            id: subnetwork.clone(),
            network: existing.vpc.clone(),
            pods: pods.clone(),
            services: services.clone(),
        };
        let kind = steps::existing::SUBNETWORK_KIND;
        let made = self.steps.add(
            SUBNETWORK,
            kind,
            &params,
            external(subnetwork),
            Habits::adopted("compute"),
            vec![network.clone()],
        );
        Ok(Net {
            network: steps::network::LINK.of(network),
            subnetwork: steps::subnetwork::LINK.of(made.clone()),
            pods,
            services,
            ready: vec![made],
            // Whether they have a way out is their owner's affair.
            private: self.spec.network.nat != Nat::None,
        })
    }

    fn new_network(&mut self) -> Result<Net, StepError> {
        let network = &self.spec.network;
        let layout = Layout::of(network.cidr, self.gcp.pod_cidr, self.gcp.service_cidr)
            .map_err(|wrong| refuse(wrong.join("; ")))?;
        let habits = compute(timing(15, 40, 600, 20, 1800));
        let name = names::network(self.stack);
        let params = steps::Network {
            name: name.clone(),
            description: self.sentence("network"),
            extra_tags: anchor(self.spec, Anchor::Network),
        };
        let on = vec![self.service("compute")];
        let made = self.steps.add(NETWORK, steps::network::KIND, &params, Identity::Name { name }, habits, on);
        let link = steps::network::LINK.of(made);

        let name = names::subnetwork(self.stack);
        let range = |name: &str, cidr| Range { name: name.to_owned(), cidr };
        let params = steps::Subnetwork {
            name: name.clone(),
            description: self.sentence("nodes, pods and Services"),
            network: link.clone(),
            cidr: layout.nodes,
            ranges: vec![range(names::PODS, layout.pods), range(names::SERVICES, layout.services)],
            extra_tags: anchor(self.spec, Anchor::Subnetwork),
        };
        let subnetwork =
            self.steps.add(SUBNETWORK, steps::subnetwork::KIND, &params, Identity::Name { name }, habits, vec![]);
        let mut ready = vec![subnetwork.clone()];

        let private = self.spec.network.nat != Nat::None;
        if private {
            // One gateway serves all zones of a region: there is nothing of it in a zone.
            let name = names::router(self.stack);
            let params =
                steps::Router { name: name.clone(), description: self.sentence("way out"), network: link.clone() };
            ready.push(self.steps.add(ROUTER, steps::router::KIND, &params, Identity::Name { name }, habits, vec![]));
            let nodes = |of: fn(&crate::model::spec::ResolvedPool) -> u32| {
                f64::from(self.spec.node_pools.iter().map(of).sum::<u32>()).min(BILLED_MACHINES)
            };
            let usage = Usage {
                key: self.steps.component(NAT_PER_MACHINE),
                unit: Unit::Hour,
                min: nodes(|pool| pool.min),
                desired: nodes(|pool| pool.count),
                max: nodes(|pool| pool.max),
            };
            self.steps.bill([usage]);
        }
        Ok(Net {
            network: link,
            subnetwork: steps::subnetwork::LINK.of(subnetwork),
            pods: names::PODS.to_owned(),
            services: names::SERVICES.to_owned(),
            ready,
            private,
        })
    }
}
