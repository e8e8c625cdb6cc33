//! The network everything else lives in: custom mode, regional routing.

use super::support::{Making, being_made, followed, or_its_making, remove, request_id, seen, time, visible, what};
use super::{ExtraTags, strangers};
use crate::engine::{
    Deletion, Found, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::gcp::client::{GcpCx, Request};
use crate::providers::gcp::labels;
use crate::providers::gcp::wire;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "gcp/network";
/// Its link without the service's address: `projects/acme/global/networks/kw-…`.
pub const LINK: OutputKey<String> = OutputKey::new("link");

/// A network. Identity: `Name`, without labels. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// Name, the same as in the identity.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// What its description says beside that: [`super::SPEC`].
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

/// A network of this project.
pub(in crate::providers::gcp) async fn get(
    cx: &GcpCx,
    name: &str,
) -> Result<Option<(Observed, wire::Network)>, StepError> {
    let path = cx.compute_path(&format!("global/networks/{name}"))?;
    let what = format!("network {name}");
    let read: Option<wire::Network> = cx.read(Request::get("compute:networks.get", path, &what)).await?;
    Ok(read.map(|network| (observed(&network), network)))
}

/// A network as evidence.
pub(in crate::providers::gcp) fn observed(network: &wire::Network) -> Observed {
    let mut sight = seen(KIND, &network.name, labels::tags_of(&network.description));
    sight.created_at = time(&network.creation_timestamp);
    sight
}

#[async_trait]
impl Step<GcpCx> for Network {
    async fn find(&self, cx: &GcpCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let read = get(cx, &self.name).await?.map(|(sight, _)| sight);
        or_its_making(cx, at, by, read, &what("network", at)).await
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("network", at);
        let body = json!({
            "name": self.name,
            "description": super::told(&self.description, at, &self.extra_tags, &cx.region),
            "autoCreateSubnetworks": false,
            "routingConfig": {"routingMode": "REGIONAL"},
        });
        let request = Request::post("compute:networks.insert", cx.compute_path("global/networks")?, &what);
        let operation = cx.call(request.query("requestId", request_id(token)).body(&body)).await?;
        Ok(being_made(KIND, &self.name, &operation))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("network", at);
        Ok(match followed(cx, it, &what).await? {
            Making::Running(words) => Probe::NotYet(words),
            Making::Failed(why) => Probe::Broken(why),
            Making::Done | Making::Unknown => visible(&what, get(cx, &self.name).await?).map(|_| Probe::Ready)?,
        })
    }

    async fn outputs(&self, cx: &GcpCx, at: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        let (_, network) = visible(&what("network", at), get(cx, &self.name).await?)?;
        Ok(Outputs::new().with(LINK, &wire::path_of(&network.self_link).to_owned()))
    }

    async fn delete(&self, cx: &GcpCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("network", at);
        let path = cx.compute_path(&format!("global/networks/{}", self.name))?;
        match remove(cx, Request::delete("compute:networks.delete", path, &what), owned, &what).await {
            Err(failure) if failure.is_in_use() => Err(strangers::of_network(cx, at, &self.name, failure).await?),
            done => Ok(done?),
        }
    }
}
