//! Everything of a stack by its tags and names, from the services' own listings: a teardown without a journal.
//!
//! Not the tagging API: it lags, and leaves whole kinds out (addresses, launch templates, endpoints, clusters). Add-ons, access entries and pod identities are
//! not listed: they have no life outside the cluster and go with it. Machines, disks and interfaces are not listed
//! either: they are the cluster's making, and [`super::leftovers`] looks for them.

use super::steps::{self, ExtraTags, support::Select};
use super::{client::AwsCx, names, plan, tags};
use crate::engine::proof::TAG_STEP;
use crate::engine::{Caused, Clock, Identity, Input, Observed, PlannedStep, StepError, StepId, Swept};
use crate::model::Stack;
use crate::providers::kit;
use crate::providers::patience::patient;
use aws_sdk_eks::types::Cluster as CloudCluster;
use serde::Serialize;
use std::collections::BTreeMap;

/// For each kind the kinds that must be gone first: EC2 and IAM refuse what is still used (`DependencyViolation`,
/// `DeleteConflict`), EKS a cluster with node groups.
const ORDER: [(&str, &[&str]); 14] = [
    (steps::cluster::KIND, &[steps::node_group::KIND]),
    (steps::launch_template::KIND, &[steps::node_group::KIND]),
    (steps::log_group::KIND, &[steps::cluster::KIND]),
    // A role without its policies while EKS still deletes is what leaves interfaces and groups behind.
    (steps::role_policy::KIND, &[steps::node_group::KIND, steps::cluster::KIND]),
    (steps::iam_role::KIND, &[steps::node_group::KIND, steps::cluster::KIND, steps::role_policy::KIND]),
    (steps::nat_gateway::KIND, &[steps::node_group::KIND]),
    (steps::vpc_endpoint::KIND, &[steps::node_group::KIND]),
    (steps::elastic_ip::KIND, &[steps::nat_gateway::KIND]),
    (steps::route_table_association::KIND, &[steps::node_group::KIND, steps::nat_gateway::KIND]),
    (steps::route_table::KIND, &[steps::route_table_association::KIND, steps::vpc_endpoint::KIND]),
    (
        steps::gateway_attachment::KIND,
        &[steps::node_group::KIND, steps::cluster::KIND, steps::nat_gateway::KIND, steps::elastic_ip::KIND],
    ),
    (steps::internet_gateway::KIND, &[steps::gateway_attachment::KIND]),
    (
        steps::subnet::KIND,
        &[
            steps::node_group::KIND,
            steps::cluster::KIND,
            steps::nat_gateway::KIND,
            steps::route_table_association::KIND,
        ],
    ),
    (
        steps::vpc::KIND,
        &[
            steps::subnet::KIND,
            steps::security_group::KIND,
            steps::route_table::KIND,
            steps::vpc_endpoint::KIND,
            steps::gateway_attachment::KIND,
            steps::internet_gateway::KIND,
        ],
    ),
];

