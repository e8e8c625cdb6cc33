//! A network interface that the network add-on forgot: it keeps its security group and its subnet from going.

use super::remains::Remains;
use super::support::{self, Select, busy, deleted, seen};
use crate::engine::{Deletion, Observed, StepError};
use crate::providers::aws::{client::AwsCx, error, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::NetworkInterface as Ec2Interface;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/network-interface";

/// A network interface, by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkInterface {}

/// Network interfaces with all that EC2 says of them.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Interface)>, StepError> {
    let request = cx.ec2.describe_network_interfaces();
    let request = request.set_network_interface_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let interfaces = support::list("ec2:DescribeNetworkInterfaces", "network interfaces", answer)?;
    let observe = |eni: Ec2Interface| {
        let mut seen = seen(KIND, eni.network_interface_id()?, tags::from_ec2(eni.tag_set()));
        seen.reference.name = eni.description().filter(|text| !text.is_empty()).map(str::to_owned);
        seen.attached = eni.attachment().is_some();
        Some((seen, eni))
    };
    Ok(interfaces.into_iter().filter_map(observe).collect())
}

#[async_trait]
impl Remains for NetworkInterface {
    const NOUN: &'static str = "network interface";

    async fn read(&self, cx: &AwsCx, id: &str) -> Result<Vec<Observed>, StepError> {
        Ok(list(cx, Select::id(id)).await?.into_iter().map(|(seen, _)| seen).collect())
    }

    async fn remove(&self, cx: &AwsCx, what: &str, id: &str) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_network_interface().network_interface_id(id).send().await;
        // EC2's word for an interface that was attached again, or is still detaching.
        if answer.as_ref().is_err_and(|err| error::message_of(err).contains("currently in use")) {
            return Err(busy(what, "it is in use"));
        }
        deleted("ec2:DeleteNetworkInterface", what, Deletion::Gone, answer)
    }
}
