//! A snapshot that the storage driver made.

use super::remains::Remains;
use super::support::{self, Select, deleted, seen, time};
use crate::engine::{Deletion, Observed, StepError};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::Snapshot as Ec2Snapshot;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/snapshot";

/// A snapshot, by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {}

/// Snapshots of this account.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Snapshot)>, StepError> {
    let request = cx.ec2.describe_snapshots().owner_ids("self");
    let request = request.set_snapshot_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let snapshots = support::list("ec2:DescribeSnapshots", "snapshots", answer)?;
    let observe = |snapshot: Ec2Snapshot| {
        let mut seen = seen(KIND, snapshot.snapshot_id()?, tags::from_ec2(snapshot.tags()));
        seen.created_at = time(snapshot.start_time());
        Some((seen, snapshot))
    };
    Ok(snapshots.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Remains for Snapshot {
    const NOUN: &'static str = "snapshot";

    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError> {
        Ok(list(cx, Select::id(id)).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_snapshot().snapshot_id(id).send().await;
        deleted("ec2:DeleteSnapshot", what, Deletion::Gone, answer)
    }
}
