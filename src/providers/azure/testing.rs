//! What the tests of this folder start from.

use super::AzureCx;
use super::auth::Tokens;
use crate::model::spec::{AksNetwork, AksOutbound, AksTier, Budget, Nat, ResolvedAzure, ResolvedNetwork, ResolvedPool};
use crate::model::{Cloud, Region, ResolvedSpec};
use crate::providers::rest::Rest;
use std::sync::Arc;

/// The subscription of every test.
pub(crate) const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";

/// A context that is never asked to send anything.
pub(crate) fn cx() -> AzureCx {
    let rest = Rest::new(reqwest::Client::new());
    let cx = AzureCx::new(rest, Arc::new(Tokens::fixed("t")), None, Region("eastus".to_owned())).unwrap();
    cx.set_subscription(SUBSCRIPTION);
    cx
}

/// The default cluster in eastus.
pub(crate) fn spec(name: &str) -> ResolvedSpec {
    ResolvedSpec {
        name: name.parse().unwrap(),
        provider: Cloud::Azure,
        region: Region("eastus".to_owned()),
        account: SUBSCRIPTION.to_owned(),
        environment: None,
        version: "1.35".to_owned(),
        ttl_secs: None,
        protect: false,
        budget: Budget::default(),
        network: ResolvedNetwork {
            cidr: "10.0.0.0/16".parse().unwrap(),
            zones: vec!["1".to_owned(), "2".to_owned()],
            nat: Nat::Single,
            api_allow: vec!["0.0.0.0/0".parse().unwrap()],
            existing: None,
        },
        node_pools: vec![pool("default")],
        admins: Vec::new(),
        tags: [("team".to_owned(), "research".to_owned())].into(),
        aws: None,
        gcp: None,
        azure: Some(ResolvedAzure {
            tenant: "22222222-3333-4444-8555-666666666666".to_owned(),
            tier: AksTier::Free,
            network: AksNetwork::Overlay,
            pod_cidr: "10.244.0.0/16".parse().unwrap(),
            service_cidr: "10.245.0.0/16".parse().unwrap(),
            outbound: AksOutbound::NatGateway,
            azure_rbac: true,
            admin_groups: Vec::new(),
            local_accounts: false,
            identity: None,
            admin: Some(("33333333-4444-4555-8666-777777777777".to_owned(), "ServicePrincipal".to_owned())),
        }),
        defaults: vec!["network.nat".to_owned()],
    }
}

/// A pool of two Standard_D2as_v5.
pub(crate) fn pool(name: &str) -> ResolvedPool {
    ResolvedPool {
        name: name.to_owned(),
        instance_type: "Standard_D2as_v5".to_owned(),
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
