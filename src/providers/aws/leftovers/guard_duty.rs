//! How GuardDuty's own things are told from others.

use crate::providers::aws::tags::Tags;

/// GuardDuty puts an endpoint and a group into networks with EKS nodes without being asked, and leaves them there
/// (Amazon GuardDuty User Guide, "Runtime Monitoring").
pub(super) fn is_guard_duty(tags: &Tags) -> bool {
    tags.get("GuardDutyManaged").is_some_and(|value| value == "true")
}
