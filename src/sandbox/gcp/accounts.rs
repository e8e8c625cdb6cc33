//! IAM: service accounts. A new one is unknown to other services for a while, and to reads for a moment.

use super::{
    Answer, Cx, PROJECT, builtin,
    keys::etag,
    new, page,
    places::{self, Project},
    projects, token,
    wire::Refused,
};
use crate::sandbox::world::{Kind, Scope, Tx};
use serde_json::{Value, json};

const ACCOUNT: Kind = Kind::new("iam", "serviceAccount");
const LIMIT: f64 = 100.0;

/// The account that machines get unless told otherwise.
pub(super) fn default_of(project: &Project) -> String {
    format!("{}-compute@developer.gserviceaccount.com", project.number)
}

/// GKE's own account in a project.
pub(super) fn agent_of(project: &Project) -> String {
    format!("service-{}@container-engine-robot.iam.gserviceaccount.com", project.number)
}

/// Puts an account that was there all along.
pub(super) fn furnish(tx: &mut Tx<'_>, project: &Project, email: &str, shown: &str) {
    let scope = Scope::global(project.id);
    if tx.live(&scope, ACCOUNT, email).is_some() {
        return;
    }
    let unique = unique_id(tx);
    let mut object = builtin(tx, &scope, ACCOUNT, email);
    object.doc = json!({"displayName": shown, "uniqueId": unique, "policy": {"version": 1, "bindings": []}});
    tx.put(object);
}

fn unique_id(tx: &mut Tx<'_>) -> String {
    format!("1{:020}", u128::from(tx.bits()) % 100_000_000_000_000_000_000)
}

fn project_of(email: &str) -> Option<&'static Project> {
    let (_, domain) = email.split_once('@')?;
    match domain.strip_suffix(".iam.gserviceaccount.com") {
        Some(id) => places::project(id),
        None => places::project(email.split_once("-compute@")?.0),
    }
}

/// Whether other services know this account by now.
pub(super) fn usable(tx: &Tx<'_>, email: &str) -> bool {
    if places::PROJECTS.iter().any(|project| agent_of(project) == email) {
        return true;
    }
    let Some(project) = project_of(email) else { return false };
    let object = tx.live(&Scope::global(project.id), ACCOUNT, email);
    object.is_some_and(|object| {
        let at = object.doc["usableAt"].as_str().and_then(|at| at.parse().ok());
        at.is_none_or(|at: jiff::Timestamp| at <= tx.now())
    })
}

fn view(tx: &Tx<'_>, project: &Project, email: &str) -> Option<Value> {
    let object = tx.live(&Scope::global(project.id), ACCOUNT, email)?;
    let mut view = json!({
        "name": format!("projects/{}/serviceAccounts/{email}", project.id), "projectId": project.id, "email": email,
        "uniqueId": object.text("uniqueId"), "oauth2ClientId": object.text("uniqueId"),
        "etag": etag(&object.doc.to_string()),
    });
    for key in ["displayName", "description"] {
        if !object.text(key).is_empty() {
            view[key] = json!(object.text(key));
        }
    }
    Some(view)
}

fn unknown() -> Refused {
    Refused::not_found("Unknown service account")
}

/// The account a path names, by email or unique id, in the project named or in whichever it says (`-`).
fn find(cx: &Cx<'_, '_>) -> Result<(&'static Project, String), Refused> {
    let named = cx.path.get("serviceAccountsId").cloned().unwrap_or_default();
    let project = if cx.path.get("projectsId").is_some_and(|id| id == "-") {
        project_of(&named).unwrap_or(cx.project)
    } else {
        cx.project
    };
    let scope = Scope::global(project.id);
    let mut known =
        cx.tx.list_live(&scope, ACCOUNT).filter(|object| object.id == named || object.text("uniqueId") == named);
    let seen = known.find(|object| object.visible_at.is_none_or(|at| at <= cx.tx.now())).ok_or_else(unknown)?;
    Ok((project, seen.id.clone()))
}

/// Answers a call of IAM.
pub(super) fn answer(cx: &mut Cx<'_, '_>) -> Answer {
    match cx.method.op() {
        "serviceAccounts.create" => create(cx),
        "serviceAccounts.get" => {
            let (project, email) = find(cx)?;
            view(cx.tx, project, &email).ok_or_else(unknown)
        }
        "serviceAccounts.list" => {
            let scope = Scope::global(cx.project.id);
            let emails: Vec<String> =
                cx.tx.search(&scope, ACCOUNT).filter(|o| !o.is_gone()).map(|o| o.id.clone()).collect();
            let views: Vec<Value> = emails.iter().filter_map(|email| view(cx.tx, cx.project, email)).collect();
            let (page, next) = page(&views, cx.query("pageSize"), cx.query("pageToken"), 20)?;
            let mut reply = if page.is_empty() { json!({}) } else { json!({"accounts": page}) };
            if let Some(next) = next {
                reply["nextPageToken"] = json!(next);
            }
            Ok(reply)
        }
        "serviceAccounts.delete" => delete(cx),
        "serviceAccounts.getIamPolicy" => {
            let (project, email) = find(cx)?;
            Ok(policy(cx.tx, project, &email))
        }
        "serviceAccounts.setIamPolicy" => {
            let (project, email) = find(cx)?;
            let now = policy(cx.tx, project, &email);
            let doc = projects::checked_policy(cx, &cx.body["policy"], &now)?;
            cx.tx.update(&Scope::global(project.id), ACCOUNT, &email, |object| object.set("policy", doc.clone()));
            Ok(projects::seal(doc))
        }
        "serviceAccounts.testIamPermissions" => {
            find(cx)?;
            projects::test(cx)
        }
        _ => Err(cx.unknown()),
    }
}

