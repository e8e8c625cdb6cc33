//! Names in Azure. The generator is [`crate::providers::names`]; here are the limits, and the names that have rules of
//! their own: a DNS prefix, twelve letters for a pool, a GUID for a role assignment.
//!
//! Everything that a name stands for can be found by whoever knows the stack: none of them is random.

use super::refs::ArmId;
use crate::engine::StepId;
use crate::model::Stack;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub use crate::providers::names::{id_part, named};

/// Public addresses, NAT gateways: the shortest limit of the network's objects but networks.
pub const NETWORK_MAX: usize = 80;
/// Virtual networks.
pub const VIRTUAL_NETWORK_MAX: usize = 64;
/// Managed identities.
pub const IDENTITY_MAX: usize = 128;
/// AKS takes no longer name for the group of its nodes.
pub const NODE_GROUP_MAX: usize = 80;
/// Resource groups.
pub const GROUP_MAX: usize = 90;
/// The one subnet of a new network.
pub const SUBNET: &str = "nodes";
/// AKS puts it on every node, with the name of its pool.
pub const POOL_LABEL: &str = "kubernetes.azure.com/agentpool";
/// Letters and digits of an agent pool's name.
const POOL_MAX: usize = 12;

/// The stack's resource group: `kw-demo-0a1b2c3d`. Everything that we make stands in it.
pub fn group(stack: &Stack) -> String {
    // Held by the limits of stack names: 3 + 40 + 9 letters.
    format!("{}{stack}", crate::providers::names::PREFIX)
}

/// The stack's resource group, whole.
pub fn group_id(subscription: &str, stack: &Stack) -> ArmId {
    ArmId::group(subscription, &group(stack))
}

/// The group that AKS makes for the cluster's nodes, balancers and disks.
pub fn node_group(stack: &Stack) -> String {
    named(stack, "nodes", NODE_GROUP_MAX)
}

/// The first label of the API server's name: at most 54 letters, digits and hyphens.
pub fn dns_prefix(stack: &Stack) -> String {
    stack.to_string()
}

/// What AKS calls each of these pools, in the same order: letters and digits, a letter first, at most twelve. A name that
/// fits stays as typed; what has to be shortened ends in a digest, so that it is the same on every machine and whatever
/// stands beside it.
pub fn pools<'p>(names: impl IntoIterator<Item = &'p str>) -> BTreeMap<String, String> {
    let wanted: BTreeSet<&str> = names.into_iter().collect();
    let mut taken: BTreeSet<String> = wanted.iter().filter(|name| fits(name)).map(|name| (*name).to_owned()).collect();
    let mut made = BTreeMap::new();
    for name in wanted {
        if fits(name) {
            made.insert(name.to_owned(), name.to_owned());
            continue;
        }
        let candidates = (0_u32..).map(|attempt| shortened(name, attempt));
        let free = candidates.into_iter().find(|name| !taken.contains(name)).expect("digests do not end");
        taken.insert(free.clone());
        made.insert(name.to_owned(), free);
    }
    made
}

fn fits(name: &str) -> bool {
    (1..=POOL_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn shortened(name: &str, attempt: u32) -> String {
    const DIGEST: usize = 4;
    let digest: String =
        Sha256::digest(format!("{name}\n{attempt}").as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let plain = if plain.starts_with(|c: char| c.is_ascii_lowercase()) { plain } else { format!("p{plain}") };
    format!("{}{}", &plain[..plain.len().min(POOL_MAX - DIGEST)], &digest[..DIGEST])
}

/// The namespace of our GUIDs: drawn once, the same for ever.
const GUIDS: Uuid = Uuid::from_u128(0x6b75_6265_7772_4967_8874_a55b_0c1e_7d3f);

/// The name of a role assignment: the same for the same step of the same stack, so that a lost reply makes no second
/// one, and nobody else's is taken for ours.
pub fn assignment(stack: &Stack, step: &StepId) -> String {
    // A version 8 UUID (RFC 9562): by name like version 5, but of SHA-256. Azure asks for a GUID and no more.
    let mut hash = Sha256::new();
    hash.update(GUIDS.as_bytes());
    hash.update(format!("{stack}\n{step}"));
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stack() -> Stack {
        "demo-0a1b2c3d".parse().unwrap()
    }

    #[test]
    fn names_of_the_longest_stack_fit() {
        let stack: Stack = format!("{}-0a1b2c3d", "a".repeat(40)).parse().unwrap();
        assert!(group(&stack).len() <= GROUP_MAX && node_group(&stack).len() <= NODE_GROUP_MAX);
        assert!(dns_prefix(&stack).len() <= 54);
        assert_eq!(group(&self::stack()), "kw-demo-0a1b2c3d");
    }

    #[test]
    fn pools_that_fit_stay_as_typed_and_the_others_stay_apart() {
        let made = pools(["default", "gpu-a", "gpua1234", "a-very-long-pool-name", "a-very-long-pool-nam"]);
        assert_eq!(made["default"], "default");
        assert_eq!(made["gpua1234"], "gpua1234");
        assert_ne!(made["a-very-long-pool-name"], made["a-very-long-pool-nam"]);
        assert!(made["gpu-a"].starts_with("gpua") && made["gpu-a"].len() == 8, "{}", made["gpu-a"]);
    }

    #[test]
    fn assignments_are_guids_of_their_own() {
        let one = assignment(&stack(), &"network/role".into());
        assert_eq!(one, assignment(&stack(), &"network/role".into()));
        assert_ne!(one, assignment(&stack(), &"access/admin".into()));
        assert_ne!(one, assignment(&"demo-0a1b2c3e".parse().unwrap(), &"network/role".into()));
        assert!(Uuid::parse_str(&one).is_ok());
    }

    proptest! {
        #[test]
        fn every_pool_gets_a_name_that_aks_takes(names in proptest::collection::btree_set("[a-z0-9][a-z0-9-]{0,30}", 1..12)) {
            let made = pools(names.iter().map(String::as_str));
            let apart: BTreeSet<&String> = made.values().collect();
            prop_assert_eq!(apart.len(), names.len());
            prop_assert!(made.values().all(|name| fits(name)), "{:?}", made);
        }
    }
}
