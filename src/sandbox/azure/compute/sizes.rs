//! Machine sizes: what the catalogue knows of each, what follows from its name, and where it is offered.

use crate::{
    cost::catalogue,
    model::{Cloud, Region},
    sandbox::{azure::locations, world::Tx},
};

/// A machine size.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Size {
    /// `Standard_D2as_v5`.
    pub(in super::super) name: String,
    /// Virtual CPUs.
    pub(in super::super) vcpus: u32,
    /// Memory.
    pub(in super::super) memory_gib: f64,
    /// Ampere or Cobalt.
    pub(in super::super) arm: bool,
    /// NVIDIA GPUs.
    pub(in super::super) gpus: u32,
    /// The family its vCPUs count against: `standardDASv5Family`.
    pub(in super::super) family: String,
}

/// The size of this name, in any case, if there is one anywhere.
pub(in super::super) fn named(name: &str) -> Option<Size> {
    let table = catalogue();
    let exact = table.machine_type(Cloud::Azure, name);
    let known =
        exact.or_else(|| table.machine_types(Cloud::Azure).find(|known| known.name.eq_ignore_ascii_case(name)))?;
    let accelerator = known.accelerator.filter(|(what, _)| !what.starts_with("Radeon") && !what.starts_with("V520"));
    Some(Size {
        name: known.name.to_owned(),
        vcpus: known.vcpus.ceil() as u32,
        memory_gib: known.memory_gib,
        arm: is_arm(known.name),
        gpus: accelerator.map_or(0, |(_, count)| (count.ceil() as u32).max(1)),
        family: family(known.name),
    })
}

/// The pieces of a name: letters, number, attributes, accelerator, version.
fn pieces(name: &str) -> (String, String, String, String) {
    let bare = name.trim_start_matches("Standard_").trim_start_matches("Basic_");
    let mut parts = bare.split('_');
    let first = parts.next().unwrap_or_default();
    let letters: String = first.chars().take_while(char::is_ascii_alphabetic).collect();
    let attributes: String =
        first[letters.len()..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').chars().collect();
    let (mut accelerator, mut version) = (String::new(), String::new());
    for part in parts {
        match part.strip_prefix('v').filter(|rest| rest.chars().all(|c| c.is_ascii_digit())) {
            Some(_) => part.clone_into(&mut version),
            None => accelerator.push_str(part),
        }
    }
    (letters, attributes, accelerator, version)
}

/// ARM sizes carry a `p`.
fn is_arm(name: &str) -> bool {
    let (_, attributes, _, _) = pieces(name);
    attributes.contains('p')
}

/// The quota family of a size, in Microsoft's spelling of today's general families.
pub(in super::super) fn family(name: &str) -> String {
    let (letters, attributes, accelerator, version) = pieces(name);
    let attributes = attributes.to_uppercase();
    match (letters.as_str(), accelerator.as_str()) {
        ("NC", "T4") => "Standard NCASv3_T4 Family".to_owned(),
        ("B", "") => format!("standardB{}{version}Family", attributes.to_lowercase().replace(['m', 'l'], "")),
        (_, "") => format!("standard{letters}{attributes}{version}Family"),
        (_, accelerator) => format!("Standard{letters}{attributes}{accelerator}{version}Family"),
    }
}

/// Whether a size is offered in a location.
pub(in super::super) fn offered(name: &str, location: &str) -> bool {
    catalogue().instance(Cloud::Azure, &Region(location.to_owned()), name).is_some()
}

/// The sizes of a location.
pub(in super::super) fn in_location(location: &str) -> Vec<Size> {
    let region = Region(location.to_owned());
    let names: Vec<String> =
        catalogue().instances_in(Cloud::Azure, &region).map(|price| price.machine.name.to_owned()).collect();
    names.iter().filter_map(|name| named(name)).collect()
}

/// The zones of a location that have a size.
pub(in super::super) fn zones(size: &Size, location: &str) -> &'static [&'static str] {
    let all = locations::zones(location);
    // Accelerators do not stand in every hall.
    if size.gpus > 0 && all.len() > 2 { &all[..2] } else { all }
}

/// Whether there are machines of this size to be had in a zone (or in none).
pub(in super::super) fn in_stock(tx: &Tx<'_>, size: &str, location: &str, zone: Option<&str>) -> bool {
    let stock = &tx.in_force().quotas;
    let at = |key: String| {
        stock.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key)).is_none_or(|(_, left)| *left > 0.0)
    };
    let in_zone = zone.is_none_or(|zone| at(format!("capacity/{location}-{zone}/{size}")));
    at(format!("capacity/{size}")) && in_zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_from_names() {
        for (name, family_name) in [
            ("Standard_D2as_v5", "standardDASv5Family"),
            ("Standard_D4s_v5", "standardDSv5Family"),
            ("Standard_D2ps_v5", "standardDPSv5Family"),
            ("Standard_E8ads_v5", "standardEADSv5Family"),
            ("Standard_F2s_v2", "standardFSv2Family"),
            ("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family"),
            ("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family"),
            ("Standard_B2ms", "standardBsFamily"),
            ("Standard_B2s_v2", "standardBsv2Family"),
        ] {
            assert_eq!(family(name), family_name, "{name}");
        }
    }

    #[test]
    fn sizes_have_what_the_catalogue_says() {
        let size = named("standard_d2AS_v5").expect("known");
        assert_eq!((size.name.as_str(), size.vcpus, size.arm, size.gpus), ("Standard_D2as_v5", 2, false, 0));
        assert!(named("Standard_D2ps_v5").expect("known").arm);
        assert_eq!(named("Standard_NC64as_T4_v3").expect("known").gpus, 4);
        assert!(named("m6a.large").is_none());
        assert!(offered("Standard_D2as_v5", "eastus") && !offered("Standard_D2as_v5", "moon"));
    }
}
