//! GPUs that are attached to machines instead of coming with them: Compute Engine's T4, P4, P100 and V100 beside N1.
//!
//! Which go with what size is Google's rule, where they are sold and for how much is the price table's: a region without
//! a price of its own does not sell them, and no other region's price stands in.

use super::{Catalogue, ComponentPrice, InstancePrice, MachineType};
use crate::model::{Cloud, Region};

/// How many GPUs, and the most virtual CPUs and GiB beside them.
pub type Room = (u32, f64, f64);

/// Each with how many there may be. Compute Engine, "GPU machine types", "N1 + GPU", read 2026-11.
pub const ATTACHED: [(&str, &[Room]); 4] = [
    ("T4", &[(1, 48.0, 312.0), (2, 48.0, 312.0), (4, 96.0, 624.0)]),
    ("P4", &[(1, 24.0, 156.0), (2, 48.0, 312.0), (4, 96.0, 624.0)]),
    ("P100", &[(1, 16.0, 104.0), (2, 32.0, 208.0), (4, 64.0, 208.0)]),
    ("V100", &[(1, 12.0, 78.0), (2, 24.0, 156.0), (4, 48.0, 312.0), (8, 96.0, 624.0)]),
];

/// One CPU alone has no room beside a GPU's driver and a node's own pods, nor has less memory than this.
const LEAST: (f64, f64) = (2.0, 2.0);

/// One of them by its name, however it is spelt.
pub fn known(gpu: &str) -> Option<&'static (&'static str, &'static [Room])> {
    ATTACHED.iter().find(|(name, _)| name.eq_ignore_ascii_case(gpu))
}

/// The price table's word for a GPU that is attached to a machine; none for those that come with theirs.
pub fn gpu_component(gpu: &str, spot: bool) -> Option<String> {
    let (name, _) = known(gpu)?;
    Some(format!("gpu-{}{}", name.to_lowercase(), if spot { "-spot" } else { "" }))
}

/// Whether GPUs have to be attached to machines of this type, rather than coming with them: N1, but neither the largest
/// memories nor the hosts of TPUs, which carry N1's name as well.
pub fn takes_gpus(machine: &str) -> bool {
    machine.starts_with("n1-") && !["megamem", "ultramem", "tpu"].iter().any(|other| machine.contains(other))
}

/// Whether exactly so many of a GPU may stand beside so much machine.
pub fn has_room(gpu: &str, count: u32, machine: &MachineType<'_>) -> bool {
    rooms(gpu, machine).any(|many| many == count)
}

/// The fewest of a GPU, but at least so many, that may stand beside so much machine; the larger machines take more only.
pub fn fewest(gpu: &str, at_least: u32, machine: &MachineType<'_>) -> Option<u32> {
    rooms(gpu, machine).filter(|many| *many >= at_least).min()
}

fn rooms(gpu: &str, machine: &MachineType<'_>) -> impl Iterator<Item = u32> {
    let (cpus, gib) = (machine.vcpus, machine.memory_gib);
    let takes = takes_gpus(machine.name) && machine.accelerator.is_none() && cpus >= LEAST.0 && gib >= LEAST.1;
    let rooms = known(gpu).filter(|_| takes).map_or(&[][..], |(_, rooms)| *rooms);
    rooms.iter().filter(move |(_, most_cpus, most_gib)| cpus <= *most_cpus && gib <= *most_gib).map(|(many, ..)| *many)
}

/// What one GPU costs an hour; none where the region does not sell it.
pub fn price<'a>(table: &'a Catalogue, region: &Region, gpu: &str, spot: bool) -> Option<ComponentPrice<'a>> {
    table.component(Cloud::Gcp, region, &gpu_component(gpu, spot)?).filter(|price| !price.estimated)
}

/// A GPU with its prices in one region.
#[derive(Debug, Clone)]
pub(super) struct Sold<'a> {
    name: &'static str,
    on_demand: ComponentPrice<'a>,
    spot: Option<ComponentPrice<'a>>,
}

impl<'a> Sold<'a> {
    /// None where the region does not sell it, or nobody attaches it.
    pub(super) fn here(table: &'a Catalogue, region: &str, gpu: &str) -> Option<Self> {
        let (name, _) = known(gpu)?;
        let region = Region(region.to_owned());
        let on_demand = price(table, &region, name, false)?;
        Some(Self { name, on_demand, spot: price(table, &region, name, true) })
    }

    /// A machine with so many of it: one machine to whoever compares, with the older of the dates.
    pub(super) fn beside(&self, machine: InstancePrice<'a>, count: u32) -> InstancePrice<'a> {
        let many = f64::from(count);
        // Prices have five decimals: what binary fractions add is rounded away.
        let sum = |one: f64, gpu: &ComponentPrice<'_>| ((one + gpu.usd * many) * 1e5).round() / 1e5;
        let spot = machine.spot.zip(self.spot.as_ref());
        InstancePrice {
            machine: MachineType { accelerator: Some((self.name, many)), ..machine.machine },
            on_demand: sum(machine.on_demand, &self.on_demand),
            spot: spot.map(|(one, gpu)| sum(one, gpu)),
            as_of: machine.as_of.min(self.on_demand.as_of),
            spot_as_of: spot.map_or(machine.spot_as_of, |(_, gpu)| machine.spot_as_of.min(gpu.as_of)),
            adjusted: both(machine.adjusted, self.on_demand.adjusted.as_ref()),
            spot_adjusted: both(machine.spot_adjusted, self.spot.as_ref().and_then(|gpu| gpu.adjusted.as_ref())),
            ..machine
        }
    }
}

/// What was said of the machine, and of the GPU.
fn both(machine: Option<String>, gpu: Option<&String>) -> Option<String> {
    let gpu = gpu.map(|note| format!("GPU {note}"));
    let notes: Vec<String> = machine.into_iter().chain(gpu).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, vcpus: f64, memory_gib: f64) -> MachineType<'_> {
        MachineType { name, vcpus, memory_gib, accelerator: None }
    }

    #[test]
    fn the_larger_machine_takes_more_of_them_only() {
        let (small, large) = (machine("n1-standard-8", 8.0, 30.0), machine("n1-standard-16", 16.0, 60.0));
        assert_eq!((fewest("V100", 1, &small), fewest("v100", 1, &large)), (Some(1), Some(2)));
        assert_eq!((fewest("V100", 3, &small), fewest("V100", 9, &small)), (Some(4), None));
        assert!(has_room("V100", 1, &small) && !has_room("V100", 1, &large) && !has_room("V100", 3, &small));
    }

    #[test]
    fn what_takes_none_has_no_room() {
        for (name, vcpus, memory_gib) in [
            ("n1-standard-1", 1.0, 3.75),
            ("n1-highcpu-2", 2.0, 1.8),
            ("n1-ultramem-40", 40.0, 300.0),
            ("n1-340-48-tpu", 4.0, 16.0),
            ("n2-standard-4", 4.0, 16.0),
        ] {
            assert_eq!(fewest("T4", 1, &machine(name, vcpus, memory_gib)), None, "{name}");
        }
        let carries = MachineType { accelerator: Some(("L4", 1.0)), ..machine("n1-standard-4", 4.0, 15.0) };
        assert_eq!(fewest("T4", 1, &carries), None);
        assert_eq!(fewest("L4", 1, &machine("n1-standard-4", 4.0, 15.0)), None, "L4 comes with its machine");
        assert_eq!(fewest("T4", 1, &machine("n1-highmem-4", 4.0, 26.0)), Some(1));
    }
}
