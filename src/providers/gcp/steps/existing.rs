//! A network and a subnetwork brought along: read, never changed, never deleted. They may be another project's, where
//! that shares them.

use super::support::{blocked, broken, never_made, seen, visible, what};
use super::{network, subnetwork};
use crate::engine::{
    Deletion, ErrorClass, Found, Lookup, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::gcp::client::{GcpCx, Request, encoded};
use crate::providers::gcp::{error, labels::Tags, wire};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name an adopted network. Its outputs are those of [`super::network`].
pub const NETWORK_KIND: &str = "gcp/existing-network";
/// How plans name an adopted subnetwork. Its outputs are those of [`super::subnetwork`].
pub const SUBNETWORK_KIND: &str = "gcp/existing-subnetwork";

/// A network brought along. Identity: `External`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingNetwork {
    /// Its name or link.
    pub id: String,
}

/// A subnetwork brought along. Identity: `External`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingSubnetwork {
    /// Its name or link.
    pub id: String,
    /// Name or link of the network it must be in.
    pub network: String,
    /// Its secondary range for pods.
    pub pods: String,
    /// Its secondary range for Services.
    pub services: String,
}

/// `projects/acme/global/networks/x`, from a name or a link.
pub(in crate::providers::gcp) fn network_path(cx: &GcpCx, id: &str) -> Result<String, StepError> {
    let project = wire::project_of(id).map_or_else(|| cx.project(), Ok)?;
    Ok(format!("projects/{}/global/networks/{}", encoded(project), encoded(wire::last(id))))
}

/// `projects/acme/regions/r/subnetworks/x`, from a name or a link. A shared network's name alone says its project.
pub(in crate::providers::gcp) fn subnetwork_path(cx: &GcpCx, id: &str, network: &str) -> Result<String, StepError> {
    let named = wire::project_of(id).or_else(|| wire::project_of(network));
    let project = named.map_or_else(|| cx.project(), Ok)?;
    Ok(format!("projects/{}/regions/{}/subnetworks/{}", encoded(project), cx.region, encoded(wire::last(id))))
}

/// The network of this name or link.
pub(in crate::providers::gcp) async fn read_network(cx: &GcpCx, id: &str) -> Result<Option<wire::Network>, StepError> {
    let what = format!("network {id}");
    cx.read(Request::get("compute:networks.get", network_path(cx, id)?, &what)).await
}

/// The subnetwork of this name or link.
pub(in crate::providers::gcp) async fn read_subnetwork(
    cx: &GcpCx,
    id: &str,
    network: &str,
) -> Result<Option<wire::Subnetwork>, StepError> {
    let what = format!("subnetwork {id}");
    cx.read(Request::get("compute:subnetworks.get", subnetwork_path(cx, id, network)?, &what)).await
}

#[async_trait]
impl Step<GcpCx> for ExistingNetwork {
    async fn find(&self, cx: &GcpCx, _: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let found = read_network(cx, &self.id).await?;
        Ok(found.map_or(Found::None, |_| Found::One(seen(NETWORK_KIND, &self.id, Tags::new()))))
    }

    async fn create(&self, _: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&what("network", at)))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("network", at), read_network(cx, &self.id).await?)?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, cx: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(network::LINK, &network_path(cx, &self.id)?))
    }

    async fn delete(&self, _: &GcpCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(blocked(&what("network", at), "it was brought along"))
    }
}

impl ExistingSubnetwork {
    /// What is wrong with it, in words.
    fn fault(&self, found: &wire::Subnetwork) -> Option<String> {
        if wire::last(&found.network) != wire::last(&self.network) {
            return Some(format!("is in network {}, not in {}", wire::last(&found.network), wire::last(&self.network)));
        }
        let has = |name: &str| found.secondary_ip_ranges.iter().any(|range| range.range_name == name);
        let missing = [&self.pods, &self.services].into_iter().find(|name| !has(name))?;
        Some(format!("has no secondary range `{missing}`"))
    }
}

#[async_trait]
impl Step<GcpCx> for ExistingSubnetwork {
    async fn find(&self, cx: &GcpCx, _: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let found = read_subnetwork(cx, &self.id, &self.network).await?;
        Ok(found.map_or(Found::None, |_| Found::One(seen(SUBNETWORK_KIND, &self.id, Tags::new()))))
    }

    async fn create(&self, _: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&what("subnetwork", at)))
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("subnetwork", at);
        let found = visible(&what, read_subnetwork(cx, &self.id, &self.network).await?)?;
        Ok(match self.fault(&found) {
            None => Probe::Ready,
            Some(fault) => {
                let why = format!("{what} `{}` {fault}", self.id);
                Probe::Broken(broken(ErrorClass::Permanent, error::REFUSED, it, why))
            }
        })
    }

    async fn outputs(&self, cx: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(subnetwork::LINK, &subnetwork_path(cx, &self.id, &self.network)?))
    }

    async fn delete(&self, _: &GcpCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(blocked(&what("subnetwork", at), "it was brought along"))
    }
}
