//! Availability zones: which a control plane can stand in.

use super::client::AwsCx;
use super::error::fail;
use crate::engine::StepError;
use aws_sdk_ec2::types::AvailabilityZoneState;

/// Zones without room for EKS control planes, by id: names are shuffled per account.
/// Source: EKS user guide, "Network requirements", read 2026-11.
const WITHOUT_EKS: [&str; 3] = ["use1-az3", "usw1-az2", "cac1-az3"];

/// One zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// `us-east-1a`
    pub name: String,
    /// `use1-az4`
    pub id: String,
    /// Why no cluster of ours stands there, in words.
    pub unfit: Option<String>,
}

/// The region's zones, by name.
///
/// # Errors
/// As the call's.
pub async fn all(cx: &AwsCx) -> Result<Vec<Zone>, StepError> {
    let answer = cx
        .ec2
        .describe_availability_zones()
        .send()
        .await
        .map_err(|err| fail("ec2:DescribeAvailabilityZones", "zones", err))?;
    let mut zones: Vec<Zone> = answer
        .availability_zones()
        .iter()
        .filter_map(|it| {
            let (name, id) = (it.zone_name()?.to_owned(), it.zone_id().unwrap_or_default().to_owned());
            let unfit = match (it.zone_type(), it.state()) {
                (Some(kind), _) if kind != "availability-zone" => Some(format!("it is a {kind}")),
                (_, Some(state)) if *state != AvailabilityZoneState::Available => {
                    Some(format!("it is {}", state.as_str()))
                }
                _ if WITHOUT_EKS.contains(&id.as_str()) => Some(format!("EKS has no control planes in {id}")),
                _ => None,
            };
            Some(Zone { name, id, unfit })
        })
        .collect();
    zones.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(zones)
}
