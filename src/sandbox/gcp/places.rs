//! Projects, regions and zones of the pretend Google Cloud.

use crate::{cost::catalogue, model::Cloud};

/// A project of the pretend credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Project {
    /// Its id.
    pub(in crate::sandbox) id: &'static str,
    /// Its number.
    pub(in crate::sandbox) number: &'static str,
    /// What people call it.
    pub(in crate::sandbox) name: &'static str,
}

/// Every project there is; the first is the credentials' own.
pub(in crate::sandbox) const PROJECTS: [Project; 2] = [
    Project { id: super::PROJECT, number: super::PROJECT_NUMBER, name: "Kubewright Sandbox" },
    Project { id: "kubewright-spare", number: "210987654321", name: "Kubewright Spare" },
];

/// A project by id or number.
pub(in crate::sandbox) fn project(named: &str) -> Option<&'static Project> {
    PROJECTS.iter().find(|project| project.id == named || project.number == named)
}

/// Every region that is open to everybody.
pub(in crate::sandbox) fn regions() -> impl Iterator<Item = &'static str> {
    // us-central2 has accelerators for those who are let in, and no machines.
    catalogue().regions(Cloud::Gcp).iter().map(String::as_str).filter(|region| *region != "us-central2")
}

/// Whether there is such a region.
pub(in crate::sandbox) fn is_region(name: &str) -> bool {
    regions().any(|region| region == name)
}

/// The zones of a region, by letter.
pub(in crate::sandbox) fn zones(region: &str) -> Vec<String> {
    let letters: &[char] = match region {
        "us-central1" => &['a', 'b', 'c', 'f'],
        "us-east1" | "europe-west1" => &['b', 'c', 'd'],
        region if is_region(region) => &['a', 'b', 'c'],
        _ => &[],
    };
    letters.iter().map(|letter| format!("{region}-{letter}")).collect()
}

/// The region of a zone, if there is such a zone.
pub(in crate::sandbox) fn region_of(zone: &str) -> Option<&'static str> {
    let (region, _) = zone.rsplit_once('-')?;
    let region = regions().find(|own| *own == region)?;
    zones(region).iter().any(|own| own == zone).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_belong_to_regions() {
        assert_eq!(region_of("us-central1-f"), Some("us-central1"));
        assert_eq!(region_of("us-central1-d"), None);
        assert_eq!(region_of("europe-west1"), None);
        assert_eq!(region_of("mars-north1-a"), None);
        assert_eq!(zones("europe-west1"), ["europe-west1-b", "europe-west1-c", "europe-west1-d"]);
        assert!(is_region("europe-west4") && !is_region("eu-west-1") && !is_region("us-central2"));
        assert!(regions().count() > 35 && regions().all(|region| zones(region).len() >= 3));
        assert_eq!(project("123456789012").map(|project| project.id), Some(super::super::PROJECT));
        assert_eq!(project("elsewhere"), None);
    }
}
