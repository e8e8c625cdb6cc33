//! VPC endpoints that no step of ours made: GuardDuty's, and those of others.

use super::{Look, leftover, reported};
use crate::engine::{Caused, Leftover, StepError};
use crate::providers::aws::client::AwsCx;
use crate::providers::aws::steps::{self, support::Select, vpc_endpoint};
use crate::providers::aws::sweep::is_ours;
use crate::providers::aws::tags::is_guard_duty;

/// Endpoints in our network that no step of ours made: GuardDuty's go, others' are named.
pub(super) async fn endpoints(cx: &AwsCx, look: Look<'_>) -> Result<Vec<Leftover>, StepError> {
    let mut found = Vec::new();
    for network in look.networks() {
        for (mut seen, endpoint) in vpc_endpoint::list(cx, Select::by("vpc-id", network)).await? {
            if is_ours(look.stack, &seen) {
                continue;
            }
            let service_name = endpoint.service_name().unwrap_or_default().to_owned();
            let params = steps::VpcEndpoint {
                vpc: crate::engine::Input::Given(network.into()),
                service_name: service_name.clone(),
                route_tables: Vec::new(),
            };
            if is_guard_duty(&seen.evidence.tags) && service_name.ends_with(".guardduty-data") {
                seen.evidence.caused = Some(Caused::InsideOwned { container: network.to_owned() });
                found.push(leftover(seen, "ec2", &params));
            } else {
                let owner = format!("an endpoint for {service_name} that somebody put into our network {network}");
                found.push(reported(seen, owner, &params));
            }
        }
    }
    Ok(found)
}
