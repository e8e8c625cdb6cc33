//! The actions that a stack's life asks for, in one table: by kind of step, and what every life asks for besides.
//! Preflight holds them against what the caller may do; `kubewright policy` prints them as roles.
//!
//! Actions are those of "Azure permissions" (Azure documentation, Role-based access control). A new kind of step needs
//! its row here.

use super::steps;
use crate::providers::life::Life;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Where an action is asked for, and so how far it can be narrowed: a role counts at a scope and below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// The subscription: listings, limits, and everything in a group that is not there yet.
    Subscription,
    /// The network brought along.
    Network,
    /// The identity brought along.
    Identity,
}

/// One row: an action, where, when, and whether a life goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `Microsoft.Network/virtualNetworks/write`.
    pub action: &'static str,
    /// Where.
    pub on: On,
    /// When.
    pub life: Life,
    /// Without it something is not known beforehand, and said so; nothing fails.
    pub optional: bool,
}

const fn row(action: &'static str, life: Life) -> Need {
    Need { action, on: On::Subscription, life, optional: false }
}

const fn read(action: &'static str) -> Need {
    row(action, Life::ALL)
}

const fn make(action: &'static str) -> Need {
    row(action, Life::BUILD)
}

const fn remove(action: &'static str) -> Need {
    row(action, Life::DESTROY)
}

/// Read before the first write, to know what would fail.
const fn ahead(action: &'static str) -> Need {
    Need { optional: true, ..row(action, Life::BUILD) }
}

const fn on(on: On, need: Need) -> Need {
    Need { on, ..need }
}

/// Reading how far an operation is: asked for wherever one takes its time.
const NETWORK_OPERATIONS: [Need; 2] =
    [read("Microsoft.Network/locations/operations/read"), read("Microsoft.Network/locations/operationResults/read")];

/// What each kind asks for.
fn of_kind(kind: &str) -> &'static [Need] {
    match kind {
        steps::provider_registration::KIND => {
            const {
                &[
                    row("Microsoft.Resources/subscriptions/providers/read", Life::BUILD),
                    make("Microsoft.Compute/register/action"),
                    make("Microsoft.ContainerService/register/action"),
                    make("Microsoft.ManagedIdentity/register/action"),
                    make("Microsoft.Network/register/action"),
                    make("Microsoft.Storage/register/action"),
                ]
            }
        }
        steps::resource_group::KIND => {
            const {
                &[
                    read("Microsoft.Resources/subscriptions/resourceGroups/read"),
                    read("Microsoft.Resources/subscriptions/resourceGroups/resources/read"),
                    read("Microsoft.Resources/subscriptions/operationResults/read"),
                    make("Microsoft.Resources/subscriptions/resourceGroups/write"),
                    remove("Microsoft.Resources/subscriptions/resourceGroups/delete"),
                ]
            }
        }
        steps::public_ip::KIND => {
            const {
                &[
                    read("Microsoft.Network/publicIPAddresses/read"),
                    make("Microsoft.Network/publicIPAddresses/write"),
                    make("Microsoft.Network/publicIPAddresses/join/action"),
                    remove("Microsoft.Network/publicIPAddresses/delete"),
                ]
            }
        }
        steps::nat_gateway::KIND => {
            const {
                &[
                    read("Microsoft.Network/natGateways/read"),
                    make("Microsoft.Network/natGateways/write"),
                    make("Microsoft.Network/natGateways/join/action"),
                    remove("Microsoft.Network/natGateways/delete"),
                ]
            }
        }
        steps::virtual_network::KIND => {
            const {
                &[
                    read("Microsoft.Network/virtualNetworks/read"),
                    make("Microsoft.Network/virtualNetworks/write"),
                    remove("Microsoft.Network/virtualNetworks/delete"),
                    // AKS tries with the caller's rights whether nodes may be put there.
                    read("Microsoft.Network/virtualNetworks/subnets/read"),
                    make("Microsoft.Network/virtualNetworks/subnets/join/action"),
                ]
            }
        }
        steps::existing::NETWORK_KIND => {
            const {
                &[
                    on(On::Network, read("Microsoft.Network/virtualNetworks/read")),
                    on(On::Network, ahead("Microsoft.Network/routeTables/read")),
                ]
            }
        }
        steps::existing::SUBNET_KIND => {
            const {
                &[
                    on(On::Network, read("Microsoft.Network/virtualNetworks/subnets/read")),
                    on(On::Network, make("Microsoft.Network/virtualNetworks/subnets/join/action")),
                ]
            }
        }
        steps::managed_identity::EXISTING_KIND => {
            const {
                &[
                    on(On::Identity, read("Microsoft.ManagedIdentity/userAssignedIdentities/read")),
                    on(On::Identity, make("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action")),
                ]
            }
        }
        steps::managed_identity::KIND => {
            const {
                &[
                    read("Microsoft.ManagedIdentity/userAssignedIdentities/read"),
                    make("Microsoft.ManagedIdentity/userAssignedIdentities/write"),
                    make("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"),
                    remove("Microsoft.ManagedIdentity/userAssignedIdentities/delete"),
                ]
            }
        }
        steps::role_assignment::KIND => ASSIGNMENTS,
        steps::cluster::KIND => {
            const {
                &[
                    read("Microsoft.ContainerService/managedClusters/read"),
                    make("Microsoft.ContainerService/managedClusters/write"),
                    remove("Microsoft.ContainerService/managedClusters/delete"),
                    read("Microsoft.ContainerService/managedClusters/agentPools/read"),
                    read("Microsoft.ContainerService/locations/operations/read"),
                    read("Microsoft.ContainerService/locations/operationResults/read"),
                    read("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"),
                    row("Microsoft.Resources/tags/write", Life::BUILD.or(Life::OPERATE)),
                    // What the cluster made and left: in its nodes' group, and disks in other groups.
                    remove("Microsoft.Compute/disks/delete"),
                    row("Microsoft.Compute/disks/read", Life::DESTROY),
                ]
            }
        }
        steps::agent_pool::KIND => {
            const {
                &[
                    read("Microsoft.ContainerService/managedClusters/agentPools/read"),
                    make("Microsoft.ContainerService/managedClusters/agentPools/write"),
                    remove("Microsoft.ContainerService/managedClusters/agentPools/delete"),
                ]
            }
        }
        _ => &[],
    }
}

