//! The IAM permissions that a stack's life asks for, in one table: by kind of step, and what every life asks for besides.
//! Preflight tests them before the first write; `kubewright policy` prints them as custom roles.
//!
//! Names are those of Google's "IAM permissions reference", and of the "Required permissions" of each method. A new kind
//! of step needs its row here.

use super::steps;
use crate::providers::life::Life;
use std::collections::BTreeSet;

/// One row: a permission, when it is asked for, and whether a life goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `compute.networks.create`.
    pub permission: &'static str,
    /// When.
    pub life: Life,
    /// Without it something is not known beforehand, and said so; nothing fails.
    pub optional: bool,
}

/// Acting as the nodes' service account: asked of that account where it was brought along, else of the project.
pub const ACT_AS: &str = "iam.serviceAccounts.actAs";
/// Changing who may do what in the project: the one to hand out with a condition.
pub const GRANT: &str = "resourcemanager.projects.setIamPolicy";

const fn row(permission: &'static str, life: Life) -> Need {
    Need { permission, life, optional: false }
}

/// A read that every part of a life makes.
const fn read(permission: &'static str) -> Need {
    row(permission, Life::ALL)
}

const fn make(permission: &'static str) -> Need {
    row(permission, Life::BUILD)
}

const fn remove(permission: &'static str) -> Need {
    row(permission, Life::DESTROY)
}

const fn both(permission: &'static str) -> Need {
    row(permission, Life::BUILD.or(Life::DESTROY))
}

/// Known beforehand rather than found out.
const fn ahead(permission: &'static str) -> Need {
    Need { optional: true, ..row(permission, Life::BUILD) }
}

/// What each kind asks for.
fn of_kind(kind: &str) -> &'static [Need] {
    match kind {
        steps::service::KIND => {
            const {
                &[
                    make("serviceusage.services.get"),
                    make("serviceusage.services.enable"),
                    make("serviceusage.operations.get"),
                ]
            }
        }
        steps::network::KIND => {
            const {
                &[
                    read("compute.networks.get"),
                    make("compute.networks.create"),
                    make("compute.networks.use"),
                    both("compute.networks.updatePolicy"),
                    remove("compute.networks.delete"),
                    both("compute.globalOperations.get"),
                ]
            }
        }
        steps::subnetwork::KIND => {
            const {
                &[
                    read("compute.subnetworks.get"),
                    make("compute.subnetworks.create"),
                    make("compute.subnetworks.use"),
                    remove("compute.subnetworks.delete"),
                    both("compute.regionOperations.get"),
                ]
            }
        }
        steps::router::KIND => {
            const {
                &[
                    read("compute.routers.get"),
                    make("compute.routers.create"),
                    remove("compute.routers.delete"),
                    both("compute.regionOperations.get"),
                ]
            }
        }
        steps::existing::NETWORK_KIND => {
            const {
                &[
                    read("compute.networks.get"),
                    make("compute.networks.use"),
                    make("compute.routers.list"),
                    make("compute.routes.list"),
                ]
            }
        }
        steps::existing::SUBNETWORK_KIND => {
            const { &[read("compute.subnetworks.get"), make("compute.subnetworks.use")] }
        }
        steps::service_account::KIND => {
            const {
                &[
                    read("iam.serviceAccounts.get"),
                    make("iam.serviceAccounts.create"),
                    make(ACT_AS),
                    remove("iam.serviceAccounts.delete"),
                ]
            }
        }
        steps::role_binding::KIND => const { &[read("resourcemanager.projects.getIamPolicy"), both(GRANT)] },
        steps::cluster::KIND => {
            const {
                &[
                    read("container.clusters.get"),
                    make("container.clusters.create"),
                    make(ACT_AS),
                    row("container.clusters.update", Life::ALL),
                    remove("container.clusters.delete"),
                    read("container.operations.get"),
                    read("container.operations.list"),
                    // Inside it, by its own API: Google asks IAM before the cluster's own roles.
                    read("container.nodes.list"),
                    read("container.pods.list"),
                    remove("container.services.list"),
                    remove("container.services.delete"),
                    remove("container.ingresses.list"),
                    remove("container.ingresses.delete"),
                    remove("container.persistentVolumeClaims.list"),
                    remove("container.persistentVolumeClaims.delete"),
                    remove("container.persistentVolumes.list"),
                    // What it makes goes by its own calls, rules of the firewall among it: see [`LEFTOVERS`].
                    remove("compute.networks.updatePolicy"),
                    remove("compute.globalOperations.get"),
                    remove("compute.regionOperations.get"),
                    remove("compute.zoneOperations.get"),
                ]
            }
        }
        steps::node_pool::KIND => const { &[both("container.clusters.update"), make(ACT_AS)] },
        _ => &[],
    }
}

