//! Limits of the account: how much the plan needs, how much is in use, how much there may be
//! (Service Quotas; the codes as "Amazon EKS", "Amazon EC2" and "Amazon VPC" endpoints and quotas list them).

use super::client::AwsCx;
use super::error::{self, fail, is_absent};
use crate::engine::{Clock, ErrorClass, StepError};
use crate::providers::patience::patient;
use crate::providers::{Check, CheckStatus};
use aws_sdk_ec2::types::{InstanceLifecycleType, InstanceStateName, NatGatewayState};
use aws_sdk_iam::types::SummaryKeyType;
use futures::future::{BoxFuture, FutureExt};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan takes of each limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demand {
    /// VPCs.
    pub vpcs: f64,
    /// Internet gateways.
    pub gateways: f64,
    /// Elastic IPs.
    pub addresses: f64,
    /// NAT gateways in the fullest zone of ours.
    pub nat_per_zone: f64,
    /// The zones that get one.
    pub nat_zones: Vec<String>,
    /// EKS clusters.
    pub clusters: f64,
    /// Node groups in the cluster.
    pub node_groups: f64,
    /// Most nodes in one group.
    pub nodes: f64,
    /// IAM roles.
    pub roles: f64,
    /// Virtual CPUs, by the limit that they count against.
    pub vcpus: BTreeMap<&'static Family, f64>,
    /// Virtual CPUs of one node, where there is one pool: to say what would fit.
    pub per_node: Option<f64>,
}

/// Families of machines that share a limit of virtual CPUs, of one market.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    code: &'static str,
    name: &'static str,
    letters: &'static [&'static str],
    spot: bool,
}

/// A, C, D, H, I, M, R, T, Z (im and is with them, inf, hpc, trn, dl and mac not).
const STANDARD: &[&str] = &["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"];
const FAMILIES: [Family; 6] = [
    Family { code: "L-1216C47A", name: "Running On-Demand Standard instances", letters: STANDARD, spot: false },
    Family { code: "L-34B43A08", name: "All Standard Spot Instance Requests", letters: STANDARD, spot: true },
    Family {
        code: "L-DB2E81BA",
        name: "Running On-Demand G and VT instances",
        letters: &["g", "gr", "vt"],
        spot: false,
    },
    Family { code: "L-3819A6DF", name: "All G and VT Spot Instance Requests", letters: &["g", "gr", "vt"], spot: true },
    Family { code: "L-417A185B", name: "Running On-Demand P instances", letters: &["p"], spot: false },
    Family { code: "L-7212CCBC", name: "All P Spot Instance Requests", letters: &["p"], spot: true },
];

impl Family {
    /// The families that a type's limit speaks of; none for those whose limits are not judged.
    fn of(kind: &str, spot: bool) -> Option<&'static Self> {
        let letters: String = kind.chars().take_while(char::is_ascii_alphabetic).collect();
        FAMILIES.iter().find(|family| family.spot == spot && family.letters.contains(&letters.as_str()))
    }
}

impl Demand {
    /// Adds a pool's machines. Families whose limits are not known here are not judged.
    pub fn machines(&mut self, kind: &str, spot: bool, nodes: u32, vcpus: u32) {
        let first = self.nodes == 0.0;
        self.nodes = self.nodes.max(f64::from(nodes));
        let Some(family) = Family::of(kind, spot) else {
            self.per_node = None;
            return;
        };
        // `--nodes` speaks of one pool: with several of them no number of nodes is the answer.
        self.per_node = first.then_some(f64::from(vcpus));
        *self.vcpus.entry(family).or_default() += f64::from(nodes) * f64::from(vcpus);
    }

    /// The limits of virtual CPUs it takes from, by code.
    fn families(&self) -> impl Iterator<Item = (&'static Family, f64)> + '_ {
        self.vcpus.iter().map(|(family, need)| (*family, *need))
    }
}

struct Question<'a> {
    service: &'static str,
    code: &'static str,
    name: &'static str,
    need: f64,
    used: BoxFuture<'a, Result<f64, StepError>>,
}

