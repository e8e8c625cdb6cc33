//! The plan of a GKE cluster: a pure function of the resolved spec, the stack and its tags.
//!
//! Step ids, the same on every machine:
//!
//! ```text
//! service/{compute,iam,cloudresourcemanager,container}
//! network/{network,subnetwork,router}
//! nodes/account[/role/<name>]  cluster  nodes/pool/<name>  access/<who>
//! ```
//!
//! No firewall rule is planned: GKE opens what its nodes and control plane need in a network that lets nothing in, and
//! its controllers open what a Service needs. The first pool is a part of the cluster's step, and the one that is least
//! likely to fail: steady, without accelerators. The others follow in a row, for GKE changes one thing of a cluster at a
//! time, and a request that has to wait for another is refused.

mod cluster;
mod network;

use super::labels::{self, Anchor, LABEL_SPEC};
use super::steps::{self, ExtraTags};
use super::{names, stages};
use crate::engine::{Creation, Identity, Input, Plan, StepError, StepId, Timing};
use crate::model::spec::ResolvedGcp;
use crate::model::{Cloud, ResolvedSpec, Stack};
use crate::providers::plans::{Habits, Steps, refuse, timing};
use std::collections::BTreeMap;

/// The control plane's step.
pub const CLUSTER: &str = "cluster";
/// The network's step.
pub const NETWORK: &str = "network/network";
/// The subnetwork's step.
pub const SUBNETWORK: &str = "network/subnetwork";
/// The router's step.
pub const ROUTER: &str = "network/router";
/// The step of the nodes' account.
pub const ACCOUNT: &str = "nodes/account";
/// What nodes may do: write logs and metrics, and read images (GKE, "Use least privilege service accounts").
pub const NODE_ROLES: [(&str, &str); 2] =
    [("node", "roles/container.defaultNodeServiceAccount"), ("images", "roles/artifactregistry.reader")];
/// What `admins` may do.
pub const ADMIN_ROLE: &str = "roles/container.admin";
/// Services that a cluster needs, in the order in which they are switched on.
pub const SERVICES: [&str; 4] = ["compute", "iam", "cloudresourcemanager", "container"];

/// Builds the plan. The same arguments give the same plan on every machine.
///
/// # Errors
/// `Permanent`, `KW-SPEC`, for a spec that is not of GCP, that nothing can be made of, or whose tags are no labels.
pub fn plan(spec: &ResolvedSpec, stack: &Stack, tags: BTreeMap<String, String>) -> Result<Plan, StepError> {
    let (Cloud::Gcp, Some(gcp)) = (spec.provider, spec.gcp.as_ref()) else {
        return Err(refuse(format!("a spec for {} is not for gcp", spec.provider)));
    };
    let wrong = labels::problems(spec);
    if !wrong.is_empty() {
        return Err(refuse(wrong.join("; ")));
    }
    let mut build = Build { spec, gcp, stack, steps: Steps::new(spec) };
    build.services();
    let net = build.network()?;
    let account = build.account();
    let first = build.control_plane(&net, &account)?;
    build.pools(&net, &account, first);
    build.admins();
    build.steps.whole(stack, tags, stages::points)
}

/// What an anchor says of the spec.
pub(super) fn anchor(spec: &ResolvedSpec, anchor: Anchor) -> ExtraTags {
    let text = labels::spec_text(spec, anchor).map(|text| (steps::SPEC.to_owned(), text));
    let digest = (anchor == Anchor::Cluster).then(|| (LABEL_SPEC.to_owned(), labels::digest(spec)));
    text.into_iter().chain(digest).collect()
}

/// Network, given or made.
struct Net {
    network: Input<String>,
    subnetwork: Input<String>,
    pods: String,
    services: String,
    /// What must stand before a node can reach anything.
    ready: Vec<StepId>,
    /// Nodes have no public addresses.
    private: bool,
}

/// The nodes' account, given or made.
struct Account {
    address: Input<String>,
    ready: Vec<StepId>,
}

