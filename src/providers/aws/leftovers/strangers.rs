//! What somebody else put into our network or joined to it: named with its owner, never touched.

use super::{Look, reported};
use crate::engine::{Clock, Leftover, StepError};
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::steps::{strangers::PLACES, support};
use crate::providers::patience::patient;

/// Subnets, gateways, peering connections and the like that neither a step of ours nor the cluster made.
pub(super) async fn strangers(cx: &AwsCx, clock: &dyn Clock, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for network in look.networks() {
        for place in PLACES {
            for it in patient(clock, || place.look(cx, network)).await? {
                if !it.is_going(look.stack, &look.cluster()) {
                    let owner = format!("{}; its owner removes it with `{}`", it.words, it.removal);
                    found.push(reported(support::seen(it.kind, &it.id, it.tags), owner, &()));
                }
            }
        }
    }
    Ok(found)
}
