//! A disk: of a persistent volume, or of a machine that is gone.

use super::remains::Remains;
use super::support::{self, Select, deleted, seen, time};
use crate::engine::{Deletion, Observed, StepError};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{Volume as Ec2Volume, VolumeState};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/volume";

/// A volume, by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {}

/// Volumes that are not gone.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Volume)>, StepError> {
    let request = cx.ec2.describe_volumes().set_volume_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let volumes = support::list("ec2:DescribeVolumes", "volumes", answer)?;
    let observe = |volume: Ec2Volume| {
        if volume.state() == Some(&VolumeState::Deleted) {
            return None;
        }
        let tags = tags::from_ec2(volume.tags());
        let claim = tags.get("kubernetes.io/created-for/pvc/name").or_else(|| tags.get("Name")).cloned();
        let mut seen = seen(KIND, volume.volume_id()?, tags);
        seen.reference.name = claim;
        seen.created_at = time(volume.create_time());
        seen.attached = !volume.attachments().is_empty();
        Some((seen, volume))
    };
    Ok(volumes.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Remains for Volume {
    const NOUN: &'static str = "volume";

    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError> {
        Ok(list(cx, Select::id(id)).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_volume().volume_id(id).send().await;
        deleted("ec2:DeleteVolume", what, Deletion::Started, answer)
    }
}
