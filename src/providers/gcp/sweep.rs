//! Everything of a stack by its labels and names, from the services' own listings: a teardown without a journal.
//!
//! What has labels is found by them; networks, subnetworks, routers and service accounts by names that hold the stack's
//! id, and by what their descriptions say; entries of the project's policy by the account or the title in them. Machines,
//! disks and load balancers are not listed: they are the cluster's making, and [`super::leftovers`] looks for them.

use super::client::{GcpCx, Request};
use super::clusters::{all, none_if_off};
use super::labels;
use super::names;
use super::steps::{self, ExtraTags, Pool, role_binding};
use super::{plan, wire};
use crate::engine::proof::TAG_STEP;
use crate::engine::{Caused, Clock, Identity, Input, Observed, PlannedStep, StepError, StepId, Swept};
use crate::model::Stack;
use crate::model::spec::ReleaseChannel;
use crate::providers::kit;
use crate::providers::patience::patient;
use serde::Serialize;
use std::collections::BTreeMap;

/// For each kind the kinds that must be gone first: Google refuses what is still used.
const ORDER: [(&str, &[&str]); 6] = [
    (steps::cluster::KIND, &[steps::node_pool::KIND]),
    (steps::role_binding::KIND, &[steps::node_pool::KIND, steps::cluster::KIND]),
    (steps::service_account::KIND, &[steps::node_pool::KIND, steps::cluster::KIND, steps::role_binding::KIND]),
    (steps::router::KIND, &[steps::node_pool::KIND, steps::cluster::KIND]),
    (steps::subnetwork::KIND, &[steps::node_pool::KIND, steps::cluster::KIND]),
    (steps::network::KIND, &[steps::subnetwork::KIND, steps::router::KIND, steps::cluster::KIND]),
];

/// All that is this stack's, with an order to delete it in. Reads only.
///
/// # Errors
/// What the first listing that failed says: a partial answer would pass for "nothing left". A service that is off in the
/// project has nothing.
pub async fn sweep(cx: &GcpCx, clock: &dyn Clock, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let (compute, clusters, accounts, bindings) = tokio::try_join!(
        patient(clock, || async { none_if_off(compute(cx, stack).await) }),
        patient(clock, || async { none_if_off(clusters(cx, stack).await) }),
        patient(clock, || async { none_if_off(accounts(cx, stack).await) }),
        patient(clock, || async { none_if_off(bindings(cx, stack).await) }),
    )?;
    Ok(ordered([compute, clusters, accounts, bindings].concat()))
}

async fn compute(cx: &GcpCx, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let networks = Request::get("compute:networks.list", cx.compute_path("global/networks")?, "networks");
    let place = |what: &str| cx.compute_path(&format!("regions/{}/{what}", cx.region));
    let subnetworks = Request::get("compute:subnetworks.list", place("subnetworks")?, "subnetworks");
    let routers = Request::get("compute:routers.list", place("routers")?, "routers");
    let (networks, subnetworks, routers) = tokio::try_join!(
        cx.list::<wire::Network>("items", networks),
        cx.list::<wire::Subnetwork>("items", subnetworks),
        cx.list::<wire::Router>("items", routers),
    )?;
    let mut found = Vec::new();
    for it in networks.iter().filter(|it| it.name == names::network(stack)) {
        let params = steps::Network { name: it.name.clone(), description: String::new(), extra_tags: ExtraTags::new() };
        found.push(named(plan::NETWORK, steps::network::observed(it), "compute", &params));
    }
    for it in subnetworks.iter().filter(|it| it.name == names::subnetwork(stack)) {
        let Ok(cidr) = it.ip_cidr_range.parse() else { continue };
        let params = steps::Subnetwork {
            name: it.name.clone(),
            description: String::new(),
            network: Input::Given(wire::path_of(&it.network).to_owned()),
            cidr,
            ranges: Vec::new(),
            extra_tags: ExtraTags::new(),
        };
        found.push(named(plan::SUBNETWORK, steps::subnetwork::observed(it), "compute", &params));
    }
    for it in routers.iter().filter(|it| it.name == names::router(stack)) {
        let params = steps::Router {
            name: it.name.clone(),
            description: String::new(),
            network: Input::Given(wire::path_of(&it.network).to_owned()),
        };
        found.push(named(plan::ROUTER, steps::router::observed(it), "compute", &params));
    }
    Ok(found)
}

