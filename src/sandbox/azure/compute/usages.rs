//! Quotas of vCPUs by family, and what node pools use of them.

use super::{SCALE_SET, sizes};
use crate::{
    cost::catalogue,
    model::Cloud,
    sandbox::{
        azure::{
            locations,
            store::each,
            wire::{Answer, ArmError, Cx, Outcome, dig, text},
        },
        world::Tx,
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::OnceLock};

/// All vCPUs of a location.
const TOTAL: &str = "cores";
/// Spot vCPUs of a location, of every family.
const SPOT: &str = "lowPriorityCores";

fn families() -> &'static BTreeSet<String> {
    static FAMILIES: OnceLock<BTreeSet<String>> = OnceLock::new();
    FAMILIES.get_or_init(|| catalogue().machine_types(Cloud::Azure).map(|known| sizes::family(known.name)).collect())
}

/// A quota's name as settings keep it: `compute/standardDASv5Family`.
pub(in super::super) fn quota_name(code: &str) -> Option<String> {
    let code = code.strip_prefix("compute/").unwrap_or(code);
    let known = [TOTAL, SPOT].into_iter().chain(families().iter().map(String::as_str));
    let found = known.into_iter().find(|name| name.eq_ignore_ascii_case(code))?;
    Some(format!("compute/{found}"))
}

/// What a subscription may have without asking: accelerators nobody gets unasked on the real one, but here some.
fn usual(name: &str) -> u64 {
    match name {
        TOTAL | SPOT => 350,
        _ if name.starts_with("Standard") && !name.starts_with("StandardH") => 48,
        _ => 100,
    }
}

pub(in super::super) fn limit(tx: &Tx<'_>, name: &str) -> u64 {
    tx.in_force().quotas.get(&format!("compute/{name}")).map_or_else(|| usual(name), |limit| *limit as u64)
}

/// vCPUs that scale sets of a location use: of a family, of all, or of spot.
pub(in super::super) fn used(tx: &Tx<'_>, location: &str, name: &str) -> u64 {
    let sets = each(tx, SCALE_SET).filter(|set| set.region == location);
    let counted = sets.filter_map(|set| {
        let size = sizes::named(text(&set.doc, "sku.name"))?;
        let spot = text(&set.doc, "properties.virtualMachineProfile.priority") == "Spot";
        let counts = match name {
            TOTAL => !spot,
            SPOT => spot,
            family => !spot && size.family == family,
        };
        let nodes = dig(&set.doc, "sku.capacity").as_u64().unwrap_or_default();
        counts.then(|| nodes * u64::from(size.vcpus))
    });
    counted.sum()
}

/// One wish for machines.
#[derive(Debug, Clone)]
pub(in super::super) struct Wish {
    /// Size.
    pub(in super::super) size: String,
    /// How many.
    pub(in super::super) nodes: u64,
    /// Spot.
    pub(in super::super) spot: bool,
}

/// Refuses more vCPUs than a family or the location may have, all wishes together.
///
/// # Errors
/// 400 `ErrCode_InsufficientVCPUQuota`, in AKS's words.
pub(in super::super) fn check(tx: &Tx<'_>, location: &str, wishes: &[Wish]) -> Result<(), ArmError> {
    let mut names: Vec<String> = vec![TOTAL.to_owned(), SPOT.to_owned()];
    for wish in wishes.iter().filter(|wish| !wish.spot) {
        let family = sizes::named(&wish.size).map(|size| size.family).unwrap_or_default();
        if !names.contains(&family) {
            names.insert(0, family);
        }
    }
    for name in names {
        let wanted: u64 = wishes
            .iter()
            .filter_map(|wish| Some((wish, sizes::named(&wish.size)?)))
            .filter(|(wish, size)| match name.as_str() {
                TOTAL => !wish.spot,
                SPOT => wish.spot,
                family => !wish.spot && size.family == family,
            })
            .map(|(wish, size)| wish.nodes * u64::from(size.vcpus))
            .sum();
        let (used, limit) = (used(tx, location, &name), limit(tx, &name));
        if wanted > 0 && used + wanted > limit {
            let left = limit.saturating_sub(used);
            let message = format!(
                "Insufficient vcpu quota requested {wanted}, remaining {left} for family {name} for region {location}. Operation could not be completed as it results in exceeding approved {name} Cores quota. Additional details - Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {used}, Additional Required: {wanted}, (Minimum) New Limit Required: {}.",
                used + wanted
            );
            return Err(ArmError::bad("ErrCode_InsufficientVCPUQuota", message));
        }
    }
    Ok(())
}

/// `locations/{location}/usages`.
pub(super) fn list(cx: &mut Cx<'_, '_>) -> Outcome {
    let location = locations::normal(cx.target.location().unwrap_or_default());
    if !locations::exists(&location) {
        let message = format!("The supplied location '{location}' is not available for this subscription.");
        return Err(ArmError::bad("NoRegisteredProviderFound", message));
    }
    let one = |name: &str, words: String| -> Value {
        json!({
            "name": {"value": name, "localizedValue": words}, "unit": "Count",
            "currentValue": used(cx.tx, &location, name), "limit": limit(cx.tx, name),
        })
    };
    let mut all =
        vec![one(TOTAL, "Total Regional vCPUs".to_owned()), one(SPOT, "Total Regional Spot vCPUs".to_owned())];
    all.extend(families().iter().map(|family| {
        let words = family.trim_start_matches("standard").trim_end_matches("Family").to_owned();
        one(family, format!("Standard {words} Family vCPUs"))
    }));
    Ok(Answer::list(all))
}