/// All that carries this stack's tags, with an order to delete it in. Reads only.
///
/// # Errors
/// What the first listing that failed says: a partial answer would pass for "nothing left".
pub async fn sweep(cx: &AwsCx, clock: &dyn Clock, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let mine = || Select::stack(stack);
    let (vpcs, subnets, gateways, addresses, nats) = tokio::try_join!(
        patient(clock, || steps::vpc::list(cx, mine())),
        patient(clock, || steps::subnet::list(cx, mine())),
        patient(clock, || steps::internet_gateway::list(cx, mine())),
        patient(clock, || steps::elastic_ip::list(cx, mine())),
        patient(clock, || steps::nat_gateway::list(cx, mine())),
    )?;
    let (tables, groups, endpoints, templates) = tokio::try_join!(
        patient(clock, || steps::route_table::list(cx, mine())),
        patient(clock, || steps::security_group::list(cx, mine())),
        patient(clock, || steps::vpc_endpoint::list(cx, mine())),
        patient(clock, || steps::launch_template::list(cx, mine())),
    )?;
    let (vpcs, subnets, gateways) = (ours(stack, vpcs), ours(stack, subnets), ours(stack, gateways));
    let (addresses, nats, tables) = (ours(stack, addresses), ours(stack, nats), ours(stack, tables));
    let (groups, endpoints, templates) = (ours(stack, groups), ours(stack, endpoints), ours(stack, templates));
    let mut found = Vec::new();
    for (seen, vpc) in vpcs {
        let Some(cidr) = vpc.cidr_block().and_then(|text| text.parse().ok()) else { continue };
        found.push(item(seen, "ec2", &steps::Vpc { cidr, extra_tags: ExtraTags::new() }));
    }
    found.extend(attachments(&found, &gateways));
    for (seen, subnet) in subnets {
        let Some(cidr) = subnet.cidr_block().and_then(|text| text.parse().ok()) else { continue };
        let params = steps::Subnet {
            vpc: given(subnet.vpc_id()),
            cidr,
            zone: subnet.availability_zone().unwrap_or_default().to_owned(),
            public: subnet.map_public_ip_on_launch() == Some(true),
            extra_tags: ExtraTags::new(),
        };
        found.push(item(seen, "ec2", &params));
    }
    found.extend(gateways.into_iter().map(|(seen, _)| item(seen, "ec2", &steps::InternetGateway {})));
    found.extend(addresses.into_iter().map(|(seen, _)| item(seen, "ec2", &steps::ElasticIp {})));
    for (seen, nat) in nats {
        let address = nat.nat_gateway_addresses().first().and_then(|address| address.allocation_id());
        let params = steps::NatGateway { subnet: given(nat.subnet_id()), allocation: given(address) };
        found.push(item(seen, "ec2", &params));
    }
    for (seen, table) in tables {
        found.extend(associations(&seen, &table));
        found.push(item(seen, "ec2", &steps::RouteTable { vpc: given(table.vpc_id()) }));
    }
    for (seen, group) in groups {
        let params = steps::SecurityGroup {
            vpc: given(group.vpc_id()),
            name: group.group_name().unwrap_or_default().to_owned(),
            description: group.description().unwrap_or_default().to_owned(),
        };
        found.push(item(seen, "ec2", &params));
    }
    for (seen, endpoint) in endpoints {
        let params = steps::VpcEndpoint {
            vpc: given(endpoint.vpc_id()),
            service_name: endpoint.service_name().unwrap_or_default().to_owned(),
            route_tables: endpoint.route_table_ids().iter().map(|id| given(Some(id))).collect(),
        };
        found.push(item(seen, "ec2", &params));
    }
    for (seen, template) in templates {
        let name = template.launch_template_name().unwrap_or_default().to_owned();
        // The listing tells neither disk nor names of machines, and removing the template asks for neither.
        let (node_name, root_device) = (String::new(), String::new());
        found.push(item(seen, "ec2", &steps::LaunchTemplate { name, node_name, disk_gib: 0, root_device }));
    }
    let (roles, control_plane, logs) = tokio::try_join!(
        roles(cx, clock, stack),
        control_plane(cx, clock, stack),
        patient(clock, || log_group(cx, stack))
    )?;
    found.extend(roles.into_iter().chain(control_plane).chain(logs));
    Ok(kit::ordered(found, &ORDER))
}

/// The attachment of our gateways to our networks.
fn attachments(vpcs: &[Swept], gateways: &[(Observed, aws_sdk_ec2::types::InternetGateway)]) -> Vec<Swept> {
    let mut found = Vec::new();
    for (gateway, details) in gateways {
        for vpc in vpcs {
            let id = vpc.seen.reference.id.as_str();
            if !details.attachments().iter().any(|it| it.vpc_id() == Some(id)) {
                continue;
            }
            let params = steps::GatewayAttachment { vpc: given(Some(id)), gateway: given(Some(&gateway.reference.id)) };
            let key = steps::gateway_attachment::KEY;
            let seen = inside(&gateway.reference.id, steps::gateway_attachment::KIND, id, key);
            found.push(child(&vpc.step.id, &format!("gateway-{}", gateway.reference.id), key, seen, "ec2", &params));
        }
    }
    found
}

