//! Everything of a stack by its tags and names, from the listings of its own resource group: a teardown without a journal.
//!
//! Azure's index of tags lags and is not asked what there is. Everything that we make stands in the stack's group, but
//! for role assignments on what was brought along: those are found by their names, which hold the stack. Agent pools are
//! not listed: they have no life outside the cluster and go with it.

use super::client::{AzureCx, Op, version};
use super::error::DENIED;
use super::models::{Answered, Provisioned, RoleAssignmentProperties};
use super::names;
use super::refs::{ArmId, PrincipalId};
use super::steps::support::{Type, observe};
use super::steps::{
    self, cluster, managed_identity, nat_gateway, public_ip, resource_group, role_assignment, virtual_network,
};
use super::tags::is_ours;
use crate::engine::proof::TAG_STEP;
use crate::engine::{Clock, Identity, Input, Observed, StepError, StepId, Swept};
use crate::model::Stack;
use crate::providers::kit::{self, ExtraTags};
use crate::providers::patience::patient;
use ipnet::Ipv4Net;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

const CLUSTERS: Op = Op::new("containerservice:managedClusters.list", version::AKS);
const NETWORKS: Op = Op::new("network:virtualNetworks.list", version::NETWORK);
const GATEWAYS: Op = Op::new("network:natGateways.list", version::NETWORK);
const ADDRESSES: Op = Op::new("network:publicIPAddresses.list", version::NETWORK);
const IDENTITIES: Op = Op::new("managedidentity:userAssignedIdentities.list", version::IDENTITY);
const ASSIGNMENTS: Op = Op::new("authorization:roleAssignments.list", version::AUTHORIZATION);

/// For each kind the kinds that must be gone first.
const ORDER: [(&str, &[&str]); 6] = [
    // Whoever removes the cluster's own things needs the role until it is done; and once the identity is gone nobody can
    // read what the role was for.
    (role_assignment::KIND, &[cluster::KIND]),
    (managed_identity::KIND, &[cluster::KIND, role_assignment::KIND]),
    (virtual_network::KIND, &[cluster::KIND, role_assignment::KIND]),
    (nat_gateway::KIND, &[cluster::KIND, virtual_network::KIND]),
    (public_ip::KIND, &[nat_gateway::KIND]),
    (
        resource_group::KIND,
        &[
            cluster::KIND,
            role_assignment::KIND,
            managed_identity::KIND,
            virtual_network::KIND,
            nat_gateway::KIND,
            public_ip::KIND,
        ],
    ),
];

/// All that carries this stack's tags or names, with an order to delete it in. Reads only.
///
/// # Errors
/// What the first listing that failed says: a partial answer would pass for "nothing left".
pub async fn sweep(cx: &AzureCx, clock: &dyn Clock, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let group = names::group_id(cx.subscription_id()?.name(), stack);
    let list = |op: Op, kind: &'static str| {
        let at = ArmId(format!("{group}/providers/{kind}"));
        async move { patient(clock, || cx.list::<Answered<Provisioned>>(op, kind, &at, &[])).await }
    };
    let (own, assignments) = tokio::try_join!(
        patient(clock, || resource_group::TYPE.read::<Value>(cx, &group)),
        assignments(cx, clock, stack, &group)
    )?;
    let (clusters, networks, gateways, addresses, identities) = tokio::try_join!(
        list(CLUSTERS, cluster::ARM_TYPE),
        list(NETWORKS, NETWORK),
        list(GATEWAYS, GATEWAY),
        list(ADDRESSES, ADDRESS),
        list(IDENTITIES, IDENTITY)
    )?;
    let mut found = assignments;
    let location = cx.region.to_string();
    let ours = |of: &'static Type, kind: &'static str, all: Vec<Answered<Provisioned>>| {
        let (stack, group) = (stack.clone(), group.clone());
        all.into_iter().filter(move |it| is_ours(&stack, &it.tags)).map(move |it| {
            let id = group.inside(kind, &it.name);
            (observe(of.kind, &id, &it), id)
        })
    };
    for (seen, id) in ours(&cluster::TYPE, cluster::ARM_TYPE, clusters) {
        found
            .push(item(seen, &GoingCluster { id, node_group: names::node_group(stack), location: &location }.params()));
    }
    for (seen, id) in ours(&virtual_network::TYPE, NETWORK, networks) {
        let (location, cidr) = (location.clone(), Ipv4Net::default());
        found.push(item(seen, &steps::VirtualNetwork { id, location, cidr, subnet: cidr, nat_gateway: None }));
    }
    for (seen, id) in ours(&nat_gateway::TYPE, GATEWAY, gateways) {
        let address = Input::Given(ArmId(String::new()));
        found.push(item(seen, &steps::NatGateway { id, location: location.clone(), address }));
    }
    for (seen, id) in ours(&public_ip::TYPE, ADDRESS, addresses) {
        found.push(item(seen, &steps::PublicIp { id, location: location.clone() }));
    }
    for (seen, id) in ours(&managed_identity::TYPE, IDENTITY, identities) {
        found.push(item(seen, &steps::ManagedIdentity { id, location: location.clone() }));
    }
    if let Some((seen, it)) = own.filter(|(_, it)| is_ours(stack, &it.tags)) {
        let params = steps::ResourceGroup { id: group, location: it.location, extra_tags: ExtraTags::new() };
        found.push(item(seen, &params));
    }
    Ok(ordered(found))
}

