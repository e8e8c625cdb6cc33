//! Route tables, their routes and associations. Every VPC has one main table that cannot be deleted.

use super::{
    Ec2, Stored, endpoint, fail,
    filter::{self, Filter, Known, Page},
    gateway::Gateway,
    interface::Interface,
    kinds::thing,
    nat::NatGateway,
    net, quota,
    subnet::Subnet,
    tags::{self, TagSpecification},
    vpc::Vpc,
    wire::Request,
};
use crate::sandbox::{aws::ApiError, world::Origin};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A route table.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RouteTable {
    pub(crate) vpc: String,
    /// The association that makes it the VPC's main table.
    pub(crate) main: Option<String>,
    pub(crate) associations: Vec<Bound>,
    pub(crate) routes: Vec<Route>,
}

/// A subnet bound to a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) id: String,
    pub(crate) subnet: String,
}

/// One route beside the local one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Route {
    /// A range, or a prefix list id.
    pub(crate) to: String,
    pub(crate) via: Target,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// An internet gateway.
    Gateway(String),
    /// A NAT gateway.
    Nat(String),
    /// A network interface.
    Interface(String),
    /// A gateway endpoint; its prefix list is the destination.
    Endpoint(String),
}

thing!(
    RouteTable,
    "route-table",
    "rtb",
    "InvalidRouteTableID.NotFound",
    "InvalidRouteTableId.Malformed",
    "The routeTable ID '{}' does not exist"
);

const FILTERS: Known = &[
    ("association.gateway-id", "associationSet.gatewayId"),
    ("association.route-table-association-id", "associationSet.routeTableAssociationId"),
    ("association.route-table-id", "associationSet.routeTableId"),
    ("association.subnet-id", "associationSet.subnetId"),
    ("association.main", "associationSet.main"),
    ("owner-id", "ownerId"),
    ("route-table-id", "routeTableId"),
    ("route.destination-cidr-block", "routeSet.destinationCidrBlock"),
    ("route.destination-ipv6-cidr-block", "routeSet.destinationIpv6CidrBlock"),
    ("route.destination-prefix-list-id", "routeSet.destinationPrefixListId"),
    ("route.egress-only-internet-gateway-id", "routeSet.egressOnlyInternetGatewayId"),
    ("route.gateway-id", "routeSet.gatewayId"),
    ("route.instance-id", "routeSet.instanceId"),
    ("route.nat-gateway-id", "routeSet.natGatewayId"),
    ("route.transit-gateway-id", "routeSet.transitGatewayId"),
    ("route.origin", "routeSet.origin"),
    ("route.state", "routeSet.state"),
    ("route.vpc-peering-connection-id", "routeSet.vpcPeeringConnectionId"),
    ("vpc-id", "vpcId"),
];

fn view(cx: &Ec2<'_, '_>, table: &Stored<RouteTable>) -> Value {
    let state = json!({"state": "associated"});
    let main = table.doc.main.iter().map(|id| {
        json!({"routeTableAssociationId": id, "routeTableId": table.id(), "main": true, "associationState": state})
    });
    let bound = table.doc.associations.iter().map(|bound| {
        json!({
            "routeTableAssociationId": bound.id, "routeTableId": table.id(), "subnetId": bound.subnet,
            "main": false, "associationState": state,
        })
    });
    let associations: Vec<Value> = main.chain(bound).collect();
    let local = cx.peek::<Vpc>(&table.doc.vpc).map(|vpc| {
        json!({
            "destinationCidrBlock": vpc.doc.cidr, "gatewayId": "local", "state": "active", "origin": "CreateRouteTable",
        })
    });
    let routes: Vec<Value> =
        local.into_iter().chain(table.doc.routes.iter().map(|route| route_view(cx, &table.doc.vpc, route))).collect();
    json!({
        "routeTableId": table.id(), "vpcId": table.doc.vpc, "ownerId": table.object.account,
        "routeSet": routes, "associationSet": associations, "propagatingVgwSet": [], "tagSet": table.tag_set(),
    })
}

