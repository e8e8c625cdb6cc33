//! What a region offers to whoever chooses: asked of the cloud, or, without it, from what this build knows.
//!
//! For questions and completion. What is decided here binds nothing: `resolve` and preflight have the last word.

use super::entry;
use crate::model::{Cloud, Region};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A Kubernetes version that can be built at the usual price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionOffer {
    /// `1.35`
    pub name: String,
    /// The day standard support ends, `2027-03-27`.
    pub ends: Option<String>,
    /// Taken when none is named.
    pub preferred: bool,
}

/// What a region offers. Each part is none where it cannot be known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// Versions, newest first.
    pub versions: Option<Vec<VersionOffer>>,
    /// Zones in which a cluster can stand, by name.
    pub zones: Option<Vec<String>>,
    /// Machine types with the zones that have them.
    pub machines: Option<BTreeMap<String, BTreeSet<String>>>,
}

impl Offers {
    /// The zones of these that have a machine type; all of them where that cannot be known.
    pub fn zones_with<'a>(&self, machine: &str, among: &'a [String]) -> Vec<&'a str> {
        let has = |zone: &&String| {
            self.machines.as_ref().is_none_or(|all| all.get(machine).is_some_and(|zones| zones.contains(*zone)))
        };
        among.iter().filter(has).map(String::as_str).collect()
    }
}

/// What this build knows of a region, for where the cloud cannot be asked.
pub fn embedded_offers(cloud: Cloud, region: &Region, now: Timestamp) -> Offers {
    entry(cloud).map_or_else(Offers::default, |entry| (entry.embedded)(region, now))
}

/// Machine types worth a look first, the default before all others.
pub fn suggested_machines(cloud: Cloud, region: &Region) -> Vec<String> {
    entry(cloud).map_or_else(Vec::new, |entry| (entry.suggested)(region))
}

/// The machine a pool gets in a region when none is named, as far as prices tell.
pub fn usual_machine(cloud: Cloud, region: &Region) -> Option<String> {
    (entry(cloud)?.usual)(region)
}

/// How many zones and nodes a cluster has when nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// Zones.
    pub zones: u8,
    /// Nodes in all.
    pub nodes: u32,
}

/// What `resolve` fills in where a spec is silent: two of each, in every cloud.
pub const USUAL: Usual = Usual { zones: 2, nodes: 2 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_no_refusal() {
        let zones = ["a".to_owned(), "b".to_owned()];
        let mut offers = Offers::default();
        assert_eq!(offers.zones_with("m6a.large", &zones), ["a", "b"]);
        let there = BTreeSet::from(["b".to_owned()]);
        offers.machines = Some(BTreeMap::from([("m6a.large".to_owned(), there)]));
        assert_eq!(offers.zones_with("m6a.large", &zones), ["b"]);
        assert!(offers.zones_with("m6i.large", &zones).is_empty());
    }
}
