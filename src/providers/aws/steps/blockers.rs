//! Who stands in the way of a delete: read only after EC2 refused it with `DependencyViolation`.
//!
//! What is still going, or is ours and has its own place in the teardown, is waited for. What somebody else put into
//! our network is named and left alone.

use super::strangers::PLACES;
use super::support::{blocked, busy, list, what};
use crate::engine::proof::TAG_STACK;
use crate::engine::{ErrorClass, Scope, StepError};
use crate::model::Stack;
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::plan;
use crate::providers::aws::tags::{self, Tags, filter};
use aws_sdk_ec2::types::{AttachmentStatus, Filter, NetworkInterface, NetworkInterfaceStatus};

/// EC2's code for "something still uses it".
pub(super) const DEPENDENCY: &str = "DependencyViolation";

/// What an object in the way means for the delete.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Blocker {
    /// It goes by itself, or another step of the teardown removes it.
    Going(String),
    /// It is not ours.
    Foreign(String),
}

/// Services that put interfaces of their own into a network and keep them: never a cluster's.
/// Descriptions as AWS documents them [D: docs.aws.amazon.com, requester-managed network interfaces].
const FOREIGN_SERVICES: [(&str, &str); 11] = [
    ("RDSNetworkInterface", "Amazon RDS"),
    ("AWS Lambda VPC ENI", "AWS Lambda"),
    ("EFS mount target", "Amazon EFS"),
    ("ElastiCache", "Amazon ElastiCache"),
    ("DMSNetworkInterface", "AWS DMS"),
    ("AWS created network interface for directory", "AWS Directory Service"),
    ("Network Interface for Transit Gateway", "a transit gateway"),
    ("arn:aws:ecs:", "Amazon ECS"),
    ("Route 53 Resolver", "Route 53 Resolver"),
    ("ClientVPN Endpoint", "AWS Client VPN"),
    ("EC2 Instance Connect Endpoint", "EC2 Instance Connect"),
];

/// Why a subnet cannot go.
pub(super) async fn of_subnet(cx: &AwsCx, at: Scope<'_>, id: &str) -> Result<StepError, StepError> {
    let interfaces = interfaces(cx, filter("subnet-id", id)).await?;
    Ok(verdict(&what("subnet", at), interfaces.iter().map(|eni| of_interface(at.stack, eni))))
}

/// Why an internet gateway cannot be detached: public addresses are still mapped in its VPC.
pub(super) async fn of_gateway(cx: &AwsCx, at: Scope<'_>, vpc: &str) -> Result<StepError, StepError> {
    let interfaces = interfaces(cx, filter("vpc-id", vpc)).await?;
    let public = interfaces.iter().filter(|eni| eni.association().is_some_and(|mapped| mapped.public_ip().is_some()));
    Ok(verdict(&what("internet gateway's attachment", at), public.map(|eni| of_interface(at.stack, eni))))
}

/// Why a VPC cannot go.
pub(super) async fn of_vpc(cx: &AwsCx, at: Scope<'_>, id: &str) -> Result<StepError, StepError> {
    match around(cx, at, id).await {
        // It will be asked again, and so will they: what cannot be read now is no reason to give the VPC up.
        Err(error) if matches!(error.class, ErrorClass::Throttled | ErrorClass::Transient) => {
            Ok(busy(&what("VPC", at), format_args!("something still uses it, and {}", error.message)))
        }
        found => found,
    }
}

async fn around(cx: &AwsCx, at: Scope<'_>, id: &str) -> Result<StepError, StepError> {
    let inside = || filter("vpc-id", id);
    let mut found: Vec<Blocker> =
        interfaces(cx, inside()).await?.iter().map(|eni| of_interface(at.stack, eni)).collect();
    let call = cx.ec2.describe_vpc_endpoints().filters(inside()).into_paginator().items().send();
    for endpoint in list("ec2:DescribeVpcEndpoints", "VPC endpoints", call.collect().await)? {
        found.push(tagged(at.stack, "VPC endpoint", endpoint.vpc_endpoint_id(), &tags::from_ec2(endpoint.tags())));
    }
    let cluster = plan::cluster_name(at.stack);
    let mut removals = Vec::new();
    for place in PLACES {
        for it in place.look(cx, id).await? {
            if it.is_going(at.stack, &cluster) {
                found.push(Blocker::Going(it.words));
            } else {
                removals.push(it.removal);
                found.push(Blocker::Foreign(it.words));
            }
        }
    }
    Ok(removals.into_iter().fold(verdict(&what("VPC", at), found), StepError::with_hint))
}

