//! The pretend Google Cloud: every API on one port, told apart by path, as strict as the real one was in November 2026.
//!
//! The gate finds the method by the tables of the discovery documents, says who calls, holds parameters and body
//! against the tables, asks for the API to be on and the permission to be there, and hands the rest to the service.
//! An error undoes everything the call changed.

mod accounts;
mod compute;
mod container;
mod filter;
mod gate;
mod keys;
mod permissions;
mod places;
mod projects;
mod services;
mod tables;
mod token;
mod wire;

#[cfg(test)]
mod tests;

pub(in crate::sandbox) use container::Gke;

use super::{
    SandboxError,
    hub::{Hub, PretendCloud},
    server::Body,
    world::{Kind, Object, Origin, Scope, Tx},
};
use crate::model::Cloud;
use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hyper::{Response, http::request::Parts};
use keys::Keys;
use places::Project;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::Path,
};
use tables::{Api, Method};
use wire::Refused;

/// The project of the pretend credentials.
pub const PROJECT: &str = "kubewright-sandbox";
/// Its number.
pub const PROJECT_NUMBER: &str = "123456789012";
/// The service account of the pretend credentials.
pub const ACCOUNT: &str = "sandbox@kubewright-sandbox.iam.gserviceaccount.com";
/// The user of the pretend user credentials.
pub const USER: &str = "sandbox@kubewright.example";

/// When the projects were made: before the world.
const BORN: &str = "2026-01-05T10:00:00.000Z";

/// What a service answers.
type Answer = Result<Value, Refused>;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Caller {
    /// Email of an account or a user, or a federated principal.
    pub(in crate::sandbox) email: String,
    /// What the token was given for.
    pub(in crate::sandbox) scopes: Vec<String>,
}

/// One call as a service sees it.
struct Cx<'a, 'w> {
    api: &'static Api,
    method: &'static Method,
    path: BTreeMap<&'static str, String>,
    pairs: Vec<(String, String)>,
    body: Value,
    caller: &'a Caller,
    project: &'static Project,
    /// Version 3 of Cloud Resource Manager.
    third: bool,
    keys: &'a Keys,
    /// Real time, for tokens.
    wall: i64,
    tx: &'a mut Tx<'w>,
}

impl Cx<'_, '_> {
    fn verb(&self) -> &'static str {
        self.method.id.rsplit('.').next().unwrap_or_default()
    }

    /// A query parameter; empty when absent.
    fn query(&self, name: &str) -> &str {
        self.pairs.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// A repeated query parameter.
    fn all(&self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
    }

    /// The refusal of a method that is in the tables and nowhere else.
    fn unknown(&self) -> Refused {
        Refused {
            http: 501,
            status: "UNIMPLEMENTED",
            ..Refused::invalid(format!("the sandbox has no {}", self.method.id))
        }
    }
}

/// The cloud.
pub struct Google {
    keys: Keys,
}

impl Google {
    /// With the keys of this directory.
    ///
    /// # Errors
    /// They cannot be read or made.
    pub fn open(dir: &Path) -> Result<Self, SandboxError> {
        Ok(Self { keys: Keys::open(dir)? })
    }

    /// The sandbox's one RSA key.
    pub(in crate::sandbox) const fn pair(&self) -> &rcgen::KeyPair {
        self.keys.pair()
    }

    /// Writes the files that clients find credentials in.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write_files(&self, dir: &Path, url: &str, now: jiff::Timestamp) -> Result<(), SandboxError> {
        self.keys.write_files(dir, url, now.as_second())
    }
}

#[async_trait]
impl PretendCloud for Google {
    fn cloud(&self) -> Cloud {
        Cloud::Gcp
    }

    async fn handle(&self, hub: &Hub, parts: &Parts, body: &[u8]) -> Option<Response<Body>> {
        gate::handle(hub, &self.keys, parts, body).await
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        happen(tx, object, what);
    }

    fn furnish(&self, tx: &mut Tx<'_>, scope: &Scope) {
        furnish(tx, scope, &self.keys.public());
    }
}

fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    match object.service.as_str() {
        "compute" => compute::happen(tx, object, what),
        "container" => container::happen(tx, object, what),
        "serviceusage" => services::happen(tx, object),
        _ => {}
    }
}

