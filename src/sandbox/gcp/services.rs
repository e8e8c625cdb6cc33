//! Service Usage: which APIs a project has turned on. What was just turned on is not usable for a while yet.

use super::{Answer, Cx, accounts, builtin, compute, places::Project, projects, wire::Refused};
use crate::sandbox::world::{Due, Kind, Object, Scope, Tx};
use serde_json::{Value, json};
use std::time::Duration;

const API: Kind = Kind::new("serviceusage", "service");
const OPERATION: Kind = Kind::new("serviceusage", "operation");

/// APIs known here: name, title, and whether a new project has it.
const APIS: &[(&str, &str, bool)] = &[
    ("artifactregistry.googleapis.com", "Artifact Registry API", false),
    ("autoscaling.googleapis.com", "Cloud Autoscaling API", false),
    ("cloudbilling.googleapis.com", "Cloud Billing API", true),
    ("cloudquotas.googleapis.com", "Cloud Quotas API", false),
    ("cloudresourcemanager.googleapis.com", "Cloud Resource Manager API", true),
    ("compute.googleapis.com", "Compute Engine API", false),
    ("container.googleapis.com", "Kubernetes Engine API", false),
    ("containerfilesystem.googleapis.com", "Container File System API", false),
    ("containerregistry.googleapis.com", "Container Registry API", false),
    ("dns.googleapis.com", "Cloud DNS API", false),
    ("gkebackup.googleapis.com", "Backup for GKE API", false),
    ("iam.googleapis.com", "Identity and Access Management (IAM) API", true),
    ("iamcredentials.googleapis.com", "IAM Service Account Credentials API", true),
    ("logging.googleapis.com", "Cloud Logging API", true),
    ("monitoring.googleapis.com", "Cloud Monitoring API", true),
    ("oslogin.googleapis.com", "Cloud OS Login API", false),
    ("pubsub.googleapis.com", "Cloud Pub/Sub API", false),
    ("servicemanagement.googleapis.com", "Service Management API", true),
    ("servicenetworking.googleapis.com", "Service Networking API", false),
    ("serviceusage.googleapis.com", "Service Usage API", true),
    ("storage.googleapis.com", "Cloud Storage API", true),
    ("sts.googleapis.com", "Security Token Service API", true),
];

/// What turns on with an API.
fn dependencies(api: &str) -> &'static [&'static str] {
    match api {
        "container.googleapis.com" => &[
            "compute.googleapis.com",
            "artifactregistry.googleapis.com",
            "autoscaling.googleapis.com",
            "containerfilesystem.googleapis.com",
            "containerregistry.googleapis.com",
            "dns.googleapis.com",
            "gkebackup.googleapis.com",
            "oslogin.googleapis.com",
            "pubsub.googleapis.com",
        ],
        "compute.googleapis.com" => &["oslogin.googleapis.com"],
        _ => &[],
    }
}

/// The APIs of a new project.
pub(super) fn furnish(tx: &mut Tx<'_>, project: &Project) {
    for (name, _, on) in APIS {
        let mut api = builtin(tx, &Scope::global(project.id), API, name);
        api.state = if *on { "ENABLED" } else { "DISABLED" }.to_owned();
        tx.put(api);
    }
}

/// Refuses a call of an API that the project has not turned on, or not long enough ago.
///
/// # Errors
/// As Google words it.
pub(super) fn check(tx: &Tx<'_>, project: &Project, service: &str) -> Result<(), Refused> {
    let name = format!("{service}.googleapis.com");
    let Some(api) = tx.live(&Scope::global(project.id), API, &name) else { return Ok(()) };
    if api.state == "ENABLED" && api.visible_at.is_none_or(|at| at <= tx.now()) {
        return Ok(());
    }
    let title = APIS.iter().find(|(own, ..)| *own == name).map_or("", |(_, title, _)| title);
    let (url, consumer) = (
        format!("https://console.developers.google.com/apis/api/{name}/overview?project={}", project.id),
        format!("projects/{}", project.number),
    );
    let message = format!(
        "{title} has not been used in project {} before or it is disabled. Enable it by visiting {url} then retry. If you \
         enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
        project.id
    );
    let mut refused = Refused::denied(message).informed(
        "SERVICE_DISABLED",
        &[("service", &name), ("serviceTitle", title), ("consumer", &consumer), ("activationUrl", &url)],
    );
    refused.reason = "accessNotConfigured";
    Err(refused)
}

