//! The door of a VPC to the internet; attached by a step of its own.

use super::refs::InternetGatewayId;
use crate::engine::OutputKey;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/internet-gateway";
/// The gateway's id.
pub const ID: OutputKey<InternetGatewayId> = OutputKey::new("id");

/// An internet gateway. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InternetGateway {}
