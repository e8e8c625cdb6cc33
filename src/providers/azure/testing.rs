//! What the tests of this folder start from.

use super::AzureCx;
use super::auth::Tokens;
use crate::model::spec::{AksNetwork, AksOutbound, AksTier, ResolvedAzure, ResolvedPool};
use crate::model::{Cloud, Region, ResolvedSpec};
use crate::providers::rest::Rest;
use crate::providers::testing;
use std::sync::Arc;

/// The subscription of every test.
pub(crate) const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";

/// A context that is never asked to send anything.
pub(crate) fn cx() -> AzureCx {
    cx_of(None)
}

/// A context whose Resource Manager is at this address.
pub(crate) fn cx_at(url: &str) -> AzureCx {
    cx_of(Some(url))
}

fn cx_of(arm: Option<&str>) -> AzureCx {
    let rest = Rest::new(reqwest::Client::new());
    let cx = AzureCx::new(rest, Arc::new(Tokens::fixed("t")), arm, Region("eastus".to_owned())).unwrap();
    cx.set_subscription(SUBSCRIPTION);
    cx
}

/// The default cluster in eastus.
pub(crate) fn spec(name: &str) -> ResolvedSpec {
    let azure = ResolvedAzure {
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
    };
    let common = testing::spec(name, Cloud::Azure, ("eastus", SUBSCRIPTION), ["1", "2"], pool("default"));
    ResolvedSpec { azure: Some(azure), ..common }
}

/// A pool of two Standard_D2as_v5.
pub(crate) fn pool(name: &str) -> ResolvedPool {
    testing::pool(name, "Standard_D2as_v5")
}