/// The public key that tokens are told by: API servers of clusters ask the world for it.
const KEY: Kind = Kind::new("sandbox", "google-key");

/// The key that tells tokens, if anybody has come to this cloud yet.
fn public_key(tx: &Tx<'_>) -> Option<keys::Public> {
    let object = tx.live(&Scope::global(PROJECT), KEY, "key")?;
    serde_json::from_value(object.doc.clone()).ok()
}

fn furnish(tx: &mut Tx<'_>, scope: &Scope, key: &keys::Public) {
    if scope.account == PROJECT {
        let mut object = builtin(tx, scope, KEY, "key");
        object.write(key);
        tx.put(object);
    }
    if let Some(project) = places::project(&scope.account).filter(|_| scope.region == Scope::GLOBAL) {
        projects::furnish(tx, project);
        services::furnish(tx, project);
    }
}

fn dispatch(cx: &mut Cx<'_, '_>) -> Answer {
    match cx.api.service {
        "compute" => compute::answer(cx),
        "container" => container::answer(cx),
        "cloudresourcemanager" => projects::answer(cx),
        "cloudbilling" => projects::billing(cx),
        "serviceusage" => services::answer(cx),
        "iam" => accounts::answer(cx),
        "iamcredentials" => accounts::impersonate(cx),
        _ => Err(cx.unknown()),
    }
}

/// What Google's clients need to meet the sandbox, by name.
pub fn client_env(url: &str, dir: &Path) -> BTreeMap<String, OsString> {
    let path = |name: &str| dir.join(name).into_os_string();
    let mut env = BTreeMap::from([
        ("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), path(keys::KEY_FILE)),
        ("GOOGLE_CLOUD_PROJECT".to_owned(), PROJECT.into()),
        ("CLOUDSDK_CORE_PROJECT".to_owned(), PROJECT.into()),
        ("CLOUDSDK_CONFIG".to_owned(), path("gcloud")),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE".to_owned(), path(keys::TOKEN_FILE)),
        ("CLOUDSDK_CORE_DISABLE_PROMPTS".to_owned(), "1".into()),
        ("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING".to_owned(), "1".into()),
        ("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK".to_owned(), "1".into()),
        ("NO_GCE_CHECK".to_owned(), "true".into()),
    ]);
    let services = ["COMPUTE", "CONTAINER", "IAM", "CLOUDRESOURCEMANAGER", "SERVICEUSAGE", "CLOUDBILLING"];
    for service in services {
        let base = if service == "COMPUTE" { format!("{url}/compute/v1/") } else { format!("{url}/") };
        env.insert(format!("KUBEWRIGHT_GCP_{service}_ENDPOINT"), (&base).into());
        env.insert(format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}"), base.into());
    }
    env.insert("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS".to_owned(), format!("{url}/").into());
    env
}

/// Custom roles that the pretend credentials are limited to; none at all lets them do everything.
fn roles_in_force(tx: &Tx<'_>) -> Vec<Value> {
    let all = tx.in_force().policies.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
    all.filter(is_role).collect()
}

/// Whether a document is a custom role of Google's.
pub(in crate::sandbox) fn is_role(document: &Value) -> bool {
    document.get("includedPermissions").is_some()
}

/// Why a custom role would not be taken, if it would not.
pub(in crate::sandbox) fn check_role(document: &Value) -> Result<(), String> {
    let known = ["title", "description", "includedPermissions", "stage", "name", "etag", "deleted"];
    let fields = document.as_object().into_iter().flatten();
    if let Some((name, _)) = fields.into_iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(format!("a custom role has no `{name}`"));
    }
    let Some(list) = document["includedPermissions"].as_array() else {
        return Err("includedPermissions is no list".to_owned());
    };
    if list.len() > 3_000 {
        return Err(format!("a custom role has at most 3000 permissions, this one {}", list.len()));
    }
    let mut seen = BTreeSet::new();
    for permission in list {
        let text = permission.as_str().unwrap_or_default();
        if !permissions::exists(text) {
            return Err(format!("{permission} is no permission"));
        }
        if !seen.insert(text) {
            return Err(format!("{permission} is listed twice"));
        }
    }
    Ok(())
}