const NETWORK: &str = "Microsoft.Network/virtualNetworks";
const GATEWAY: &str = "Microsoft.Network/natGateways";
const ADDRESS: &str = "Microsoft.Network/publicIPAddresses";
const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

/// The role assignments of ours, wherever they stand.
async fn assignments(cx: &AzureCx, clock: &dyn Clock, stack: &Stack, group: &ArmId) -> Result<Vec<Swept>, StepError> {
    type Listed = Vec<Answered<RoleAssignmentProperties>>;
    let at = |scope: &ArmId| ArmId(format!("{scope}/providers/{}", role_assignment::ARM_TYPE));
    let (everywhere, here) = (at(&cx.subscription_id()?), at(group));
    let all: Listed = match patient(clock, || cx.list(ASSIGNMENTS, "role assignments", &everywhere, &[])).await {
        // Who may not see all of them sees at least those of the group.
        Err(denied) if denied.id == DENIED => {
            patient(clock, || cx.list(ASSIGNMENTS, "role assignments", &here, &[])).await?
        }
        all => all?,
    };
    let ours = all.into_iter().filter_map(|it| {
        let (_, step) = role_assignment::named_in(&it).filter(|(named, _)| named == stack)?;
        let scope = ArmId(it.properties.scope.clone()?);
        let id = scope.inside(role_assignment::ARM_TYPE, &it.name);
        let params = steps::RoleAssignment {
            scope: Input::Given(scope),
            name: it.name.clone(),
            role: String::new(),
            principal: Input::Given(PrincipalId(it.properties.principal_id.clone())),
            principal_type: None,
        };
        Some(item(role_assignment::observe(&id, stack, &step), &params))
    });
    Ok(ours.collect())
}

/// A cluster that is only to be removed: its params as far as that asks for them.
struct GoingCluster<'a> {
    id: ArmId,
    node_group: String,
    location: &'a str,
}

impl GoingCluster<'_> {
    fn params(self) -> steps::Cluster {
        use crate::model::spec::{AksNetwork, AksOutbound, AksTier};
        let range = Ipv4Net::default();
        steps::Cluster {
            id: self.id,
            location: self.location.to_owned(),
            node_group: self.node_group,
            dns_prefix: String::new(),
            version: String::new(),
            tier: AksTier::Free,
            identity: Input::Given(ArmId(String::new())),
            subnet: Input::Given(ArmId(String::new())),
            network: AksNetwork::Overlay,
            pod_cidr: range,
            service_cidr: range,
            dns_ip: range.addr(),
            outbound: AksOutbound::LoadBalancer,
            api_allow: Vec::new(),
            egress: None,
            tenant: String::new(),
            azure_rbac: true,
            admin_groups: Vec::new(),
            local_accounts: false,
            system_pool: steps::PoolParams {
                name: String::new(),
                vm_size: String::new(),
                disk_gib: 0,
                count: 0,
                min: 0,
                max: 0,
                spot: false,
                gpu: false,
                version: String::new(),
                zones: Vec::new(),
                labels: BTreeMap::new(),
                taints: Vec::new(),
            },
        }
    }
}

