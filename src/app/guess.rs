//! A spec with every choice made from what this build knows, before anybody is signed in: for a price, not for a build.

use crate::engine::StepError;
use crate::model::{ClusterSpec, ResolvedSpec};
use crate::providers::{Identity, Provider};

/// The spec as it would probably be built. Nothing is asked.
///
/// # Errors
/// Every problem of the spec that needs no cloud to be found.
pub(super) fn guessed(
    provider: &dyn Provider,
    spec: &ClusterSpec,
    who: Option<&Identity>,
) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut spec = spec.clone();
    // Zones and versions are the cloud's to judge, and its list may be newer than ours: neither changes a price.
    spec.version = None;
    if let Some(network) = &mut spec.network
        && let Some(zones) = network.zones.take()
    {
        network.zone_count = u8::try_from(zones.len()).ok();
    }
    let stranger = || Identity {
        account: spec.account.clone().unwrap_or_else(|| provider.cloud().terms().nobody.to_owned()),
        principal: String::new(),
        source: String::new(),
        expires_at: None,
    };
    let who = who.cloned().unwrap_or_else(stranger);
    provider.guess(&spec, &who)
}
