//! Who stands in the way of a network or a subnetwork: read only after Google refused to delete it.
//!
//! What is going, or is ours and has its own place in the teardown, is waited for. What somebody else put there is named
//! with the command that removes it, and left alone.

use super::remains::{self, Kind};
use super::support::{blocked, busy, what};
use crate::engine::proof::TAG_STACK;
use crate::engine::{ErrorClass, Scope, StepError};
use crate::model::Stack;
use crate::providers::gcp::client::{Failure, GcpCx, Request};
use crate::providers::gcp::names::id_part;
use crate::providers::gcp::{labels, wire};

/// One object in or at a network.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::providers::gcp) struct Stranger {
    /// Its kind.
    pub kind: Kind,
    /// What it is.
    pub thing: wire::Thing,
}

impl Stranger {
    /// Its place inside the project.
    pub(in crate::providers::gcp) fn id(&self) -> &str {
        wire::inside_project(&self.thing.self_link)
    }

    /// In words.
    pub(in crate::providers::gcp) fn words(&self) -> String {
        format!("{} {}", self.kind.noun, self.thing.name)
    }

    /// Routes that Google makes and takes away with the network.
    fn is_the_networks_own(&self) -> bool {
        let system = ["default-route-", "peering-route-"].iter().any(|start| self.thing.name.starts_with(start));
        self.kind.kind == remains::ROUTE.kind && system
    }

    /// Whether it goes with the stack: ours by name or label, or of the cluster's making, which the teardown sweeps.
    pub(in crate::providers::gcp) fn is_going(&self, stack: &Stack) -> bool {
        self.thing.name.contains(&id_part(stack))
            || labels::tags(&self.thing.labels).get(TAG_STACK).is_some_and(|value| *value == stack.to_string())
            || made_by_gke(&self.kind, &self.thing, stack.name.as_str())
            || self.is_the_networks_own()
            || self.thing.status == "STOPPING"
    }
}

/// A controller's own word for what it made it for: `kubernetes.io/service-name` and its like in the description.
pub(in crate::providers::gcp) fn says_kubernetes(thing: &wire::Thing) -> bool {
    let text = thing.description.as_str();
    text.contains("kubernetes.io/") || text.contains("\"cluster-uid\"") || text.contains("networking.gke.io/")
}

/// `a` and 32 hexadecimal digits: how the cloud provider calls what it makes for a Service.
pub(in crate::providers::gcp) fn of_a_service(name: &str) -> bool {
    name.len() == 32 && name.starts_with('a') && name.chars().all(|c| c.is_ascii_hexdigit())
}

/// Whether a cluster's controllers, or GKE itself for a cluster of this name, make things that look like this. In our
/// own network no other cluster does; anywhere else it proves nothing.
pub(in crate::providers::gcp) fn made_by_gke(kind: &Kind, thing: &wire::Thing, cluster: &str) -> bool {
    let name = thing.name.as_str();
    let gke = name.strip_prefix("gke-").is_some_and(|rest| {
        // GKE shortens the names of clusters in its own.
        let shown = &cluster[..cluster.len().min(18)];
        rest.strip_prefix(shown).is_some_and(|rest| rest.starts_with('-'))
    });
    let controllers = ["k8s-", "k8s1-", "k8s2-", "l7-", "gkegw1-", "gkemcg1-"];
    let controller = controllers.iter().any(|start| name.starts_with(start));
    match kind.kind {
        "gcp/route" => gke,
        "gcp/instance" => gke && thing.labels.get("goog-k8s-cluster-name").is_some_and(|it| it == cluster),
        _ => gke || controller || (of_a_service(name) && (says_kubernetes(thing) || kind.kind == "gcp/target-pool")),
    }
}

/// Kinds that name the network they are in, and keep it from going.
pub(in crate::providers::gcp) const IN_NETWORK: [Kind; 7] = [
    remains::FIREWALL,
    remains::FORWARDING_RULE,
    remains::NEG,
    remains::INSTANCE_GROUP,
    remains::INSTANCE,
    remains::ROUTE,
    remains::ADDRESS,
];

/// Everything of one kind in the project, wherever it is.
pub(in crate::providers::gcp) async fn everywhere(cx: &GcpCx, kind: &Kind) -> Result<Vec<wire::Thing>, StepError> {
    let what = format!("{}s", kind.noun);
    // What is global only has no listing of all places.
    let global = match kind.kind {
        "gcp/firewall" => Some("compute:firewalls.list"),
        "gcp/route" => Some("compute:routes.list"),
        "gcp/http-health-check" => Some("compute:httpHealthChecks.list"),
        _ => None,
    };
    if let Some(op) = global {
        let path = cx.compute_path(&format!("global/{}", kind.collection))?;
        return cx.list("items", Request::get(op, path, &what)).await;
    }
    let op = match kind.kind {
        "gcp/forwarding-rule" => "compute:forwardingRules.aggregatedList",
        "gcp/target-pool" => "compute:targetPools.aggregatedList",
        "gcp/target-http-proxy" => "compute:targetHttpProxies.aggregatedList",
        "gcp/target-https-proxy" => "compute:targetHttpsProxies.aggregatedList",
        "gcp/url-map" => "compute:urlMaps.aggregatedList",
        "gcp/backend-service" => "compute:backendServices.aggregatedList",
        "gcp/health-check" => "compute:healthChecks.aggregatedList",
        "gcp/ssl-certificate" => "compute:sslCertificates.aggregatedList",
        "gcp/address" => "compute:addresses.aggregatedList",
        "gcp/network-endpoint-group" => "compute:networkEndpointGroups.aggregatedList",
        "gcp/instance-group" => "compute:instanceGroups.aggregatedList",
        "gcp/disk" => "compute:disks.aggregatedList",
        _ => "compute:instances.aggregatedList",
    };
    let path = cx.compute_path(&format!("aggregated/{}", kind.collection))?;
    cx.list_everywhere(kind.collection, Request::get(op, path, &what)).await
}