/// The cluster, if its labels say that it is this stack's, and its node pools that are. Pools that somebody else, or
/// Google, made in it go with it.
async fn clusters(cx: &GcpCx, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let mut found = Vec::new();
    for cluster in all(cx).await? {
        let seen = steps::cluster::observed(&cluster);
        if !is_ours(stack, &seen) {
            continue;
        }
        for pool in &cluster.node_pools {
            let mut sight = steps::node_pool::observed(&cluster.name, pool);
            // The first is a part of the cluster, and goes with it.
            let is_first = sight.evidence.tags.get(TAG_STEP) == seen.evidence.tags.get(TAG_STEP);
            if is_first || !is_ours(stack, &sight) {
                continue;
            }
            let params = steps::NodePool {
                cluster: Input::Given(cluster.name.clone()),
                location: cluster.location.clone(),
                pool: as_pool(pool),
            };
            sight.evidence.caused = Some(Caused::InsideOwned { container: cluster.name.clone() });
            let identity = Identity::Child { parent: step_of(&seen), key: pool.name.clone() };
            let step = deletable(step_of(&sight), steps::node_pool::KIND, &params, identity, true, "container");
            found.push(Swept { step, seen: sight, after: Vec::new() });
        }
        let params = as_params(&cluster);
        let step = deletable(step_of(&seen), steps::cluster::KIND, &params, Identity::Tags, true, "container");
        found.push(Swept { step, seen, after: Vec::new() });
    }
    Ok(found)
}

/// A cluster's params as seen: removing asks for name and location only.
fn as_params(cluster: &wire::Cluster) -> steps::Cluster {
    steps::Cluster {
        name: cluster.name.clone(),
        description: String::new(),
        location: cluster.location.clone(),
        zones: cluster.locations.clone(),
        channel: ReleaseChannel::None,
        version: cluster.current_master_version.clone(),
        network: Input::Given(cluster.network_config.network.clone()),
        subnetwork: Input::Given(cluster.network_config.subnetwork.clone()),
        pods: String::new(),
        services: String::new(),
        private_nodes: cluster.network_config.default_enable_private_nodes,
        api_allow: Vec::new(),
        workload_pool: String::new(),
        addons: Vec::new(),
        pool: None,
        autopilot: None,
        extra_tags: ExtraTags::new(),
    }
}

fn as_pool(pool: &wire::NodePool) -> Pool {
    Pool {
        name: pool.name.clone(),
        machine_type: pool.config.machine_type.clone(),
        disk_type: pool.config.disk_type.clone(),
        disk_gib: pool.config.disk_size_gb,
        spot: pool.config.spot,
        account: Input::Given(pool.config.service_account.clone()),
        scopes: Vec::new(),
        zones: pool.locations.clone(),
        nodes_per_zone: pool.initial_node_count,
        bounds: None,
        accelerator: None,
        labels: BTreeMap::new(),
        taints: Vec::new(),
        private: pool.network_config.enable_private_nodes,
        upgraded: false,
    }
}

async fn accounts(cx: &GcpCx, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let project = cx.project()?.to_owned();
    let account = names::node_account(stack);
    let address = names::account_address(&account, &project);
    let read = steps::service_account::get(cx, &address).await?;
    Ok(read
        .map(|(seen, it)| {
            let params = steps::ServiceAccount { account, address, display_name: it.display_name };
            named(plan::ACCOUNT, seen, "iam", &params)
        })
        .into_iter()
        .collect())
}

/// Entries of the project's policy that name the stack's account, or a condition with its title.
async fn bindings(cx: &GcpCx, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let project = cx.project()?.to_owned();
    let account = role_binding::whole(&names::account_address(&names::node_account(stack), &project));
    let title = role_binding::title(stack);
    let policy = role_binding::policy(cx).await?;
    let mut found = Vec::new();
    for (at, entry) in role_binding::entries(&policy).into_iter().enumerate() {
        let ours = (entry.member == account && entry.title.is_none()) || entry.title.as_ref() == Some(&title);
        if !ours {
            continue;
        }
        let seen = role_binding::observed(&project, &entry);
        let known = plan::NODE_ROLES.iter().find(|(_, role)| *role == entry.role && entry.title.is_none());
        let id = match known {
            Some((short, _)) => format!("{}/role/{short}", plan::ACCOUNT),
            None => format!("access/entry-{at}"),
        };
        let identity = Identity::Member { of: role_binding::of_project(&project), key: seen.reference.id.clone() };
        let params = steps::RoleBinding {
            role: entry.role.clone(),
            member: Input::Given(entry.member.clone()),
            title: entry.title.clone(),
        };
        let id = StepId::new(id);
        let step = deletable(id, steps::role_binding::KIND, &params, identity, false, "cloudresourcemanager");
        found.push(Swept { step, seen, after: Vec::new() });
    }
    Ok(found)
}

