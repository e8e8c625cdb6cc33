//! What the tests of this folder start from.

use super::AzureCx;
use super::auth::Tokens;
use crate::model::Region;
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
