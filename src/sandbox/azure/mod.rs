//! Pretend Azure: Entra's token endpoints and Azure Resource Manager on one TLS port, and what happens there by itself.
//!
//! A resource is a [`world::Object`](super::world::Object) whose id is its ARM id. A resource provider is a folder here
//! with a `call(&mut Cx) -> Outcome`; an error undoes what the call changed. What bodies may hold stands in `shapes/`,
//! which types and versions there are in `routes.rs`; whatever is in neither is refused.

mod access;
mod authorization;
mod certificate;
mod compute;
mod containerservice;
mod entra;
mod gate;
mod locations;
mod lro;
mod managedidentity;
mod network;
mod path;
mod resources;
mod routes;
mod shapes;
mod store;
mod wire;

#[cfg(test)]
mod tests;

use super::{
    Endpoints, SandboxError,
    hub::{Hub, PretendCloud},
    server::Body,
    world::{Kind, Object, Scope, Tx},
};
use crate::{model::Cloud, store as store_files};
use async_trait::async_trait;
pub(in crate::sandbox) use certificate::Certificate;
use hyper::{Response, http::request::Parts};
use serde_json::{Value, json};
use std::{collections::BTreeMap, ffi::OsString};
use wire::{ArmError, Cx, Outcome};

/// The pretend subscription.
pub const SUBSCRIPTION: &str = "5a4d0000-0000-4000-8000-000000000001";
/// Its tenant.
pub const TENANT: &str = "7e4a0000-0000-4000-8000-000000000001";
/// The application whose credentials are handed out.
pub const CLIENT_ID: &str = "c11e0000-0000-4000-8000-000000000001";
/// The object id of its service principal.
pub const OBJECT_ID: &str = "0b1e0000-0000-4000-8000-000000000001";

/// Every kind of object there is here.
const KINDS: &[Kind] = &[
    store::GROUP,
    lro::OPERATION,
    access::ROLE_ASSIGNMENT,
    resources::PROVIDER,
    resources::LOCK,
    managedidentity::IDENTITY,
    managedidentity::FEDERATED,
    network::VNET,
    network::SUBNET,
    network::NAT,
    network::PUBLIC_IP,
    network::NSG,
    network::ROUTE_TABLE,
    network::BALANCER,
    network::NIC,
    compute::DISK,
    compute::SNAPSHOT,
    compute::SCALE_SET,
    compute::MACHINE,
    containerservice::CLUSTER,
    containerservice::POOL,
];

/// Pretend Azure.
#[derive(Debug)]
pub struct Azure {
    /// What the pretend application's certificate is told by.
    application: Option<Certificate>,
}

#[async_trait]
impl PretendCloud for Azure {
    fn cloud(&self) -> Cloud {
        Cloud::Azure
    }

    async fn handle(&self, hub: &Hub, parts: &Parts, body: &[u8]) -> Option<Response<Body>> {
        gate::handle(hub, self.application.as_ref(), parts, body).await
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        match object.service.as_str() {
            "resources" => resources::happen(tx, object, what),
            "network" => network::happen(tx, object, what),
            "compute" if object.is(compute::MACHINE) => containerservice::machine_ready(tx, object),
            "compute" => compute::happen(tx, object, what),
            "containerservice" => containerservice::happen(tx, object, what),
            _ => {}
        }
    }

    fn furnish(&self, tx: &mut Tx<'_>, scope: &Scope) {
        resources::furnish(tx, scope);
        authorization::furnish(tx, scope);
    }
}

/// Hands a call to its resource provider.
fn dispatch(cx: &mut Cx<'_, '_>, service: &str) -> Outcome {
    match (cx.target.kind(), service) {
        ("operations", _) => lro::status(cx),
        ("operationResults", _) => lro::result(cx),
        (_, "resources") => resources::call(cx),
        (_, "network") => network::call(cx),
        (_, "compute") => compute::call(cx),
        (_, "containerservice") => containerservice::call(cx),
        (_, "managedidentity") => managedidentity::call(cx),
        (_, "authorization") => authorization::call(cx),
        _ => Err(no_such_call(cx)),
    }
}

