//! A network brought along: what it is, and whether a cluster can live in it. Read, never changed.

use super::client::{AzureCx, Op, version};
use super::clusters::is_in;
use super::ranges::{self, addresses_in};
use super::refs::ArmId;
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Region;
use crate::model::spec::ExistingNetwork;
use crate::providers::{Check, CheckStatus};
use ipnet::Ipv4Net;
use serde::Deserialize;

const NETWORK: Op = Op::new("network:virtualNetworks.get", version::NETWORK);
const ROUTES: Op = Op::new("network:routeTables.get", version::NETWORK);
/// The type of networks, as ids spell it.
const TYPE: &str = "Microsoft.Network/virtualNetworks";

/// How machines of a subnet get out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Through a NAT gateway that is attached to the subnet.
    NatGateway(String),
    /// Through a route of the subnet's table: an appliance, a gateway.
    Routed(String),
    /// The table sends everything nowhere.
    DeadEnd(String),
    /// By nothing of the subnet's: the cluster's own load balancer has to.
    Open,
}

/// The subnet brought along.
#[derive(Debug, Clone, PartialEq)]
pub struct Subnet {
    /// Its id.
    pub id: ArmId,
    /// Its ranges.
    pub ranges: Vec<Ipv4Net>,
    /// Addresses in use.
    pub used: u32,
    /// Services it is handed over to, none of which is AKS.
    pub delegations: Vec<String>,
    /// How machines in it get out.
    pub way: Way,
}

/// A network brought along, as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    asked: ExistingNetwork,
    region: Region,
    /// Where it is; none when there is no such network.
    location: Option<String>,
    ranges: Vec<Ipv4Net>,
    /// What it is joined to, by peering.
    peers: Vec<Ipv4Net>,
    subnet: Option<Subnet>,
    /// What other subnets there are.
    others: Vec<String>,
}