fn policy(tx: &Tx<'_>, project: &Project, email: &str) -> Value {
    let object = tx.live(&Scope::global(project.id), ACCOUNT, email);
    projects::seal(object.map_or(Value::Null, |object| object.doc["policy"].clone()))
}

fn create(cx: &mut Cx<'_, '_>) -> Answer {
    let id = cx.body["accountId"].as_str().unwrap_or_default().to_owned();
    let wrong = |field: &str, why: &str| {
        Refused::invalid(format!("The {field} is invalid. {why}"))
            .violating(vec![json!({"field": field, "description": why})])
    };
    if !(6..=30).contains(&id.len()) || !super::is_name(&id, 30) {
        let why = "Account ID must be between 6 and 30 characters and match [a-z]([-a-z0-9]*[a-z0-9])";
        return Err(wrong("account_id", why));
    }
    let given = cx.body["serviceAccount"].clone();
    if given["displayName"].as_str().is_some_and(|text| text.len() > 100) {
        return Err(wrong("service_account.display_name", "It may have at most 100 bytes"));
    }
    if given["description"].as_str().is_some_and(|text| text.len() > 256) {
        return Err(wrong("service_account.description", "It may have at most 256 bytes"));
    }
    let project = cx.project;
    let email = format!("{id}@{}.iam.gserviceaccount.com", project.id);
    let scope = Scope::global(project.id);
    if cx.tx.live(&scope, ACCOUNT, &email).is_some() || email == super::ACCOUNT {
        let message = format!("Service account {id} already exists within project projects/{}.", project.id);
        return Err(Refused::exists(message));
    }
    let limit = cx.tx.in_force().quotas.get("iam/SERVICE_ACCOUNTS").copied().unwrap_or(LIMIT);
    if cx.tx.list_live(&scope, ACCOUNT).count() as f64 >= limit {
        let mut refused = Refused::quota("Maximum number of service accounts on project reached.");
        refused.http = 429;
        return Err(refused);
    }
    let range = cx.tx.in_force().iam_lag_ms;
    let (unique, usable) = (unique_id(cx.tx), cx.tx.now() + cx.tx.draw_ms(range));
    let mut object = new(cx.tx, &scope, ACCOUNT, &email);
    object.name = Some(id);
    object.visible_at = Some(cx.tx.read_lag());
    object.doc = json!({
        "displayName": given["displayName"], "description": given["description"], "uniqueId": unique,
        "usableAt": usable.to_string(), "policy": {"version": 1, "bindings": []},
    });
    cx.tx.put(object);
    view(cx.tx, project, &email).ok_or_else(unknown)
}

fn delete(cx: &mut Cx<'_, '_>) -> Answer {
    let (project, email) = find(cx)?;
    let object = cx.tx.remove(&Scope::global(project.id), ACCOUNT, &email).ok_or_else(unknown)?;
    projects::forget_member(cx.tx, project.id, &email, object.text("uniqueId"));
    Ok(json!({}))
}

/// Answers the call for another account's token.
pub(super) fn impersonate(cx: &mut Cx<'_, '_>) -> Answer {
    let named = cx.path.get("serviceAccountsId").cloned().unwrap_or_default();
    let known = named == super::ACCOUNT || usable(cx.tx, &named);
    // A federated identity is let in by the account's own policy; the pretend pool's may be the pretend account.
    let federated = cx.caller.email == token::principal(super::keys::SUBJECT) && named == super::ACCOUNT;
    if !known {
        return Err(Refused::not_found("Not found; Gaia id not found for email ".to_owned() + &named));
    }
    if !federated {
        let resource = format!("projects/-/serviceAccounts/{named}");
        super::permissions::check(cx, "iam.serviceAccounts.getAccessToken", &resource)?;
    }
    token::impersonate(cx.keys, &named, &cx.body, cx.wall)
}

/// Whether an account's own policy or the project's lets a caller act as it.
///
/// # Errors
/// As GKE and Compute Engine word it.
pub(super) fn check_act_as(cx: &mut Cx<'_, '_>, email: &str) -> Result<(), Refused> {
    if !usable(cx.tx, email) {
        return Err(Refused::invalid(format!("Service account \"{email}\" does not exist.")));
    }
    let allowed = super::permissions::may(cx.tx, cx.project.id, cx.caller, "iam.serviceAccounts.actAs");
    cx.tx.note_question("iam.serviceAccounts.actAs", allowed);
    if allowed {
        return Ok(());
    }
    let message = format!(
        "The user does not have access to service account \"{email}\". Ask a project owner to grant you the \
         iam.serviceAccountUser role on the service account."
    );
    Err(Refused::denied(message).informed_by(
        "iam.googleapis.com",
        "IAM_PERMISSION_DENIED",
        &[
            ("permission", "iam.serviceAccounts.actAs"),
            ("resource", &format!("projects/{PROJECT}/serviceAccounts/{email}")),
        ],
    ))
}
