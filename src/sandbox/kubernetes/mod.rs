//! The Kubernetes API servers of pretend clusters, one path prefix each on the TLS port: discovery, the
//! objects a cluster lifecycle needs, and the controllers that make cloud objects by themselves. Whose cluster it is shows
//! only through [`host::Host`]: who a caller is, nodes, disks, load balancers.
//!
//! Served: what [`discovery::KINDS`] lists. Pods that run for ever are placed, and look as if they ran; those that run to an
//! end are simulated ([`kubelet`]), or run as processes of this machine ([`local`]). What is not simulated says so with a 501.

mod auth;
mod autoscaler;
mod controllers;
mod deletion;
mod discovery;
mod events;
pub(in crate::sandbox) mod host;
mod jobs;
mod kubelet;
mod local;
mod logs;
mod objects;
mod openapi;
mod paths;
mod pods;
mod reply;
mod schema;
mod script;
mod server;
mod status;
mod table;
mod views;
mod watch;

#[cfg(test)]
mod tests;

pub use server::ApiServers;

use super::world::{Scope, Tx};
use discovery::{KINDS, Source};
use host::Cluster;
use sha2::{Digest, Sha256};

/// What a host keeps of a client certificate that it gave away (DER), to know it again.
pub(in crate::sandbox) fn certificate_digest(der: &[u8]) -> String {
    Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Forgets everything an API server kept: its cluster is gone. Load balancers and disks stay in the account.
/// `cluster` is [`host::Cluster::id`].
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
pub(super) fn nodes_changed(tx: &mut Tx<'_>, cluster: &Cluster) {
    kubelet::look_around(tx, cluster);
    autoscaler::poke(tx, cluster);
}
