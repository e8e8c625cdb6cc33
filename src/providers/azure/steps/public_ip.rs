//! A public address: what a NAT gateway sends from.

use super::support::{Type, all_tags, lacks, visible};
use crate::engine::{
    Deletion, Found, Lookup, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::models::PublicIpProperties;
use crate::providers::azure::refs::ArmId;
use crate::providers::kit::ExtraTags;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "azure/public-ip";
/// Its id.
pub const ID: OutputKey<ArmId> = OutputKey::new("id");
/// The address itself.
pub const ADDRESS: OutputKey<String> = OutputKey::new("address");

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "public address",
    get: Op::new("network:publicIPAddresses.get", version::NETWORK),
    put: Op::new("network:publicIPAddresses.createOrUpdate", version::NETWORK),
    delete: Op::new("network:publicIPAddresses.delete", version::NETWORK),
};

/// A static public address. Identity: `Name`, tagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicIp {
    /// Its id, known beforehand.
    pub id: ArmId,
    /// Region.
    pub location: String,
}

#[async_trait]
impl Step<AzureCx> for PublicIp {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        TYPE.find(cx, at, &self.id, by).await
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let body = json!({
            "location": self.location,
            "tags": all_tags(at, &ExtraTags::new()),
            "sku": { "name": "Standard", "tier": "Regional" },
            "properties": { "publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4" },
        });
        TYPE.create(cx, at, &self.id, &body, Only::Always).await
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        TYPE.probe(cx, at, it).await
    }

    async fn outputs(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        let (what, id) = (TYPE.what(at), ArmId(it.id.clone()));
        let (_, found) = visible(&what, TYPE.read::<PublicIpProperties>(cx, &id).await?)?;
        let address = found.properties.ip_address.ok_or_else(|| lacks(&what, "address"))?;
        Ok(Outputs::new().with(ID, &id).with(ADDRESS, &address))
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        TYPE.delete(cx, at, owned.id(), &[]).await
    }
}
