//! Node groups and machines that no step of ours made or that outlived theirs.

use super::{Look, leftover};
use crate::engine::{Caused, Leftover, Observed, StepError};
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::steps::{self, instance, node_group, support, support::Select};
use crate::providers::aws::sweep::{as_node_group, is_ours};

/// Node groups of our cluster that no step of ours made: EKS keeps the cluster as long as one is.
pub(super) async fn extra_node_groups(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for name in look.clusters() {
        let call = cx.eks.list_nodegroups().cluster_name(name).into_paginator().items().send();
        for group in support::list("eks:ListNodegroups", "node groups", call.collect().await)? {
            let Some((mut seen, details)) = node_group::get(cx, name, &group).await? else { continue };
            // Those of ours are steps of the teardown already.
            if is_ours(look.stack, &seen) {
                continue;
            }
            seen.evidence.caused = Some(Caused::InsideOwned { container: name.to_owned() });
            found.push(leftover(seen, "eks", &as_node_group(name, &group, &details)));
        }
    }
    Ok(found)
}

/// Machines under our tags, put there by the launch template, whose node group is gone.
pub(super) async fn machines(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let found = instance::list(cx, Select::stack(look.stack)).await?;
    let ours = found.into_iter().filter(|(seen, _)| is_ours(look.stack, seen));
    Ok(ours.map(|(seen, _)| machine(seen)).collect())
}

/// Anyone who starts a machine "like this one" copies its tags; only AWS itself writes down the launch template.
fn machine(seen: Observed) -> Leftover {
    let launched = ["aws:ec2launchtemplate:id", "aws:autoscaling:groupName"];
    if launched.iter().any(|key| seen.evidence.tags.contains_key(*key)) {
        return leftover(seen, "ec2", &steps::Instance {});
    }
    let owner = "it carries our tags, but no launch template started it: somebody's copy".to_owned();
    Leftover { keep: true, owner: Some(owner), ..leftover(seen, "ec2", &steps::Instance {}) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::tags;
    use super::*;
    use crate::engine::proof::{TAG_STACK, TAG_STEP};

    #[test]
    fn a_machine_that_only_has_our_tags_is_somebodys_copy() {
        let ours = [(TAG_STACK, "demo-0a1b2c3d"), (TAG_STEP, "nodes__pool__default__template")];
        let seen = |more: &[(&str, &str)]| {
            machine(support::seen(instance::KIND, "i-1", tags(&[ours.as_slice(), more].concat())))
        };
        assert!(!seen(&[("aws:ec2launchtemplate:id", "lt-1")]).keep);
        assert!(seen(&[]).keep);
        assert!(seen(&[("eks:nodegroup-name", "default")]).keep);
    }
}
