//! A NAT gateway: the nodes' way out.

use super::support::{Type, all_tags};
use crate::engine::{
    Deletion, Found, Input, Lookup, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::refs::ArmId;
use crate::providers::kit::ExtraTags;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "azure/nat-gateway";
/// Its id.
pub const ID: OutputKey<ArmId> = OutputKey::new("id");

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "NAT gateway",
    get: Op::new("network:natGateways.get", version::NETWORK),
    put: Op::new("network:natGateways.createOrUpdate", version::NETWORK),
    delete: Op::new("network:natGateways.delete", version::NETWORK),
};

/// A NAT gateway with one address, in no zone of its own: Azure places it. Identity: `Name`, tagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NatGateway {
    /// Its id, known beforehand.
    pub id: ArmId,
    /// Region.
    pub location: String,
    /// The address it sends from.
    pub address: Input<ArmId>,
}

#[async_trait]
impl Step<AzureCx> for NatGateway {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        TYPE.find(cx, at, &self.id, by).await
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let body = json!({
            "location": self.location,
            "tags": all_tags(at, &ExtraTags::new()),
            "sku": { "name": "Standard" },
            "properties": {
                "idleTimeoutInMinutes": 4,
                "publicIpAddresses": [{ "id": at.inputs.get(&self.address)? }],
            },
        });
        TYPE.create(cx, at, &self.id, &body, Only::Always).await
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        TYPE.probe(cx, at, it).await
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &ArmId(it.id.clone())))
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        TYPE.delete(cx, at, owned.id(), &[]).await
    }
}