/// The subnets tied to a table of ours: EC2 keeps the table as long as one is.
fn associations(table: &Observed, details: &aws_sdk_ec2::types::RouteTable) -> Vec<Swept> {
    let id = &table.reference.id;
    let ties = details.associations().iter().filter_map(|it| Some((it.route_table_association_id()?, it.subnet_id()?)));
    ties.map(|(tie, subnet)| {
        let params = steps::RouteTableAssociation { table: given(Some(id)), subnet: given(Some(subnet)) };
        let seen = inside(tie, steps::route_table_association::KIND, id, subnet);
        child(&step_of(table), subnet, subnet, seen, "ec2", &params)
    })
    .collect()
}

/// Roles under our path whose name holds the stack's id and whose tags say the same, and what is attached to them.
async fn roles(cx: &AwsCx, clock: &dyn Clock, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let list = || async {
        let call = cx.iam.list_roles().path_prefix(names::ROLE_PATH).into_paginator().items().send();
        steps::support::list("iam:ListRoles", "roles", call.collect().await)
    };
    let all = patient(clock, list).await?;
    let mut found = Vec::new();
    for role in all.iter().filter(|role| role.role_name().contains(&names::id_part(stack))) {
        // The listing leaves tags out.
        let read = patient(clock, || steps::iam_role::get(cx, role.role_name())).await?;
        let Some((seen, details)) = read else { continue };
        if !is_ours(stack, &seen) {
            continue;
        }
        for policy in patient(clock, || steps::iam_role::attached_policies(cx, role.role_name())).await? {
            let params = steps::RolePolicy { role: given(Some(role.role_name())), policy_arn: policy.clone() };
            let sight = inside(&policy, steps::role_policy::KIND, role.role_name(), &policy);
            let name = policy.rsplit('/').next().unwrap_or_default();
            found.push(child(&step_of(&seen), name, &policy, sight, "iam", &params));
        }
        let params = steps::IamRole {
            name: role.role_name().into(),
            trusts: trusts(details.assume_role_policy_document().unwrap_or_default()),
            description: details.description().unwrap_or_default().to_owned(),
            extra_tags: ExtraTags::new(),
        };
        found.push(item(seen, "iam", &params));
    }
    Ok(found)
}

/// Which service a trust policy names.
fn trusts(policy: &str) -> steps::iam_role::Trusts {
    use steps::iam_role::Trusts;
    if policy.contains("pods.eks.") {
        Trusts::Pods
    } else if policy.contains("ec2.") {
        Trusts::Ec2
    } else {
        Trusts::Eks
    }
}

/// The cluster, if its tags say that it is this stack's, and its node groups, whoever made them: none of them can
/// live without it, nor it go before them.
async fn control_plane(cx: &AwsCx, clock: &dyn Clock, stack: &Stack) -> Result<Vec<Swept>, StepError> {
    let name = plan::cluster_name(stack);
    let Some((seen, cluster)) = patient(clock, || steps::cluster::get(cx, &name)).await? else { return Ok(Vec::new()) };
    if !is_ours(stack, &seen) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let list = || async {
        let call = cx.eks.list_nodegroups().cluster_name(&name).into_paginator().items().send();
        steps::support::list("eks:ListNodegroups", "node groups", call.collect().await)
    };
    for group in patient(clock, list).await? {
        let read = patient(clock, || steps::node_group::get(cx, &name, &group)).await?;
        let Some((mut sight, details)) = read else { continue };
        sight.evidence.caused = Some(Caused::InsideOwned { container: name.clone() });
        let params = as_node_group(&name, &group, &details);
        let mut one = child(&step_of(&seen), &format!("node-group-{group}"), &group, sight, "eks", &params);
        if is_ours(stack, &one.seen) {
            one.step.id = step_of(&one.seen);
            one.step.tagged = true;
        }
        found.push(one);
    }
    found.push(item(seen, "eks", &as_params(&name, &cluster)));
    Ok(found)
}

