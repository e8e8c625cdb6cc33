//! Changing the tags of what stands: protection and its end. Only what is proven ours is ever given to this.
//!
//! EC2 takes many objects in one call; the other services one in each. All these calls set a key whatever was there.

use super::client::AwsCx;
use super::steps::{self, support::visible};
use super::{error::fail, plan, tags};
use crate::engine::{ErrorClass, Owned, Residue, StepError};
use crate::model::Stack;
use tags::Tags;

/// As many resources as one `CreateTags` takes (EC2 API reference, `CreateTags`).
const AT_ONCE: usize = 1_000;

/// Kinds that EC2 holds and that carry tags.
const EC2: [&str; 9] = [
    steps::vpc::KIND,
    steps::subnet::KIND,
    steps::internet_gateway::KIND,
    steps::elastic_ip::KIND,
    steps::nat_gateway::KIND,
    steps::route_table::KIND,
    steps::security_group::KIND,
    steps::vpc_endpoint::KIND,
    steps::launch_template::KIND,
];

/// Puts `tags` on each of them.
///
/// # Errors
/// As the first call that fails; `Permanent` for a kind without tags of its own, before any call.
pub async fn retag(cx: &AwsCx, stack: &Stack, owned: &[Owned], tags: &Tags) -> Result<(), StepError> {
    let (ec2, others): (Vec<&Owned>, Vec<&Owned>) =
        owned.iter().partition(|it| EC2.contains(&it.reference().kind.as_str()));
    if let Some(odd) = others.iter().find(|it| !is_tagged_alone(&it.reference().kind)) {
        let message = format!("cannot tag {}: its kind {} carries no tags", odd.id(), odd.reference().kind);
        return Err(StepError::new(ErrorClass::Permanent, "KW-PLAN", message).with_residue(Residue::None));
    }
    for some in ec2.chunks(AT_ONCE) {
        let ids = some.iter().map(|it| it.id().to_owned()).collect();
        let call = cx.ec2.create_tags().set_resources(Some(ids)).set_tags(Some(tags::ec2_list(tags)));
        let what = format!("tags of {} EC2 objects", some.len());
        call.send().await.map_err(|err| fail("ec2:CreateTags", &what, err))?;
    }
    for one in others {
        retag_one(cx, stack, one, tags).await?;
    }
    Ok(())
}

fn is_tagged_alone(kind: &str) -> bool {
    [steps::iam_role::KIND, steps::cluster::KIND, steps::node_group::KIND, steps::log_group::KIND].contains(&kind)
}

async fn retag_one(cx: &AwsCx, stack: &Stack, owned: &Owned, tags: &Tags) -> Result<(), StepError> {
    let it = owned.reference();
    let what = format!("tags of {}", it.id);
    let map = Some(tags::map(tags));
    match it.kind.as_str() {
        steps::iam_role::KIND => {
            let call = cx.iam.tag_role().role_name(&it.id).set_tags(Some(tags::iam(tags)));
            call.send().await.map_err(|err| fail("iam:TagRole", &what, err))?;
        }
        steps::log_group::KIND => {
            let (_, group) = visible(&what, steps::log_group::get(cx, &it.id).await?)?;
            let call = cx.logs.tag_resource().resource_arn(steps::log_group::arn_of(&group)).set_tags(map);
            call.send().await.map_err(|err| fail("logs:TagResource", &what, err))?;
        }
        kind => {
            let arn = if kind == steps::cluster::KIND {
                visible(&what, steps::cluster::get(cx, &it.id).await?)?.1.arn
            } else {
                let cluster = plan::cluster_name(stack);
                visible(&what, steps::node_group::get(cx, &cluster, &it.id).await?)?.1.nodegroup_arn
            };
            let call = cx.eks.tag_resource().resource_arn(arn.unwrap_or_default()).set_tags(map);
            call.send().await.map_err(|err| fail("eks:TagResource", &what, err))?;
        }
    }
    Ok(())
}