struct Build<'a> {
    spec: &'a ResolvedSpec,
    gcp: &'a ResolvedGcp,
    stack: &'a Stack,
    steps: Steps<'a>,
}

// Medians and 90th percentiles as users report them (a zonal control plane 4 to 6 minutes, a regional one 5 to 10, a
// pool 1 to 2); deadlines leave room for what is rare but ends well.

/// Reads by name follow writes at once; a request lives half a minute.
const SETTLE: u32 = 60;
/// IAM tells everybody within a minute, and a request lives half of one.
const IAM_SETTLE: u32 = 90;

const fn compute(timing: Timing) -> Habits {
    Habits { service: "compute", creation: Creation::Token, tagged: false, settle_secs: SETTLE, timing }
}

const fn container(timing: Timing) -> Habits {
    Habits { service: "container", creation: Creation::ByName, tagged: true, settle_secs: SETTLE, timing }
}

const fn by_name(service: &'static str, settle_secs: u32, timing: Timing) -> Habits {
    Habits { service, creation: Creation::ByName, tagged: false, settle_secs, timing }
}

impl Build<'_> {
    fn service(&self, name: &str) -> StepId {
        StepId::new(format!("service/{name}"))
    }

    fn sentence(&self, what: &str) -> String {
        format!("{what} of cluster {} (kubewright)", self.stack.name)
    }

    /// One after another: Google refuses to switch on two at once.
    fn services(&mut self) {
        let mut before: Vec<StepId> = Vec::new();
        for name in SERVICES {
            let service = format!("{name}.googleapis.com");
            let params = steps::ServiceOn { service: service.clone() };
            let identity = Identity::OneWay { name: service };
            let habits = by_name("serviceusage", SETTLE, timing(2, 60, 900, 0, 60));
            let id = self.service(name);
            before = vec![self.steps.add(id, steps::service::KIND, &params, identity, habits, before)];
        }
    }

    /// The account of nodes with its roles.
    fn account(&mut self) -> Account {
        if let Some(address) = self.gcp.node_service_account.clone() {
            return Account { address: Input::Given(address), ready: Vec::new() };
        }
        let account = names::node_account(self.stack);
        let address = names::account_address(&account, &self.spec.account);
        let params = steps::ServiceAccount {
            account,
            address: address.clone(),
            display_name: format!("Nodes of cluster {} (kubewright)", self.stack.name),
        };
        let habits = by_name("iam", IAM_SETTLE, timing(3, 15, 300, 2, 300));
        let needs = vec![self.service("iam")];
        let identity = Identity::Name { name: address.clone() };
        let made = self.steps.add(ACCOUNT, steps::service_account::KIND, &params, identity, habits, needs);
        let mut ready = vec![made.clone()];
        for (short, role) in NODE_ROLES {
            let id = format!("{ACCOUNT}/role/{short}");
            let member = steps::service_account::ADDRESS.of(made.clone());
            let needs = vec![ready.last().expect("the account is in it").clone(), self.service("cloudresourcemanager")];
            ready.push(self.binding(&id, role, member, &address, None, needs));
        }
        Account { address: steps::service_account::ADDRESS.of(made), ready }
    }

    fn binding(
        &mut self,
        id: &str,
        role: &str,
        member: Input<String>,
        known: &str,
        title: Option<String>,
        needs: Vec<StepId>,
    ) -> StepId {
        let key = steps::role_binding::key(role, &steps::role_binding::whole(known), title.as_deref());
        let identity = Identity::Member { of: steps::role_binding::of_project(&self.spec.account), key };
        let params = steps::RoleBinding { role: role.to_owned(), member, title };
        let habits = by_name("cloudresourcemanager", IAM_SETTLE, timing(3, 20, 300, 3, 300));
        self.steps.add(id, steps::role_binding::KIND, &params, identity, habits, needs)
    }
}

#[cfg(test)]
mod tests;
