//! The project: whether it is there and lives, who pays for it, which services are on, and what the caller may do in it.

use super::client::{GcpCx, Request, encoded};
use super::error;
use crate::engine::{ErrorClass, Residue, StepError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// There is no such project for this caller.
pub const PROJECT: &str = "KW-GCP-PROJECT";
/// As many permissions as one question takes.
const AT_ONCE: usize = 100;

/// A project as Resource Manager has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Project {
    /// Its id, `acme-prod`.
    pub project_id: String,
    /// Its number.
    pub project_number: String,
    /// `ACTIVE`, or on its way to be deleted.
    pub lifecycle_state: String,
}

/// Reads the project that is named, be it by its id or by its number.
///
/// # Errors
/// `Auth` for one that is not there for this caller, or is being deleted, with what to do instead.
pub async fn read(cx: &GcpCx) -> Result<Project, StepError> {
    let named = cx.project()?;
    if let Some(wrong) = not_an_id(named) {
        return Err(wrong);
    }
    let request = Request::get("cloudresourcemanager:projects.get", format!("v1/projects/{}", encoded(named)), named);
    let found: Project = match cx.ask(request).await {
        Ok(found) => found,
        Err(failure) => {
            // Whose project it is not is told neither that it is there nor that it is not.
            let hidden = failure.is_absent() || failure.error.id == error::DENIED || failure.error.id == error::ABSENT;
            return Err(if hidden { out_of_reach(cx, named, &failure.error) } else { failure.error });
        }
    };
    match found.lifecycle_state.as_str() {
        "ACTIVE" | "" => Ok(found),
        state => {
            let message = format!("project {named} is being deleted ({state}): nothing can be built in it");
            Err(refusal(PROJECT, message)
                .with_hint(format!("take it back: gcloud projects undelete {named}"))
                .with_hint("or name another one: --project ID"))
        }
    }
}

/// The project's number.
///
/// # Errors
/// As [`read`].
pub async fn number(cx: &GcpCx) -> Result<String, StepError> {
    Ok(read(cx).await?.project_number)
}

/// What cannot be the id of a project, in words.
fn not_an_id(named: &str) -> Option<StepError> {
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | ':' | '.');
    let number = !named.is_empty() && named.bytes().all(|b| b.is_ascii_digit());
    let id = (6..=63).contains(&named.len()) && named.starts_with(|c: char| c.is_ascii_lowercase());
    if number || id && named.chars().all(plain) {
        return None;
    }
    let message =
        format!("`{named}` is not the id of a Google Cloud project: 6 to 30 of a-z, 0-9 and `-`, a letter first");
    Some(refusal(PROJECT, message).with_hint("gcloud projects list shows the ids"))
}

fn out_of_reach(cx: &GcpCx, named: &str, why: &StepError) -> StepError {
    let who = cx.tokens().principal().unwrap_or("this caller");
    let message = format!("project {named} is not there, or {who} may not see it");
    let mut error = refusal(PROJECT, message);
    error.code.clone_from(&why.code);
    error.request_id.clone_from(&why.request_id);
    let mut error = error.with_hint("check the id: gcloud projects list");
    if let Some(own) = cx.tokens().project().filter(|own| *own != named) {
        error = error.with_hint(format!("these credentials are of project {own}: --project {own}"));
    }
    error.with_hint(format!(
        "or let the caller in: gcloud projects add-iam-policy-binding {named} --member MEMBER --role roles/browser"
    ))
}

fn refusal(id: &str, message: String) -> StepError {
    StepError::new(ErrorClass::Auth, id, message).with_residue(Residue::None)
}

/// Whether somebody pays for the project.
///
/// # Errors
/// As the call's.
pub async fn is_paid_for(cx: &GcpCx) -> Result<bool, StepError> {
    let project = cx.project()?;
    let path = format!("v1/projects/{}/billingInfo", encoded(project));
    let info: Value = cx.ask(Request::get("cloudbilling:projects.getBillingInfo", path, project)).await?;
    Ok(info.get("billingEnabled").and_then(Value::as_bool).unwrap_or(false))
}