/// Why a security group cannot go: interfaces in it, and groups whose rules name it.
pub(super) async fn of_group(cx: &AwsCx, at: Scope<'_>, id: &str) -> Result<StepError, StepError> {
    let mut found: Vec<Blocker> =
        interfaces(cx, filter("group-id", id)).await?.iter().map(|eni| of_interface(at.stack, eni)).collect();
    for name in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
        let call = cx.ec2.describe_security_groups().filters(filter(name, id)).into_paginator().items().send();
        for group in list("ec2:DescribeSecurityGroups", "security groups", call.collect().await)? {
            if group.group_id() != Some(id) {
                let tags = tags::from_ec2(group.tags());
                found.push(tagged(at.stack, "security group", group.group_id(), &tags));
            }
        }
    }
    Ok(verdict(&what("security group", at), found))
}

/// Network interfaces that match.
async fn interfaces(cx: &AwsCx, by: Filter) -> Result<Vec<NetworkInterface>, StepError> {
    let call = cx.ec2.describe_network_interfaces().filters(by).into_paginator().items().send();
    list("ec2:DescribeNetworkInterfaces", "network interfaces", call.collect().await)
}

/// The user's view of a network interface: what it is and whose.
fn describe(eni: &NetworkInterface) -> String {
    let id = eni.network_interface_id().unwrap_or("?");
    let text = eni.description().unwrap_or_default();
    let service = FOREIGN_SERVICES.iter().find(|(start, _)| text.starts_with(start)).map(|(_, name)| *name);
    let instance = eni.attachment().and_then(|it| it.instance_id());
    let owner = service.map(str::to_owned).or_else(|| instance.map(|id| format!("instance {id}")));
    let owner = owner.or_else(|| eni.requester_id().map(|id| format!("made by {id}")));
    match (text.is_empty(), owner) {
        (true, None) => format!("network interface {id}"),
        (true, Some(owner)) => format!("network interface {id} ({owner})"),
        (false, None) => format!("network interface {id} (`{text}`)"),
        (false, Some(owner)) => format!("network interface {id} (`{text}`, {owner})"),
    }
}

/// The interface in words, if it is neither ours nor going by itself.
pub(in crate::providers::aws) fn foreign_interface(stack: &Stack, eni: &NetworkInterface) -> Option<String> {
    match of_interface(stack, eni) {
        Blocker::Foreign(name) => Some(name),
        Blocker::Going(_) => None,
    }
}

/// Whether the interface belongs to a service that has nothing to do with clusters.
fn is_foreign_service(eni: &NetworkInterface) -> bool {
    let text = eni.description().unwrap_or_default();
    FOREIGN_SERVICES.iter().any(|(start, _)| text.starts_with(start))
}

/// Whether the network add-on (`aws-K8S-i-…`) or the controller of pods' own interfaces (`aws-k8s-branch-eni`,
/// `aws-k8s-trunk-eni`) made this one, and not another cluster's: it says so and carries their tags.
pub(in crate::providers::aws) fn is_of_nodes(cluster: &str, eni: &NetworkInterface) -> bool {
    const MARKS: [&str; 4] = [
        "node.k8s.amazonaws.com/instance_id",
        "cluster.k8s.amazonaws.com/name",
        "eks:eni:owner",
        "vpcresources.k8s.aws/trunk-eni-id",
    ];
    let described = eni.description().and_then(|text| text.get(..8));
    let tags = tags::from_ec2(eni.tag_set());
    described.is_some_and(|start| start.eq_ignore_ascii_case("aws-k8s-"))
        && MARKS.iter().any(|mark| tags.contains_key(*mark))
        && !tags::names_another(cluster, &tags)
}

fn of_interface(stack: &Stack, eni: &NetworkInterface) -> Blocker {
    let name = describe(eni);
    let detaching = eni.status() == Some(&NetworkInterfaceStatus::Detaching)
        || eni.attachment().and_then(|it| it.status()) == Some(&AttachmentStatus::Detaching);
    let ours = is_ours(stack, &tags::from_ec2(eni.tag_set()));
    // Made by the cluster's network add-on; the teardown's own look removes those that it left behind.
    let text = eni.description().unwrap_or_default();
    let of_nodes = is_of_nodes(&plan::cluster_name(stack), eni);
    // EKS names its own interfaces after the cluster: another cluster's do not go because ours does.
    let of_another = text.strip_prefix("Amazon EKS ").is_some_and(|name| name != stack.name.as_str());
    let managed = eni.requester_managed() == Some(true) && !is_foreign_service(eni) && !of_another;
    if detaching || ours || of_nodes || managed { Blocker::Going(name) } else { Blocker::Foreign(name) }
}