/// One check for every limit that the plan takes from; those that cannot be read are one check together.
pub async fn checks(cx: &AwsCx, clock: &dyn Clock, demand: &Demand) -> Vec<Check> {
    let mut questions = questions(cx, clock, demand);
    questions.retain(|it| it.need > 0.0);
    let asked = questions.into_iter().map(|it| async move {
        let (limit, used) = futures::join!(patient(clock, || limit(cx, it.service, it.code)), it.used);
        match (limit, used) {
            (Ok(limit), Ok(used)) => Ok(judge(it.service, it.code, it.name, it.need, used, limit, demand)),
            (Err(err), _) | (_, Err(err)) => Err((it.name, err)),
        }
    });
    let roles = roles(cx, clock, demand.roles);
    let (answers, roles) = futures::join!(futures::future::join_all(asked), roles);
    let mut checks: Vec<Check> = Vec::new();
    let mut unknown: Vec<&str> = Vec::new();
    let mut denied: BTreeSet<String> = BTreeSet::new();
    for answer in answers.into_iter().chain(roles) {
        match answer {
            Ok(check) => checks.push(check),
            Err((name, err)) => {
                tracing::debug!(quota = name, error = %err, "limit cannot be read");
                unknown.push(name);
                denied.extend(error::action_of(&err).map(str::to_owned));
            }
        }
    }
    if !unknown.is_empty() {
        let why = match denied.into_iter().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => String::new(),
            actions => format!(" ({actions} not allowed)"),
        };
        let message = format!("these limits cannot be read: {}{why}", unknown.join(", "));
        checks.push(Check::of("quotas", CheckStatus::Unknown, message));
    }
    checks
}

fn questions<'a>(cx: &'a AwsCx, clock: &'a dyn Clock, demand: &Demand) -> Vec<Question<'a>> {
    let ask = |service, code, name, need, used| Question { service, code, name, need, used };
    let vpcs = patient(clock, move || vpcs(cx)).boxed();
    let gateways = patient(clock, move || gateways(cx)).boxed();
    let addresses = patient(clock, move || addresses(cx)).boxed();
    let zones = demand.nat_zones.clone();
    let nats = patient(clock, move || nat_gateways(cx, zones.clone())).boxed();
    let clusters = patient(clock, move || clusters(cx)).boxed();
    let nothing = || futures::future::ready(Ok(0.0)).boxed();
    let machines = |family: &'static Family| patient(clock, move || vcpus(cx, family)).boxed();
    let mut all = vec![
        ask("vpc", "L-F678F1CE", "VPCs per Region", demand.vpcs, vpcs),
        ask("vpc", "L-A4707A72", "Internet gateways per Region", demand.gateways, gateways),
        ask("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", demand.addresses, addresses),
        ask("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", demand.nat_per_zone, nats),
        ask("eks", "L-1194D53C", "Clusters", demand.clusters, clusters),
        ask("eks", "L-6D54EA21", "Managed node groups per cluster", demand.node_groups, nothing()),
        ask("eks", "L-BD136A63", "Nodes per managed node group", demand.nodes, nothing()),
    ];
    all.extend(demand.families().map(|(family, need)| ask("ec2", family.code, family.name, need, machines(family))));
    all
}

fn judge(service: &str, code: &str, name: &str, need: f64, used: f64, limit: f64, demand: &Demand) -> Check {
    let fits = used + need <= limit;
    let message = format!("{name}: {need} needed, {used} of {limit} in use");
    let numbers = Check {
        need: Some(need),
        have: Some(used),
        limit: Some(limit),
        ..Check::of("quota", CheckStatus::Ok, message)
    };
    if fits {
        return numbers;
    }
    let wanted = (used + need).ceil();
    let mut hints = vec![format!(
        "aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} --desired-value {wanted}"
    )];
    let machines = FAMILIES.iter().any(|family| family.code == code);
    if let Some(each) = demand.per_node.filter(|each| machines && *each > 0.0) {
        let nodes = ((limit - used) / each).floor();
        if nodes >= 1.0 {
            hints.push(format!("fits today: --nodes {nodes}"));
        }
    }
    Check {
        id: error::QUOTA.to_owned(),
        status: CheckStatus::Fail,
        message: format!("{need} needed, \"{name}\" allows {limit} and {used} are used"),
        class: Some(ErrorClass::Quota),
        hints,
        ..numbers
    }
}