/// Roles for the cluster's own identity and for whoever is to get in.
const ASSIGNMENTS: &[Need] = &[
    read("Microsoft.Authorization/roleAssignments/read"),
    make("Microsoft.Authorization/roleAssignments/write"),
    remove("Microsoft.Authorization/roleAssignments/delete"),
];

/// The same on a network that is brought along.
const NETWORK_ASSIGNMENTS: &[Need] = &[
    on(On::Network, read("Microsoft.Authorization/roleAssignments/read")),
    on(On::Network, make("Microsoft.Authorization/roleAssignments/write")),
    on(On::Network, remove("Microsoft.Authorization/roleAssignments/delete")),
];

/// What every life asks for, whatever its plan: whose stacks there are, what the region has, what is left over.
const ALWAYS: &[Need] = &[
    read("Microsoft.Resources/subscriptions/read"),
    read("Microsoft.Resources/subscriptions/resourceGroups/read"),
    read("Microsoft.Resources/subscriptions/resources/read"),
    read("Microsoft.ContainerService/managedClusters/read"),
    // A stack of the name may stand, with or without the things that this plan has.
    read("Microsoft.Network/virtualNetworks/read"),
    read("Microsoft.Network/natGateways/read"),
    read("Microsoft.Network/publicIPAddresses/read"),
    read("Microsoft.ManagedIdentity/userAssignedIdentities/read"),
    read("Microsoft.Authorization/roleAssignments/read"),
    // What can be chosen.
    make("Microsoft.ContainerService/locations/kubernetesVersions/read"),
    ahead("Microsoft.Compute/skus/read"),
    // Limits, permissions, locks and policies.
    ahead("Microsoft.Compute/locations/usages/read"),
    ahead("Microsoft.Network/locations/usages/read"),
    ahead("Microsoft.Authorization/permissions/read"),
    ahead("Microsoft.Authorization/locks/read"),
    ahead("Microsoft.Authorization/policyAssignments/read"),
    // All regions of the subscription, of which one may hold something of ours.
    Need { optional: true, ..row("Microsoft.Resources/subscriptions/locations/read", Life::OPERATE) },
];

