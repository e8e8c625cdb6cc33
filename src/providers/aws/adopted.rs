//! A network brought along: what it is, and whether a cluster can live in it. Read, never changed.

use super::client::AwsCx;
use super::error::{fail, is_absent};
use super::tags::{self, Tags, filter};
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::spec::ExistingNetwork;
use crate::providers::{Check, CheckStatus};
use aws_sdk_ec2::types::{Route, RouteTable};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};

/// What a subnet's default route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// An internet gateway: machines need public addresses.
    Internet,
    /// NAT, a transit gateway, an appliance: somewhere out.
    Out,
    /// Nowhere, or into a gateway that is gone.
    None,
}

/// A subnet brought along.
#[derive(Debug, Clone, PartialEq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// The VPC it is in.
    pub vpc: String,
    /// Zone by name.
    pub zone: String,
    /// Free addresses.
    pub free: u32,
    /// Machines in it get public addresses.
    pub public_addresses: bool,
    /// Its tags.
    pub tags: Tags,
    /// Where its default route leads.
    pub way: Way,
}

/// A network brought along, as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    asked: ExistingNetwork,
    cidr: Option<Ipv4Net>,
    subnets: BTreeMap<String, Subnet>,
    /// Services with an endpoint in the VPC: `ecr.api`, `s3` …
    endpoints: BTreeSet<String>,
}

/// What nodes must reach where there is no way out (Amazon EKS User Guide, "Deploy private clusters with limited internet access").
const NEEDED_ENDPOINTS: [&str; 5] = ["ecr.api", "ecr.dkr", "ec2", "sts", "s3"];

/// Reads a network.
///
/// # Errors
/// As the calls'.
pub async fn read(cx: &AwsCx, asked: &ExistingNetwork) -> Result<Adopted, StepError> {
    let (vpc, subnets, tables, endpoints) =
        futures::try_join!(vpc(cx, asked), subnets(cx, asked), tables(cx, asked), endpoints(cx, asked))?;
    let subnets = subnets.into_iter().map(|mut subnet| {
        subnet.way = way(&tables, &subnet.id);
        (subnet.id.clone(), subnet)
    });
    Ok(Adopted { asked: asked.clone(), cidr: vpc, subnets: subnets.collect(), endpoints })
}

async fn vpc(cx: &AwsCx, asked: &ExistingNetwork) -> Result<Option<Ipv4Net>, StepError> {
    match cx.ec2.describe_vpcs().vpc_ids(&asked.vpc).send().await {
        Ok(answer) => Ok(answer.vpcs().first().and_then(|vpc| vpc.cidr_block()?.parse().ok())),
        Err(err) if is_absent(&err) => Ok(None),
        Err(err) => Err(fail("ec2:DescribeVpcs", &format!("VPC {}", asked.vpc), err)),
    }
}

async fn subnets(cx: &AwsCx, asked: &ExistingNetwork) -> Result<Vec<Subnet>, StepError> {
    // By filter: by id, one that is missing would hide the others.
    let mut by = filter("subnet-id", "");
    by.values = Some(asked.private_subnets.iter().chain(&asked.public_subnets).cloned().collect());
    let call = cx.ec2.describe_subnets().filters(by).into_paginator().items().send();
    let found = call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail("ec2:DescribeSubnets", "subnets", err))?;
    let read = found.iter().filter_map(|it| {
        Some(Subnet {
            id: it.subnet_id()?.to_owned(),
            vpc: it.vpc_id().unwrap_or_default().to_owned(),
            zone: it.availability_zone().unwrap_or_default().to_owned(),
            free: it.available_ip_address_count().and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            public_addresses: it.map_public_ip_on_launch().unwrap_or_default(),
            tags: tags::from_ec2(it.tags()),
            way: Way::None,
        })
    });
    Ok(read.collect())
}

async fn tables(cx: &AwsCx, asked: &ExistingNetwork) -> Result<Vec<RouteTable>, StepError> {
    let call = cx.ec2.describe_route_tables().filters(filter("vpc-id", &asked.vpc)).into_paginator().items().send();
    call.collect::<Result<Vec<_>, _>>().await.map_err(|err| fail("ec2:DescribeRouteTables", "route tables", err))
}

async fn endpoints(cx: &AwsCx, asked: &ExistingNetwork) -> Result<BTreeSet<String>, StepError> {
    let call = cx.ec2.describe_vpc_endpoints().filters(filter("vpc-id", &asked.vpc)).into_paginator().items().send();
    let found = call
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(|err| fail("ec2:DescribeVpcEndpoints", "VPC endpoints", err))?;
    // In China interface endpoints have `cn.` before it, and gateways have not.
    let start = format!("com.amazonaws.{}.", cx.region);
    let short = |name: &str| Some(name.strip_prefix("cn.").unwrap_or(name).strip_prefix(&start)?.to_owned());
    Ok(found.iter().filter_map(|it| short(it.service_name()?)).collect())
}