/// Gives each what must go before it.
fn ordered(found: Vec<Swept>) -> Vec<Swept> {
    let mut found = kit::ordered(found, &ORDER);
    // What holds on the cluster goes before it; only what holds on the network waits for it.
    let clusters: Vec<String> =
        found.iter().filter(|it| it.step.kind == cluster::KIND).map(|it| it.seen.reference.id.clone()).collect();
    let on_it = |it: &Swept| clusters.iter().any(|id| ArmId(id.clone()).holds(&it.seen.reference.id));
    let ways_in: Vec<StepId> = found
        .iter()
        .filter(|it| it.step.kind == role_assignment::KIND && on_it(it))
        .map(|it| it.step.id.clone())
        .collect();
    for one in &mut found {
        if ways_in.contains(&one.step.id) {
            one.after.clear();
        } else if one.step.kind == cluster::KIND {
            one.after.extend(ways_in.iter().cloned());
        }
    }
    found
}

fn item<P: Serialize>(seen: Observed, params: &P) -> Swept {
    let step = match seen.evidence.tags.get(TAG_STEP) {
        Some(value) => StepId::from_tag_value(value),
        None => StepId::new(format!("untagged/{}", seen.reference.id)),
    };
    Swept { step: deletable(step, &seen.reference.kind, params), seen, after: Vec::new() }
}

/// A step that is good for one thing: to be deleted.
pub(super) fn deletable<P: Serialize>(id: StepId, kind: &str, params: &P) -> crate::engine::PlannedStep {
    // Medians as users report them (a cluster 4 to 10 minutes, a group a few); the others are bound by what still uses
    // them.
    let (service, times) = match kind {
        cluster::KIND => ("containerservice", (300, 3600)),
        resource_group::KIND => ("resources", (20, 3600)),
        steps::node_group::KIND => ("resources", (120, 3600)),
        nat_gateway::KIND => ("network", (12, 1800)),
        managed_identity::KIND => ("managedidentity", (2, 900)),
        role_assignment::KIND => ("authorization", (2, 600)),
        _ => ("network", (6, 1800)),
    };
    kit::deletable(id, kind, params, (Identity::Tags, true), service, times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::{TAG_STACK, prove_found};

    #[test]
    fn everything_waits_for_what_stands_on_it() {
        let seen = |kind: &str| {
            let tags = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, kind)];
            kit::seen(kind, kind, tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
        };
        let params = steps::PublicIp { id: "/x".into(), location: String::new() };
        let found = ordered(ORDER.iter().map(|(kind, _)| item(seen(kind), &params)).collect());
        let place = |wanted: &StepId| found.iter().find(|one| one.step.id == *wanted);
        // No circle: following what goes first always ends.
        fn depth<'a>(one: &'a Swept, place: &impl Fn(&StepId) -> Option<&'a Swept>, left: usize) -> usize {
            assert!(left > 0, "{} waits for itself", one.step.id);
            one.after.iter().filter_map(place).map(|first| 1 + depth(first, place, left - 1)).max().unwrap_or(0)
        }
        let group = found.iter().find(|one| one.step.kind == resource_group::KIND).unwrap();
        assert_eq!(depth(group, &place, found.len() + 1), 4);
    }

    #[test]
    fn an_assignment_is_proven_by_its_name_and_words() {
        let stack: Stack = "demo-0a1b2c3d".parse().unwrap();
        let seen = role_assignment::observe(&"/x".into(), &stack, &"network/role".into());
        assert!(prove_found(&stack, seen.clone(), &[].into(), None).is_ok());
        assert!(prove_found(&"demo-ffffffff".parse().unwrap(), seen, &[].into(), None).is_err());
    }
}
