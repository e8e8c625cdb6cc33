//! An identity for the control plane: ours, or one that was brought along.

use super::support::{Type, all_tags, blocked, lacks, never_made, visible};
use crate::engine::{
    Deletion, Found, Lookup, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::models::IdentityProperties;
use crate::providers::azure::refs::{ArmId, PrincipalId};
use crate::providers::kit::ExtraTags;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How plans name this kind.
pub const KIND: &str = "azure/managed-identity";
/// How plans name one that was brought along.
pub const EXISTING_KIND: &str = "azure/existing-identity";
/// Its id.
pub const ID: OutputKey<ArmId> = OutputKey::new("id");
/// What roles are given to.
pub const PRINCIPAL: OutputKey<PrincipalId> = OutputKey::new("principal");

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "managed identity",
    get: Op::new("managedidentity:userAssignedIdentities.get", version::IDENTITY),
    put: Op::new("managedidentity:userAssignedIdentities.createOrUpdate", version::IDENTITY),
    delete: Op::new("managedidentity:userAssignedIdentities.delete", version::IDENTITY),
};
const EXISTING: Type = Type { kind: EXISTING_KIND, ..TYPE };

/// A user-assigned identity. Identity: `Name`, tagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedIdentity {
    /// Its id, known beforehand.
    pub id: ArmId,
    /// Region.
    pub location: String,
}

/// An identity brought along: read, never changed, never deleted. Identity: `External`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingIdentity {
    /// Its id.
    pub id: ArmId,
}

async fn outputs(cx: &AzureCx, what: &str, id: &ArmId) -> Result<Outputs, StepError> {
    let (_, found) = visible(what, TYPE.read::<IdentityProperties>(cx, id).await?)?;
    let principal = found.properties.principal_id.ok_or_else(|| lacks(what, "principal"))?;
    Ok(Outputs::new().with(ID, id).with(PRINCIPAL, &PrincipalId(principal)))
}

#[async_trait]
impl Step<AzureCx> for ManagedIdentity {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        TYPE.find(cx, at, &self.id, by).await
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let body = json!({ "location": self.location, "tags": all_tags(at, &ExtraTags::new()) });
        TYPE.create(cx, at, &self.id, &body, Only::Always).await
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        TYPE.probe(cx, at, it).await
    }

    async fn outputs(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        outputs(cx, &TYPE.what(at), &ArmId(it.id.clone())).await
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        TYPE.delete(cx, at, owned.id(), &[]).await
    }
}

#[async_trait]
impl Step<AzureCx> for ExistingIdentity {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        EXISTING.find(cx, at, &self.id, by).await
    }

    async fn create(&self, _: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&TYPE.what(at)))
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        TYPE.probe(cx, at, it).await
    }

    async fn outputs(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        outputs(cx, &TYPE.what(at), &ArmId(it.id.clone())).await
    }

    async fn delete(&self, _: &AzureCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(blocked(&TYPE.what(at), "it was brought along"))
    }
}