macro_rules! leftovers {
    ($($collection:literal),* $(,)?) => {
        &[$(
            remove(concat!("compute.", $collection, ".get")),
            remove(concat!("compute.", $collection, ".list")),
            remove(concat!("compute.", $collection, ".delete")),
        )*]
    };
}

/// What a cluster's controllers make and may leave behind, wherever each kind can be: [`steps::remains`] finds it and
/// takes it away.
const LEFTOVERS: &[Need] = leftovers![
    "addresses",
    "backendServices",
    "disks",
    "firewalls",
    "forwardingRules",
    "globalAddresses",
    "globalForwardingRules",
    "globalNetworkEndpointGroups",
    "healthChecks",
    "httpHealthChecks",
    "httpsHealthChecks",
    "instanceGroups",
    "instances",
    "networkEndpointGroups",
    "regionBackendServices",
    "regionHealthChecks",
    "regionSslCertificates",
    "regionTargetHttpProxies",
    "regionTargetHttpsProxies",
    "regionUrlMaps",
    "routes",
    "sslCertificates",
    "targetHttpProxies",
    "targetHttpsProxies",
    "targetPools",
    "urlMaps",
];

/// What every life asks for, whatever its plan: whose project it is, whose stacks there are, what the region has.
const ALWAYS: &[Need] = &[
    read("resourcemanager.projects.get"),
    // A stack of the name may stand, with or without the things that this plan has.
    read("compute.networks.list"),
    read("compute.subnetworks.list"),
    read("compute.routers.list"),
    read("iam.serviceAccounts.list"),
    read("container.clusters.list"),
    read("resourcemanager.projects.getIamPolicy"),
    // What can be chosen; limits and what is in use; what is on.
    make("compute.zones.list"),
    ahead("compute.machineTypes.list"),
    ahead("compute.acceleratorTypes.list"),
    ahead("compute.regions.get"),
    ahead("compute.projects.get"),
    ahead("serviceusage.services.get"),
    // How many nodes pools have, and all regions at once.
    Need { optional: true, ..row("compute.instanceGroupManagers.list", Life::OPERATE) },
    Need { optional: true, ..row("compute.regions.list", Life::OPERATE) },
];

/// Everything that a stack of these kinds asks for in these parts of its life, by name.
pub fn needs<'k>(kinds: impl Iterator<Item = &'k str>, life: Life) -> BTreeSet<Need> {
    let kinds: Vec<&str> = kinds.collect();
    let leftovers = if kinds.contains(&steps::cluster::KIND) { LEFTOVERS } else { &[] };
    let mut all: BTreeSet<Need> = kinds.into_iter().flat_map(of_kind).chain(leftovers).chain(ALWAYS).copied().collect();
    all.retain(|need| need.life.meets(life));
    all
}

/// The names of needs, each once.
pub fn names<'n>(needs: impl IntoIterator<Item = &'n Need>) -> BTreeSet<&'static str> {
    needs.into_iter().map(|need| need.permission).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Identity;
    use crate::providers::gcp::{plan, testing};

    #[test]
    fn every_kind_that_is_made_is_covered() {
        let spec = testing::spec("demo");
        let plan = plan::plan(&spec, &"demo-0a1b2c3d".parse().unwrap(), [].into()).unwrap();
        for step in plan.steps.iter().filter(|step| !matches!(step.identity, Identity::External { .. })) {
            let lives = match step.identity {
                Identity::OneWay { .. } => &[Life::BUILD][..],
                _ => &[Life::BUILD, Life::DESTROY],
            };
            for life in lives {
                let acts = of_kind(&step.kind).iter().any(|need| need.life.meets(*life) && !need.optional);
                assert!(acts, "{} needs a permission to make and one to remove it", step.kind);
            }
        }
    }

    #[test]
    fn parts_of_a_life_ask_for_their_own() {
        let of = |life| names(&needs([steps::network::KIND].into_iter(), life));
        assert!(
            of(Life::BUILD).contains("compute.networks.create") && !of(Life::BUILD).contains("compute.networks.delete")
        );
        assert!(
            of(Life::DESTROY).contains("compute.networks.delete")
                && !of(Life::DESTROY).contains("compute.networks.create")
        );
        assert!(
            of(Life::OPERATE).contains("compute.networks.list") && !of(Life::OPERATE).contains("compute.networks.use")
        );
    }
}