fn route_view(cx: &Ec2<'_, '_>, vpc: &str, route: &Route) -> Value {
    let (field, id, alive) = match &route.via {
        Target::Gateway(id) => {
            let attached = cx.peek::<Gateway>(id).is_some_and(|gateway| gateway.doc.vpc.as_deref() == Some(vpc));
            ("gatewayId", id, attached)
        }
        Target::Nat(id) => {
            ("natGatewayId", id, cx.peek::<NatGateway>(id).is_some_and(|nat| nat.object.state == "available"))
        }
        Target::Interface(id) => {
            let used = cx.peek::<Interface>(id).is_some_and(|eni| eni.doc.attachment.is_some());
            ("networkInterfaceId", id, used)
        }
        Target::Endpoint(id) => ("gatewayId", id, cx.peek::<endpoint::Endpoint>(id).is_some()),
    };
    let destination =
        if matches!(route.via, Target::Endpoint(_)) { "destinationPrefixListId" } else { "destinationCidrBlock" };
    let state = if alive { "active" } else { "blackhole" };
    json!({destination: route.to, field: id, "state": state, "origin": "CreateRoute"})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateRouteTable {
    vpc_id: String,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create_table(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateRouteTable = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "route-table")?;
    if let Some(table) = cx.repeated::<RouteTable>(wanted.client_token.as_deref(), &print)? {
        return Ok(json!({"routeTable": view(cx, &table), "clientToken": wanted.client_token}));
    }
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    let siblings = cx.all::<RouteTable>().into_iter().filter(|table| table.doc.vpc == vpc.id()).count();
    if siblings >= cx.quota(quota::ROUTE_TABLES_PER_VPC) {
        return Err(fail("RouteTableLimitExceeded", "The maximum number of route tables has been reached."));
    }
    let doc = RouteTable { vpc: vpc.id().to_owned(), main: None, associations: Vec::new(), routes: Vec::new() };
    let mut table = cx.draft(doc, "available", tags);
    table.object.parent = Some(vpc.id().to_owned());
    table.object.token = wanted.client_token.as_ref().map(|token| format!("{token}/{print}"));
    let reply = json!({"routeTable": view(cx, &table), "clientToken": wanted.client_token});
    cx.save(table);
    Ok(reply)
}

/// The table a VPC is born with.
pub(super) fn make_main(cx: &mut Ec2<'_, '_>, vpc: &str) {
    let main = Some(cx.tx.id("rtbassoc"));
    let doc = RouteTable { vpc: vpc.to_owned(), main, associations: Vec::new(), routes: Vec::new() };
    let mut table = cx.draft_by(Origin::Builtin, doc, "available");
    table.object.parent = Some(vpc.to_owned());
    cx.save(table);
}

/// The default VPC's way out.
pub(super) fn add_default_route(cx: &mut Ec2<'_, '_>, vpc: &str, gateway: String) {
    let main = cx.all::<RouteTable>().into_iter().find(|table| table.doc.vpc == vpc && table.doc.main.is_some());
    if let Some(mut table) = main {
        table.doc.routes.push(Route { to: "0.0.0.0/0".to_owned(), via: Target::Gateway(gateway) });
        cx.save(table);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeRouteTables {
    #[serde(default)]
    route_table_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeRouteTables = request.read()?;
    let rows = cx.listed::<RouteTable>(&wanted.route_table_id)?.iter().map(|table| view(cx, table)).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("routeTableSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 100)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TableOnly {
    route_table_id: String,
}

pub(super) fn delete_table(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let TableOnly { route_table_id } = request.read()?;
    let table = cx.find::<RouteTable>(&route_table_id)?;
    if table.doc.main.is_some() || !table.doc.associations.is_empty() {
        let message = format!("The routeTable '{}' has dependencies and cannot be deleted.", table.id());
        return Err(fail("DependencyViolation", message));
    }
    cx.drop_object::<RouteTable>(table.id());
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RouteRequest {
    route_table_id: String,
    destination_cidr_block: Option<String>,
    gateway_id: Option<String>,
    nat_gateway_id: Option<String>,
    network_interface_id: Option<String>,
}

/// The destination and the checked target of a new or changed route.
fn checked(cx: &Ec2<'_, '_>, table: &Stored<RouteTable>, wanted: RouteRequest) -> Result<Route, ApiError> {
    let Some(to) = wanted.destination_cidr_block else {
        let message = "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock or destinationPrefixListId";
        return Err(fail("MissingParameter", message));
    };
    let to = net::range(&to, "destinationCidrBlock")?;
    let foreign = |id: &str| {
        let message = format!("route table {} and network gateway {id} belong to different networks", table.id());
        Err(fail("InvalidParameterValue", message))
    };
    let via = match (wanted.gateway_id, wanted.nat_gateway_id, wanted.network_interface_id) {
        (Some(id), None, None) => {
            let gateway = cx.find::<Gateway>(&id)?;
            if gateway.doc.vpc.as_deref() != Some(&table.doc.vpc) {
                return foreign(&id);
            }
            Target::Gateway(id)
        }
        (None, Some(id), None) => {
            // A gateway that is not available yet does not exist for routes (kops and others retry on exactly this).
            let nat = cx.find::<NatGateway>(&id).ok().filter(|nat| nat.object.state == "available");
            let Some(nat) = nat else {
                return Err(fail("InvalidNatGatewayID.NotFound", format!("The natGateway ID '{id}' does not exist")));
            };
            if nat.doc.vpc != table.doc.vpc {
                return foreign(&id);
            }
            Target::Nat(id)
        }
        (None, None, Some(id)) => {
            let eni = cx.find::<Interface>(&id)?;
            if eni.doc.vpc != table.doc.vpc {
                return foreign(&id);
            }
            Target::Interface(id)
        }
        _ => {
            let message = "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, \
                           vpcPeeringConnectionId or instanceId";
            return Err(fail("InvalidParameterCombination", message));
        }
    };
    let local = cx.peek::<Vpc>(&table.doc.vpc).map(|vpc| vpc.doc.cidr);
    if let Some(local) = local.filter(|local| local != &to && local.contains(&to))
        && !matches!(via, Target::Interface(_))
    {
        let message = format!(
            "The destination CIDR block {to} is equal to or more specific than one of this VPC's CIDR blocks ({local}). \
             This route can target only an interface or an instance."
        );
        return Err(fail("InvalidParameterValue", message));
    }
    Ok(Route { to: to.to_string(), via })
}

/// Whether this is the route every table has into its own VPC.
fn is_local(cx: &Ec2<'_, '_>, table: &Stored<RouteTable>, to: &str) -> bool {
    cx.peek::<Vpc>(&table.doc.vpc).is_some_and(|vpc| vpc.doc.cidr.to_string() == to)
}

pub(super) fn create_route(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: RouteRequest = request.read()?;
    let mut table = cx.find::<RouteTable>(&wanted.route_table_id)?;
    let route = checked(cx, &table, wanted)?;
    if is_local(cx, &table, &route.to) || table.doc.routes.iter().any(|held| held.to == route.to) {
        let message = format!("The route identified by {} already exists.", route.to);
        return Err(fail("RouteAlreadyExists", message));
    }
    table.doc.routes.push(route);
    cx.save(table);
    Ok(json!({"return": true}))
}

fn no_route(to: &str) -> ApiError {
    let message = format!("There is no route defined for '{to}' in the route table. Use CreateRoute instead.");
    fail("InvalidParameterValue", message)
}

pub(super) fn replace_route(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: RouteRequest = request.read()?;
    let mut table = cx.find::<RouteTable>(&wanted.route_table_id)?;
    let route = checked(cx, &table, wanted)?;
    let Some(held) = table.doc.routes.iter_mut().find(|held| held.to == route.to) else {
        return Err(no_route(&route.to));
    };
    *held = route;
    cx.save(table);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteRoute {
    route_table_id: String,
    destination_cidr_block: String,
}

pub(super) fn delete_route(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DeleteRoute = request.read()?;
    let mut table = cx.find::<RouteTable>(&wanted.route_table_id)?;
    let to = net::range(&wanted.destination_cidr_block, "destinationCidrBlock")?.to_string();
    if is_local(cx, &table, &to) {
        let message = format!("cannot remove local route {to} in route table {}", table.id());
        return Err(fail("InvalidParameterValue", message));
    }
    let before = table.doc.routes.len();
    table.doc.routes.retain(|route| route.to != to);
    if table.doc.routes.len() == before {
        let message = format!("no route with destination-cidr-block {to} in route table {}", table.id());
        return Err(fail("InvalidRoute.NotFound", message));
    }
    cx.save(table);
    Ok(json!({"return": true}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AssociateRouteTable {
    route_table_id: String,
    subnet_id: String,
}

pub(super) fn associate(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: AssociateRouteTable = request.read()?;
    let mut table = cx.find::<RouteTable>(&wanted.route_table_id)?;
    let subnet = cx.find::<Subnet>(&wanted.subnet_id)?;
    if subnet.doc.vpc != table.doc.vpc {
        let message = format!("Route table {} and subnet {} belong to different networks", table.id(), subnet.id());
        return Err(fail("InvalidParameterValue", message));
    }
    let state = json!({"state": "associated"});
    if let Some(held) = table.doc.associations.iter().find(|bound| bound.subnet == subnet.id()) {
        return Ok(json!({"associationId": held.id, "associationState": state}));
    }
    if cx.all::<RouteTable>().iter().any(|it| it.doc.associations.iter().any(|bound| bound.subnet == subnet.id())) {
        let message =
            format!("the specified association for route table {} conflicts with an existing association", table.id());
        return Err(fail("Resource.AlreadyAssociated", message));
    }
    let id = cx.tx.id("rtbassoc");
    table.doc.associations.push(Bound { id: id.clone(), subnet: subnet.id().to_owned() });
    cx.save(table);
    Ok(json!({"associationId": id, "associationState": state}))
}

fn no_association(id: &str) -> ApiError {
    fail("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist"))
}

fn main_stays(id: &str) -> ApiError {
    fail("InvalidParameterValue", format!("cannot disassociate the main route table association {id}"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AssociationOnly {
    association_id: String,
}

pub(super) fn disassociate(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let AssociationOnly { association_id: id } = request.read()?;
    for mut table in cx.all::<RouteTable>() {
        if table.doc.main.as_deref() == Some(&id) {
            return Err(main_stays(&id));
        }
        if table.doc.associations.iter().any(|bound| bound.id == id) {
            table.doc.associations.retain(|bound| bound.id != id);
            cx.save(table);
            return Ok(json!({"return": true}));
        }
    }
    Err(no_association(&id))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReplaceAssociation {
    association_id: String,
    route_table_id: String,
}

pub(super) fn replace_association(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: ReplaceAssociation = request.read()?;
    let target = cx.find::<RouteTable>(&wanted.route_table_id)?;
    let tables = cx.all::<RouteTable>();
    let Some(mut from) = tables.into_iter().find(|table| {
        table.doc.main.as_deref() == Some(&wanted.association_id)
            || table.doc.associations.iter().any(|bound| bound.id == wanted.association_id)
    }) else {
        return Err(no_association(&wanted.association_id));
    };
    if from.doc.vpc != target.doc.vpc {
        let message = format!("Route table {} belongs to a different network", target.id());
        return Err(fail("InvalidParameterValue", message));
    }
    let (id, to) = (cx.tx.id("rtbassoc"), target.id().to_owned());
    let subnet = from.doc.associations.iter().find(|bound| bound.id == wanted.association_id).map(|b| b.subnet.clone());
    if from.doc.main.as_deref() == Some(&wanted.association_id) {
        from.doc.main = None;
    }
    from.doc.associations.retain(|bound| bound.id != wanted.association_id);
    cx.save(from);
    // Read again: source and target may be one table.
    let mut target = cx.find::<RouteTable>(&to)?;
    match subnet {
        Some(subnet) => target.doc.associations.push(Bound { id: id.clone(), subnet }),
        None => target.doc.main = Some(id.clone()),
    }
    cx.save(target);
    Ok(json!({"newAssociationId": id, "associationState": {"state": "associated"}}))
}

/// A subnet is gone, and its association with it.
pub(super) fn forget_subnet(cx: &mut Ec2<'_, '_>, subnet: &str) {
    for mut table in cx.all::<RouteTable>() {
        if table.doc.associations.iter().any(|bound| bound.subnet == subnet) {
            table.doc.associations.retain(|bound| bound.subnet != subnet);
            cx.save(table);
        }
    }
}

/// A gateway endpoint puts its prefix list into these tables, and only these.
pub(super) fn set_endpoint(cx: &mut Ec2<'_, '_>, endpoint: &str, prefix_list: &str, tables: &[String]) {
    let via = Target::Endpoint(endpoint.to_owned());
    for mut table in cx.all::<RouteTable>() {
        let wanted = tables.iter().any(|id| id == table.id());
        if wanted != table.doc.routes.iter().any(|route| route.via == via) {
            table.doc.routes.retain(|route| route.via != via);
            if wanted {
                table.doc.routes.push(Route { to: prefix_list.to_owned(), via: via.clone() });
            }
            cx.save(table);
        }
    }
}
