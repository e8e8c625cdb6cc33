//! Changing the labels of what stands: protection and its end. Only what is proven ours is ever given to this.
//!
//! Networks, subnetworks, routers and service accounts say whose they are in a description, which stays as it was made:
//! the cluster speaks for its stack.

use super::client::GcpCx;
use super::labels::Tags;
use super::steps::support::visible;
use super::{clusters, steps, wire};
use crate::engine::{ErrorClass, Owned, Residue, StepError};
use crate::model::Stack;

/// Whether labels of a kind can be changed while it stands.
pub fn changes(kind: &str) -> bool {
    kind == steps::cluster::KIND
}

/// Puts `tags` on each of them.
///
/// # Errors
/// As the first call that fails; `Permanent` for a kind without labels, before any call.
pub async fn retag(cx: &GcpCx, stack: &Stack, owned: &[Owned], tags: &Tags) -> Result<(), StepError> {
    if let Some(odd) = owned.iter().find(|it| !changes(&it.reference().kind)) {
        let message = format!("cannot label {}: its kind {} carries no labels", odd.id(), odd.reference().kind);
        return Err(StepError::new(ErrorClass::Permanent, "KW-PLAN", message).with_residue(Residue::None));
    }
    for one in owned {
        let what = format!("labels of cluster {}", one.id());
        let ours = |it: &wire::Cluster| it.name == one.id() && clusters::stack_of(it).as_ref() == Some(stack);
        let cluster = visible(&what, clusters::all(cx).await?.into_iter().find(ours))?;
        steps::cluster::add_labels(cx, &cluster, tags, &what).await?;
    }
    Ok(())
}