fn tagged(stack: &Stack, noun: &str, id: Option<&str>, tags: &Tags) -> Blocker {
    let name = format!("{noun} {}", id.unwrap_or("?"));
    // EKS removes the group it made some time after the cluster, and the teardown sweeps it when it does not.
    if is_ours(stack, tags) || tags.contains_key("aws:eks:cluster-name") {
        Blocker::Going(name)
    } else {
        Blocker::Foreign(match tags.get("Name") {
            Some(shown) => format!("{name} (`{shown}`)"),
            None => name,
        })
    }
}

fn is_ours(stack: &Stack, tags: &Tags) -> bool {
    tags.get(TAG_STACK).is_some_and(|value| *value == stack.to_string())
}

/// Foreign blockers end the delete; others, and none at all (reads lag), are waited for.
fn verdict(what: &str, found: impl IntoIterator<Item = Blocker>) -> StepError {
    let (mut going, mut foreign) = (Vec::new(), Vec::new());
    for blocker in found {
        match blocker {
            Blocker::Going(name) => going.push(name),
            Blocker::Foreign(name) => foreign.push(name),
        }
    }
    if !foreign.is_empty() {
        // Every one of them by name: whoever has to find their owners needs the whole list.
        let names = foreign.join(", ");
        return blocked(what, format_args!("not ours and in the way: {names}"))
            .with_hint("remove these where they were made, then run destroy again");
    }
    if going.is_empty() {
        return busy(what, "AWS says that something still uses it, and shows nothing that does");
    }
    busy(what, format_args!("in use by {}", some(&going)))
}

/// The first few by name, the rest as a count.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{NetworkInterfaceAttachment, Tag};

    fn stack() -> Stack {
        "demo-0a1b2c3d".parse().unwrap()
    }

    fn tag(key: &str, value: &str) -> Tag {
        Tag::builder().key(key).value(value).build()
    }

    fn eni(description: &str) -> aws_sdk_ec2::types::builders::NetworkInterfaceBuilder {
        NetworkInterface::builder().network_interface_id("eni-1").description(description)
    }

    #[test]
    fn what_goes_by_itself_is_waited_for() {
        let detaching = NetworkInterfaceAttachment::builder().status(AttachmentStatus::Detaching).build();
        for going in [
            eni("Amazon EKS demo").requester_managed(true).build(),
            eni("aws-K8S-i-0123").tag_set(tag("node.k8s.amazonaws.com/instance_id", "i-0123")).build(),
            eni("aws-k8s-trunk-eni").tag_set(tag("eks:eni:owner", "eks-vpc-resource-controller")).build(),
            eni("anything").attachment(detaching).build(),
            eni("").tag_set(tag(TAG_STACK, "demo-0a1b2c3d")).build(),
        ] {
            let verdict = verdict("VPC", [of_interface(&stack(), &going)]);
            assert_eq!(verdict.class, ErrorClass::NotYet, "{going:?}");
        }
    }

    #[test]
    fn what_others_made_stops_and_is_named() {
        for foreign in [
            eni("RDSNetworkInterface").requester_managed(true).build(),
            eni("my bastion").build(),
            eni("aws-K8S-i-0123").build(),
            eni("aws-K8S-i-0123").tag_set(tag("cluster.k8s.amazonaws.com/name", "other")).build(),
            eni("Amazon EKS demo2").requester_managed(true).build(),
            eni("arn:aws:ecs:us-east-1:123456789012:attachment/1").requester_managed(true).build(),
            eni("").tag_set(tag(TAG_STACK, "demo-ffffffff")).build(),
        ] {
            let verdict = verdict("VPC", [of_interface(&stack(), &foreign), Blocker::Going("nat".to_owned())]);
            assert_eq!(verdict.class, ErrorClass::Conflict, "{foreign:?}");
            assert!(verdict.message.contains("eni-1"), "{}", verdict.message);
        }
    }

    #[test]
    fn an_unexplained_refusal_is_read_lag() {
        assert_eq!(verdict("VPC", []).class, ErrorClass::NotYet);
    }
}
