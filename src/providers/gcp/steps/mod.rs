//! One file per kind of Google's objects, verbs in the order find, create, converge, probe, outputs, delete.
//!
//! A step is its params: what [`crate::engine::PlannedStep::params`] holds. Steps never sleep, retry, print or read the
//! clock. `create` is exactly one mutating call, with labels or a description inside it that say whose the object is.

pub mod cluster;
pub mod existing;
pub mod network;
pub mod node_pool;
pub mod pool;
pub mod remains;
pub mod role_binding;
pub mod router;
pub mod service;
pub mod service_account;
pub(in crate::providers::gcp) mod strangers;
pub mod subnetwork;
pub(in crate::providers::gcp) mod support;

pub use cluster::Cluster;
pub use existing::{ExistingNetwork, ExistingSubnetwork};
pub use network::Network;
pub use node_pool::NodePool;
pub use pool::Pool;
pub use remains::Remains;
pub use role_binding::RoleBinding;
pub use router::Router;
pub use service::ServiceOn;
pub use service_account::ServiceAccount;
pub use subnetwork::Subnetwork;

use super::labels::{self, TAG_REGION, Tags};
use crate::engine::Scope;
use crate::model::Region;

/// What an object says beside the tags that every object of the stack carries.
pub use crate::providers::kit::ExtraTags;

/// Under this key [`ExtraTags`] hold what an anchor's description says of the spec.
pub const SPEC: &str = "spec";

/// The tags of a new object, with the region of its stack: most of what has no labels belongs to no region either.
fn tags_of(at: Scope<'_>, region: &Region) -> Tags {
    let mut tags = labels::lasting(at.tags);
    tags.insert(TAG_REGION.to_owned(), region.to_string());
    tags
}

/// The description of a new object without labels.
fn told(sentence: &str, at: Scope<'_>, extra: &ExtraTags, region: &Region) -> String {
    let spec = extra.get(SPEC).map(String::as_str).unwrap_or_default();
    format!("{}{spec}", labels::description(sentence, &tags_of(at, region)))
}