/// The subnet's own table decides, else the VPC's main one.
fn way(tables: &[RouteTable], subnet: &str) -> Way {
    let own = tables.iter().find(|table| table.associations().iter().any(|it| it.subnet_id() == Some(subnet)));
    let main = || tables.iter().find(|table| table.associations().iter().any(|it| it.main() == Some(true)));
    let Some(table) = own.or_else(main) else { return Way::None };
    let default = table.routes().iter().find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"));
    default.map_or(Way::None, leads)
}

fn leads(route: &Route) -> Way {
    if route.state().is_some_and(|state| state.as_str() == "blackhole") {
        return Way::None;
    }
    match route.gateway_id() {
        Some(id) if id.starts_with("igw-") => Way::Internet,
        _ => Way::Out,
    }
}

impl Adopted {
    /// The VPC's range.
    pub fn cidr(&self) -> Option<Ipv4Net> {
        self.cidr
    }

    /// The zones of its subnets.
    pub fn zones(&self) -> Vec<String> {
        let zones: BTreeSet<&String> = self.subnets.values().map(|subnet| &subnet.zone).collect();
        zones.into_iter().cloned().collect()
    }

    fn asked(&self) -> impl Iterator<Item = &String> {
        self.asked.private_subnets.iter().chain(&self.asked.public_subnets)
    }

    /// What makes it no network to build in.
    pub fn problems(&self) -> Vec<StepError> {
        let mut found = Vec::new();
        let vpc = &self.asked.vpc;
        let mut problem = |message: String| {
            found.push(StepError::new(ErrorClass::Permanent, "KW-NET", message).with_residue(Residue::None))
        };
        if self.cidr.is_none() {
            problem(format!("there is no VPC {vpc} in this account and region"));
        }
        for id in self.asked() {
            match self.subnets.get(id) {
                None => problem(format!("there is no subnet {id} in this account and region")),
                Some(subnet) if subnet.vpc != *vpc => {
                    problem(format!("subnet {id} is in {}, not in {vpc}", subnet.vpc))
                }
                Some(_) => {}
            }
        }
        if self.zones().len() == 1 {
            problem(format!("all subnets are in {}: EKS needs two zones", self.zones()[0]));
        }
        found
    }

    /// Whether nodes could work in it: `nodes` in all, spread over its subnets.
    pub fn checks(&self, nodes: u32) -> Vec<Check> {
        let private = !self.asked.private_subnets.is_empty();
        let hosts = if private { &self.asked.private_subnets } else { &self.asked.public_subnets };
        let mut checks = Vec::new();
        // A node takes its own address and, for pods, a handful at once; one more node comes while groups roll.
        let need = (nodes.div_ceil(u32::try_from(hosts.len()).unwrap_or(1).max(1)) + 1) * 20 + 1;
        for subnet in hosts.iter().filter_map(|id| self.subnets.get(id)) {
            let place = format!("{} ({})", subnet.id, subnet.zone);
            let lacking: Vec<&str> =
                NEEDED_ENDPOINTS.into_iter().filter(|service| !self.endpoints.contains(*service)).collect();
            match subnet.way {
                Way::None if !lacking.is_empty() => checks.push(Check {
                    class: Some(ErrorClass::Permanent),
                    ..Check::of("KW-NET-EGRESS", CheckStatus::Fail, format!("{place} has no route to a NAT gateway, nor endpoints for {}: nodes there would never join", lacking.join(", ")))
                }),
                Way::Internet if !subnet.public_addresses => checks.push(Check {
                    class: Some(ErrorClass::Permanent),
                    ..Check::of("KW-NET-EGRESS", CheckStatus::Fail, format!("{place} leads to an internet gateway but gives machines no public address: nodes there would never join"))
                }),
                _ => {}
            }
            if subnet.free < need {
                checks.push(Check {
                    need: Some(need.into()),
                    have: Some(subnet.free.into()),
                    class: Some(ErrorClass::Permanent),
                    ..Check::of(
                        "KW-NET-IPS",
                        CheckStatus::Fail,
                        format!(
                            "{place} has {} free addresses; its nodes, their pods and surge need {need}",
                            subnet.free
                        ),
                    )
                });
            }
        }
        checks.extend(self.untagged(&self.asked.private_subnets, "kubernetes.io/role/internal-elb"));
        checks.extend(self.untagged(&self.asked.public_subnets, "kubernetes.io/role/elb"));
        if checks.iter().all(|check| check.status != CheckStatus::Fail) {
            checks.push(Check::of("network", CheckStatus::Ok, format!("{} can hold the cluster", self.asked.vpc)));
        }
        checks
    }

