//! Security groups that EKS, its controllers or GuardDuty made.

use super::{Look, leftover};
use crate::engine::{Caused, Leftover, Observed, StepError};
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::steps::{self, security_group, support::Select};
use crate::providers::aws::sweep::is_ours;
use crate::providers::aws::tags::{is_guard_duty, names_cluster};

/// How GuardDuty calls the group of its endpoint; the network's id follows.
const GUARD_DUTY_GROUP: &str = "GuardDutyManagedSecurityGroup-";

/// Security groups that EKS, its controllers or GuardDuty made in our network, and our cluster's own wherever it is.
pub(super) async fn groups(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found: Vec<Leftover> = Vec::new();
    if look.clusters_are_gone(cx).await? {
        let groups: Vec<(&str, &str)> = look.cluster_groups().collect();
        for (name, id) in groups {
            for (mut seen, group) in security_group::list(cx, Select::id(id)).await? {
                if !names_cluster(name, &seen.evidence.tags) {
                    continue;
                }
                seen.evidence.caused = Some(Caused::InsideOwned { container: name.to_owned() });
                found.push(security_group_leftover(seen, &group));
            }
        }
    }
    for network in look.networks() {
        for (mut seen, group) in security_group::list(cx, Select::by("vpc-id", network)).await? {
            // The tag alone is anybody's to write; the name alone, too.
            let named = group.group_name().is_some_and(|name| name.starts_with(GUARD_DUTY_GROUP));
            let guard = named && is_guard_duty(&seen.evidence.tags);
            let default = group.group_name() == Some("default");
            let known = found.iter().any(|it| it.seen.reference.id == seen.reference.id);
            let made = guard || names_cluster(&look.cluster(), &seen.evidence.tags);
            if default || known || !made || is_ours(look.stack, &seen) {
                continue;
            }
            seen.evidence.caused = Some(Caused::InsideOwned { container: network.to_owned() });
            found.push(security_group_leftover(seen, &group));
        }
    }
    Ok(found)
}

fn security_group_leftover(seen: Observed, group: &aws_sdk_ec2::types::SecurityGroup) -> Leftover {
    let params = steps::SecurityGroup {
        vpc: crate::engine::Input::Given(group.vpc_id().unwrap_or_default().into()),
        name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
    };
    leftover(seen, "ec2", &params)
}
