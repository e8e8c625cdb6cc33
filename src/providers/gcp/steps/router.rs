//! The router with its address translation: the way out for nodes without public addresses.
//!
//! Without it they still reach Google's registries, but no other: pools then look well and no image comes. Both are one
//! object of Google's, made in one call.

use super::ExtraTags;
use super::support::{
    Making, being_made, followed, needs_seen, or_its_making, remove, request_id, seen, time, visible, what,
};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::gcp::client::{GcpCx, Request};
use crate::providers::gcp::names::NAT;
use crate::providers::gcp::{labels, wire};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "gcp/router";

/// A router with a gateway for all of its network's ranges in the region. Identity: `Name`, without labels. Its
/// `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Router {
    /// Name, the same as in the identity.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// The network.
    pub network: Input<String>,
}

fn place(cx: &GcpCx, name: &str) -> String {
    format!("regions/{}/routers/{name}", cx.region)
}

/// A router of this project and region.
pub(in crate::providers::gcp) async fn get(
    cx: &GcpCx,
    name: &str,
) -> Result<Option<(Observed, wire::Router)>, StepError> {
    let path = cx.compute_path(&place(cx, name))?;
    let what = format!("router {name}");
    let read: Option<wire::Router> = cx.read(Request::get("compute:routers.get", path, &what)).await?;
    Ok(read.map(|router| (observed(&router), router)))
}

/// A router as evidence.
pub(in crate::providers::gcp) fn observed(router: &wire::Router) -> Observed {
    let mut sight = seen(KIND, &router.name, labels::tags_of(&router.description));
    sight.created_at = time(&router.creation_timestamp);
    sight
}

#[async_trait]
impl Step<GcpCx> for Router {
    async fn find(&self, cx: &GcpCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let read = get(cx, &self.name).await?.map(|(sight, _)| sight);
        or_its_making(cx, at, by, read, &what("router", at)).await
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("router", at);
        let body = json!({
            "name": self.name,
            "description": super::told(&self.description, at, &ExtraTags::new(), &cx.region),
            "network": at.inputs.get(&self.network)?,
            "nats": [{
                "name": NAT,
                "natIpAllocateOption": "AUTO_ONLY",
                "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
                "enableDynamicPortAllocation": true,
                // Both may not be on at once (Cloud NAT, "Address and port allocation").
                "enableEndpointIndependentMapping": false,
            }],
        });
        let path = cx.compute_path(&format!("regions/{}/routers", cx.region))?;
        let request = Request::post("compute:routers.insert", path, &what);
        let made = cx.call(request.query("requestId", request_id(token)).body(&body)).await;
        let operation =
            made.map_err(|failure| needs_seen(&[&at.inputs.get(&self.network).unwrap_or_default()], failure))?;
        Ok(being_made(KIND, &self.name, &operation))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("router", at);
        Ok(match followed(cx, it, &what).await? {
            Making::Running(words) => Probe::NotYet(words),
            Making::Failed(why) => Probe::Broken(why),
            Making::Done | Making::Unknown => visible(&what, get(cx, &self.name).await?).map(|_| Probe::Ready)?,
        })
    }

    async fn outputs(&self, _: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &GcpCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("router", at);
        let path = cx.compute_path(&place(cx, &self.name))?;
        Ok(remove(cx, Request::delete("compute:routers.delete", path, &what), owned, &what).await?)
    }
}
