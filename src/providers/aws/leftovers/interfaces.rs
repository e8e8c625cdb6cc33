//! Network interfaces: those that the cluster's add-ons forgot, and those of others that stand in the way.

use super::{Look, leftover, reported};
use crate::engine::{Caused, Leftover, StepError};
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::steps::{self, blockers, network_interface, support::Select};
use crate::providers::aws::sweep::is_ours;
use crate::providers::aws::tags::filter;
use aws_sdk_ec2::types::{Filter, NetworkInterface as Ec2Interface, NetworkInterfaceStatus};

/// Whether the network add-on, or the controller that gives pods interfaces of their own, forgot this one: it is free
/// and theirs. A description alone, or a tag alone, is anybody's to write.
fn is_leaked(cluster: &str, eni: &Ec2Interface) -> bool {
    let free = eni.status() == Some(&NetworkInterfaceStatus::Available);
    free && eni.requester_managed() != Some(true) && blockers::is_of_nodes(cluster, eni)
}

/// Interfaces that the network add-on forgot: in our network; in our cluster's own security group; under our tags.
pub(super) async fn leaked(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut places: Vec<(Filter, String)> =
        look.networks().into_iter().map(|id| (filter("vpc-id", id), id.to_owned())).collect();
    places.extend(look.cluster_groups().map(|(name, group)| (filter("group-id", group), name.to_owned())));
    let mut found: Vec<Leftover> = Vec::new();
    for (place, container) in places {
        let select = Select { ids: None, filters: Some(vec![place, filter("status", "available")]) };
        for (mut seen, eni) in network_interface::list(cx, select).await? {
            let known = found.iter().any(|it| it.seen.reference.id == seen.reference.id);
            if is_leaked(&look.cluster(), &eni) && !known {
                seen.evidence.caused = Some(Caused::InsideOwned { container: container.clone() });
                found.push(leftover(seen, "ec2", &steps::NetworkInterface {}));
            }
        }
    }
    for (seen, eni) in network_interface::list(cx, Select::stack(look.stack)).await? {
        let known = found.iter().any(|it| it.seen.reference.id == seen.reference.id);
        let free = eni.status() == Some(&NetworkInterfaceStatus::Available);
        if free && !known && is_ours(look.stack, &seen) {
            found.push(leftover(seen, "ec2", &steps::NetworkInterface {}));
        }
    }
    Ok(found)
}

/// Interfaces in our networks that are not the cluster's: their owners have to remove them.
pub(super) async fn foreign_interfaces(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for network in look.networks() {
        for (seen, eni) in network_interface::list(cx, Select::by("vpc-id", network)).await? {
            if is_leaked(&look.cluster(), &eni) || is_ours(look.stack, &seen) {
                continue;
            }
            if let Some(owner) = blockers::foreign_interface(look.stack, &eni) {
                found.push(reported(seen, owner, &steps::NetworkInterface {}));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::Tag;

    #[test]
    fn only_free_interfaces_of_the_add_on_count_as_leaked() {
        let eni = || Ec2Interface::builder().network_interface_id("eni-1");
        let free = || eni().status(NetworkInterfaceStatus::Available);
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let mark = || tag("node.k8s.amazonaws.com/instance_id", "i-1");
        let of_pods = || tag("eks:eni:owner", "eks-vpc-resource-controller");
        let is_leaked = |eni: &Ec2Interface| is_leaked("demo", eni);
        let by_add_on = || free().description("aws-K8S-i-1").tag_set(mark());
        assert!(is_leaked(&by_add_on().build()));
        assert!(is_leaked(&free().description("aws-k8s-branch-eni").tag_set(of_pods()).build()));
        assert!(is_leaked(&by_add_on().tag_set(tag("cluster.k8s.amazonaws.com/name", "demo")).build()));
        assert!(!is_leaked(&free().description("aws-K8S-i-1").build()), "words alone");
        assert!(!is_leaked(&free().tag_set(mark()).build()), "a tag alone");
        assert!(!is_leaked(&by_add_on().status(NetworkInterfaceStatus::InUse).build()));
        assert!(!is_leaked(&by_add_on().requester_managed(true).build()));
        assert!(!is_leaked(&by_add_on().tag_set(tag("cluster.k8s.amazonaws.com/name", "other")).build()));
        assert!(!is_leaked(&by_add_on().tag_set(tag("kubernetes.io/cluster/other", "owned")).build()));
    }
}
