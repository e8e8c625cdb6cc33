//! The one subnetwork of a stack's network: nodes in its own range, pods and Services in two further ones.

use super::support::{
    Making, being_made, busy, followed, needs_seen, or_its_making, remove, request_id, seen, time, visible, what,
};
use super::{ExtraTags, strangers};
use crate::engine::{
    Deletion, Found, Input, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError,
    Token,
};
use crate::providers::gcp::client::{GcpCx, Request};
use crate::providers::gcp::labels;
use crate::providers::gcp::wire;
use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "gcp/subnetwork";
/// Its link without the service's address.
pub const LINK: OutputKey<String> = OutputKey::new("link");

/// A further range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Range {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub cidr: Ipv4Net,
}

/// A subnetwork of the context's region. Identity: `Name`, without labels. Its `ResourceRef` id is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnetwork {
    /// Name, the same as in the identity.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// The network.
    pub network: Input<String>,
    /// The nodes' addresses.
    pub cidr: Ipv4Net,
    /// Pods and Services.
    pub ranges: Vec<Range>,
    /// What its description says beside that: [`super::SPEC`].
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

fn place(cx: &GcpCx, name: &str) -> String {
    format!("regions/{}/subnetworks/{name}", cx.region)
}

/// A subnetwork of this project and region.
pub(in crate::providers::gcp) async fn get(
    cx: &GcpCx,
    name: &str,
) -> Result<Option<(Observed, wire::Subnetwork)>, StepError> {
    let path = cx.compute_path(&place(cx, name))?;
    let what = format!("subnetwork {name}");
    let read: Option<wire::Subnetwork> = cx.read(Request::get("compute:subnetworks.get", path, &what)).await?;
    Ok(read.map(|subnetwork| (observed(&subnetwork), subnetwork)))
}

/// A subnetwork as evidence.
pub(in crate::providers::gcp) fn observed(subnetwork: &wire::Subnetwork) -> Observed {
    let mut sight = seen(KIND, &subnetwork.name, labels::tags_of(&subnetwork.description));
    sight.created_at = time(&subnetwork.creation_timestamp);
    sight
}

#[async_trait]
impl Step<GcpCx> for Subnetwork {
    async fn find(&self, cx: &GcpCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let read = get(cx, &self.name).await?.map(|(sight, _)| sight);
        or_its_making(cx, at, by, read, &what("subnetwork", at)).await
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("subnetwork", at);
        let further: Vec<_> = self
            .ranges
            .iter()
            .map(|range| json!({"rangeName": range.name, "ipCidrRange": range.cidr.to_string()}))
            .collect();
        let body = json!({
            "name": self.name,
            "description": super::told(&self.description, at, &self.extra_tags, &cx.region),
            "network": at.inputs.get(&self.network)?,
            "ipCidrRange": self.cidr.to_string(),
            // Nodes without public addresses reach Google's own services by this alone.
            "privateIpGoogleAccess": true,
            "secondaryIpRanges": further,
        });
        let path = cx.compute_path(&format!("regions/{}/subnetworks", cx.region))?;
        let request = Request::post("compute:subnetworks.insert", path, &what);
        let made = cx.call(request.query("requestId", request_id(token)).body(&body)).await;
        let operation =
            made.map_err(|failure| needs_seen(&[&at.inputs.get(&self.network).unwrap_or_default()], failure))?;
        Ok(being_made(KIND, &self.name, &operation))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("subnetwork", at);
        Ok(match followed(cx, it, &what).await? {
            Making::Running(words) => Probe::NotYet(words),
            Making::Failed(why) => Probe::Broken(why),
            Making::Done | Making::Unknown => visible(&what, get(cx, &self.name).await?).map(|_| Probe::Ready)?,
        })
    }

    async fn outputs(&self, cx: &GcpCx, at: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        let (_, subnetwork) = visible(&what("subnetwork", at), get(cx, &self.name).await?)?;
        Ok(Outputs::new().with(LINK, &wire::path_of(&subnetwork.self_link).to_owned()))
    }

    async fn delete(&self, cx: &GcpCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let what = what("subnetwork", at);
        let path = cx.compute_path(&place(cx, &self.name))?;
        match remove(cx, Request::delete("compute:subnetworks.delete", path, &what), owned, &what).await {
            Err(failure) if failure.is_in_use() => match strangers::of_subnetwork(cx, at, &self.name).await? {
                Some(blocked) => Err(blocked),
                None => Err(busy(&what, failure.error.message)),
            },
            done => Ok(done?),
        }
    }
}
