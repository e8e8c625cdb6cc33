//! The log group of the control plane, where EKS made it.

use super::{Look, leftover};
use crate::engine::{Leftover, StepError};
use crate::providers::aws::steps::{self, log_group};
use crate::providers::aws::sweep::{is_ours, log_group_name};
use crate::providers::aws::{client::AwsCx, error};

/// A log group with the cluster's name that does not carry our tags: EKS made it, now or for another cluster.
pub(super) async fn logs(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let name = log_group_name(look.stack);
    // Nothing of it is deleted, so that not being allowed to read it stops nothing.
    let found = match log_group::get(cx, &name).await {
        Err(denied) if denied.id == error::DENIED => {
            tracing::debug!(%denied, "whether EKS left a log group cannot be known");
            return Ok(Vec::new());
        }
        found => found?,
    };
    let Some((seen, _)) = found.filter(|(seen, _)| !is_ours(look.stack, seen)) else { return Ok(Vec::new()) };
    let owner = "made by EKS; it may hold the logs of other clusters of this name".to_owned();
    let params = steps::LogGroup { name, retention_days: 0 };
    Ok(vec![Leftover { keep: true, owner: Some(owner), ..leftover(seen, "logs", &params) }])
}
