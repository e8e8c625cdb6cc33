//! What a full comparison costs in time: every machine of every vendor and region, against one pass that only adds up all
//! prices; and the size of the table in the binary.
//!
//! `cargo bench --bench prices`; takes a second.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures real time and prints what it measured"
)]

#[path = "../support/print.rs"]
mod print;

use kubewright::cost::{Catalogue, Need, Vendor, Wish, catalogue, compare};
use std::{hint::black_box, time::Instant};

const RUNS: usize = 51;
const NEEDS: [&str; 4] = ["2vcpu", "8vcpu,32gib x3", "A100:1", "100vcpu,700gib"];

/// Milliseconds, the median of many runs.
fn median(mut work: impl FnMut()) -> f64 {
    let once = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64() * 1e3
    };
    let mut all: Vec<f64> = (0..RUNS).map(|_| once(&mut work)).collect();
    all.sort_by(f64::total_cmp);
    all[RUNS / 2]
}

fn sum() -> f64 {
    let all = Vendor::ALL.into_iter().flat_map(|vendor| catalogue().prices_of(vendor));
    all.flat_map(|(_, prices)| prices).map(|price| price.on_demand).sum()
}

fn main() {
    print::section("prices: a full comparison over all vendors, regions and machines, milliseconds");
    let packed = catalogue().unpack().pack().expect("the embedded table packs");
    let first = median(|| drop(black_box(Catalogue::read(packed.clone()))));
    print::row("reading the table's header, once a process", first, "ms", "");
    let pass = median(|| {
        black_box(sum());
    });
    print::row("one pass over all prices", pass, "ms", "");
    for need in NEEDS {
        let wish = Wish {
            need: Need::parse(need, catalogue()).expect("a need of this file"),
            spot: false,
            vendors: Vendor::ALL.to_vec(),
            regions: Vec::new(),
            arm: false,
            raw: false,
        };
        let took = median(|| drop(black_box(compare(catalogue(), &wish))));
        print::budget(need, took, "ms", 10.0);
        print::row("over one pass", took / pass, "x", "");
    }
    print::budget("the table in the binary", packed.len() as f64 / 1e6, "MB", 1.0);
}