/// A resource as its provider shows it.
fn shown(tx: &Tx<'_>, object: &Object) -> Value {
    match object.service.as_str() {
        "network" => network::view(tx, object),
        "containerservice" => containerservice::view(tx, object),
        _ => store::view(object),
    }
}

fn no_such_call(cx: &Cx<'_, '_>) -> ArmError {
    let message = format!("The sandbox does not rehearse {} of '{}'.", cx.verb, cx.target.full_type());
    ArmError::new(501, "NotImplemented", message)
}

/// What other clients (az, the Python and JavaScript libraries, kubewright itself) need to meet the pretend Azure.
pub fn client_env(endpoints: &Endpoints) -> BTreeMap<String, OsString> {
    let text = |value: &str| OsString::from(value);
    BTreeMap::from([
        ("AZURE_TENANT_ID".to_owned(), text(TENANT)),
        ("AZURE_CLIENT_ID".to_owned(), text(CLIENT_ID)),
        ("AZURE_CLIENT_SECRET".to_owned(), OsString::from(entra::client_secret())),
        ("AZURE_SUBSCRIPTION_ID".to_owned(), text(SUBSCRIPTION)),
        ("AZURE_AUTHORITY_HOST".to_owned(), text(&endpoints.azure)),
        // az believes no authority but Microsoft's otherwise.
        ("AZURE_CORE_INSTANCE_DISCOVERY".to_owned(), text("false")),
        ("KUBEWRIGHT_ARM_ENDPOINT".to_owned(), text(&endpoints.azure)),
    ])
}

impl Azure {
    /// Without an application that has a certificate: for whoever asks nothing of Entra.
    pub const BARE: Self = Self { application: None };

    /// With an application whose certificate this key signs with.
    pub(in crate::sandbox) const fn with(application: Certificate) -> Self {
        Self { application: Some(application) }
    }

    /// Writes what other clients need beside variables: `azure-cloud.json` for
    /// `az cloud register --name KubewrightSandbox --cloud-config @azure-cloud.json`, and `azure-federated-token` to sign
    /// in with instead of the secret.
    ///
    /// # Errors
    /// Files.
    pub fn write_files(
        &self,
        dir: &std::path::Path,
        endpoints: &Endpoints,
        now: jiff::Timestamp,
    ) -> Result<(), SandboxError> {
        let url = &endpoints.azure;
        let cloud = json!({
            "endpoints": {
                "activeDirectory": url, "activeDirectoryGraphResourceId": "https://graph.windows.net/",
                "activeDirectoryResourceId": "https://management.core.windows.net/", "management": url,
                "resourceManager": url, "microsoftGraphResourceId": format!("{url}/graph"),
            },
            "suffixes": {"storageEndpoint": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
        });
        store_files::write_private(&dir.join("azure-cloud.json"), cloud.to_string().as_bytes())?;
        store_files::write_private(&dir.join("azure-federated-token"), entra::federated_token(now).as_bytes())?;
        Ok(())
    }
}

/// Custom role definitions of Azure among the documents of a text, and what else is in it.
pub fn read_roles(text: &str) -> (Vec<String>, String) {
    let (mut roles, mut rest) = (Vec::new(), String::new());
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let Ok(document) = document else { return (roles, text.to_owned()) };
        if access::read_role(&document).is_some() {
            roles.push(document.to_string());
        } else {
            rest.push_str(&document.to_string());
        }
    }
    (roles, rest)
}

/// A quota's full name, as settings keep it: `standardDASv5Family` is `compute/standardDASv5Family`.
pub fn quota_name(code: &str) -> Option<String> {
    compute::usages::quota_name(code).or_else(|| network::usages::quota_name(code))
}

/// Whether there is such a machine size.
pub fn is_machine_size(name: &str) -> bool {
    compute::sizes::named(name).is_some()
}

/// Whether there is such a zone: `eastus-1`.
pub fn is_zone(zone: &str) -> bool {
    let split = zone.rsplit_once('-');
    split.is_some_and(|(location, number)| locations::zones(location).contains(&number))
}

/// Whether there is such a location.
pub fn is_location(name: &str) -> bool {
    locations::exists(name) && locations::normal(name) == name
}
