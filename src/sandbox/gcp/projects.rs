//! Cloud Resource Manager and Cloud Billing: projects, their IAM policies with etags, what a caller may do, whether
//! somebody pays.

use super::{
    Answer, Cx, accounts, builtin,
    keys::etag,
    permissions,
    places::{self, PROJECTS, Project},
    wire::Refused,
};
use crate::sandbox::world::{Kind, Object, Scope, Tx};
use serde_json::{Value, json};

const POLICY: Kind = Kind::new("cloudresourcemanager", "policy");
/// The quota that says whether projects are billed; 0 turns it off.
const LINKED: &str = "cloudbilling/LINKED_PROJECTS";

/// What a new project holds: its owner, and nothing of Google's own agents yet.
pub(super) fn furnish(tx: &mut Tx<'_>, project: &Project) {
    let mut policy = builtin(tx, &Scope::global(project.id), POLICY, "policy");
    policy.doc = json!({"version": 1, "bindings": [
        {"role": "roles/owner", "members": [format!("serviceAccount:{}", super::ACCOUNT), format!("user:{}", super::USER)]},
    ]});
    tx.put(policy);
}

/// The bindings of a project's policy.
pub(super) fn bindings(tx: &Tx<'_>, project: &str) -> Value {
    let policy = tx.live(&Scope::global(project), POLICY, "policy");
    policy.map_or(Value::Null, |object| object.doc["bindings"].clone())
}

/// A list that may not be there. To ask by index would put a null in its place, which Google never sends.
fn array<'v>(holder: &'v mut Value, key: &str) -> Option<&'v mut Vec<Value>> {
    holder.get_mut(key).and_then(Value::as_array_mut)
}

/// Adds a member to a role of a project, as Google does for its own agents.
pub(super) fn bind(tx: &mut Tx<'_>, project: &str, role: &str, member: &str) {
    tx.update(&Scope::global(project), POLICY, "policy", |object| {
        let Some(all) = array(&mut object.doc, "bindings") else { return };
        match all.iter_mut().find(|binding| binding["role"] == role && binding.get("condition").is_none()) {
            Some(binding) => {
                if let Some(members) = array(binding, "members")
                    && !members.iter().any(|own| own == member)
                {
                    members.push(json!(member));
                }
            }
            None => all.push(json!({"role": role, "members": [member]})),
        }
    });
}

/// A service account is gone: its memberships stay, marked as a dead one's.
pub(super) fn forget_member(tx: &mut Tx<'_>, project: &str, email: &str, id: &str) {
    let (alive, dead) = (format!("serviceAccount:{email}"), format!("deleted:serviceAccount:{email}?uid={id}"));
    tx.update(&Scope::global(project), POLICY, "policy", |object| {
        for binding in array(&mut object.doc, "bindings").into_iter().flatten() {
            for member in array(binding, "members").into_iter().flatten() {
                if *member == alive {
                    *member = json!(dead);
                }
            }
        }
    });
}

/// Whether somebody pays for the project.
pub(super) fn is_billed(tx: &Tx<'_>) -> bool {
    tx.in_force().quotas.get(LINKED).is_none_or(|limit| *limit >= 1.0)
}

/// Refuses what costs money where nobody pays.
///
/// # Errors
/// As Google words it.
pub(super) fn check_billing(cx: &Cx<'_, '_>) -> Result<(), Refused> {
    if is_billed(cx.tx) {
        return Ok(());
    }
    let message = format!(
        "This API method requires billing to be enabled. Please enable billing on project #{} by visiting \
         https://console.developers.google.com/billing/enable?project={} then retry.",
        cx.project.id, cx.project.id
    );
    let consumer = format!("projects/{}", cx.project.number);
    Err(Refused::denied(message).informed(
        "BILLING_DISABLED",
        &[("service", &format!("{}.googleapis.com", cx.api.service)), ("consumer", &consumer)],
    ))
}

