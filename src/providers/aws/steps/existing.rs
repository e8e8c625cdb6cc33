//! A VPC and subnets brought along: read, never changed, never deleted.

use super::refs::{SubnetId, VpcId};
use super::support::{Select, blocked, broken, never_made, visible, what};
use super::{subnet, vpc};
use crate::engine::{
    Deletion, ErrorClass, Found, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, error};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name an adopted VPC. Its outputs are those of [`super::vpc`].
pub const VPC_KIND: &str = "aws/existing-vpc";
/// How plans name an adopted subnet. Its outputs are those of [`super::subnet`].
pub const SUBNET_KIND: &str = "aws/existing-subnet";

/// A VPC brought along. Identity: `External`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingVpc {
    /// Its id.
    pub id: VpcId,
}

/// A subnet brought along. Identity: `External`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingSubnet {
    /// Its id.
    pub id: SubnetId,
    /// The VPC it must be in.
    pub vpc: VpcId,
}

/// The same sight under the kind of something brought along.
fn adopted(kind: &str, mut seen: Observed) -> Observed {
    seen.reference.kind = kind.to_owned();
    seen
}

#[async_trait]
impl Step<AwsCx> for ExistingVpc {
    async fn find(&self, cx: &AwsCx, _: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let found = vpc::list(cx, Select::id(self.id.as_str())).await?.into_iter();
        Ok(found.map(|(seen, _)| adopted(VPC_KIND, seen)).collect::<Vec<_>>().into())
    }

    async fn create(&self, _: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&what("VPC", at)))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("VPC", at), vpc::list(cx, Select::id(&it.id)).await?.first())?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(vpc::ID, &self.id))
    }

    async fn delete(&self, _: &AwsCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(blocked(&what("VPC", at), "it was brought along"))
    }
}

#[async_trait]
impl Step<AwsCx> for ExistingSubnet {
    async fn find(&self, cx: &AwsCx, _: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let found = subnet::list(cx, Select::id(self.id.as_str())).await?.into_iter();
        Ok(found.map(|(seen, _)| adopted(SUBNET_KIND, seen)).collect::<Vec<_>>().into())
    }

    async fn create(&self, _: &AwsCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        Err(never_made(&what("subnet", at)))
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what("subnet", at);
        let (_, found) = visible(&what, subnet::list(cx, Select::id(&it.id)).await?.into_iter().next())?;
        if found.vpc_id() == Some(self.vpc.as_str()) {
            return Ok(Probe::Ready);
        }
        let why = format!("{what} `{}` is in {}, not in {}", self.id, found.vpc_id().unwrap_or("no VPC"), self.vpc);
        Ok(Probe::Broken(broken(ErrorClass::Permanent, error::REFUSED, it, why)))
    }

    async fn outputs(&self, _: &AwsCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(subnet::ID, &self.id))
    }

    async fn delete(&self, _: &AwsCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(blocked(&what("subnet", at), "it was brought along"))
    }
}
