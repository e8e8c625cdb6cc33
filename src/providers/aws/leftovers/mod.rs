//! What the cluster itself made and left in the cloud: load balancers, target groups, security groups, network
//! interfaces, disks, machines.
//!
//! A false delete is worse than a leak. What stands inside our own network, inside our own cluster or carries our tag
//! is proven and goes; a cluster's name in a tag proves nothing, for anyone can have a cluster of that name: such
//! things are named with their owner and left alone.

mod balancers;
mod endpoints;
mod groups;
mod interfaces;
mod logs;
mod nodes;
mod storage;
mod strangers;

use super::steps::{cluster, vpc};
use super::sweep::{deletable, is_ours};
use super::tags::{Tags, names_cluster};
use super::{client::AwsCx, plan, stages};
use crate::engine::{Caused, Clock, Identity, Leftover, Observed, StepError, StepId};
use crate::model::{Cloud, Stack};
use crate::providers::{VolumeFate, in_cluster, kit, patience::patient};
use balancers::{balancers, classic_balancers, target_groups};
use endpoints::endpoints;
use groups::groups;
use interfaces::{foreign_interfaces, leaked};
use logs::logs;
use nodes::{extra_node_groups, machines};
use serde::Serialize;
use std::collections::BTreeSet;
use storage::{disks, snapshots};
use strangers::strangers;

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

/// Whose a thing is that may be the cluster's making.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    /// Proven.
    Ours(Caused),
    /// In the way, or named like ours: reported.
    Theirs(String),
    /// Of no concern.
    Nobodys,
}

/// What can be seen at this stage. Reads only.
///
/// # Errors
/// What the first listing that failed says: a partial answer would pass for "nothing left".
pub async fn leftovers(cx: &AwsCx, clock: &dyn Clock, stage: &str, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    match stage {
        stages::IN_CLUSTER => in_cluster::made(cx, look.clusters(), look.volumes).await,
        stages::LEAKED_ENIS => {
            let (groups, machines, leaked) = tokio::try_join!(
                patient(clock, || extra_node_groups(cx, look)),
                patient(clock, || machines(cx, look)),
                patient(clock, || leaked(cx, look))
            )?;
            Ok([groups, machines, leaked].concat())
        }
        stages::CLUSTER_LEFTOVERS => {
            let (balancers, classic, targets, groups) = tokio::try_join!(
                patient(clock, || balancers(cx, look)),
                patient(clock, || classic_balancers(cx, look)),
                patient(clock, || target_groups(cx, look)),
                patient(clock, || groups(cx, look))
            )?;
            let (machines, disks, snapshots, leaked, endpoints, logs) = tokio::try_join!(
                patient(clock, || machines(cx, look)),
                patient(clock, || disks(cx, look, false)),
                patient(clock, || snapshots(cx, look)),
                patient(clock, || leaked(cx, look)),
                patient(clock, || endpoints(cx, look)),
                patient(clock, || logs(cx, look))
            )?;
            let all = [balancers, classic, targets, groups, machines, disks, snapshots, leaked, endpoints, logs];
            Ok(all.concat())
        }
        stages::NETWORK_BLOCKERS => {
            let (leaked, foreign, endpoints, strangers) = tokio::try_join!(
                patient(clock, || leaked(cx, look)),
                patient(clock, || foreign_interfaces(cx, look)),
                patient(clock, || endpoints(cx, look)),
                strangers(cx, clock, look)
            )?;
            Ok([leaked, foreign, endpoints, strangers].concat())
        }
        stages::AUDIT => {
            let (balancers, classic, targets, groups) = tokio::try_join!(
                patient(clock, || balancers(cx, look)),
                patient(clock, || classic_balancers(cx, look)),
                patient(clock, || target_groups(cx, look)),
                patient(clock, || groups(cx, look))
            )?;
            let (machines, disks, snapshots, leaked) = tokio::try_join!(
                patient(clock, || machines(cx, look)),
                patient(clock, || disks(cx, look, true)),
                patient(clock, || snapshots(cx, look)),
                patient(clock, || leaked(cx, look))
            )?;
            let all = [balancers, classic, targets, groups, machines, disks, snapshots, leaked].concat();
            // Things of a cluster that only shares the name were told where they could have stood in the way.
            Ok(all.into_iter().filter(|it| it.keep || is_proven(look.stack, &it.seen)).collect())
        }
        // Nothing of this provider's is asked for at a stage it does not know.
        _ => Ok(Vec::new()),
    }
}

