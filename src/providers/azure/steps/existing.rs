//! A virtual network and a subnet brought along: read, never changed, never deleted.

use super::support::{Type, blocked, never_made};
use super::virtual_network;
use crate::engine::{Deletion, Found, Lookup, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token};
use crate::providers::azure::client::{AzureCx, Op, version};
use crate::providers::azure::refs::ArmId;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name an adopted network.
pub const NETWORK_KIND: &str = "azure/existing-network";
/// How plans name an adopted subnet. Its outputs are those of [`super::virtual_network`].
pub const SUBNET_KIND: &str = "azure/existing-subnet";

const NETWORK: Type = Type { kind: NETWORK_KIND, ..virtual_network::TYPE };
const SUBNET: Type = Type {
    kind: SUBNET_KIND,
    noun: "subnet",
    get: Op::new("network:subnets.get", version::NETWORK),
    put: Op::new("network:subnets.createOrUpdate", version::NETWORK),
    delete: Op::new("network:subnets.delete", version::NETWORK),
};

/// A network brought along. Identity: `External`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingNetwork {
    /// Its id.
    pub id: ArmId,
}

/// A subnet brought along. Identity: `External`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingSubnet {
    /// Its id.
    pub id: ArmId,
}

#[async_trait]
impl Step<AzureCx> for ExistingNetwork {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        NETWORK.find(cx, at, &self.id, by).await
    }

    async fn create(&self, _: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&NETWORK.what(at)))
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        NETWORK.probe(cx, at, it).await
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(virtual_network::ID, &self.id))
    }

    async fn delete(&self, _: &AzureCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(blocked(&NETWORK.what(at), "it was brought along"))
    }
}

#[async_trait]
impl Step<AzureCx> for ExistingSubnet {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        SUBNET.find(cx, at, &self.id, by).await
    }

    async fn create(&self, _: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&SUBNET.what(at)))
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        SUBNET.probe(cx, at, it).await
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(virtual_network::SUBNET_ID, &self.id))
    }

    async fn delete(&self, _: &AzureCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(blocked(&SUBNET.what(at), "it was brought along"))
    }
}
