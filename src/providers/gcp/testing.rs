//! Values that the unit tests of this provider share.

use crate::model::spec::{Budget, Nat, ReleaseChannel, ResolvedGcp, ResolvedNetwork, ResolvedPool};
use crate::model::{Cloud, Region, ResolvedSpec};

/// The default cluster in us-central1.
pub(crate) fn spec(name: &str) -> ResolvedSpec {
    ResolvedSpec {
        name: name.parse().unwrap(),
        provider: Cloud::Gcp,
        region: Region("us-central1".to_owned()),
        account: "acme-prod".to_owned(),
        environment: None,
        version: "1.35".to_owned(),
        ttl_secs: None,
        protect: false,
        budget: Budget::default(),
        network: ResolvedNetwork {
            cidr: "10.0.0.0/16".parse().unwrap(),
            zones: vec!["us-central1-a".to_owned(), "us-central1-b".to_owned()],
            nat: Nat::Single,
            api_allow: vec!["0.0.0.0/0".parse().unwrap()],
            existing: None,
        },
        node_pools: vec![pool("default")],
        admins: Vec::new(),
        tags: [("team".to_owned(), "research".to_owned())].into(),
        aws: None,
        gcp: Some(ResolvedGcp {
            project_number: "123456789012".to_owned(),
            location: "us-central1-a".to_owned(),
            autopilot: false,
            release_channel: ReleaseChannel::Regular,
            initial_version: "1.35.6-gke.1127000".to_owned(),
            pod_cidr: "10.0.128.0/17".parse().ok(),
            service_cidr: "10.0.16.0/20".parse().ok(),
            node_service_account: None,
            oauth_scopes: vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()],
            addons: super::addons::USUAL.map(str::to_owned).to_vec(),
        }),
        azure: None,
        defaults: vec!["network.nat".to_owned()],
    }
}

/// A pool of two e2-standard-2.
pub(crate) fn pool(name: &str) -> ResolvedPool {
    ResolvedPool {
        name: name.to_owned(),
        instance_type: "e2-standard-2".to_owned(),
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