/// The account's own limit, else the default that AWS gives everybody.
async fn limit(cx: &AwsCx, service: &'static str, code: &'static str) -> Result<f64, StepError> {
    let missing = || StepError::new(ErrorClass::Permanent, error::ANSWER, format!("quota {code} has no value"));
    match cx.quotas.get_service_quota().service_code(service).quota_code(code).send().await {
        Ok(answer) => return answer.quota().and_then(|quota| quota.value()).ok_or_else(missing),
        Err(err) if is_absent(&err) => {}
        Err(err) => return Err(fail("servicequotas:GetServiceQuota", code, err)),
    }
    let answer = cx.quotas.get_aws_default_service_quota().service_code(service).quota_code(code).send().await;
    let answer = answer.map_err(|err| fail("servicequotas:GetAWSDefaultServiceQuota", code, err))?;
    answer.quota().and_then(|quota| quota.value()).ok_or_else(missing)
}

async fn vpcs(cx: &AwsCx) -> Result<f64, StepError> {
    let call = cx.ec2.describe_vpcs().into_paginator().items().send();
    let found = call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail("ec2:DescribeVpcs", "VPCs", err))?;
    Ok(found.len() as f64)
}

async fn gateways(cx: &AwsCx) -> Result<f64, StepError> {
    let call = cx.ec2.describe_internet_gateways().into_paginator().items().send();
    let found = call
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|err| fail("ec2:DescribeInternetGateways", "internet gateways", err))?;
    Ok(found.len() as f64)
}

async fn addresses(cx: &AwsCx) -> Result<f64, StepError> {
    let answer =
        cx.ec2.describe_addresses().send().await.map_err(|err| fail("ec2:DescribeAddresses", "addresses", err))?;
    Ok(answer.addresses().len() as f64)
}

/// In the fullest of these zones: ours are put into different ones, and others' zones are none of our concern.
async fn nat_gateways(cx: &AwsCx, zones: Vec<String>) -> Result<f64, StepError> {
    let call = cx.ec2.describe_nat_gateways().into_paginator().items().send();
    let found = call
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|err| fail("ec2:DescribeNatGateways", "NAT gateways", err))?;
    let lives =
        found.iter().filter(|it| matches!(it.state(), Some(NatGatewayState::Pending | NatGatewayState::Available)));
    let subnets: Vec<&str> = lives.filter_map(|it| it.subnet_id()).collect();
    if subnets.is_empty() {
        return Ok(0.0);
    }
    let call = cx.ec2.describe_subnets().into_paginator().items().send();
    let all = call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail("ec2:DescribeSubnets", "subnets", err))?;
    let zone = |id: &str| {
        all.iter().find(|subnet| subnet.subnet_id() == Some(id)).and_then(|subnet| subnet.availability_zone())
    };
    Ok(fullest(subnets.into_iter().filter_map(zone), &zones))
}

/// How often the most frequent of `zones` is named.
fn fullest<'a>(named: impl Iterator<Item = &'a str>, zones: &[String]) -> f64 {
    let mut count = std::collections::BTreeMap::new();
    for zone in named.filter(|zone| zones.iter().any(|ours| ours == zone)) {
        *count.entry(zone).or_insert(0_u32) += 1;
    }
    f64::from(count.into_values().max().unwrap_or_default())
}

async fn clusters(cx: &AwsCx) -> Result<f64, StepError> {
    let call = cx.eks.list_clusters().into_paginator().items().send();
    let found = call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail("eks:ListClusters", "clusters", err))?;
    Ok(found.len() as f64)
}

/// Virtual CPUs of machines that run now and count against this limit.
async fn vcpus(cx: &AwsCx, family: &'static Family) -> Result<f64, StepError> {
    let call = cx.ec2.describe_instances().into_paginator().items().send();
    let found =
        call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail("ec2:DescribeInstances", "instances", err))?;
    let runs = found.iter().flat_map(|it| it.instances()).filter(|it| {
        let state = it.state().and_then(|state| state.name());
        let lives = matches!(state, Some(InstanceStateName::Pending | InstanceStateName::Running));
        lives && (it.instance_lifecycle() == Some(&InstanceLifecycleType::Spot)) == family.spot
    });
    let counted = |kind: &str| Family::of(kind, family.spot) == Some(family);
    let ours = runs.filter(|it| it.instance_type().is_some_and(|kind| counted(kind.as_str())));
    let each = ours.map(|it| {
        let cpu = it.cpu_options();
        let told =
            cpu.and_then(|cpu| Some(f64::from(cpu.core_count()?) * f64::from(cpu.threads_per_core().unwrap_or(1))));
        let known = || super::instances::from_catalogue(it.instance_type()?.as_str()).map(|kind| f64::from(kind.vcpus));
        told.or_else(known).unwrap_or_default()
    });
    // An empty sum of floats is -0.
    Ok(each.sum::<f64>() + 0.0)
}