/// Which of these services, `compute.googleapis.com`, are off.
///
/// # Errors
/// As the call's.
pub async fn services_off(cx: &GcpCx, services: &[&str]) -> Result<Vec<String>, StepError> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Service {
        name: String,
        state: String,
    }
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let project = cx.project()?;
    let mut request = Request::get(
        "serviceusage:services.batchGet",
        format!("v1/projects/{}/services:batchGet", encoded(project)),
        project,
    );
    for service in services {
        request = request.query("names", format!("projects/{project}/services/{service}"));
    }
    let answer: Value = cx.ask(request).await?;
    let found: Vec<Service> =
        serde_json::from_value(answer.get("services").cloned().unwrap_or_else(|| json!([]))).unwrap_or_default();
    let on: BTreeSet<&str> =
        found.iter().filter(|it| it.state == "ENABLED").filter_map(|it| it.name.rsplit('/').next()).collect();
    Ok(services.iter().filter(|service| !on.contains(**service)).map(|it| (*it).to_owned()).collect())
}

/// Which of these permissions the caller lacks in the project.
///
/// # Errors
/// As the call's. A permission that Resource Manager does not know is one.
pub async fn lacking(cx: &GcpCx, permissions: &BTreeSet<&str>) -> Result<BTreeSet<String>, StepError> {
    let project = cx.project()?;
    let path = format!("v1/projects/{}:testIamPermissions", encoded(project));
    ask(cx, "cloudresourcemanager:projects.testIamPermissions", &path, project, permissions).await
}

/// Which of these permissions the caller lacks on a service account; none where there is no such account.
///
/// # Errors
/// As the call's.
pub async fn lacking_on(
    cx: &GcpCx,
    account: &str,
    permissions: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, StepError> {
    let path = format!("v1/projects/-/serviceAccounts/{}:testIamPermissions", encoded(account));
    ask(cx, "iam:projects.serviceAccounts.testIamPermissions", &path, account, permissions).await
}

async fn ask(
    cx: &GcpCx,
    op: &'static str,
    path: &str,
    what: &str,
    permissions: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, StepError> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Granted {
        permissions: BTreeSet<String>,
    }
    let all: Vec<&str> = permissions.iter().copied().collect();
    let mut lacking = BTreeSet::new();
    for some in all.chunks(AT_ONCE) {
        let request = Request::post(op, path, what).body(&json!({"permissions": some}));
        let granted: Granted = cx.ask(request).await?;
        lacking.extend(some.iter().filter(|it| !granted.permissions.contains(**it)).map(|it| (*it).to_owned()));
    }
    Ok(lacking)
}

/// A service account as IAM has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Its mail address.
    pub email: String,
    /// Nothing can be done as it.
    pub disabled: bool,
}

/// A service account by its mail address; none where there is none.
///
/// # Errors
/// As the call's.
pub async fn account(cx: &GcpCx, mail: &str) -> Result<Option<Account>, StepError> {
    let path = format!("v1/projects/-/serviceAccounts/{}", encoded(mail));
    cx.read(Request::get("iam:projects.serviceAccounts.get", path, mail)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_other_clouds_are_no_projects() {
        for good in ["kubewright-builds", "acme-prod-1", "123456789012", "example.com:acme-prod"] {
            assert_eq!(not_an_id(good), None, "{good}");
        }
        for bad in [
            "",
            "Acme",
            "a",
            "5a4d0000-0000-4000-8000-000000000001",
            "my project",
            "arn:aws:iam::1:root/x",
            "-acme-prod",
        ] {
            let error = not_an_id(bad).unwrap_or_else(|| panic!("{bad}"));
            assert_eq!(error.class, ErrorClass::Auth);
        }
    }
}
