//! The Kubernetes API of a cluster: is it there, are its nodes ready, what did it make in the cloud.
//!
//! Reads nothing from the environment or from kubeconfig files: an [`Access`] says all. Nothing here waits or tries
//! again; that is the engine's. Each mutating function sends exactly one mutating call, which the caller journals first.

mod access;
mod error;
pub mod kubeconfig;
mod made;
pub mod manifest;
mod nodes;
mod object;
mod reach;

pub use access::{Access, connect};
pub use kube::Client;
pub use made::{ClusterMade, LoadBalancerMade, Reclaim, VolumeMade, cluster_made, set_reclaim};
pub use nodes::{GPU, NodeSeen, nodes, pods_by_node};
pub use object::{ObjectKind, ObjectRef, delete, is_gone};
pub use reach::{Barrier, Unreachable, reachable, version};

#[cfg(test)]
pub(crate) mod testing;
