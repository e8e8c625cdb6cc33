//! Values that the unit tests of this provider share.

use crate::model::spec::{ResolvedAws, ResolvedPool};
use crate::model::{Cloud, ResolvedSpec};
use crate::providers::testing;

pub(crate) use super::client::cx_at;

/// The default cluster in us-east-1.
pub(crate) fn spec(name: &str) -> ResolvedSpec {
    let aws = ResolvedAws {
        addons: ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver"]
            .map(str::to_owned)
            .to_vec(),
        cluster_role_arn: None,
        node_role_arn: None,
        admin_principal_arn: Some("arn:aws:iam::123456789012:role/Deploy".to_owned()),
    };
    let zones = ["us-east-1a", "us-east-1b"];
    let common = testing::spec(name, Cloud::Aws, ("us-east-1", "123456789012"), zones, pool("default"));
    ResolvedSpec { aws: Some(aws), ..common }
}

/// A pool of two m6a.large.
pub(crate) fn pool(name: &str) -> ResolvedPool {
    testing::pool(name, "m6a.large")
}