impl Look<'_> {
    /// Our own networks. None where the network was brought along, or is gone already.
    fn networks(&self) -> BTreeSet<&str> {
        self.ids(vpc::KIND)
    }

    /// Our own cluster, while it stands.
    pub(super) fn clusters(&self) -> BTreeSet<&str> {
        self.ids(cluster::KIND)
    }

    /// Our cluster's name with the security group that EKS made for it, also after the cluster is gone.
    fn cluster_groups(&self) -> impl Iterator<Item = (&str, &str)> {
        let clusters = self.known.iter().filter(|it| it.reference.kind == cluster::KIND);
        let with_group = |it: &'_ Observed| it.reference.parts.contains_key(cluster::PART_GROUP);
        clusters
            .filter(move |it| with_group(it))
            .map(|it| (it.reference.id.as_str(), it.reference.parts[cluster::PART_GROUP].as_str()))
    }

    fn ids(&self, kind: &str) -> BTreeSet<&str> {
        self.known.iter().filter(|it| it.reference.kind == kind).map(|it| it.reference.id.as_str()).collect()
    }

    /// Whether none of our clusters stands any more: until then its group is EKS's to remove.
    async fn clusters_are_gone(&self, cx: &AwsCx) -> Result<bool, StepError> {
        for name in self.clusters() {
            if cluster::get(cx, name).await?.is_some_and(|(seen, _)| is_ours(self.stack, &seen)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn cluster(&self) -> String {
        plan::cluster_name(self.stack)
    }

    /// Whose something in a network is, by where it stands and what its tags say of its maker.
    fn whose(&self, network: Option<&str>, tags: &Tags) -> Whose {
        let cluster = self.cluster();
        let ours = self.networks();
        let named = names_cluster(&cluster, tags);
        match network.filter(|id| ours.contains(id)) {
            Some(id) if named => Whose::Ours(Caused::InsideOwned { container: id.to_owned() }),
            Some(id) => Whose::Theirs(format!("in our network {id}, but not made by the cluster")),
            // With a network of our own, the cluster had no business anywhere else: another one of that name.
            None if named && ours.is_empty() => Whose::Theirs(format!(
                "tagged for a cluster named `{cluster}`, in {}, which is not ours",
                network.unwrap_or("no network")
            )),
            None => Whose::Nobodys,
        }
    }
}

fn is_proven(stack: &Stack, seen: &Observed) -> bool {
    seen.evidence.caused.is_some() || is_ours(stack, seen)
}

/// What [`Look::whose`] says, as a leftover; none for what is of no concern.
fn judged<P: Serialize>(
    look: Look<'_>,
    mut seen: Observed,
    network: Option<&str>,
    service: &str,
    params: &P,
) -> Option<Leftover> {
    match look.whose(network, &seen.evidence.tags) {
        Whose::Ours(caused) => {
            seen.evidence.caused = Some(caused);
            Some(leftover(seen, service, params))
        }
        Whose::Theirs(owner) => Some(reported(seen, owner, params)),
        Whose::Nobodys => None,
    }
}

fn leftover<P: Serialize>(seen: Observed, service: &str, params: &P) -> Leftover {
    let step = deletable(step_id(&seen), &seen.reference.kind, params, Identity::Tags, false, service);
    Leftover { step, seen, keep: false, owner: None, usd_per_hour: None }
}

/// Named, never touched.
fn reported<P: Serialize>(seen: Observed, owner: String, params: &P) -> Leftover {
    Leftover { owner: Some(owner), ..leftover(seen, "ec2", params) }
}

/// `caused/network-interface/eni-0123`: the kind and the id, in the letters of step ids.
fn step_id(seen: &Observed) -> StepId {
    let kind = seen.reference.kind.trim_start_matches("aws/");
    // An ARN tells region and account first; what tells one from another comes last.
    let id = seen.reference.id.rsplit(':').next().unwrap_or_default();
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c.to_ascii_lowercase() } else { '-' };
    StepId::new(format!("caused/{kind}/{}", id.trim_start_matches('/').chars().map(plain).collect::<String>()))
}

/// USD an hour for so much of a component; none where the table does not know it.
fn price(cx: &AwsCx, component: &str, quantity: f64) -> Option<f64> {
    kit::hourly(Cloud::Aws, &cx.region, component, quantity)
}

#[cfg(test)]
mod testing {
    //! What the tests of all kinds start from.

    use super::*;

    pub(super) fn stack() -> Stack {
        "demo-0a1b2c3d".parse().unwrap()
    }

    pub(super) fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{stack, tags};
    use super::*;
    use crate::providers::aws::steps::{load_balancer, support};

    fn in_network(known: &[Observed], network: Option<&str>, pairs: &[(&str, &str)]) -> Whose {
        let stack = stack();
        Look { stack: &stack, known, volumes: VolumeFate::ByPolicy }.whose(network, &tags(pairs))
    }

    #[test]
    fn a_cluster_name_proves_something_only_inside_our_network() {
        let ours = [support::seen(vpc::KIND, "vpc-ours", Tags::new())];
        for made_by in [
            ("kubernetes.io/cluster/demo", "owned"),
            ("elbv2.k8s.aws/cluster", "demo"),
            ("aws:eks:cluster-name", "demo"),
            ("eks:eks-cluster-name", "demo"),
        ] {
            let proven = Whose::Ours(Caused::InsideOwned { container: "vpc-ours".to_owned() });
            assert_eq!(in_network(&ours, Some("vpc-ours"), &[made_by]), proven);
            assert_eq!(in_network(&ours, Some("vpc-other"), &[made_by]), Whose::Nobodys);
            assert!(matches!(in_network(&[], Some("vpc-other"), &[made_by]), Whose::Theirs(_)));
        }
    }

    #[test]
    fn near_misses_in_our_network_are_named_and_left() {
        let ours = [support::seen(vpc::KIND, "vpc-ours", Tags::new())];
        for near in [
            ("kubernetes.io/cluster/demo", "shared"),
            ("kubernetes.io/cluster/demo2", "owned"),
            ("elbv2.k8s.aws/cluster", "demo-2"),
            ("Name", "demo"),
        ] {
            assert!(matches!(in_network(&ours, Some("vpc-ours"), &[near]), Whose::Theirs(_)), "{near:?}");
        }
        assert_eq!(in_network(&[], None, &[("Name", "demo")]), Whose::Nobodys);
    }

    #[test]
    fn step_ids_of_leftovers_are_well_formed_and_apart() {
        let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/k8s-Default-web/0A1b";
        let seen = support::seen(load_balancer::KIND, arn, Tags::new());
        assert_eq!(step_id(&seen).as_str(), "caused/load-balancer/loadbalancer-net-k8s-default-web-0a1b");
    }
}
