//! The Kubernetes API servers of pretend clusters, one path prefix each on the TLS port: discovery, authentication as
//! EKS does it, the objects a cluster lifecycle needs, and the controllers that make cloud objects by themselves.
//!
//! Served: what [`discovery::KINDS`] lists. Pods are placed, but nothing of them runs here; what is not simulated says so
//! with a 501.

mod auth;
mod autoscaler;
mod cloud;
mod controllers;
mod discovery;
mod objects;
mod openapi;
mod paths;
mod pods;
mod schema;
mod server;
mod status;
mod table;
mod views;
mod watch;

#[cfg(test)]
mod tests;

pub use server::ApiServers;

use super::world::{Object, Scope, Tx};
use discovery::{KINDS, Source};

/// Forgets everything an API server kept: its cluster is gone. Load balancers and disks stay in the account.
pub(super) fn forget_cluster(tx: &mut Tx<'_>, scope: &Scope, cluster: &str) {
    for kind in KINDS.iter().filter(|kind| kind.source == Source::Stored) {
        let filed = objects::filed(kind);
        let inside = tx.list(scope, filed).filter(|object| object.parent.as_deref() == Some(cluster));
        let ids: Vec<String> = inside.map(|object| object.id.clone()).collect();
        for id in ids {
            tx.remove(scope, filed, &id);
        }
    }
    autoscaler::forget(tx, scope, cluster);
}

/// Nodes came or went: what waits for room, or has too much of it, is looked at.
pub(super) fn nodes_changed(tx: &mut Tx<'_>, owner: &Object) {
    autoscaler::poke(tx, &views::Cluster::of(owner));
}