fn view(project: &Project, api: &Object) -> Value {
    let title = APIS.iter().find(|(own, ..)| *own == api.id).map_or("", |(_, title, _)| title);
    json!({
        "name": format!("projects/{}/services/{}", project.number, api.id), "parent": format!("projects/{}", project.number),
        "config": {"name": api.id, "title": title}, "state": api.state,
    })
}

fn unknown(names: &str) -> Refused {
    Refused::denied(format!("Not found or permission denied for service(s): {names}.")).informed_by(
        "serviceusage.googleapis.com",
        "SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED",
        &[("services", names)],
    )
}

/// Answers a call.
pub(super) fn answer(cx: &mut Cx<'_, '_>) -> Answer {
    let scope = Scope::global(cx.project.id);
    match (cx.method.op(), cx.path.get("servicesId").cloned()) {
        ("services.get", Some(name)) => {
            let api = cx.tx.live(&scope, API, &name).ok_or_else(|| unknown(&name))?;
            Ok(view(cx.project, api))
        }
        ("services.list", _) => {
            let wanted = cx.query("filter").trim_start_matches("state:").to_owned();
            let all: Vec<Value> = cx
                .tx
                .list_live(&scope, API)
                .filter(|api| wanted.is_empty() || api.state == wanted)
                .map(|api| view(cx.project, api))
                .collect();
            let (page, next) = super::page(&all, cx.query("pageSize"), cx.query("pageToken"), 50)?;
            let mut reply = json!({"services": page});
            if let Some(next) = next {
                reply["nextPageToken"] = json!(next);
            }
            Ok(reply)
        }
        ("services.batchGet", _) => batch_get(cx, &scope),
        ("services.enable", Some(name)) => enable(cx, &[name]),
        ("services.batchEnable", _) => {
            let texts = cx.body["serviceIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let names: Vec<String> = texts.map(ToOwned::to_owned).collect();
            if names.is_empty() || names.len() > 20 {
                return Err(Refused::invalid("Between 1 and 20 services may be enabled in a single request."));
            }
            enable(cx, &names)
        }
        ("operations.get", _) => operation(cx),
        _ => Err(cx.unknown()),
    }
}

fn batch_get(cx: &mut Cx<'_, '_>, scope: &Scope) -> Answer {
    let names = cx.all("names");
    if names.is_empty() || names.len() > 30 {
        return Err(Refused::invalid("Between 1 and 30 services may be fetched in a single request."));
    }
    let mut found = Vec::new();
    for full in &names {
        let own = [cx.project.id, cx.project.number]
            .iter()
            .find_map(|id| full.strip_prefix(&format!("projects/{id}/services/")));
        let Some(name) = own else {
            return Err(Refused::invalid(format!("Service name {full} does not match the parent of the request.")));
        };
        found.push(view(cx.project, cx.tx.live(scope, API, name).ok_or_else(|| unknown(name))?));
    }
    Ok(json!({"services": found}))
}

fn enable(cx: &mut Cx<'_, '_>, names: &[String]) -> Answer {
    let scope = Scope::global(cx.project.id);
    if let Some(bad) = names.iter().find(|name| cx.tx.live(&scope, API, name).is_none()) {
        return Err(unknown(bad));
    }
    let billed = ["compute.googleapis.com", "container.googleapis.com", "artifactregistry.googleapis.com"];
    if !projects::is_billed(cx.tx) && names.iter().any(|name| billed.contains(&name.as_str())) {
        let project = cx.project.number;
        let message = format!(
            "Billing account for project '{project}' is not found. Billing must be enabled for activation of service(s) \
             '{}' to proceed.",
            names.join(",")
        );
        return Err(Refused::precondition(message).informed_by(
            "serviceusage.googleapis.com/billing-enabled",
            "UREQ_PROJECT_BILLING_NOT_FOUND",
            &[("subject", project)],
        ));
    }
    if cx.tx.list_live(&scope, OPERATION).any(|operation| operation.due.is_some()) {
        return Err(Refused::precondition(
            "Another activation or deactivation is in progress for this project. Please try again later.",
        ));
    }
    let wanted = names.iter().map(String::as_str);
    let all: Vec<&str> = wanted.clone().chain(wanted.flat_map(|name| dependencies(name).iter().copied())).collect();
    let off: Vec<&str> = all
        .into_iter()
        .filter(|name| cx.tx.live(&scope, API, name).is_some_and(|api| api.state != "ENABLED"))
        .collect();
    if off.is_empty() {
        return Ok(json!({"name": "operations/noop.DONE_OPERATION", "done": true, "response": response(cx, names)}));
    }
    let id = format!("acf.p2-{}-{}", cx.project.number, cx.tx.uuid());
    let mut operation = builtin(cx.tx, &scope, OPERATION, &id);
    let after = cx.tx.between(Duration::from_secs(8), Duration::from_secs(25));
    operation.due = Some(Due { at: cx.tx.now() + after, what: "enable".to_owned() });
    operation.doc = json!({"off": off, "asked": names, "batch": cx.method.op() == "services.batchEnable"});
    cx.tx.put(operation);
    Ok(json!({"name": format!("operations/{id}"), "done": false}))
}

fn response(cx: &Cx<'_, '_>, names: &[String]) -> Value {
    let scope = Scope::global(cx.project.id);
    let views = names.iter().filter_map(|name| cx.tx.live(&scope, API, name)).map(|api| view(cx.project, api));
    let views: Vec<Value> = views.collect();
    let of = |name: &str| format!("type.googleapis.com/google.api.serviceusage.v1.{name}");
    match cx.method.op() {
        "services.enable" => json!({"@type": of("EnableServiceResponse"), "service": views.first()}),
        _ => json!({"@type": of("BatchEnableServicesResponse"), "services": views}),
    }
}

fn operation(cx: &mut Cx<'_, '_>) -> Answer {
    let id = cx.path.get("operationsId").cloned().unwrap_or_default();
    let found = super::places::PROJECTS
        .iter()
        .find_map(|project| Some((project, cx.tx.get(&Scope::global(project.id), OPERATION, &id)?.clone())));
    let (project, operation) =
        found.ok_or_else(|| Refused::not_found(format!("Operation not found: operations/{id}")))?;
    if operation.due.is_some() {
        return Ok(json!({"name": format!("operations/{id}"), "done": false}));
    }
    if operation.doomed {
        return Ok(json!({"name": format!("operations/{id}"), "done": true,
            "error": {"code": 13, "message": "Internal error encountered."}}));
    }
    let asked: Vec<String> = serde_json::from_value(operation.doc["asked"].clone()).unwrap_or_default();
    let views: Vec<Value> = asked
        .iter()
        .filter_map(|name| cx.tx.live(&Scope::global(project.id), API, name))
        .map(|api| view(project, api))
        .collect();
    let of = |name: &str| format!("type.googleapis.com/google.api.serviceusage.v1.{name}");
    let response = match operation.doc["batch"].as_bool() {
        Some(true) => json!({"@type": of("BatchEnableServicesResponse"), "services": views}),
        _ => json!({"@type": of("EnableServiceResponse"), "service": views.first()}),
    };
    Ok(json!({"name": format!("operations/{id}"), "done": true, "response": response}))
}

/// APIs turn on: with them come the agents, accounts and networks that Google makes.
pub(super) fn happen(tx: &mut Tx<'_>, object: &Object) {
    if object.doomed {
        return;
    }
    let off: Vec<String> = serde_json::from_value(object.doc["off"].clone()).unwrap_or_default();
    let scope = object.scope();
    for name in &off {
        turn_on(tx, &scope, name);
    }
}

fn turn_on(tx: &mut Tx<'_>, scope: &Scope, name: &str) {
    let range = tx.in_force().iam_lag_ms;
    let usable = tx.now() + tx.draw_ms(range);
    tx.update(scope, API, name, |api| {
        "ENABLED".clone_into(&mut api.state);
        api.visible_at = Some(usable);
    });
    let Some(project) = super::places::project(&scope.account) else { return };
    match name {
        "compute.googleapis.com" => {
            compute::furnish(tx, project);
            let default = accounts::default_of(project);
            accounts::furnish(tx, project, &default, "Compute Engine default service account");
            projects::bind(tx, project.id, "roles/editor", &format!("serviceAccount:{default}"));
        }
        "container.googleapis.com" => {
            let agent = accounts::agent_of(project);
            projects::bind(tx, project.id, "roles/container.serviceAgent", &format!("serviceAccount:{agent}"));
        }
        _ => {}
    }
}

/// Turns APIs on at once, for a world that is past its first day.
#[cfg(test)]
pub(in crate::sandbox) fn turn_on_now(tx: &mut Tx<'_>, project: &str, apis: &[&str]) {
    let scope = Scope::global(project);
    for api in apis {
        turn_on(tx, &scope, api);
        tx.update(&scope, API, api, |object| object.visible_at = None);
    }
}
