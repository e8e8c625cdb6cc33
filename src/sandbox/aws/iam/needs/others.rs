//! The smaller services: IAM itself, load balancing, logs, parameters, STS.

use super::{
    super::{roles, service_linked},
    Context, Need, Request, Tags, need, requested, standing,
};
use crate::sandbox::{aws::elb, world::Tx};
use serde_json::Value;

/// IAM calls without a thing of their own.
const ACCOUNT_WIDE: [&str; 4] =
    ["GetAccountSummary", "ListPolicies", "ListOpenIDConnectProviders", "GetServiceLinkedRoleDeletionStatus"];

pub(super) fn iam(tx: &Tx<'_>, request: &Request<'_>) -> Vec<Need> {
    let action = request.action();
    let account = &request.scope.account;
    let arn = |resource: String| format!("arn:aws:iam::{account}:{resource}");
    let get = |name: &str| request.get(name);
    let path = |name: &str| get(name).unwrap_or("/").to_owned();
    let all = |resource: String| vec![need(&action, arn(resource), Context::default())];
    match request.op {
        op if ACCOUNT_WIDE.contains(&op) => return vec![need(action, "*", Context::default())],
        "ListRoles" => return all(format!("role{}", path("PathPrefix"))),
        "ListInstanceProfiles" => return all(format!("instance-profile{}", path("PathPrefix"))),
        "SimulatePrincipalPolicy" => {
            return vec![need(action, get("PolicySourceArn").unwrap_or("*"), Context::default())];
        }
        "GetUser" => return all(format!("user/{}", get("UserName").unwrap_or("sandbox"))),
        "CreateServiceLinkedRole" | "DeleteServiceLinkedRole" => {
            let service = get("AWSServiceName").unwrap_or_default();
            let name = get("RoleName").or_else(|| service_linked::role_of(service)).unwrap_or("*");
            let folder = if service.is_empty() { "*" } else { service };
            let context = Context::default().with("iam:AWSServiceName", service);
            return vec![need(action, arn(format!("role/aws-service-role/{folder}/{name}")), context)];
        }
        _ => {}
    }
    // A profile is changed by its own ARN, whatever role goes in or out of it.
    if let Some(name) = get("InstanceProfileName") {
        let mut needs = vec![need(&action, arn(format!("instance-profile{}{name}", path("Path"))), Context::default())];
        if request.op == "AddRoleToInstanceProfile" {
            let role = arn(format!("role/{}", get("RoleName").unwrap_or_default()));
            let context = Context::default().with("iam:PassedToService", "ec2.amazonaws.com");
            needs.push(need("iam:PassRole", role, context));
        }
        return needs;
    }
    if let Some(name) = get("RoleName") {
        let found = roles::find(tx, account, name);
        let known = found.map(|object| object.text("arn").to_owned());
        let resource = known.unwrap_or_else(|| arn(format!("role{}{name}", path("Path"))));
        let tags = request.tags("Tags.member.");
        let held = found.map(|object| object.tags.clone()).unwrap_or_default();
        let mut context = standing(&held).and(&requested(&tags));
        for (parameter, key) in [("PolicyArn", "iam:PolicyARN"), ("PermissionsBoundary", "iam:PermissionsBoundary")] {
            if let Some(value) = get(parameter) {
                context = context.with(key, value);
            }
        }
        let mut needs = vec![need(action, &resource, context)];
        if request.op == "CreateRole" && !tags.is_empty() {
            needs.push(need("iam:TagRole", resource, requested(&tags)));
        }
        return needs;
    }
    let named = get("PolicyArn").or_else(|| get("OpenIDConnectProviderArn")).map(str::to_owned);
    let made = || match request.op {
        "CreatePolicy" => arn(format!("policy{}{}", path("Path"), get("PolicyName").unwrap_or_default())),
        "CreateOpenIDConnectProvider" => {
            let url = get("Url").unwrap_or_default();
            arn(format!("oidc-provider/{}", url.trim_start_matches("https://")))
        }
        _ => "*".to_owned(),
    };
    vec![need(action, named.unwrap_or_else(made), Context::default())]
}

pub(super) fn balancers(tx: &Tx<'_>, request: &Request<'_>) -> Vec<Need> {
    let action = request.action();
    if request.op.starts_with("Describe") {
        return vec![need(action, "*", Context::default())];
    }
    let modern = request.get("LoadBalancerArn").or_else(|| request.get("TargetGroupArn"));
    let (arn, id) = match (modern, request.get("LoadBalancerName")) {
        (Some(arn), _) => (arn.to_owned(), arn),
        (None, Some(name)) => (request.arn("elasticloadbalancing", &format!("loadbalancer/{name}")), name),
        (None, None) => return vec![need(action, "*", Context::default())],
    };
    let held = elb::tags_of(tx, request.scope, id);
    vec![need(action, arn, standing(&held))]
}

pub(super) fn logs(tx: &Tx<'_>, request: &Request<'_>) -> Vec<Need> {
    let action = request.action();
    let body: Value = serde_json::from_slice(request.body).unwrap_or(Value::Null);
    let word = |member: &str| body[member].as_str();
    let pairs = body["tags"].as_object().into_iter().flatten();
    let tags: Tags = pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let arn = match (word("resourceArn"), word("logGroupName")) {
        (Some(arn), _) => arn.to_owned(),
        (None, Some(name)) => request.arn("logs", &format!("log-group:{name}")),
        (None, None) => return vec![need(action, request.arn("logs", "log-group::log-stream:"), Context::default())],
    };
    let held = crate::sandbox::aws::logs::tags_of(tx, request.scope, &arn);
    let mut needs = vec![need(action, &arn, standing(&held).and(&requested(&tags)))];
    if request.op == "CreateLogGroup" && !tags.is_empty() {
        needs.push(need("logs:TagResource", arn, requested(&tags)));
    }
    needs
}

pub(super) fn parameters(request: &Request<'_>) -> Vec<Need> {
    let body: Value = serde_json::from_slice(request.body).unwrap_or(Value::Null);
    let arn = |name: &str| {
        // AWS's own parameters belong to no account.
        let account = if name.starts_with("/aws/service/") { "" } else { &request.scope.account };
        format!("arn:aws:ssm:{}:{account}:parameter/{}", request.scope.region, name.trim_start_matches('/'))
    };
    let one = body["Name"].as_str().or_else(|| body["Path"].as_str());
    let many = body["Names"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let needs: Vec<Need> =
        one.into_iter().chain(many).map(|name| need(request.action(), arn(name), Context::default())).collect();
    if needs.is_empty() { vec![need(request.action(), "*", Context::default())] } else { needs }
}

/// Who one is may always be asked; a session of one's own needs no permission either.
pub(super) fn sts(request: &Request<'_>) -> Vec<Need> {
    match (request.op, request.get("RoleArn")) {
        ("GetCallerIdentity" | "GetSessionToken", _) => Vec::new(),
        (_, Some(role)) => vec![need(request.action(), role, Context::default())],
        (_, None) => vec![need(request.action(), "*", Context::default())],
    }
}