    fn untagged(&self, ids: &[String], key: &str) -> Option<Check> {
        let lacks = |id: &&String| self.subnets.get(*id).is_some_and(|subnet| !subnet.tags.contains_key(key));
        let lacking: Vec<&str> = ids.iter().filter(lacks).map(String::as_str).collect();
        (!lacking.is_empty()).then(|| {
            let message = format!("{} lack the tag {key}=1, so load balancers will not be put there; they are not ours and are not tagged", lacking.join(", "));
            let command = format!("aws ec2 create-tags --resources {} --tags Key={key},Value=1", lacking.join(" "));
            Check { hints: vec![command], ..Check::of("network-tags", CheckStatus::Warn, message) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::RouteTableAssociation;

    fn adopted(subnets: Vec<Subnet>) -> Adopted {
        let asked = ExistingNetwork {
            vpc: "vpc-1".to_owned(),
            private_subnets: subnets.iter().map(|it| it.id.clone()).collect(),
            public_subnets: vec![],
            ..ExistingNetwork::default()
        };
        let subnets = subnets.into_iter().map(|it| (it.id.clone(), it)).collect();
        Adopted { asked, cidr: "10.0.0.0/16".parse().ok(), subnets, endpoints: [].into() }
    }

    fn subnet(id: &str, zone: &str, free: u32, way: Way) -> Subnet {
        let tags = [("kubernetes.io/role/internal-elb".to_owned(), "1".to_owned())].into();
        Subnet {
            id: id.to_owned(),
            vpc: "vpc-1".to_owned(),
            zone: zone.to_owned(),
            free,
            public_addresses: false,
            tags,
            way,
        }
    }

    fn failed(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter(|check| check.status == CheckStatus::Fail).map(|check| check.id.as_str()).collect()
    }

    #[test]
    fn a_network_without_a_way_out_is_refused() {
        let net = adopted(vec![subnet("subnet-1", "a", 250, Way::Out), subnet("subnet-2", "b", 250, Way::None)]);
        assert_eq!(failed(&net.checks(2)), ["KW-NET-EGRESS"]);
        let mut isolated = net.clone();
        isolated.endpoints = NEEDED_ENDPOINTS.map(str::to_owned).into();
        assert!(failed(&isolated.checks(2)).is_empty());
    }

    #[test]
    fn a_full_subnet_is_refused_with_numbers() {
        let net = adopted(vec![subnet("subnet-1", "a", 11, Way::Out), subnet("subnet-2", "b", 250, Way::Out)]);
        let checks = net.checks(2);
        assert_eq!(failed(&checks), ["KW-NET-IPS"]);
        assert_eq!((checks[0].need, checks[0].have), (Some(41.0), Some(11.0)));
    }

    #[test]
    fn a_foreign_or_missing_subnet_is_a_problem() {
        let mut net = adopted(vec![subnet("subnet-1", "a", 250, Way::Out)]);
        net.asked.private_subnets.push("subnet-9".to_owned());
        let words: Vec<String> = net.problems().into_iter().map(|it| it.message).collect();
        assert!(
            words.iter().any(|it| it.contains("no subnet subnet-9")) && words.iter().any(|it| it.contains("two zones")),
            "{words:?}"
        );
    }

    #[test]
    fn the_main_table_stands_in_and_dead_ends_are_seen() {
        let to = |gateway: &str| Route::builder().destination_cidr_block("0.0.0.0/0").gateway_id(gateway).build();
        let main = RouteTable::builder()
            .associations(RouteTableAssociation::builder().main(true).build())
            .routes(to("igw-1"))
            .build();
        let nat = Route::builder()
            .destination_cidr_block("0.0.0.0/0")
            .nat_gateway_id("nat-1")
            .state(aws_sdk_ec2::types::RouteState::Blackhole)
            .build();
        let own = RouteTable::builder()
            .associations(RouteTableAssociation::builder().subnet_id("subnet-2").build())
            .routes(nat)
            .build();
        assert_eq!(way(&[main.clone(), own.clone()], "subnet-1"), Way::Internet);
        assert_eq!(way(&[main, own], "subnet-2"), Way::None);
        assert_eq!(way(&[], "subnet-1"), Way::None);
    }
}
