//! Service Quotas, and the limits the other services hold to ([`quota`]). An account's applied values are those of one
//! in use for a while; a world's settings may set others (`ec2/L-0263D0A3` → 2).

use super::{ApiError, CallCx, Protocol, Reply, Service};
use crate::sandbox::world::{Settings, Tx};
use serde::Deserialize;
use serde_json::{Value, json};

/// One quota: service, code, name, the vendor's default, what a used account has, whether it can be raised, whether it
/// is global.
struct Quota(&'static str, &'static str, &'static str, f64, f64, bool, bool);

const QUOTAS: &[Quota] = &[
    Quota(
        "ec2",
        "L-1216C47A",
        "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        5.0,
        64.0,
        true,
        false,
    ),
    Quota(
        "ec2",
        "L-34B43A08",
        "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
        5.0,
        64.0,
        true,
        false,
    ),
    Quota("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances", 0.0, 16.0, true, false),
    Quota("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests", 0.0, 16.0, true, false),
    Quota("ec2", "L-417A185B", "Running On-Demand P instances", 0.0, 0.0, true, false),
    Quota("ec2", "L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", 0.0, 0.0, true, false),
    Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5.0, 5.0, true, false),
    Quota("ec2", "L-74FC7D96", "Running On-Demand F instances", 0.0, 0.0, true, false),
    Quota("ec2", "L-1945791B", "Running On-Demand Inf instances", 0.0, 0.0, true, false),
    Quota("ec2", "L-2C3B7624", "Running On-Demand Trn instances", 0.0, 0.0, true, false),
    Quota("vpc", "L-F678F1CE", "VPCs per Region", 5.0, 5.0, true, false),
    Quota("vpc", "L-407747CB", "Subnets per VPC", 200.0, 200.0, true, false),
    Quota("vpc", "L-A4707A72", "Internet gateways per Region", 5.0, 5.0, true, false),
    Quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5.0, 5.0, true, false),
    Quota("vpc", "L-DF5E4CA3", "Network interfaces per Region", 5_000.0, 5_000.0, true, false),
    Quota("vpc", "L-E79EC296", "VPC security groups per Region", 2_500.0, 2_500.0, true, false),
    Quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60.0, 60.0, true, false),
    Quota("vpc", "L-2AFB9258", "Security groups per network interface", 5.0, 5.0, true, false),
    Quota("vpc", "L-589F43AA", "Route tables per VPC", 200.0, 200.0, true, false),
    Quota("vpc", "L-93826ACB", "Routes per route table", 500.0, 500.0, true, false),
    Quota("vpc", "L-1B52E74A", "Gateway VPC endpoints per Region", 20.0, 20.0, true, false),
    Quota("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50.0, 50.0, true, false),
    Quota("eks", "L-1194D53C", "Clusters", 100.0, 100.0, true, false),
    Quota("eks", "L-6D54EA21", "Managed node groups per cluster", 30.0, 30.0, true, false),
    Quota("eks", "L-BD136A63", "Nodes per managed node group", 450.0, 450.0, true, false),
    Quota("eks", "L-33415657", "Fargate profiles per cluster", 10.0, 10.0, true, false),
    Quota("ebs", "L-7A658B76", "Storage for General Purpose SSD (gp3) volumes, in TiB", 50.0, 50.0, true, false),
    Quota("elasticloadbalancing", "L-53DA6B97", "Application Load Balancers per Region", 50.0, 50.0, true, false),
    Quota("elasticloadbalancing", "L-69A177A2", "Network Load Balancers per Region", 50.0, 50.0, true, false),
    Quota("elasticloadbalancing", "L-E9E9831D", "Classic Load Balancers per Region", 20.0, 20.0, true, false),
    Quota("elasticloadbalancing", "L-B22855CB", "Target Groups per Region", 3_000.0, 3_000.0, true, false),
    Quota("iam", "L-FE177D64", "Roles per account", 1_000.0, 1_000.0, true, true),
    Quota("iam", "L-858F3967", "OpenId connect providers per account", 100.0, 100.0, true, true),
    Quota("iam", "L-6E65F664", "Instance profiles per account", 1_000.0, 1_000.0, true, true),
    Quota("iam", "L-0DA4ABF3", "Managed policies per role", 10.0, 10.0, true, true),
];

fn find(service: &str, code: &str) -> Option<&'static Quota> {
    QUOTAS.iter().find(|quota| quota.0 == service && quota.1 == code)
}

/// The name settings know a quota by, from its code alone: `L-0263D0A3` → `ec2/L-0263D0A3`.
pub fn name_of(code: &str) -> Option<String> {
    QUOTAS.iter().find(|quota| quota.1 == code).map(|quota| format!("{}/{code}", quota.0))
}

fn applied(settings: &Settings, quota: &Quota) -> f64 {
    settings.quotas.get(&format!("{}/{}", quota.0, quota.1)).copied().unwrap_or(quota.4)
}

/// What the account may have. Services ask with codes of the table above.
pub fn quota(tx: &Tx<'_>, service: &str, code: &str) -> f64 {
    find(service, code).map_or(f64::INFINITY, |quota| applied(tx.in_force(), quota))
}

/// The service.
pub struct ServiceQuotas;

