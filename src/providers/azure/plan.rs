//! The plan of an AKS cluster: a pure function of the resolved spec, the stack and its tags.
//!
//! Step ids, the same on every machine:
//!
//! ```text
//! subscription/<provider>  group
//! network/nat[/address]  network/vnet  network/subnet  iam/identity  network/role
//! cluster  access/<who>  nodes/pool/<name>  in-cluster/device-plugin
//! ```
//!
//! The first pool that can take AKS's own pods is made with the cluster, in its call; it has no step. The others stand in
//! line behind each other: AKS does one thing at a time with a cluster.

mod aks;
mod network;

use super::names;
use super::refs::{ArmId, PrincipalId};
use super::steps::{self, managed_identity, provider_registration, resource_group};
use super::{stages, tags};
use crate::engine::{Creation, Identity, Input, Plan, StepError, StepId, Timing};
use crate::model::spec::ResolvedAzure;
use crate::model::{Cloud, ResolvedSpec, Stack};
use crate::providers::plans::{Habits, Steps, refuse, timing};
use std::collections::BTreeMap;

/// What a cluster needs of Azure, in the order in which it is asked for.
pub const PROVIDERS: [&str; 5] = [
    "Microsoft.ContainerService",
    "Microsoft.Compute",
    "Microsoft.Network",
    "Microsoft.ManagedIdentity",
    "Microsoft.Storage",
];

/// The control plane's step.
pub const CLUSTER: &str = "cluster";
/// The resource group's step.
pub const GROUP: &str = "group";
/// The network's step.
pub const NETWORK: &str = "network/vnet";
const SUBNET: &str = "network/subnet";
const NAT: &str = "network/nat";
const IDENTITY: &str = "iam/identity";
const ROLE: &str = "network/role";

pub use aks::{disk_component, system_pool};

/// Builds the plan. The same arguments give the same plan on every machine.
///
/// # Errors
/// `Permanent`, `KW-SPEC`, for a spec that is not of Azure or that AKS has no counterpart for.
pub fn plan(spec: &ResolvedSpec, stack: &Stack, tags: BTreeMap<String, String>) -> Result<Plan, StepError> {
    if spec.provider != Cloud::Azure {
        return Err(refuse(format!("a spec for {} is not for azure", spec.provider)));
    }
    let Some(azure) = spec.azure.clone() else { return Err(refuse("the spec says nothing of Azure")) };
    let Some(system) = system_pool(spec) else {
        return Err(refuse(
            "no pool can take AKS's own pods: one needs machines on demand, at least one node, and no taint",
        )
        .with_hint("add a pool with min 1, for example of Standard_D2as_v5"));
    };
    let group = names::group_id(&spec.account, stack);
    let mut build = Build { spec, stack, azure, group, steps: Steps::new(spec) };
    let registered = build.providers();
    build.resource_group(registered);
    let net = build.network()?;
    let (identity, principal) = build.identity();
    let role = build.role(&net, principal);
    build.control_plane(&net, identity, role, system);
    let access = build.access();
    build.pools(&net, system);
    build.device_plugin(&access);
    build.steps.whole(stack, tags, stages::points)
}

/// The cluster's name in AKS: as the user typed it, so that their other tools find it.
pub fn cluster_name(stack: &Stack) -> String {
    stack.name.to_string()
}

/// The cluster's id.
pub fn cluster_id(subscription: &str, stack: &Stack) -> ArmId {
    names::group_id(subscription, stack).inside(steps::cluster::ARM_TYPE, &cluster_name(stack))
}

/// Network, given or made.
struct Net {
    /// The nodes' subnet.
    subnet: Input<ArmId>,
    /// The step under which it stands, where that is ours.
    ours: bool,
    /// The subnet's id, where it was brought along.
    adopted: Option<ArmId>,
    /// The address from which nodes reach the world, where it is ours.
    egress: Option<Input<String>>,
}

struct Build<'a> {
    spec: &'a ResolvedSpec,
    stack: &'a Stack,
    azure: ResolvedAzure,
    group: ArmId,
    steps: Steps<'a>,
}

// Medians and 90th percentiles as users report them (a cluster 3 to 6 minutes, a pool 2 to 4, a cluster's end 4 to 10);
// deadlines leave room for what is rare but ends well.

/// Reads by id are consistent within seconds; a request lives 60 s.
const SETTLE: u32 = 75;

/// Every object of Azure is put under a name that is known before.
const fn arm(service: &'static str, tagged: bool, timing: Timing) -> Habits {
    Habits { service, creation: Creation::ByName, tagged, settle_secs: SETTLE, timing }
}

impl Build<'_> {
    fn location(&self) -> String {
        self.spec.region.to_string()
    }

    /// The id of something in our group, and its name as identity.
    fn named(&self, kind: &str, what: &str, max: usize) -> (ArmId, Identity) {
        let name = names::named(self.stack, what, max);
        (self.group.inside(kind, &name), Identity::Name { name })
    }

    fn providers(&mut self) -> Vec<StepId> {
        let habits = arm("resources", false, timing(2, 120, 900, 0, 60));
        let subscription = ArmId::subscription(&self.spec.account);
        let made = PROVIDERS.map(|namespace| {
            let id = ArmId(format!("{subscription}/providers/{namespace}"));
            let step = format!("subscription/{}", namespace.trim_start_matches("Microsoft.").to_ascii_lowercase());
            let identity = Identity::OneWay { name: namespace.to_owned() };
            let params = steps::ProviderRegistration { id };
            self.steps.add(step.as_str(), provider_registration::KIND, &params, identity, habits, vec![])
        });
        made.into()
    }

    fn resource_group(&mut self, registered: Vec<StepId>) {
        let params = steps::ResourceGroup {
            id: self.group.clone(),
            location: self.location(),
            extra_tags: tags::spec_chunks(self.spec).unwrap_or_default(),
        };
        let identity = Identity::Name { name: self.group.name().to_owned() };
        let habits = arm("resources", true, timing(2, 10, 300, 20, 3600));
        self.steps.add(GROUP, resource_group::KIND, &params, identity, habits, registered);
    }

    /// The control plane's identity, and whom roles are given to.
    fn identity(&mut self) -> (Input<ArmId>, Option<Input<PrincipalId>>) {
        let principal = Some(managed_identity::PRINCIPAL.of(IDENTITY));
        if let Some(id) = self.azure.identity.clone() {
            let params = steps::ExistingIdentity { id: ArmId(id.clone()) };
            let habits = Habits::adopted("managedidentity");
            let kind = managed_identity::EXISTING_KIND;
            self.steps.add(IDENTITY, kind, &params, Identity::External { id }, habits, vec![GROUP.into()]);
            // Whoever brings both identity and network along has put them together.
            let principal = principal.filter(|_| self.spec.network.existing.is_none());
            return (managed_identity::ID.of(IDENTITY), principal);
        }
        let (id, identity) =
            self.named("Microsoft.ManagedIdentity/userAssignedIdentities", "control-plane", names::IDENTITY_MAX);
        let params = steps::ManagedIdentity { id, location: self.location() };
        let habits = arm("managedidentity", true, timing(3, 10, 300, 2, 900));
        self.steps.add(IDENTITY, managed_identity::KIND, &params, identity, habits, vec![GROUP.into()]);
        (managed_identity::ID.of(IDENTITY), principal)
    }
}

#[cfg(test)]
mod tests;
