//! VPC endpoints: gateway endpoints live in route tables, interface endpoints in subnets with an interface each.

use super::{
    Ec2, Stored, fail,
    filter::{self, Filter, Known, Page},
    group,
    interface::{self, Attachment, Interface, Wanted},
    kinds::thing,
    route::{self, RouteTable},
    subnet::Subnet,
    tags::{self, TagSpecification},
    time,
    vpc::Vpc,
    wire::Request,
};
use crate::sandbox::{
    aws::ApiError,
    world::{Due, Scope, Tx},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A VPC endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) vpc: String,
    pub(crate) service: String,
    /// `Gateway` or `Interface`.
    pub(crate) endpoint_type: String,
    pub(crate) route_tables: Vec<String>,
    pub(crate) subnets: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) interfaces: Vec<String>,
    pub(crate) private_dns: bool,
    pub(crate) policy: Option<String>,
}

thing!(
    Endpoint,
    "vpc-endpoint",
    "vpce",
    "InvalidVpcEndpointId.NotFound",
    "InvalidVpcEndpointId.Malformed",
    "The Vpc Endpoint Id '{}' does not exist"
);

const FILTERS: Known = &[
    ("ip-address-type", "ipAddressType"),
    ("service-name", "serviceName"),
    ("service-region", "serviceRegion"),
    ("vpc-id", "vpcId"),
    ("vpc-endpoint-id", "vpcEndpointId"),
    ("vpc-endpoint-state", "state"),
    ("vpc-endpoint-type", "vpcEndpointType"),
];

const OPEN_POLICY: &str =
    r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