/// IAM tells use and limit itself, in every region.
async fn roles(cx: &AwsCx, clock: &dyn Clock, need: f64) -> Option<Result<Check, (&'static str, StepError)>> {
    if need == 0.0 {
        return None;
    }
    let read = || async {
        let answer =
            cx.iam.get_account_summary().send().await.map_err(|err| fail("iam:GetAccountSummary", "roles", err))?;
        let told = |key: SummaryKeyType| answer.summary_map().and_then(|map| map.get(&key)).copied().map(f64::from);
        // Written out by name: the SDK's enum leaves the roles' keys out.
        match (told(SummaryKeyType::from("Roles")), told(SummaryKeyType::from("RolesQuota"))) {
            (Some(used), Some(limit)) => Ok((used, limit)),
            _ => Err(StepError::new(
                ErrorClass::Permanent,
                error::ANSWER,
                "the account's summary does not tell of roles",
            )),
        }
    };
    let answer = patient(clock, read).await.map_err(|err| ("Roles per account", err));
    Some(
        answer.map(|(used, limit)| {
            judge("iam", "L-FE177D64", "Roles per account", need, used, limit, &Demand::default())
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_says_how_to_raise_it_and_what_fits() {
        let mut demand = Demand::default();
        demand.machines("m6a.4xlarge", false, 20, 16);
        let check = judge(
            "ec2",
            "L-1216C47A",
            "Running On-Demand Standard instances",
            demand.vcpus[Family::of("m6a.4xlarge", false).unwrap()],
            41.0,
            256.0,
            &demand,
        );
        assert_eq!((check.status, check.class), (CheckStatus::Fail, Some(ErrorClass::Quota)));
        assert_eq!(check.message, "320 needed, \"Running On-Demand Standard instances\" allows 256 and 41 are used");
        assert!(check.hints[0].contains("--quota-code L-1216C47A --desired-value 361"), "{:?}", check.hints);
        assert_eq!(check.hints[1], "fits today: --nodes 13");
        demand.machines("m6a.4xlarge", false, 1, 16);
        assert_eq!(demand.per_node, None, "one number cannot speak of two pools");
        assert_eq!(judge("ec2", "L-0263D0A3", "x", 1.0, 4.0, 5.0, &demand).status, CheckStatus::Ok);
        assert_eq!(judge("ec2", "L-0263D0A3", "x", 1.0, 5.0, 5.0, &demand).status, CheckStatus::Fail);
    }

    #[test]
    fn a_full_zone_that_is_none_of_ours_refuses_nothing() {
        let named = ["us-east-1c", "us-east-1c", "us-east-1c", "us-east-1a", "us-east-1b"];
        let ours = ["us-east-1a", "us-east-1b"].map(str::to_owned);
        assert_eq!(fullest(named.into_iter(), &ours), 1.0);
        assert_eq!(fullest(named.into_iter(), &["us-east-1c".to_owned()]), 3.0);
        assert_eq!(fullest([].into_iter(), &ours), 0.0);
    }

    #[test]
    fn families_with_limits_of_their_own_are_not_mixed_in() {
        let code = |kind: &str, spot: bool| Family::of(kind, spot).map(|family| family.code);
        for standard in ["m6a.large", "t3.micro", "im4gn.large", "z1d.large", "a1.large"] {
            assert_eq!(code(standard, false), Some("L-1216C47A"), "{standard}");
        }
        for other in ["inf2.xlarge", "x2gd.large", "trn1.2xlarge", "hpc7a.12xlarge", "mac2.metal", "dl1.24xlarge"] {
            assert_eq!(code(other, false), None, "{other}");
        }
        assert_eq!((code("g5.xlarge", false), code("g5.xlarge", true)), (Some("L-DB2E81BA"), Some("L-3819A6DF")));
        assert_eq!((code("p5.48xlarge", false), code("p5.48xlarge", true)), (Some("L-417A185B"), Some("L-7212CCBC")));
        let mut demand = Demand::default();
        demand.machines("m6a.large", false, 3, 2);
        demand.machines("g4dn.xlarge", false, 2, 4);
        demand.machines("g4dn.xlarge", true, 5, 4);
        let needs: Vec<(&str, f64)> = demand.families().map(|(family, need)| (family.code, need)).collect();
        assert_eq!(needs, [("L-1216C47A", 6.0), ("L-3819A6DF", 20.0), ("L-DB2E81BA", 8.0)]);
    }
}