/// Everything that a stack of these kinds asks for in these parts of its life, sorted by action. `existing`: its network
/// is brought along.
pub fn needs<'k>(kinds: impl Iterator<Item = &'k str>, existing: bool, life: Life) -> BTreeSet<Need> {
    let mut all: BTreeSet<Need> = kinds.flat_map(of_kind).chain(ALWAYS).copied().collect();
    if all.iter().any(|need| need.action.starts_with("Microsoft.Network/")) {
        all.extend(NETWORK_OPERATIONS);
    }
    if existing && all.iter().any(|need| need.action == ASSIGNMENTS[1].action) {
        all.extend(NETWORK_ASSIGNMENTS);
    }
    all.retain(|need| need.life.meets(life));
    all
}

/// What one role allows, as Azure lists it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

/// What all roles of a caller allow together: what one role leaves out another may give.
#[derive(Debug, Clone, Default)]
pub struct Allowed(pub Vec<Permission>);

impl Allowed {
    /// Whether any role allows it.
    pub fn allows(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| covers(pattern, action));
        self.0.iter().any(|role| any(&role.actions) && !any(&role.not_actions))
    }
}

/// Whether a role's pattern covers an action: `*` stands for anything, slashes among it, and case is no matter.
fn covers(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = action.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::providers::azure::{plan, testing};

    #[test]
    fn every_kind_that_is_made_is_covered() {
        let plan = plan::plan(&testing::spec("demo"), &"demo-0a1b2c3d".parse().unwrap(), [].into()).unwrap();
        let made = |step: &&crate::engine::PlannedStep| step.identity.is_undone() && step.kind.starts_with("azure/");
        for step in plan.steps.iter().filter(made) {
            for life in [Life::BUILD, Life::DESTROY] {
                let acts = of_kind(&step.kind).iter().any(|need| need.life == life && !need.optional);
                assert!(acts, "{} needs an action to make and one to remove it", step.kind);
            }
        }
        assert!(plan.steps.iter().any(|step| matches!(step.identity, Identity::Name { .. })));
        let all = needs(plan.steps.iter().map(|step| step.kind.as_str()), false, Life::ALL);
        assert!(all.iter().any(|need| need.action == "Microsoft.Authorization/roleAssignments/write"));
    }

    #[test]
    fn parts_of_a_life_ask_for_their_own() {
        let has = |life, action: &str| {
            needs([steps::virtual_network::KIND].into_iter(), false, life).iter().any(|need| need.action == action)
        };
        let (make, remove) = ("Microsoft.Network/virtualNetworks/write", "Microsoft.Network/virtualNetworks/delete");
        assert!(has(Life::BUILD, make) && !has(Life::BUILD, remove));
        assert!(has(Life::DESTROY, remove) && !has(Life::DESTROY, make));
        assert!(has(Life::OPERATE, "Microsoft.Network/virtualNetworks/read"));
        assert!(has(Life::ALL, "Microsoft.Network/locations/operations/read"));
    }

    #[test]
    fn wildcards_and_what_is_taken_back_are_judged_as_azure_does() {
        for (pattern, action, is) in [
            ("*", "Microsoft.Network/virtualNetworks/write", true),
            ("*/read", "Microsoft.Compute/skus/read", true),
            ("*/read", "Microsoft.Compute/skus/write", false),
            ("microsoft.network/*", "Microsoft.Network/virtualNetworks/subnets/join/action", true),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true),
            ("Microsoft.Network/virtualNetworks/read", "Microsoft.Network/virtualNetworks/readX", false),
            (
                "Microsoft.*/virtualNetworks/*/join/action",
                "Microsoft.Network/virtualNetworks/subnets/join/action",
                true,
            ),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(covers(pattern, action), is, "{pattern} {action}");
        }
        let role = |actions: &[&str], not: &[&str]| Permission {
            actions: actions.iter().map(|it| (*it).to_owned()).collect(),
            not_actions: not.iter().map(|it| (*it).to_owned()).collect(),
        };
        let contributor = role(&["*"], &["Microsoft.Authorization/*/Write"]);
        let assign = "Microsoft.Authorization/roleAssignments/write";
        assert!(!Allowed(vec![contributor.clone()]).allows(assign));
        let admin = role(&["Microsoft.Authorization/*"], &[]);
        assert!(Allowed(vec![contributor, admin]).allows(assign), "another role may give it");
        assert!(!Allowed(Vec::new()).allows(assign));
    }
}
