//! What a machine's pods can use of it: what the kubelet and the system keep is not for rent. Pure arithmetic by the
//! vendors' published reservations.

use super::Vendor;
use crate::model::Cloud;

/// CPUs and GiB that pods get on a node of this size.
pub fn allocatable(vendor: Vendor, vcpus: f64, memory_gib: f64) -> (f64, f64) {
    match vendor {
        Vendor::Cloud(Cloud::Azure) => (vcpus - aks_cpu(vcpus), memory_gib - aks_memory(memory_gib)),
        Vendor::Cloud(Cloud::Gcp) => (vcpus - stepped_cpu(vcpus), memory_gib - gke_memory(memory_gib)),
        Vendor::Cloud(Cloud::Aws) | Vendor::Lambda => (vcpus - stepped_cpu(vcpus), memory_gib - eks_memory(vcpus)),
    }
}

/// What is kept of a quantity of which `share` goes up to each bound.
fn stepped(quantity: f64, steps: &[(f64, f64)]) -> f64 {
    let mut from = 0.0;
    let mut kept = 0.0;
    for (to, share) in steps {
        kept += (quantity.min(*to) - from).max(0.0) * share;
        from = *to;
    }
    kept
}

/// GKE and EKS keep 6 % of the first core, 1 % of the next, 0.5 % of two more and 0.25 % of the rest.
fn stepped_cpu(vcpus: f64) -> f64 {
    stepped(vcpus, &[(1.0, 0.06), (2.0, 0.01), (4.0, 0.005), (f64::MAX, 0.002_5)])
}

const EVICTION_GIB: f64 = 100.0 / 1024.0;

/// GKE: a quarter of the first 4 GiB, a fifth of 4 more, and less and less of the rest; 100 MiB until pods are evicted.
fn gke_memory(gib: f64) -> f64 {
    stepped(gib, &[(4.0, 0.25), (8.0, 0.2), (16.0, 0.1), (128.0, 0.06), (f64::MAX, 0.02)]) + EVICTION_GIB
}

/// EKS: 255 MiB and 11 for every pod that there may be, which goes by the machine's interfaces; 100 MiB until eviction.
fn eks_memory(vcpus: f64) -> f64 {
    let pods = match vcpus {
        small if small <= 2.0 => 29.0,
        middling if middling <= 8.0 => 58.0,
        large if large < 30.0 => 110.0,
        _ => 250.0,
    };
    (255.0 + 11.0 * pods) / 1024.0 + EVICTION_GIB
}

/// AKS, in millicores by size.
fn aks_cpu(vcpus: f64) -> f64 {
    const TABLE: [(f64, f64); 7] =
        [(1.0, 0.06), (2.0, 0.1), (4.0, 0.14), (8.0, 0.18), (16.0, 0.26), (32.0, 0.42), (64.0, 0.74)];
    TABLE.iter().find(|(size, _)| vcpus <= *size).map_or(0.74 + (vcpus - 64.0).max(0.0) * 0.01, |(_, kept)| *kept)
}

/// AKS from 1.29 on: 20 MiB for each of 110 pods and 50 more, but at most a quarter; 100 MiB until eviction.
fn aks_memory(gib: f64) -> f64 {
    (gib / 4.0).min((20.0 * 110.0 + 50.0) / 1024.0) + EVICTION_GIB
}

#[cfg(test)]
mod tests {
    use super::*;

    const GCP: Vendor = Vendor::Cloud(Cloud::Gcp);

    #[test]
    fn the_vendors_own_examples_come_out() {
        // GKE's page: e2-standard-4 offers 3.92 CPU, and of 16 GiB 2.6 are kept besides eviction.
        let (cpu, gib) = allocatable(GCP, 4.0, 16.0);
        assert!((cpu - 3.92).abs() < 1e-9 && (gib - (16.0 - 2.6 - EVICTION_GIB)).abs() < 1e-9, "{cpu} {gib}");
        // AKS's page: a node of 8 GiB keeps 2 GiB, a quarter.
        let (cpu, gib) = allocatable(Vendor::Cloud(Cloud::Azure), 2.0, 8.0);
        assert!((cpu - 1.9).abs() < 1e-9 && (gib - (6.0 - EVICTION_GIB)).abs() < 1e-9, "{cpu} {gib}");
        // An m5.large takes 29 pods: 574 MiB.
        let (cpu, gib) = allocatable(Vendor::Cloud(Cloud::Aws), 2.0, 8.0);
        assert!((cpu - 1.93).abs() < 1e-9 && ((8.0 - gib) * 1024.0 - 674.0).abs() < 1e-6, "{cpu} {gib}");
    }

    #[test]
    fn more_machine_never_offers_less() {
        for vendor in [GCP, Vendor::Cloud(Cloud::Aws), Vendor::Cloud(Cloud::Azure), Vendor::Lambda] {
            let mut last = (f64::MIN, f64::MIN);
            for size in 1..=400 {
                let (cpu, gib) = allocatable(vendor, f64::from(size), f64::from(size) * 4.0);
                assert!(cpu > last.0 && gib > last.1 && cpu < f64::from(size), "{vendor:?} {size}");
                last = (cpu, gib);
            }
        }
    }
}