fn view(cx: &Ec2<'_, '_>, endpoint: &Stored<Endpoint>) -> Value {
    let (object, doc) = (&endpoint.object, &endpoint.doc);
    json!({
        "vpcEndpointId": object.id, "vpcEndpointType": doc.endpoint_type, "vpcId": doc.vpc,
        "serviceName": doc.service, "serviceRegion": object.region, "state": object.state,
        "policyDocument": doc.policy.as_deref().unwrap_or(OPEN_POLICY), "routeTableIdSet": doc.route_tables,
        "subnetIdSet": doc.subnets, "groupSet": group::refs(cx, &doc.groups), "ipAddressType": "ipv4",
        "privateDnsEnabled": doc.private_dns, "requesterManaged": false, "networkInterfaceIdSet": doc.interfaces,
        "dnsEntrySet": [], "creationTimestamp": time(object.created_at), "ownerId": object.account,
        "tagSet": endpoint.tag_set(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateVpcEndpoint {
    vpc_id: String,
    service_name: Option<String>,
    vpc_endpoint_type: Option<String>,
    policy_document: Option<String>,
    #[serde(default)]
    route_table_id: Vec<String>,
    #[serde(default)]
    subnet_id: Vec<String>,
    #[serde(default)]
    security_group_id: Vec<String>,
    private_dns_enabled: Option<bool>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateVpcEndpoint = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "vpc-endpoint")?;
    if let Some(endpoint) = cx.repeated::<Endpoint>(wanted.client_token.as_deref(), &print)? {
        return Ok(json!({"vpcEndpoint": view(cx, &endpoint), "clientToken": wanted.client_token}));
    }
    let vpc = cx.find::<Vpc>(&wanted.vpc_id)?;
    let Some(service) = wanted.service_name else {
        return Err(fail("MissingParameter", "The request must contain the parameter serviceName"));
    };
    let prefix = format!("com.amazonaws.{}.", cx.scope.region);
    let Some(short) = service.strip_prefix(&prefix) else {
        let message = format!("The Vpc Endpoint Service '{service}' does not exist");
        return Err(fail("InvalidServiceName", message));
    };
    let endpoint_type = wanted.vpc_endpoint_type.unwrap_or_else(|| "Gateway".to_owned());
    let gateway = endpoint_type == "Gateway";
    if gateway && !matches!(short, "s3" | "dynamodb") || !gateway && endpoint_type != "Interface" {
        let message = format!("Endpoint type ({endpoint_type}) does not match available service types for {service}.");
        return Err(fail("InvalidParameter", message));
    }
    for id in &wanted.route_table_id {
        if cx.find::<RouteTable>(id)?.doc.vpc != vpc.id() {
            let message = format!("Route table {id} does not belong to {}", vpc.id());
            return Err(fail("InvalidParameter", message));
        }
    }
    interface::check_groups(cx, vpc.id(), &wanted.security_group_id)?;
    let mut subnets = Vec::new();
    for id in &wanted.subnet_id {
        let subnet = cx.find::<Subnet>(id)?;
        if subnet.doc.vpc != vpc.id() {
            let message = format!("Subnet {id} does not belong to {}", vpc.id());
            return Err(fail("InvalidParameter", message));
        }
        subnets.push(subnet);
    }
    if gateway && !subnets.is_empty() || !gateway && !wanted.route_table_id.is_empty() {
        let message = "Route tables belong to gateway endpoints, subnets to interface endpoints";
        return Err(fail("InvalidParameter", message));
    }
    let taken = cx.all::<Endpoint>().into_iter().find(|other| {
        gateway
            && other.doc.vpc == vpc.id()
            && other.doc.service == service
            && other.doc.route_tables.iter().any(|id| wanted.route_table_id.contains(id))
    });
    if let Some(id) =
        taken.and_then(|other| other.doc.route_tables.into_iter().find(|id| wanted.route_table_id.contains(id)))
    {
        let message =
            format!("route table {id} already has a route with destination-prefix-list-id {}", prefix_list(short));
        return Err(fail("RouteAlreadyExists", message));
    }
    let groups = match wanted.security_group_id {
        given if gateway || !given.is_empty() => given,
        _ => group::default_of(cx, vpc.id()),
    };
    let doc = Endpoint {
        vpc: vpc.id().to_owned(),
        service: service.clone(),
        endpoint_type,
        route_tables: wanted.route_table_id,
        subnets: wanted.subnet_id,
        groups,
        interfaces: Vec::new(),
        private_dns: wanted.private_dns_enabled.unwrap_or(!gateway),
        policy: wanted.policy_document,
    };
    // A gateway endpoint stands at once; an interface endpoint takes a minute.
    let mut endpoint = cx.draft(doc, if gateway { "available" } else { "pending" }, tags);
    endpoint.object.parent = Some(vpc.id().to_owned());
    endpoint.object.token = wanted.client_token.as_ref().map(|token| format!("{token}/{print}"));
    for subnet in &subnets {
        let attachment = Attachment::by_service(cx, "amazon-aws");
        let eni = interface::make(
            cx,
            Wanted {
                subnet,
                groups: endpoint.doc.groups.clone(),
                description: format!("VPC Endpoint Interface {}", endpoint.id()),
                interface_type: "vpc_endpoint",
                requester: Some("amazon-vpce"),
                tags: BTreeMap::new(),
                attachment: Some(attachment),
            },
        )?;
        endpoint.doc.interfaces.push(eni.id().to_owned());
    }
    if !gateway {
        let wait = cx.seconds(40, 90);
        endpoint.object.due = Some(Due { at: cx.tx.now() + wait, what: "available".to_owned() });
    }
    let (id, tables) = (endpoint.id().to_owned(), endpoint.doc.route_tables.clone());
    let reply = json!({"vpcEndpoint": view(cx, &endpoint), "clientToken": wanted.client_token});
    cx.save(endpoint);
    if gateway {
        route::set_endpoint(cx, &id, prefix_list(short), &tables);
    }
    Ok(reply)
}

/// The prefix list of a gateway service (us-east-1's ids; every region has its own).
fn prefix_list(service: &str) -> &'static str {
    if service == "s3" { "pl-63a5400a" } else { "pl-02cd2c6b" }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeVpcEndpoints {
    #[serde(default)]
    vpc_endpoint_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeVpcEndpoints = request.read()?;
    let rows = cx.listed::<Endpoint>(&wanted.vpc_endpoint_id)?.iter().map(|it| view(cx, it)).collect();
    let rows = filter::keep(rows, &wanted.filter, FILTERS)?;
    filter::page("vpcEndpointSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteVpcEndpoints {
    vpc_endpoint_id: Vec<String>,
}

/// Deletes each; what cannot be deleted is listed in the reply of a call that succeeds.
pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DeleteVpcEndpoints = request.read()?;
    let mut failed = Vec::new();
    for id in wanted.vpc_endpoint_id {
        let mut endpoint = match cx.find::<Endpoint>(&id) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                failed.push(json!({"resourceId": id, "error": {"code": error.code, "message": error.message}}));
                continue;
            }
        };
        if endpoint.object.state == "deleting" {
            continue;
        }
        if endpoint.doc.endpoint_type == "Gateway" {
            route::set_endpoint(cx, &id, "", &[]);
            cx.drop_object::<Endpoint>(&id);
        } else {
            let wait = cx.seconds(30, 120);
            "deleting".clone_into(&mut endpoint.object.state);
            endpoint.object.due = Some(Due { at: cx.tx.now() + wait, what: "deleted".to_owned() });
            cx.save(endpoint);
        }
    }
    Ok(json!({"unsuccessful": failed}))
}

/// A scheduled change of an endpoint happens.
pub(super) fn due(tx: &mut Tx<'_>, scope: &Scope, id: &str, what: &str) {
    let cx = &mut Ec2::new(tx, scope);
    let Some(mut endpoint) = cx.peek::<Endpoint>(id) else { return };
    if what == "available" {
        "available".clone_into(&mut endpoint.object.state);
        cx.save(endpoint);
    } else {
        for eni in &endpoint.doc.interfaces {
            cx.drop_object::<Interface>(eni);
        }
        cx.drop_object::<Endpoint>(id);
    }
}