/// Whether a thing is in this network.
pub(in crate::providers::gcp) fn is_in(thing: &wire::Thing, network: &str) -> bool {
    let same = |link: &str| wire::last(link) == network && !link.is_empty();
    same(&thing.network) || thing.network_interfaces.iter().any(|it| same(&it.network))
}

/// What is in a network beside its own subnetworks and routers.
pub(in crate::providers::gcp) async fn inside(cx: &GcpCx, network: &str) -> Result<Vec<Stranger>, StepError> {
    let mut found = Vec::new();
    for kind in IN_NETWORK {
        let things = everywhere(cx, &kind).await?.into_iter().filter(|thing| is_in(thing, network));
        found.extend(things.map(|thing| Stranger { kind, thing }));
    }
    Ok(found)
}

/// Subnetworks, routers and peerings of a network that are not ours: name, and the command that removes it.
pub(in crate::providers::gcp) async fn joined(
    cx: &GcpCx,
    stack: &Stack,
    network: &str,
) -> Result<Vec<(String, String)>, StepError> {
    let project = cx.project()?.to_owned();
    let mut found = Vec::new();
    let path = cx.compute_path("aggregated/subnetworks")?;
    let request = Request::get("compute:subnetworks.aggregatedList", path, "subnetworks");
    for it in cx.list_everywhere::<wire::Subnetwork>("subnetworks", request).await? {
        if wire::last(&it.network) == network && !it.name.contains(&id_part(stack)) {
            let region = wire::last(&it.region);
            let command =
                format!("gcloud compute networks subnets delete {} --region {region} --project {project}", it.name);
            found.push((format!("subnetwork {}", it.name), command));
        }
    }
    let path = cx.compute_path("aggregated/routers")?;
    let request = Request::get("compute:routers.aggregatedList", path, "routers");
    for it in cx.list_everywhere::<wire::Router>("routers", request).await? {
        if wire::last(&it.network) == network && !it.name.contains(&id_part(stack)) {
            let region = wire::inside_project(&it.self_link).split('/').nth(1).unwrap_or_default().to_owned();
            let command = format!("gcloud compute routers delete {} --region {region} --project {project}", it.name);
            found.push((format!("router {}", it.name), command));
        }
    }
    let network_read = super::network::get(cx, network).await?;
    for it in network_read.map(|(_, network)| network.peerings).unwrap_or_default() {
        // GKE's own peerings of old, and those it makes for private endpoints, go with the cluster.
        if !it.name.starts_with("gke-") {
            let command =
                format!("gcloud compute networks peerings delete {} --network {network} --project {project}", it.name);
            found.push((format!("peering {}", it.name), command));
        }
    }
    Ok(found)
}

/// Why a network cannot go.
pub(super) async fn of_network(
    cx: &GcpCx,
    at: Scope<'_>,
    name: &str,
    refused: Failure,
) -> Result<StepError, StepError> {
    let noun = what("network", at);
    match around(cx, at.stack, name).await {
        // It will be asked again, and so will they: what cannot be read now is no reason to give the network up.
        Err(error) if matches!(error.class, ErrorClass::Throttled | ErrorClass::Transient) => {
            Ok(busy(&noun, format_args!("something still uses it, and {}", error.message)))
        }
        Err(error) => Err(error),
        Ok(foreign) if foreign.is_empty() => Ok(busy(&noun, refused.error.message)),
        Ok(foreign) => Ok(in_the_way(&noun, foreign)),
    }
}

/// Why a subnetwork cannot go; none where nothing of others' is in it.
pub(super) async fn of_subnetwork(cx: &GcpCx, at: Scope<'_>, name: &str) -> Result<Option<StepError>, StepError> {
    let noun = what("subnetwork", at);
    let mut foreign = Vec::new();
    for thing in everywhere(cx, &remains::INSTANCE).await? {
        let here = thing.network_interfaces.iter().any(|it| wire::last(&it.subnetwork) == name);
        let it = Stranger { kind: remains::INSTANCE, thing };
        if here && !it.is_going(at.stack) {
            let removal = it.kind.removal(it.id(), cx.project()?);
            foreign.push((it.words(), removal));
        }
    }
    Ok((!foreign.is_empty()).then(|| in_the_way(&noun, foreign)))
}

async fn around(cx: &GcpCx, stack: &Stack, name: &str) -> Result<Vec<(String, String)>, StepError> {
    let mut foreign = joined(cx, stack, name).await?;
    for it in inside(cx, name).await? {
        if !it.is_going(stack) {
            let removal = it.kind.removal(it.id(), cx.project()?);
            foreign.push((it.words(), removal));
        }
    }
    Ok(foreign)
}

fn in_the_way(noun: &str, foreign: Vec<(String, String)>) -> StepError {
    let names: Vec<&str> = foreign.iter().map(|(name, _)| name.as_str()).collect();
    let error = blocked(noun, format_args!("not ours and in the way: {}", names.join(", ")));
    foreign.into_iter().fold(error, |error, (_, removal)| error.with_hint(removal))
}