/// The custom roles of a text of documents, and the text of the other documents.
pub(in crate::sandbox) fn read_roles(text: &str) -> Result<(Vec<String>, String), String> {
    let (mut roles, mut rest) = (Vec::new(), String::new());
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let Ok(document) = document else { return Ok((roles, text.to_owned())) };
        if is_role(&document) {
            check_role(&document)?;
            roles.push(document.to_string());
        } else {
            rest.push_str(&document.to_string());
        }
    }
    Ok((roles, rest))
}

/// The world's name of a quota, if it is one of Google's here: `CPUS` is `compute/CPUS`.
pub(in crate::sandbox) fn quota_name(code: &str) -> Option<String> {
    match code {
        "SERVICE_ACCOUNTS" => Some(format!("iam/{code}")),
        "LINKED_PROJECTS" => Some(format!("cloudbilling/{code}")),
        "CLUSTERS" => Some(format!("container/{code}")),
        code => compute::is_metric(code).then(|| format!("compute/{code}")),
    }
}

/// Whether a machine type of this name is sold somewhere.
pub(in crate::sandbox) fn is_machine_type(name: &str) -> bool {
    compute::machine(name).is_some()
}

/// Whether there is such a zone.
pub(in crate::sandbox) fn is_zone(name: &str) -> bool {
    places::region_of(name).is_some()
}

/// Whether there is such a region.
pub(in crate::sandbox) fn is_region(name: &str) -> bool {
    places::is_region(name)
}

/// An object of this cloud, made now by the caller.
fn new(tx: &Tx<'_>, scope: &Scope, kind: Kind, id: &str) -> Object {
    Object { cloud: Cloud::Gcp, ..Object::new(scope, kind, id, tx.now()) }
}

/// As [`new`], for what counts as having been there.
fn builtin(tx: &Tx<'_>, scope: &Scope, kind: Kind, id: &str) -> Object {
    Object { created_by: Origin::Builtin, ..new(tx, scope, kind, id) }
}

/// `[a-z]([-a-z0-9]*[a-z0-9])?`, no longer than this.
fn is_name(name: &str, longest: usize) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=longest).contains(&name.len())
        && name.chars().all(good)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
}

/// What is wrong with labels, if anything is.
fn check_labels(labels: &Value) -> Result<BTreeMap<String, String>, String> {
    let mut read = BTreeMap::new();
    let good = |text: &str| {
        text.chars().all(|c| {
            c.is_lowercase() || c.is_numeric() || c == '_' || c == '-' || (c.is_alphabetic() && !c.is_uppercase())
        })
    };
    for (key, value) in labels.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let starts = key.starts_with(|c: char| c.is_alphabetic() && !c.is_uppercase());
        if !starts || !good(key) || key.chars().count() > 63 {
            return Err(format!(
                "Label key '{key}' violates format constraints. The key must start with a lowercase letter, can only contain lowercase letters, numeric characters, underscores and dashes. The key can be at most 63 characters long. International characters are allowed."
            ));
        }
        if !good(value) || value.chars().count() > 63 {
            return Err(format!(
                "Label value '{value}' violates format constraints. The value can only contain lowercase letters, numeric characters, underscores and dashes. The value can be at most 63 characters long. International characters are allowed."
            ));
        }
        read.insert(key.clone(), value.to_owned());
    }
    if read.len() > 64 {
        return Err(format!("A resource can have at most 64 labels, not {}.", read.len()));
    }
    Ok(read)
}

/// One page of a list, and the token of the next.
fn page(all: &[Value], size: &str, token: &str, default: usize) -> Result<(Vec<Value>, Option<String>), Refused> {
    let start = match token {
        "" => 0,
        token => {
            let read = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|raw| String::from_utf8(raw).ok());
            let read = read.and_then(|text| text.strip_prefix("page-")?.parse::<usize>().ok());
            read.filter(|start| *start <= all.len())
                .ok_or_else(|| Refused::field("pageToken", token, "The specified page token is invalid."))?
        }
    };
    let size = match size.parse::<usize>() {
        Ok(0) | Err(_) => default,
        Ok(size) => size.min(default.max(500)),
    };
    let end = (start + size).min(all.len());
    let next = (end < all.len()).then(|| BASE64_URL_SAFE_NO_PAD.encode(format!("page-{end}")));
    Ok((all[start..end].to_vec(), next))
}