fn as_params(name: &str, cluster: &CloudCluster) -> steps::Cluster {
    let network = cluster.resources_vpc_config();
    let parsed = |ranges: &[String]| ranges.iter().filter_map(|range| range.parse().ok()).collect();
    steps::Cluster {
        name: name.into(),
        version: cluster.version().unwrap_or_default().to_owned(),
        role: given(cluster.role_arn()),
        subnets: network.map(|it| it.subnet_ids().iter().map(|id| given(Some(id))).collect()).unwrap_or_default(),
        security_groups: network
            .map(|it| it.security_group_ids().iter().map(|id| given(Some(id))).collect())
            .unwrap_or_default(),
        public_access_cidrs: network.map(|it| parsed(it.public_access_cidrs())).unwrap_or_default(),
        private_access: network.is_some_and(|it| it.endpoint_private_access()),
        logs: Vec::new(),
        creator_is_admin: cluster
            .access_config()
            .and_then(|it| it.bootstrap_cluster_creator_admin_permissions())
            .unwrap_or_default(),
        self_managed_addons: false,
        extra_tags: ExtraTags::new(),
    }
}

/// A node group's params as seen.
pub(super) fn as_node_group(cluster: &str, name: &str, group: &aws_sdk_eks::types::Nodegroup) -> steps::NodeGroup {
    let count = |nodes: Option<i32>| nodes.and_then(|nodes| u32::try_from(nodes).ok()).unwrap_or_default();
    let size = group.scaling_config();
    let template = group.launch_template();
    steps::NodeGroup {
        cluster: given(Some(cluster)),
        name: name.to_owned(),
        version: group.version().unwrap_or_default().to_owned(),
        role: given(group.node_role()),
        subnets: group.subnets().iter().map(|id| given(Some(id))).collect(),
        launch_template: given(template.and_then(|it| it.id())),
        launch_template_version: Input::Given(template.and_then(|it| it.version()).unwrap_or_default().to_owned()),
        instance_types: group.instance_types().to_vec(),
        ami_type: group.ami_type().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        spot: group.capacity_type() == Some(&aws_sdk_eks::types::CapacityTypes::Spot),
        min: count(size.and_then(|it| it.min_size())),
        desired: count(size.and_then(|it| it.desired_size())),
        max: count(size.and_then(|it| it.max_size())),
        labels: BTreeMap::new(),
        taints: Vec::new(),
    }
}

async fn log_group(cx: &AwsCx, stack: &Stack) -> Result<Option<Swept>, StepError> {
    let name = log_group_name(stack);
    let found = steps::log_group::get(cx, &name).await?.filter(|(seen, _)| is_ours(stack, seen));
    Ok(found.map(|(seen, group)| {
        let retention_days = group.retention_in_days().and_then(|days| u16::try_from(days).ok()).unwrap_or_default();
        item(seen, "logs", &steps::LogGroup { name, retention_days })
    }))
}

/// Where EKS writes the control plane's logs: the name is EKS's choice.
pub(super) fn log_group_name(stack: &Stack) -> String {
    format!("/aws/eks/{}/cluster", plan::cluster_name(stack))
}

/// Those of a listing by the stack's tag that carry the step's, too: one alone proves nothing.
fn ours<T>(stack: &Stack, listed: Vec<(Observed, T)>) -> Vec<(Observed, T)> {
    listed.into_iter().filter(|(seen, _)| is_ours(stack, seen)).collect()
}

/// Whether both of our tags name this stack.
pub(super) fn is_ours(stack: &Stack, seen: &Observed) -> bool {
    tags::is_ours(stack, &seen.evidence.tags)
}

/// The step that made a tagged object.
fn step_of(seen: &Observed) -> StepId {
    match seen.evidence.tags.get(TAG_STEP) {
        Some(value) => StepId::from_tag_value(value),
        None => StepId::new(format!("untagged/{}", seen.reference.id)),
    }
}

/// A sight of something that carries no tags, inside something that is proven ours.
fn inside(id: &str, kind: &str, container: &str, key: &str) -> Observed {
    let mut seen = steps::support::seen_child(kind, id, container, key);
    seen.evidence.caused = Some(Caused::InsideOwned { container: container.to_owned() });
    seen
}