/// A project as version 1 or 3 describes it.
fn view(project: &Project, third: bool) -> Value {
    let born = super::BORN;
    if third {
        return json!({
            "name": format!("projects/{}", project.number), "parent": "organizations/100000000001",
            "projectId": project.id, "state": "ACTIVE", "displayName": project.name, "createTime": born,
            "updateTime": born, "etag": format!("W/\"{}\"", etag(project.id)),
        });
    }
    json!({
        "projectNumber": project.number, "projectId": project.id, "lifecycleState": "ACTIVE", "name": project.name,
        "createTime": born, "parent": {"type": "organization", "id": "100000000001"},
    })
}

/// Answers a call of Cloud Resource Manager.
pub(super) fn answer(cx: &mut Cx<'_, '_>) -> Answer {
    let third = cx.third;
    match cx.verb() {
        "get" => Ok(view(cx.project, third)),
        "list" | "search" => list(cx),
        "getIamPolicy" => {
            let version = cx.body["options"]["requestedPolicyVersion"].as_i64().unwrap_or_default();
            if ![0, 1, 3].contains(&version) {
                return Err(Refused::invalid("Invalid policy version requested."));
            }
            Ok(read(cx.tx, cx.project.id))
        }
        "setIamPolicy" => set(cx),
        "testIamPermissions" => test(cx),
        _ => Err(cx.unknown()),
    }
}

fn list(cx: &mut Cx<'_, '_>) -> Answer {
    let third = cx.third;
    let filter = super::filter::Filter::read(cx.query(if third { "query" } else { "filter" }))?;
    let seen = |project: &&Project| permissions::may(cx.tx, project.id, cx.caller, "resourcemanager.projects.get");
    let mut views: Vec<Value> = Vec::new();
    for project in PROJECTS.iter().filter(seen) {
        let mut flat = view(project, false);
        flat["id"] = json!(project.id);
        if filter.takes(&flat) {
            views.push(view(project, third));
        }
    }
    if views.is_empty() {
        return Ok(json!({}));
    }
    let (page, next) = super::page(&views, cx.query("pageSize"), cx.query("pageToken"), 500)?;
    let mut reply = json!({"projects": page});
    if let Some(next) = next {
        reply["nextPageToken"] = json!(next);
    }
    Ok(reply)
}

/// A policy as it is read: with an etag that follows its content.
fn read(tx: &Tx<'_>, project: &str) -> Value {
    let doc = tx.live(&Scope::global(project), POLICY, "policy").map(|object| object.doc.clone()).unwrap_or_default();
    seal(doc)
}

/// A policy with its etag.
pub(super) fn seal(mut doc: Value) -> Value {
    doc["etag"] = json!(etag(&doc.to_string()));
    doc
}

fn set(cx: &mut Cx<'_, '_>) -> Answer {
    let policy = cx.body["policy"].clone();
    let now = read(cx.tx, cx.project.id);
    let doc = checked_policy(cx, &policy, &now)?;
    let owners = |doc: &Value| {
        let all = doc["bindings"].as_array().into_iter().flatten();
        all.filter(|binding| binding["role"] == "roles/owner").any(|binding| binding["members"] != json!([]))
    };
    if owners(&now) && !owners(&doc) {
        return Err(Refused::precondition("Policy cannot be updated: A project must have at least one owner.")
            .informed_by("cloudresourcemanager.googleapis.com", "SOLO_MUST_INVITE_OWNERS", &[]));
    }
    cx.tx.update(&Scope::global(cx.project.id), POLICY, "policy", |object: &mut Object| object.doc = doc.clone());
    Ok(seal(doc))
}

