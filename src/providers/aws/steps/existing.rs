//! A VPC and subnets brought along: read, never changed, never deleted.

use super::refs::{SubnetId, VpcId};
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
