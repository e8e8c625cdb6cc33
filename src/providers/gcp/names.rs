//! Names of Google's objects: deterministic, holding the short stack id, within each service's limit.
//!
//! They are the generator's of every cloud, but for two: a cluster is called as the user typed it, so that their other
//! tools find it, and so is a node pool, which lives inside it. The account of the nodes has no room for the cluster's
//! whole name: 30 characters hold the stack's id, and that is what proves it ours.

use crate::model::Stack;
pub use crate::providers::names::{id_part, named};

/// Networks, subnetworks, routers (RFC 1035).
pub const COMPUTE_MAX: usize = 63;
/// Local part of a service account's address; at least 6.
pub const ACCOUNT_MAX: usize = 30;
/// Clusters and node pools.
pub const GKE_MAX: usize = 40;

/// The network's name.
pub fn network(stack: &Stack) -> String {
    named(stack, "network", COMPUTE_MAX)
}

/// The subnetwork's name.
pub fn subnetwork(stack: &Stack) -> String {
    named(stack, "nodes", COMPUTE_MAX)
}

/// The router's name.
pub fn router(stack: &Stack) -> String {
    named(stack, "router", COMPUTE_MAX)
}

/// The gateway's name inside the router.
pub const NAT: &str = "nat";

/// Local part of the nodes' service account.
pub fn node_account(stack: &Stack) -> String {
    named(stack, "nodes", ACCOUNT_MAX)
}

/// The address of a service account of this project. Projects of a domain (`example.com:acme`) turn theirs around.
pub fn account_address(account: &str, project: &str) -> String {
    match project.split_once(':') {
        Some((domain, name)) => format!("{account}@{name}.{domain}.iam.gserviceaccount.com"),
        None => format!("{account}@{project}.iam.gserviceaccount.com"),
    }
}

/// The stack's cluster in GKE.
pub fn cluster(stack: &Stack) -> String {
    stack.name.to_string()
}

/// Name of the subnetwork's secondary range for pods.
pub const PODS: &str = "pods";
/// Name of the subnetwork's secondary range for Services.
pub const SERVICES: &str = "services";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_follow_the_project() {
        assert_eq!(account_address("kw-a", "acme"), "kw-a@acme.iam.gserviceaccount.com");
        assert_eq!(account_address("kw-a", "example.com:acme"), "kw-a@acme.example.com.iam.gserviceaccount.com");
    }

    proptest! {
        #[test]
        fn every_name_fits_its_service_and_holds_the_id(name in "[a-z][a-z0-9-]{0,38}[a-z0-9]") {
            let stack: Stack = format!("{name}-0a1b2c3d").parse().unwrap();
            for (made, most) in [
                (network(&stack), COMPUTE_MAX),
                (subnetwork(&stack), COMPUTE_MAX),
                (router(&stack), COMPUTE_MAX),
                (node_account(&stack), ACCOUNT_MAX),
            ] {
                prop_assert!(made.len() <= most && made.len() >= 6, "{made}");
                prop_assert!(made.contains("-0a1b2c3d-"), "{made}");
                prop_assert!(made.ends_with(|c: char| c.is_ascii_lowercase()), "{made}");
                prop_assert!(!made.contains("--0a1b2c3d"), "{made}");
            }
            prop_assert!(cluster(&stack).len() <= GKE_MAX);
        }
    }
}
