//! Service-linked roles: made by a call or by the service itself, changed by nobody.

use super::{
    ApiError, CallCx, Xml, no_such_entity,
    roles::{self, DELETION, ROLE, Role},
};
use crate::sandbox::world::{Due, Kind, Object, Origin, Scope, Tx};
use serde_json::json;
use std::collections::BTreeMap;

const TASK: Kind = Kind::new("iam", "deletion-task");

/// Service, role name, policy.
const LINKED: &[(&str, &str, &str)] = &[
    ("eks.amazonaws.com", "AWSServiceRoleForAmazonEKS", "AmazonEKSServiceRolePolicy"),
    ("eks-nodegroup.amazonaws.com", "AWSServiceRoleForAmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup"),
    ("eks-fargate.amazonaws.com", "AWSServiceRoleForAmazonEKSForFargate", "AmazonEKSForFargateServiceRolePolicy"),
    ("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy"),
    ("spot.amazonaws.com", "AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy"),
    (
        "elasticloadbalancing.amazonaws.com",
        "AWSServiceRoleForElasticLoadBalancing",
        "AWSElasticLoadBalancingServiceRolePolicy",
    ),
];

/// The name of a service's own role.
pub(super) fn role_of(service: &str) -> Option<&'static str> {
    LINKED.iter().find(|(known, _, _)| *known == service).map(|(_, name, _)| *name)
}

fn make(tx: &mut Tx<'_>, account: &str, service: &str, name: &str, policy: &str, origin: Origin) -> Object {
    let path = format!("/aws-service-role/{service}/");
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
    let role = Role {
        role_id: format!("AROA{}", tx.letters(17)),
        arn: format!("arn:aws:iam::{account}:role{path}{name}"),
        path,
        description: None,
        max_session_duration: 3_600,
        trust: trust.to_string(),
        usable_at: tx.now(),
        attached: BTreeMap::from([(format!("arn:aws:iam::aws:policy/aws-service-role/{policy}"), tx.now())]),
        inline: BTreeMap::new(),
        boundary: None,
        linked_to: Some(service.to_owned()),
    };
    let mut object = Object::new(&Scope::global(account), ROLE, name, tx.now());
    object.name = Some(name.to_owned());
    object.state = "available".to_owned();
    object.created_by = origin;
    object.write(&role);
    tx.put(object.clone());
    object
}

/// What a service does when it needs its own role: it is there afterwards.
pub fn ensure_service_linked_role(tx: &mut Tx<'_>, account: &str, service: &str) {
    if let Some((service, name, policy)) = LINKED.iter().find(|(known, _, _)| *known == service)
        && roles::find(tx, account, name).is_none()
    {
        // It belongs to the account, not to what was being built; nobody cleans it up.
        make(tx, account, service, name, policy, Origin::Builtin);
    }
}

pub(super) fn create(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let service = cx.params.require("AWSServiceName")?.to_owned();
    cx.params.ignore("Description");
    let suffix = cx.params.text("CustomSuffix");
    let Some((service, name, policy)) = LINKED.iter().find(|(known, _, _)| *known == service) else {
        return Err(ApiError::bad("InvalidInput", format!("Service {service} is not a valid service principal")));
    };
    if suffix.is_some() {
        return Err(ApiError::bad("InvalidInput", format!("Custom suffix is not allowed for {service}")));
    }
    let account = cx.scope.account.clone();
    if roles::find(cx.tx, &account, name).is_some() {
        let why = format!("Service role name {name} has been taken in this account, please try a different suffix.");
        return Err(ApiError::bad("InvalidInput", why));
    }
    let role = make(cx.tx, &account, service, name, policy, Origin::Api);
    Ok(Xml::new().child("Role", roles::xml(&role, true)))
}

pub(super) fn delete(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let object = roles::existing(cx)?;
    let role: Role = object.read();
    let Some(service) = role.linked_to else { return Err(roles::missing(&object.id)) };
    let task = format!("task/aws-service-role/{service}/{}/{}", object.id, cx.tx.uuid());
    let scope = cx.global();
    let mut record = Object::new(&scope, TASK, &task, cx.tx.now());
    record.created_by = Origin::Builtin;
    record.state = "IN_PROGRESS".to_owned();
    record.parent = Some(object.id);
    record.due = Some(Due { at: cx.tx.now() + DELETION, what: "delete role".to_owned() });
    cx.tx.put(record);
    Ok(Xml::new().text("DeletionTaskId", task))
}

/// The role goes, unless a cluster still uses it.
pub(super) fn finish(tx: &mut Tx<'_>, task: &Object) {
    let scope = task.scope();
    let role = task.parent.as_deref().unwrap_or_default();
    let eks = role.starts_with("AWSServiceRoleForAmazonEKS");
    let in_use = eks
        && tx.all().any(|o| o.service == "eks" && o.kind == "cluster" && !o.is_gone() && o.account == scope.account);
    if !in_use {
        tx.remove(&scope, ROLE, role);
    }
    tx.update(&scope, TASK, &task.id, |record| {
        record.state = if in_use { "FAILED" } else { "SUCCEEDED" }.to_owned();
        record.gone_at = Some(task.created_at + std::time::Duration::from_secs(3_600));
    });
}

pub(super) fn deletion_status(cx: &mut CallCx<'_, '_>) -> Result<Xml, ApiError> {
    let id = cx.params.require("DeletionTaskId")?;
    let task = cx.tx.get(&cx.global(), TASK, id);
    let task = task.ok_or_else(|| no_such_entity(format!("The deletion task {id} cannot be found.")))?;
    let reason = Xml::new().text("Reason", "The role is used by a cluster");
    let xml = Xml::new().text("Status", &task.state);
    Ok(if task.state == "FAILED" { xml.child("Reason", reason) } else { xml })
}
