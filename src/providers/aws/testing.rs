//! Values that the unit tests of this provider share.

use crate::model::spec::{Budget, Nat, ResolvedAws, ResolvedNetwork, ResolvedPool};
use crate::model::{Cloud, Region, ResolvedSpec};

/// The default cluster in us-east-1.
pub(crate) fn spec(name: &str) -> ResolvedSpec {
    ResolvedSpec {
        name: name.parse().unwrap(),
        provider: Cloud::Aws,
        region: Region("us-east-1".to_owned()),
        account: "123456789012".to_owned(),
        environment: None,
        version: "1.35".to_owned(),
        ttl_secs: None,
        protect: false,
        budget: Budget::default(),
        network: ResolvedNetwork {
            cidr: "10.0.0.0/16".parse().unwrap(),
            zones: vec!["us-east-1a".to_owned(), "us-east-1b".to_owned()],
            nat: Nat::Single,
            api_allow: vec!["0.0.0.0/0".parse().unwrap()],
            existing: None,
        },
        node_pools: vec![pool("default")],
        admins: Vec::new(),
        tags: [("team".to_owned(), "research".to_owned())].into(),
        gcp: None,
        azure: None,
        aws: Some(ResolvedAws {
            addons: ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver"]
                .map(str::to_owned)
                .to_vec(),
            cluster_role_arn: None,
            node_role_arn: None,
            admin_principal_arn: Some("arn:aws:iam::123456789012:role/Deploy".to_owned()),
        }),
        defaults: vec!["network.nat".to_owned()],
    }
}

/// A pool of two m6a.large.
pub(crate) fn pool(name: &str) -> ResolvedPool {
    ResolvedPool {
        name: name.to_owned(),
        instance_type: "m6a.large".to_owned(),
        other_types: Vec::new(),
        billed_type: None,
        arch: "amd64".to_owned(),
        gpu: None,
        count: 2,
        min: 2,
        max: 2,
        spot: false,
        disk_gib: 50,
        labels: [].into(),
        taints: Vec::new(),
    }
}
