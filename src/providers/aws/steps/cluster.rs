//! The EKS control plane.

use super::ExtraTags;
use super::refs::{EksName, RoleArn, SecurityGroupId, SubnetId};
use crate::engine::{Input, OutputKey};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/eks-cluster";
/// The cluster's name.
pub const NAME: OutputKey<EksName> = OutputKey::new("name");
/// The cluster's ARN.
pub const ARN: OutputKey<String> = OutputKey::new("arn");
/// The API server's URL.
pub const ENDPOINT: OutputKey<String> = OutputKey::new("endpoint");
/// The API server's CA, PEM in base64.
pub const CA: OutputKey<String> = OutputKey::new("ca");
/// The Kubernetes version it runs.
pub const VERSION: OutputKey<String> = OutputKey::new("version");
/// The security group that EKS made for it. Missing where the cloud does not say.
pub const SECURITY_GROUP: OutputKey<SecurityGroupId> = OutputKey::new("securityGroup");
/// The OIDC issuer. Missing where the cloud does not say.
pub const OIDC_ISSUER: OutputKey<String> = OutputKey::new("oidcIssuer");

/// A control plane with access mode API and support type STANDARD. Identity: `Name`, tagged. Its `ResourceRef` id is
/// its name. Must wait for the role's policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name, the same as in the identity.
    pub name: EksName,
    /// Kubernetes minor version.
    pub version: String,
    /// The control plane's role.
    pub role: Input<RoleArn>,
    /// Subnets in at least two zones.
    pub subnets: Vec<Input<SubnetId>>,
    /// Security groups beside the one EKS makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<Input<SecurityGroupId>>,
    /// Ranges that may reach the public endpoint.
    pub public_access_cidrs: Vec<Ipv4Net>,
    /// The endpoint is reachable from inside the VPC.
    pub private_access: bool,
    /// Control plane logs to keep: `api`, `audit`, `authenticator`, `controllerManager`, `scheduler`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// Whoever calls gets in as admin, without an access entry of ours. Cannot be changed later.
    pub creator_is_admin: bool,
    /// EKS installs its own copies of network, proxy and DNS: only where no add-on brings them.
    pub self_managed_addons: bool,
    /// More tags.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}