/// A policy that may be set in place of the current one.
///
/// # Errors
/// A stale etag, a role or a member that there is not.
pub(super) fn checked_policy(cx: &Cx<'_, '_>, policy: &Value, now: &Value) -> Result<Value, Refused> {
    if !policy.is_object() {
        return Err(Refused::invalid("Request contains an invalid argument."));
    }
    if let Some(given) = policy["etag"].as_str().filter(|given| !given.is_empty())
        && now["etag"] != json!(given)
    {
        return Err(Refused::aborted(
            "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. \
             The request's ETag did not match the current policy's ETag.",
        ));
    }
    let mut kept = Vec::new();
    for binding in policy["bindings"].as_array().into_iter().flatten() {
        let role = binding["role"].as_str().unwrap_or_default();
        if !permissions::is_role(role) {
            return Err(Refused::invalid(format!("Role {role} is not supported for this resource.")));
        }
        let members = binding["members"].as_array().cloned().unwrap_or_default();
        for member in &members {
            check_member(cx, member.as_str().unwrap_or_default(), now)?;
        }
        if !members.is_empty() {
            kept.push(binding.clone());
        }
    }
    let conditional = kept.iter().any(|binding| binding.get("condition").is_some());
    let version = policy["version"].as_i64().unwrap_or(1).max(1);
    if conditional && version != 3 {
        return Err(Refused::invalid("Policies with conditional bindings must specify version 3."));
    }
    Ok(json!({"version": if conditional { 3 } else { 1 }, "bindings": kept}))
}

fn check_member(cx: &Cx<'_, '_>, member: &str, now: &Value) -> Result<(), Refused> {
    // What stands already is not looked at again.
    let stands =
        |binding: &Value| binding["members"].as_array().is_some_and(|list| list.iter().any(|own| own == member));
    if now["bindings"].as_array().is_some_and(|all| all.iter().any(stands)) {
        return Ok(());
    }
    let (kind, who) = member.split_once(':').unwrap_or((member, ""));
    match kind {
        "serviceAccount" if who.ends_with(".svc.id.goog]") || who.contains(".svc.id.goog[") => Ok(()),
        "serviceAccount" => match accounts::usable(cx.tx, who) {
            true => Ok(()),
            false => Err(Refused::invalid(format!("Service account {who} does not exist."))),
        },
        "user" | "group" if who.contains('@') => Ok(()),
        "domain" | "principal" | "principalSet" | "projectOwner" | "projectEditor" | "projectViewer"
            if !who.is_empty() =>
        {
            Ok(())
        }
        "allUsers" | "allAuthenticatedUsers" => {
            Err(Refused::precondition("One or more users named in the policy do not belong to a permitted customer."))
        }
        _ => Err(Refused::invalid(format!("Invalid member type or identifier: {member}"))),
    }
}

/// Which of these the caller has.
pub(super) fn test(cx: &mut Cx<'_, '_>) -> Answer {
    let asked: Vec<String> = cx.body["permissions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect();
    if asked.is_empty() {
        return Err(Refused::invalid("Request contains an invalid argument."));
    }
    if asked.len() > 100 {
        return Err(Refused::invalid("At most 100 permissions can be tested in a request."));
    }
    if let Some(bad) = asked.iter().find(|permission| !permissions::exists(permission)) {
        return Err(Refused::invalid(format!("Permission {bad} is not valid for this resource.")));
    }
    let has: Vec<&String> = asked.iter().filter(|one| permissions::may(cx.tx, cx.project.id, cx.caller, one)).collect();
    Ok(if has.is_empty() { json!({}) } else { json!({"permissions": has}) })
}

/// Answers a call of Cloud Billing.
pub(super) fn billing(cx: &mut Cx<'_, '_>) -> Answer {
    let on = is_billed(cx.tx);
    let account = if on { "billingAccounts/0A0A0A-0B0B0B-0C0C0C" } else { "" };
    Ok(json!({
        "name": format!("projects/{}/billingInfo", cx.project.id), "projectId": cx.project.id,
        "billingAccountName": account, "billingEnabled": on,
    }))
}

/// A project the caller may know of.
///
/// # Errors
/// Refused as if it were forbidden: Google does not say whether it is there.
pub(super) fn find(service: &str, named: &str) -> Result<&'static Project, Refused> {
    places::project(named).ok_or_else(|| match service {
        "compute" => Refused::not_found(format!("The resource 'projects/{named}' was not found")),
        "cloudresourcemanager" => Refused::denied("The caller does not have permission"),
        service => {
            let consumer = format!("projects/{named}");
            let message = format!("Permission denied on resource project {named}.");
            let service = format!("{service}.googleapis.com");
            Refused::denied(message).informed("CONSUMER_INVALID", &[("consumer", &consumer), ("service", &service)])
        }
    })
}