fn item<P: Serialize>(seen: Observed, service: &str, params: &P) -> Swept {
    let step = deletable(step_of(&seen), &seen.reference.kind, params, Identity::Tags, true, service);
    Swept { step, seen, after: Vec::new() }
}

fn child<P: Serialize>(parent: &StepId, place: &str, key: &str, seen: Observed, service: &str, params: &P) -> Swept {
    let identity = Identity::Child { parent: parent.clone(), key: key.to_owned() };
    let id = StepId::new(format!("{parent}/{}", place.to_ascii_lowercase()));
    let step = deletable(id, &seen.reference.kind, params, identity, false, service);
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
    // Medians as users report them (a cluster 2 to 15 minutes, a node group 3 to 10, a NAT gateway one); the others are
    // bound by what still uses them.
    let times = match kind {
        steps::cluster::KIND => (300, 2400),
        steps::node_group::KIND => (240, 2400),
        steps::nat_gateway::KIND => (60, 900),
        steps::instance::KIND | steps::load_balancer::KIND | steps::classic_load_balancer::KIND => (60, 900),
        _ => (2, 900),
    };
    kit::deletable(id, kind, params, (identity, tagged), service, times)
}

/// A value read just now. Where AWS left it out the empty one stands: removing asks for none of these.
fn given<T: for<'a> From<&'a str>>(value: Option<&str>) -> Input<T> {
    Input::Given(T::from(value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proof::TAG_STACK;
    use aws_sdk_ec2::types::{RouteTable, RouteTableAssociation};

    fn tagged(kind: &str, id: &str, step: &str) -> Observed {
        let tags = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, step)];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        steps::support::seen(kind, id, tags.into())
    }

    #[test]
    fn everything_waits_for_what_stands_on_it() {
        let kinds: Vec<Swept> = ORDER
            .iter()
            .map(|(kind, _)| item(tagged(kind, kind, &kind.replace('/', "__")), "ec2", &steps::ElasticIp {}))
            .collect();
        let found = kit::ordered(kinds, &ORDER);
        let place = |wanted: &StepId| found.iter().find(|one| one.step.id == *wanted).unwrap();
        // No circle: following what goes first always ends.
        fn depth<'a>(one: &'a Swept, place: &impl Fn(&StepId) -> &'a Swept, left: usize) -> usize {
            assert!(left > 0, "{} waits for itself", one.step.id);
            one.after.iter().map(|id| 1 + depth(place(id), place, left - 1)).max().unwrap_or(0)
        }
        let vpc = found.iter().find(|one| one.step.kind == steps::vpc::KIND).unwrap();
        assert_eq!(depth(vpc, &place, found.len() + 1), 4);
        for one in &found {
            depth(one, &place, found.len() + 1);
        }
    }

    #[test]
    fn ties_of_a_table_are_its_children_and_go_first() {
        let table = tagged(steps::route_table::KIND, "rtb-1", "network__routes__public");
        let tie = RouteTableAssociation::builder().route_table_association_id("rtbassoc-1").subnet_id("subnet-1");
        let main = RouteTableAssociation::builder().route_table_association_id("rtbassoc-2").main(true);
        let details = RouteTable::builder().associations(tie.build()).associations(main.build()).build();
        let mut found = associations(&table, &details);
        assert_eq!(found.len(), 1);
        found.push(item(table, "ec2", &steps::RouteTable { vpc: given(Some("vpc-1")) }));
        let found = kit::ordered(found, &ORDER);
        assert_eq!(found[0].step.id.as_str(), "network/routes/public/subnet-1");
        assert_eq!(found[0].seen.evidence.parent.as_deref(), Some("rtb-1"));
        assert_eq!(found[1].after, [found[0].step.id.clone()]);
    }

    #[test]
    fn a_stack_of_the_same_name_is_another_stack() {
        let stack: Stack = "demo-ffffffff".parse().unwrap();
        assert!(!is_ours(&stack, &tagged(steps::vpc::KIND, "vpc-1", "network__vpc")));
        assert!(is_ours(&"demo-0a1b2c3d".parse().unwrap(), &tagged(steps::vpc::KIND, "vpc-1", "network__vpc")));
    }
}