#[derive(Deserialize)]
struct Object<T> {
    id: Option<String>,
    name: Option<String>,
    location: Option<String>,
    properties: Option<T>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkProperties {
    address_space: Option<Space>,
    subnets: Option<Vec<Object<SubnetProperties>>>,
    virtual_network_peerings: Option<Vec<Object<PeeringProperties>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Space {
    address_prefixes: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeeringProperties {
    remote_address_space: Option<Space>,
    remote_virtual_network_address_space: Option<Space>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubnetProperties {
    address_prefix: Option<String>,
    address_prefixes: Option<Vec<String>>,
    nat_gateway: Option<Link>,
    route_table: Option<Link>,
    ip_configurations: Option<Vec<serde_json::Value>>,
    delegations: Option<Vec<Object<Delegation>>>,
}

#[derive(Deserialize)]
struct Link {
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delegation {
    service_name: Option<String>,
}

#[derive(Default, Deserialize)]
struct TableProperties {
    routes: Option<Vec<Object<RouteProperties>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RouteProperties {
    address_prefix: Option<String>,
    next_hop_type: Option<String>,
}

/// The id of the network that is meant; none where the text is none.
pub fn network_id(text: &str) -> Option<ArmId> {
    let id = ArmId(text.trim_end_matches('/').to_owned());
    let is_network = id.kind().is_some_and(|kind| kind.eq_ignore_ascii_case(TYPE));
    (is_network && id.segment("subscriptions").is_some() && id.group_name().is_some()).then_some(id)
}

/// The id of a subnet that is named by itself or by its id; none where it is of another network.
pub fn subnet_id(network: &ArmId, text: &str) -> Option<ArmId> {
    if !text.contains('/') {
        return Some(network.part("subnets", text));
    }
    let id = ArmId(text.trim_end_matches('/').to_owned());
    id.parent().is_some_and(|parent| parent.is(network.as_str())).then(|| network.part("subnets", id.name()))
}

fn parsed(texts: Option<Vec<String>>) -> Vec<Ipv4Net> {
    texts.into_iter().flatten().filter_map(|text| text.parse().ok()).collect()
}

/// Reads a network.
///
/// # Errors
/// As the calls'.
pub async fn read(cx: &AzureCx, asked: &ExistingNetwork) -> Result<Adopted, StepError> {
    let mut made = Adopted {
        asked: asked.clone(),
        region: cx.region.clone(),
        location: None,
        ranges: Vec::new(),
        peers: Vec::new(),
        subnet: None,
        others: Vec::new(),
    };
    let Some(id) = network_id(&asked.vpc) else { return Ok(made) };
    let what = format!("network {}", id.name());
    let Some(found) = cx.get::<Object<NetworkProperties>>(NETWORK, &what, &id).await? else { return Ok(made) };
    made.location = Some(found.location.unwrap_or_default());
    let properties = found.properties.unwrap_or_default();
    made.ranges = parsed(properties.address_space.and_then(|it| it.address_prefixes));
    let remote = |it: PeeringProperties| it.remote_virtual_network_address_space.or(it.remote_address_space);
    let peers = properties.virtual_network_peerings.into_iter().flatten().filter_map(|it| remote(it.properties?));
    made.peers = peers.flat_map(|space| parsed(space.address_prefixes)).collect();
    let wanted = asked.private_subnets.first().and_then(|text| subnet_id(&id, text));
    for it in properties.subnets.into_iter().flatten() {
        let name = it.name.clone().unwrap_or_default();
        if wanted.as_ref().is_some_and(|wanted| wanted.name().eq_ignore_ascii_case(&name)) {
            let own = it.id.map_or_else(|| id.part("subnets", &name), ArmId);
            made.subnet = Some(subnet(cx, own, it.properties.unwrap_or_default()).await?);
        } else {
            made.others.push(name);
        }
    }
    Ok(made)
}

async fn subnet(cx: &AzureCx, id: ArmId, it: SubnetProperties) -> Result<Subnet, StepError> {
    let mut ranges = parsed(it.address_prefixes);
    ranges.extend(it.address_prefix.and_then(|text| text.parse::<Ipv4Net>().ok()));
    let named = |link: Option<Link>| link.and_then(|link| link.id).map(ArmId);
    let way = match (named(it.nat_gateway), named(it.route_table)) {
        (_, Some(table)) => routed(cx, &table).await?,
        (Some(gateway), None) => Way::NatGateway(gateway.name().to_owned()),
        (None, None) => Way::Open,
    };
    let handed = it.delegations.into_iter().flatten().filter_map(|it| it.properties?.service_name);
    let used = it.ip_configurations.map_or(0, |all| u32::try_from(all.len()).unwrap_or(u32::MAX));
    Ok(Subnet { id, ranges, used, delegations: handed.collect(), way })
}

/// Where a route table sends what is for the world.
async fn routed(cx: &AzureCx, table: &ArmId) -> Result<Way, StepError> {
    let what = format!("route table {}", table.name());
    let found: Option<Object<TableProperties>> = cx.get(ROUTES, &what, table).await?;
    let routes = found.and_then(|it| it.properties?.routes).unwrap_or_default();
    let default =
        routes.into_iter().filter_map(|it| it.properties).find(|it| it.address_prefix.as_deref() == Some("0.0.0.0/0"));
    Ok(match default.and_then(|it| it.next_hop_type).as_deref() {
        Some("None") => Way::DeadEnd(table.name().to_owned()),
        Some("Internet") | None => Way::Open,
        Some(_) => Way::Routed(table.name().to_owned()),
    })
}

impl Adopted {
    /// The range that stands for the network.
    pub fn cidr(&self) -> Option<Ipv4Net> {
        self.ranges.first().copied()
    }

    /// Everything that the cluster's own ranges must keep clear of.
    pub fn taken(&self) -> Vec<Ipv4Net> {
        self.ranges.iter().chain(&self.peers).copied().collect()
    }

    /// The subnet that nodes go into.
    pub fn subnet(&self) -> Option<&Subnet> {
        self.subnet.as_ref()
    }

    /// What makes it no network to build in.
    pub fn problems(&self) -> Vec<StepError> {
        let mut found = Vec::new();
        let mut problem = |message: String, hint: Option<String>| {
            let made = StepError::new(ErrorClass::Permanent, "KW-NET", message).with_residue(Residue::None);
            found.push(hint.into_iter().fold(made, StepError::with_hint));
        };
        let name = network_id(&self.asked.vpc).map_or_else(|| self.asked.vpc.clone(), |id| id.name().to_owned());
        let Some(location) = &self.location else {
            problem(format!("there is no virtual network {}", self.asked.vpc), None);
            return found;
        };
        if !is_in(&self.region, location) {
            problem(format!("network {name} is in {location}, the cluster is to stand in {}", self.region), None);
        }
        let Some(subnet) = &self.subnet else {
            let there = if self.others.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", self.others.join(", "))
            };
            let wanted = self.asked.private_subnets.first().cloned().unwrap_or_default();
            problem(format!("network {name} has no subnet {wanted}"), Some(there));
            return found;
        };
        if !subnet.delegations.is_empty() {
            let to = subnet.delegations.join(", ");
            problem(
                format!("subnet {} is delegated to {to}: nodes cannot stand in it", subnet.id.name()),
                Some("name a subnet without a delegation".to_owned()),
            );
        }
        if let Some(bad) = self.ranges.iter().find_map(ranges::forbidden) {
            problem(format!("network {name} uses {bad}, which AKS keeps for itself"), None);
        }
        found
    }

    /// Whether nodes could work in it: `nodes` at most, one more while pools roll.
    pub fn checks(&self, nodes: u32, surge: u32) -> Vec<Check> {
        let Some(subnet) = &self.subnet else { return Vec::new() };
        let name = subnet.id.name();
        let fail = |id: &str, message: String| Check {
            class: Some(ErrorClass::Permanent),
            ..Check::of(id, CheckStatus::Fail, message)
        };
        let mut checks = Vec::new();
        if let Way::DeadEnd(table) = &subnet.way {
            let message =
                format!("subnet {name}: route table {table} sends 0.0.0.0/0 nowhere, nodes there would never join");
            checks.push(fail("KW-NET-EGRESS", message));
        }
        let room: u32 = subnet.ranges.iter().map(addresses_in).fold(0, u32::saturating_add);
        let free = room.saturating_sub(subnet.used);
        let need = nodes.saturating_add(surge);
        if free < need {
            let message = format!("subnet {name} has {free} free addresses; nodes and surge need {need}");
            let check = fail("KW-NET-IPS", message);
            checks.push(Check { need: Some(need.into()), have: Some(free.into()), ..check });
        }
        if checks.is_empty() {
            checks.push(Check::of("network", CheckStatus::Ok, format!("subnet {name} can hold the nodes")));
        }
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VNET: &str = "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/corp";

    fn adopted(way: Way, used: u32, delegations: &[&str]) -> Adopted {
        let asked = ExistingNetwork {
            vpc: VNET.to_owned(),
            private_subnets: vec!["aks".to_owned()],
            ..ExistingNetwork::default()
        };
        let subnet = Subnet {
            id: ArmId(VNET.to_owned()).part("subnets", "aks"),
            ranges: vec!["10.1.0.0/28".parse().unwrap()],
            used,
            delegations: delegations.iter().map(|it| (*it).to_owned()).collect(),
            way,
        };
        Adopted {
            asked,
            region: Region("eastus".to_owned()),
            location: Some("East US".to_owned()),
            ranges: vec!["10.1.0.0/16".parse().unwrap()],
            peers: vec!["10.2.0.0/16".parse().unwrap()],
            subnet: Some(subnet),
            others: vec!["other".to_owned()],
        }
    }

    fn failed(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter(|it| it.status == CheckStatus::Fail).map(|it| it.id.as_str()).collect()
    }

    #[test]
    fn subnets_are_named_by_name_or_by_id_of_that_network() {
        let id = network_id(VNET).unwrap();
        assert!(network_id("vpc-1").is_none() && network_id("/subscriptions/s/resourceGroups/g").is_none());
        let own = format!("{}/subnets/aks", VNET.to_uppercase());
        assert_eq!(subnet_id(&id, "aks").unwrap().name(), "aks");
        assert_eq!(subnet_id(&id, &own).map(|it| it.name().to_lowercase()).as_deref(), Some("aks"));
        assert_eq!(subnet_id(&id, &own.replace("CORP", "OTHER")), None);
    }

    #[test]
    fn a_subnet_must_have_room_and_a_way_out() {
        assert!(adopted(Way::Open, 0, &[]).problems().is_empty());
        assert_eq!(failed(&adopted(Way::Open, 0, &[]).checks(10, 1)), [""; 0]);
        let full = adopted(Way::Open, 8, &[]).checks(3, 1);
        assert_eq!((failed(&full), full[0].need, full[0].have), (vec!["KW-NET-IPS"], Some(4.0), Some(3.0)));
        let dead = adopted(Way::DeadEnd("t".to_owned()), 0, &[]);
        assert_eq!(failed(&dead.checks(2, 1)), ["KW-NET-EGRESS"]);
    }

    #[test]
    fn a_delegated_missing_or_distant_subnet_is_a_problem() {
        let words = |it: &Adopted| it.problems().into_iter().map(|it| it.message).collect::<Vec<_>>().join("; ");
        assert!(words(&adopted(Way::Open, 0, &["Microsoft.Web/serverFarms"])).contains("delegated to Microsoft.Web"));
        let mut it = adopted(Way::Open, 0, &[]);
        it.location = Some("westus".to_owned());
        assert!(words(&it).contains("is in westus"));
        it.subnet = None;
        assert!(words(&it).contains("has no subnet aks") && it.problems()[1].hints[0].contains("other"));
        it.location = None;
        assert!(words(&it).contains("no virtual network"));
        it.location = Some("eastus".to_owned());
        assert_eq!(it.taken().len(), 2, "what is peered is taken, too");
    }
}
