//! The service account that nodes act as: with two roles, instead of the project's editor that they would be otherwise.

use super::support::{seen, visible, what};
use crate::engine::{
    Deletion, Found, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::gcp::client::{GcpCx, Request, encoded};
use crate::providers::gcp::{labels, wire};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "gcp/service-account";
/// Its address.
pub const ADDRESS: OutputKey<String> = OutputKey::new("address");

/// A service account. Identity: `Name` with its address, without labels. Its `ResourceRef` id is its address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccount {
    /// Local part of its address.
    pub account: String,
    /// The address, the same as in the identity.
    pub address: String,
    /// What it is, for people.
    pub display_name: String,
}

/// A service account by its address.
pub(in crate::providers::gcp) async fn get(
    cx: &GcpCx,
    address: &str,
) -> Result<Option<(Observed, wire::ServiceAccount)>, StepError> {
    let path = format!("v1/projects/{}/serviceAccounts/{}", encoded(cx.project()?), encoded(address));
    let what = format!("service account {address}");
    let read: Option<wire::ServiceAccount> =
        cx.read(Request::get("iam:projects.serviceAccounts.get", path, &what)).await?;
    Ok(read.map(|account| (observed(&account), account)))
}

/// A service account as evidence.
pub(in crate::providers::gcp) fn observed(account: &wire::ServiceAccount) -> Observed {
    seen(KIND, &account.email, labels::tags_of(&account.description))
}

#[async_trait]
impl Step<GcpCx> for ServiceAccount {
    async fn find(&self, cx: &GcpCx, _: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        Ok(get(cx, &self.address).await?.map_or(Found::None, |(sight, _)| Found::One(sight)))
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("service account", at);
        let body = json!({
            "accountId": self.account,
            "serviceAccount": {
                "displayName": self.display_name,
                "description": labels::short_description(&super::tags_of(at, &cx.region)),
            },
        });
        let path = format!("v1/projects/{}/serviceAccounts", encoded(cx.project()?));
        let made: wire::ServiceAccount =
            cx.ask(Request::post("iam:projects.serviceAccounts.create", path, &what).body(&body)).await?;
        Ok(ResourceRef::new(KIND, if made.email.is_empty() { &self.address } else { &made.email }))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("service account", at), get(cx, &it.id).await?).map(|_| Probe::Ready)
    }

    async fn outputs(&self, _: &GcpCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ADDRESS, &it.id))
    }

    async fn delete(&self, cx: &GcpCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("service account", at);
        let path = format!("v1/projects/{}/serviceAccounts/{}", encoded(cx.project()?), encoded(owned.id()));
        match cx.call(Request::delete("iam:projects.serviceAccounts.delete", path, &what)).await {
            Ok(_) => Ok(Deletion::Started),
            Err(failure) if failure.is_absent() => Ok(Deletion::Gone),
            Err(failure) => Err(failure.error),
        }
    }
}
