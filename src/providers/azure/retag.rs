//! Changing the tags of what stands: protection and its end. Only what is proven ours is ever given to this.
//!
//! Azure's tags can be merged on every resource and on groups in the same way; a cluster's go through AKS, which hands
//! them on to what it made.

use super::client::{AzureCx, Op, version};
use super::refs::ArmId;
use super::tags::Tags;
use crate::engine::{ErrorClass, Owned, Residue, StepError};
use serde_json::json;

const GROUP: Op = Op::new("resources:resourceGroups.update", version::RESOURCES);
const ANY: Op = Op::new("resources:tags.updateAtScope", version::RESOURCES);

/// Puts `tags` on each of them.
///
/// # Errors
/// As the first call that fails; `Permanent` for an object without tags of its own, before any call.
pub async fn retag(cx: &AzureCx, owned: &[Owned], tags: &Tags) -> Result<(), StepError> {
    if let Some(odd) = owned.iter().find(|it| !carries_tags(it.id())) {
        let message = format!("cannot tag {}: its kind {} carries no tags", odd.id(), odd.reference().kind);
        return Err(StepError::new(ErrorClass::Permanent, "KW-PLAN", message).with_residue(Residue::None));
    }
    for it in owned {
        let id = ArmId(it.id().to_owned());
        let what = format!("tags of {}", id.name());
        let (op, at) = match id.kind() {
            Some(_) => (ANY, ArmId(format!("{id}/providers/Microsoft.Resources/tags/default"))),
            None => (GROUP, id),
        };
        let body = match op == ANY {
            true => json!({ "operation": "Merge", "properties": { "tags": tags } }),
            false => json!({ "tags": tags }),
        };
        cx.patch(op, &what, &at, body).await?;
    }
    Ok(())
}

/// Parts of others (subnets) and role assignments carry none.
fn carries_tags(id: &str) -> bool {
    let id = ArmId(id.to_owned());
    let assigned = id.kind().is_some_and(|kind| kind.to_ascii_lowercase().starts_with("microsoft.authorization/"));
    id.segment("resourceGroups").is_some() && id.parent().is_none() && !assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_assignments_carry_no_tags() {
        let group = ArmId::group("s", "kw-demo-0a1b2c3d");
        let network = group.inside("Microsoft.Network/virtualNetworks", "v");
        let assigned = network.part("subnets", "n").inside("Microsoft.Authorization/roleAssignments", "1");
        assert!(carries_tags(group.as_str()) && carries_tags(network.as_str()));
        assert!(!carries_tags(network.part("subnets", "n").as_str()) && !carries_tags(assigned.as_str()));
        assert!(!carries_tags("/subscriptions/s") && !carries_tags("nonsense"));
    }
}
