//! What the cluster itself made and left in the cloud: load balancers with all their parts, network endpoint groups,
//! firewall rules, machines, disks.
//!
//! A false delete is worse than a leak. What stands in our own network and is called as only GKE's controllers call
//! things is proven; so is what hangs on such a thing and is called so itself. A name alone proves nothing: anyone can
//! have a cluster of that name, and everybody's controllers use the same patterns.

mod balancers;
mod storage;

use super::client::GcpCx;
use super::steps::remains::{self, Kind};
use super::steps::{Remains, cluster, network, strangers};
use super::sweep::{deletable, is_ours};
use super::{stages, way_in};
use crate::engine::{Clock, Identity, Leftover, Observed, StepError, StepId};
use crate::model::{Cloud, Stack};
use crate::providers::{VolumeFate, in_cluster, kit, patience::patient};
use std::collections::BTreeSet;

/// One look for leftovers.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Whose.
    pub stack: &'a Stack,
    /// What is proven ours: being inside one of these is a proof.
    pub known: &'a [Observed],
    /// What the user wants done with disks.
    pub volumes: VolumeFate,
}

/// What can be seen at this stage. Reads only.
///
/// # Errors
/// What the first listing that failed says: a partial answer would pass for "nothing left". A service that is off in the
/// project has nothing.
pub async fn leftovers(cx: &GcpCx, clock: &dyn Clock, stage: &str, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let found = match stage {
        stages::IN_CLUSTER => {
            let clusters = look.clusters();
            return in_cluster::made(cx, clusters.iter().map(String::as_str), look.volumes).await;
        }
        stages::CLUSTER_LEFTOVERS => {
            let balancers = patient(clock, || balancers::made(cx, look, false));
            let disks = patient(clock, || storage::disks(cx, look));
            tokio::try_join!(balancers, disks).map(|(balancers, disks)| [balancers, disks].concat())
        }
        stages::NETWORK_BLOCKERS => {
            let balancers = patient(clock, || balancers::made(cx, look, false));
            let foreign = patient(clock, || foreign(cx, look));
            tokio::try_join!(balancers, foreign).map(|(balancers, foreign)| [balancers, foreign].concat())
        }
        stages::AUDIT => {
            let balancers = patient(clock, || balancers::made(cx, look, true));
            let disks = patient(clock, || storage::disks(cx, look));
            let all = tokio::try_join!(balancers, disks).map(|(balancers, disks)| [balancers, disks].concat());
            // Things of others were told where they could have stood in the way.
            all.map(|all| all.into_iter().filter(|it| it.keep || is_proven(look.stack, &it.seen)).collect())
        }
        // Nothing of this provider's is asked for at a stage it does not know.
        _ => return Ok(Vec::new()),
    };
    match found {
        Err(off) if off.id == super::error::API_OFF => Ok(Vec::new()),
        found => found,
    }
}

impl Look<'_> {
    /// Our own networks. None where the network was brought along, or is gone already.
    fn networks(&self) -> BTreeSet<&str> {
        self.of_kind(network::KIND).map(|it| it.reference.id.as_str()).collect()
    }

    /// Our own clusters with their places.
    fn clusters(&self) -> BTreeSet<String> {
        let placed = |it: &Observed| {
            let location = it.reference.parts.get(cluster::PART_LOCATION)?;
            Some(way_in::id_of(location, &it.reference.id))
        };
        self.of_kind(cluster::KIND).filter_map(placed).collect()
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Observed> {
        self.known.iter().filter(move |it| it.reference.kind == kind)
    }

    fn cluster(&self) -> &str {
        self.stack.name.as_str()
    }
}

fn is_proven(stack: &Stack, seen: &Observed) -> bool {
    seen.evidence.caused.is_some() || is_ours(stack, seen)
}

/// What somebody else put into our network or joined to it: named with its owner, never touched.
async fn foreign(cx: &GcpCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let project = cx.project()?.to_owned();
    let mut found = Vec::new();
    for name in look.networks() {
        for it in strangers::inside(cx, name).await? {
            if !it.is_going(look.stack) {
                let owner = format!(
                    "{} in our network {name}, not made by the cluster; its owner removes it with `{}`",
                    it.words(),
                    it.kind.removal(it.id(), &project)
                );
                found.push(reported(leftover(&it.kind, remains::observed(&it.kind, &it.thing)), owner));
            }
        }
        for (words, removal) in strangers::joined(cx, look.stack, name).await? {
            let owner = format!("{words} at our network {name}, not ours; its owner removes it with `{removal}`");
            let kind = words.split(' ').next().unwrap_or_default().to_owned();
            let id = format!("{kind}/{}", words.rsplit(' ').next().unwrap_or_default());
            let seen = super::steps::support::seen(&format!("gcp/{kind}"), &id, super::labels::Tags::new());
            let step = step_id(&seen);
            let step = deletable(step, &seen.reference.kind, &(), Identity::Tags, false, "compute");
            let stranger = Leftover { step, seen, keep: false, owner: None, usd_per_hour: None };
            found.push(reported(stranger, owner));
        }
    }
    Ok(found)
}

fn leftover(kind: &Kind, seen: Observed) -> Leftover {
    let params = Remains { kind: kind.kind.to_owned() };
    let step = deletable(step_id(&seen), kind.kind, &params, Identity::Tags, false, "compute");
    Leftover { step, seen, keep: false, owner: None, usd_per_hour: None }
}

/// Named, never touched.
fn reported(it: Leftover, owner: String) -> Leftover {
    Leftover { owner: Some(owner), ..it }
}

/// `caused/forwarding-rule/regions-us-central1-forwardingrules-a0b1`: the kind and the id, in the letters of step ids.
fn step_id(seen: &Observed) -> StepId {
    let kind = seen.reference.kind.trim_start_matches("gcp/");
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c.to_ascii_lowercase() } else { '-' };
    StepId::new(format!("caused/{kind}/{}", seen.reference.id.chars().map(plain).collect::<String>()))
}

/// USD an hour for so much of a component; none where the table does not know it.
fn price(cx: &GcpCx, component: &str, quantity: f64) -> Option<f64> {
    kit::hourly(Cloud::Gcp, &cx.region, component, quantity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::gcp::wire::Thing;

    #[test]
    fn step_ids_of_leftovers_are_well_formed_and_apart() {
        let link = "https://www.googleapis.com/compute/v1/projects/p/regions/us-central1/forwardingRules/a0B1";
        let thing = Thing { name: "a0B1".to_owned(), self_link: link.to_owned(), ..Thing::default() };
        let seen = remains::observed(&remains::FORWARDING_RULE, &thing);
        assert_eq!(seen.reference.id, "regions/us-central1/forwardingRules/a0B1");
        let id = step_id(&seen);
        assert_eq!(id.as_str(), "caused/forwarding-rule/regions-us-central1-forwardingrules-a0b1");
    }
}