/// Gives each what must go before it.
fn ordered(found: Vec<Swept>) -> Vec<Swept> {
    let mut found = kit::ordered(found, &ORDER);
    // Bindings of one policy go one after another: all of them write the same document.
    let mut before: Option<StepId> = None;
    for one in found.iter_mut().filter(|one| one.step.kind == steps::role_binding::KIND) {
        one.after.extend(before.replace(one.step.id.clone()));
    }
    found
}

/// Whether both of our tags name this stack.
pub(super) fn is_ours(stack: &Stack, seen: &Observed) -> bool {
    labels::is_ours(stack, &seen.evidence.tags)
}

/// The step that made a labelled object.
fn step_of(seen: &Observed) -> StepId {
    match seen.evidence.tags.get(TAG_STEP) {
        Some(value) => StepId::from_tag_value(value),
        None => StepId::new(format!("untagged/{}", seen.reference.id)),
    }
}

/// Something that is ours by its name.
fn named<P: Serialize>(id: &str, seen: Observed, service: &str, params: &P) -> Swept {
    let identity = Identity::Name { name: seen.reference.id.clone() };
    let step = deletable(StepId::from(id), &seen.reference.kind, params, identity, false, service);
    Swept { step, seen, after: Vec::new() }
}

/// A step that is good for one thing: to be deleted.
pub(super) fn deletable<P: Serialize>(
    id: StepId,
    kind: &str,
    params: &P,
    identity: Identity,
    tagged: bool,
    service: &str,
) -> PlannedStep {
    // Medians as users report them; the others are bound by what still uses them.
    let times = match kind {
        steps::cluster::KIND => (240, 2400),
        steps::node_pool::KIND => (150, 2400),
        steps::network::KIND | steps::subnetwork::KIND | steps::router::KIND => (20, 1800),
        _ => (5, 900),
    };
    kit::deletable(id, kind, params, (identity, tagged), service, times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::TAG_STACK;
    use crate::providers::gcp::labels::Tags;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn everything_waits_for_what_stands_on_it() {
        let one = |kind: &str, id: &str| Swept {
            step: deletable(StepId::from(id), kind, &(), Identity::Tags, false, "compute"),
            seen: steps::support::seen(kind, id, Tags::new()),
            after: Vec::new(),
        };
        let mut all: Vec<Swept> = ORDER.iter().map(|(kind, _)| one(kind, kind)).collect();
        all.push(one(steps::node_pool::KIND, "pool"));
        all.push(one(steps::role_binding::KIND, "second"));
        let found = ordered(all);
        let place = |wanted: &StepId| found.iter().find(|one| one.step.id == *wanted).unwrap();
        // No circle: following what goes first always ends.
        fn depth<'a>(one: &'a Swept, place: &impl Fn(&StepId) -> &'a Swept, left: usize) -> usize {
            assert!(left > 0, "{} waits for itself", one.step.id);
            one.after.iter().map(|id| 1 + depth(place(id), place, left - 1)).max().unwrap_or(0)
        }
        for one in &found {
            depth(one, &place, found.len() + 1);
        }
        assert_eq!(depth(place(&steps::network::KIND.into()), &place, 20), 3);
        let second = place(&"second".into());
        assert!(second.after.contains(&steps::role_binding::KIND.into()), "one write of the policy at a time");
    }

    #[test]
    fn a_stack_of_the_same_name_is_another_stack() {
        let ours = tags(&[(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "cluster")]);
        assert!(labels::is_ours(&"demo-0a1b2c3d".parse().unwrap(), &ours));
        assert!(!labels::is_ours(&"demo-ffffffff".parse().unwrap(), &ours));
        assert!(!labels::is_ours(&"demo-0a1b2c3d".parse().unwrap(), &tags(&[(TAG_STACK, "demo-0a1b2c3d")])));
    }
}