const INVALID: &str = "IllegalArgumentException";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    service_code: String,
    quota_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    service_code: String,
    quota_code: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Page {
    next_token: Option<String>,
    max_results: Option<usize>,
}

fn service_name(code: &str) -> &'static str {
    match code {
        "ec2" => "Amazon Elastic Compute Cloud (Amazon EC2)",
        "vpc" => "Amazon Virtual Private Cloud (Amazon VPC)",
        "eks" => "Amazon Elastic Kubernetes Service (Amazon EKS)",
        "ebs" => "Amazon Elastic Block Store (Amazon EBS)",
        "elasticloadbalancing" => "Elastic Load Balancing (ELB)",
        _ => "AWS Identity and Access Management (IAM)",
    }
}

fn document(quota: &Quota, value: f64, region: &str, account: Option<&str>) -> Value {
    let place = if quota.6 { "" } else { region };
    json!({
        "ServiceCode": quota.0,
        "ServiceName": service_name(quota.0),
        "QuotaArn": format!("arn:aws:servicequotas:{place}:{}:{}/{}", account.unwrap_or_default(), quota.0, quota.1),
        "QuotaCode": quota.1,
        "QuotaName": quota.2,
        "Value": value,
        "Unit": "None",
        "Adjustable": quota.5,
        "GlobalQuota": quota.6,
        "QuotaAppliedAtLevel": "ACCOUNT",
    })
}

fn no_such(what: &str) -> ApiError {
    ApiError::bad("NoSuchResourceException", what)
}

/// Global quotas live in one region.
fn reachable(quota: &Quota, region: &str) -> bool {
    !quota.6 || region == "us-east-1"
}

fn one(cx: &CallCx<'_, '_>) -> Result<&'static Quota, ApiError> {
    let input: Get = cx.json(INVALID)?;
    if !QUOTAS.iter().any(|quota| quota.0 == input.service_code) {
        return Err(no_such("The specified service does not exist."));
    }
    find(&input.service_code, &input.quota_code)
        .filter(|quota| reachable(quota, &cx.scope.region))
        .ok_or_else(|| no_such("The specified quota does not exist."))
}

fn paged(key: &str, all: Vec<Value>, token: Option<String>, most: Option<usize>) -> Result<Value, ApiError> {
    let most = most.unwrap_or(100);
    if !(1..=100).contains(&most) {
        return Err(ApiError::bad(INVALID, "MaxResults must be between 1 and 100"));
    }
    let bad = || ApiError::bad("InvalidPaginationTokenException", "Invalid pagination token was provided");
    let from = token.map_or(Ok(0), |token| token.strip_prefix("from-").and_then(|n| n.parse().ok()).ok_or_else(bad))?;
    let more = all.len() > from + most;
    let mut reply = json!({ key: all.into_iter().skip(from).take(most).collect::<Vec<_>>() });
    if more {
        reply["NextToken"] = json!(format!("from-{}", from + most));
    }
    Ok(reply)
}

fn list(cx: &CallCx<'_, '_>, value: impl Fn(&Quota) -> f64, account: Option<&str>) -> Result<Reply, ApiError> {
    let input: List = cx.json(INVALID)?;
    if !QUOTAS.iter().any(|quota| quota.0 == input.service_code) {
        return Err(no_such("The specified service does not exist."));
    }
    let of_service = QUOTAS.iter().filter(|quota| {
        quota.0 == input.service_code
            && reachable(quota, &cx.scope.region)
            && input.quota_code.as_deref().is_none_or(|code| code == quota.1)
    });
    let all = of_service.map(|quota| document(quota, value(quota), &cx.scope.region, account)).collect();
    Ok(paged("Quotas", all, input.next_token, input.max_results)?.into())
}

impl Service for ServiceQuotas {
    fn name(&self) -> &'static str {
        "servicequotas"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::Json("ServiceQuotasV20190624")
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        let account = cx.scope.account.clone();
        match cx.op {
            "GetServiceQuota" => {
                let quota = one(cx)?;
                let value = applied(cx.tx.in_force(), quota);
                Ok(json!({ "Quota": document(quota, value, &cx.scope.region, Some(&account)) }).into())
            }
            "GetAWSDefaultServiceQuota" => {
                let quota = one(cx)?;
                Ok(json!({ "Quota": document(quota, quota.3, &cx.scope.region, None) }).into())
            }
            "ListServiceQuotas" => list(cx, |quota| applied(cx.tx.in_force(), quota), Some(&account)),
            "ListAWSDefaultServiceQuotas" => list(cx, |quota| quota.3, None),
            "ListServices" => {
                let input: Page = cx.json(INVALID)?;
                let mut codes: Vec<&str> = QUOTAS.iter().map(|quota| quota.0).collect();
                codes.dedup();
                let all = codes.iter().map(|code| json!({"ServiceCode": code, "ServiceName": service_name(code)}));
                Ok(paged("Services", all.collect(), input.next_token, input.max_results)?.into())
            }
            _ => Err(cx.unknown_operation()),
        }
    }

    fn throttled(&self) -> ApiError {
        ApiError::bad("TooManyRequestsException", "Rate exceeded")
    }

    fn broken(&self) -> ApiError {
        ApiError::new(500, "ServiceException", "An internal error occurred")
    }
}
