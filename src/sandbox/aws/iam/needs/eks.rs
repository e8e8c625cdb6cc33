//! EKS: things in a cluster are made by its ARN and changed by their own; roles are passed, tags and the service's own
//! roles are asked for besides.
//!
//! The look for the node groups' own role is as users report it (github.com/terraform-aws-modules/terraform-aws-eks/issues/823).

use super::{
    super::{roles, service_linked},
    By, Context, Need, Request, Tags, ec2, need, requested, standing,
};
use crate::sandbox::{aws::eks, world::Tx};
use serde_json::Value;

pub(super) fn needs(tx: &Tx<'_>, request: &Request<'_>) -> Vec<Need> {
    let body: Value = serde_json::from_slice(request.body).unwrap_or(Value::Null);
    let action = request.action();
    let tags = tags_of(&body);
    let path = |name: &str| request.path.get(name).map(String::as_str).unwrap_or_default();
    let cluster = path("name");
    let (arn, held) = match request.op {
        "ListClusters"
        | "DescribeClusterVersions"
        | "DescribeAddonVersions"
        | "DescribeAddonConfiguration"
        | "ListAccessPolicies" => return vec![need(action, "*", Context::default())],
        "CreateCluster" => {
            let name = body["name"].as_str().unwrap_or_default();
            (request.arn("eks", &format!("cluster/{name}")), Tags::new())
        }
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            let arn = path("resourceArn");
            (arn.to_owned(), eks::tags_of_arn(tx, request.scope, arn))
        }
        _ => target(tx, request, cluster),
    };
    let mut needs = vec![need(&action, &arn, standing(&held).and(&requested(&tags)))];
    let made = match request.op {
        "CreateCluster" => Some(arn.clone()),
        "CreateNodegroup" => Some(format!("nodegroup/{cluster}/{}/*", word(&body, "nodegroupName"))),
        "CreateAddon" => Some(format!("addon/{cluster}/{}/*", word(&body, "addonName"))),
        "CreateAccessEntry" => Some(format!("access-entry/{cluster}/*")),
        "CreatePodIdentityAssociation" => Some(format!("podidentityassociation/{cluster}/*")),
        _ => None,
    };
    if let Some(made) = made.filter(|_| !tags.is_empty()) {
        let made = if made.starts_with("arn:") { made } else { request.arn("eks", &made) };
        needs.push(need("eks:TagResource", made, requested(&tags)));
    }
    needs.extend(passed(request.op, &body));
    match request.op {
        "CreateCluster" => needs.extend(linked(tx, request, "eks.amazonaws.com")),
        "CreateNodegroup" => {
            let service = "eks-nodegroup.amazonaws.com";
            if let Some(name) = service_linked::role_of(service) {
                let role = role_arn(request, service, name);
                needs.push(Need { by: By::LinkedRole, ..need("iam:GetRole", role, Context::default()) });
            }
            needs.extend(linked(tx, request, service));
            if body["launchTemplate"].is_object() {
                needs.extend(ec2::launch(tx, request, &body["launchTemplate"], &body["subnets"]));
            }
        }
        _ => {}
    }
    needs
}

fn word<'b>(body: &'b Value, member: &str) -> &'b str {
    body[member].as_str().unwrap_or_default()
}

fn tags_of(body: &Value) -> Tags {
    let pairs = body["tags"].as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// What a call on a cluster, or on something in it, is asked for.
fn target(tx: &Tx<'_>, request: &Request<'_>, cluster: &str) -> (String, Tags) {
    let path = |name: &str| request.path.get(name).map(String::as_str);
    let inner = [
        ("nodegroupName", "nodegroup"),
        ("addonName", "addon"),
        ("principalArn", "access-entry"),
        ("associationId", "podidentityassociation"),
    ];
    let within = inner.into_iter().find_map(|(member, word)| Some((word, path(member)?)));
    let Some((word, name)) = within else {
        let arn = request.arn("eks", &format!("cluster/{cluster}"));
        let held = eks::tags_of_arn(tx, request.scope, &arn);
        return (arn, held);
    };
    // What is not there has no ARN of its own: AWS then asks for the pattern that it would have.
    eks::inside(tx, request.scope, word, cluster, name).unwrap_or_else(|| {
        let name = if word == "access-entry" { access_entry_stem(name) } else { name.to_owned() };
        let end = if word == "podidentityassociation" { "" } else { "/*" };
        (request.arn("eks", &format!("{word}/{cluster}/{name}{end}")), Tags::new())
    })
}

/// `role/123456789012/Deploy` of a principal's ARN.
fn access_entry_stem(principal: &str) -> String {
    let account = principal.split(':').nth(4).unwrap_or_default();
    let resource = principal.splitn(6, ':').last().unwrap_or_default();
    let (kind, rest) = resource.split_once('/').unwrap_or((resource, ""));
    format!("{kind}/{account}/{}", rest.rsplit('/').next().unwrap_or_default())
}

/// Roles that the call hands to a service.
fn passed(op: &str, body: &Value) -> Vec<Need> {
    let pass =
        |role: &str, service: &str| need("iam:PassRole", role, Context::default().with("iam:PassedToService", service));
    let given = |member: &str| body[member].as_str().filter(|text| !text.is_empty());
    match op {
        "CreateCluster" => given("roleArn").map(|role| pass(role, "eks.amazonaws.com")).into_iter().collect(),
        "CreateNodegroup" => given("nodeRole").map(|role| pass(role, "eks.amazonaws.com")).into_iter().collect(),
        "CreatePodIdentityAssociation" | "UpdatePodIdentityAssociation" => {
            given("roleArn").map(|role| pass(role, "pods.eks.amazonaws.com")).into_iter().collect()
        }
        "CreateAddon" | "UpdateAddon" => {
            let own = given("serviceAccountRoleArn").map(|role| pass(role, "eks.amazonaws.com"));
            let pods = body["podIdentityAssociations"].as_array().into_iter().flatten();
            let pods = pods.filter_map(|it| it["roleArn"].as_str()).map(|role| pass(role, "pods.eks.amazonaws.com"));
            own.into_iter().chain(pods).collect()
        }
        _ => Vec::new(),
    }
}

fn role_arn(request: &Request<'_>, service: &str, name: &str) -> String {
    format!("arn:aws:iam::{}:role/aws-service-role/{service}/{name}", request.scope.account)
}

/// The service's own role, where the account does not have it yet.
fn linked(tx: &Tx<'_>, request: &Request<'_>, service: &str) -> Option<Need> {
    let name = service_linked::role_of(service)?;
    if roles::find(tx, &request.scope.account, name).is_some() {
        return None;
    }
    let context = Context::default().with("iam:AWSServiceName", service);
    Some(need("iam:CreateServiceLinkedRole", role_arn(request, service, name), context))
}
