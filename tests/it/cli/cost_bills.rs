//! Clusters whose monthly bill anybody can work out from the vendors' price pages, and the GPUs that are attached to
//! machines: what is offered can be built, and costs what was said.

use crate::support::Home;
use serde_json::Value;
use std::collections::BTreeMap;

/// A month of the price pages.
const HOURS: f64 = 730.0;

fn usd(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no money: {value}"))
}

/// One line of a bill: component, how many, USD a unit as the price page has it, and whether that is by the hour.
type Item = (&'static str, f64, f64, bool);

struct Bill {
    flags: &'static str,
    items: &'static [Item],
    /// USD a month, added up by hand.
    month: f64,
}

const HOURLY: bool = true;
const MONTHLY: bool = false;

/// The price pages of Amazon EKS, EC2, EBS and VPC, of Google Kubernetes Engine and Compute Engine, and of Azure's AKS,
/// virtual machines, managed disks and NAT gateway, for the regions that their own examples speak of.
const BILLS: [Bill; 8] = [
    Bill {
        flags: "--provider aws --region us-east-1 --node-type t3.medium --set nodePools.default.diskGiB=20",
        items: &[
            ("eks-cluster", 1.0, 0.10, HOURLY),
            ("t3.medium", 2.0, 0.0416, HOURLY),
            ("ebs-gp3", 40.0, 0.08, MONTHLY),
            ("nat-gateway", 1.0, 0.045, HOURLY),
            ("public-ipv4", 1.0, 0.005, HOURLY),
        ],
        // 73.00 + 60.736 + 3.20 + 32.85 + 3.65
        month: 173.436,
    },
    Bill {
        flags: "--provider aws --region us-east-1 --node-type m5.large --nodes 3 --set nodePools.default.diskGiB=80 --nat per-zone",
        items: &[
            ("eks-cluster", 1.0, 0.10, HOURLY),
            ("m5.large", 3.0, 0.096, HOURLY),
            ("ebs-gp3", 240.0, 0.08, MONTHLY),
            ("nat-gateway", 2.0, 0.045, HOURLY),
            ("public-ipv4", 2.0, 0.005, HOURLY),
        ],
        // 73.00 + 210.24 + 19.20 + 65.70 + 7.30
        month: 375.44,
    },
    Bill {
        flags: "--provider aws --region us-east-1 --node-type m5.large --nodes 3 --nat none",
        items: &[
            ("eks-cluster", 1.0, 0.10, HOURLY),
            ("m5.large", 3.0, 0.096, HOURLY),
            ("ebs-gp3", 150.0, 0.08, MONTHLY),
            ("public-ipv4", 3.0, 0.005, HOURLY),
        ],
        // 73.00 + 210.24 + 12.00 + 10.95
        month: 306.19,
    },
    Bill {
        flags: "--provider gcp --region us-central1 --node-type e2-standard-4 --nodes 3 --set nodePools.default.diskGiB=100",
        items: &[
            ("gke-cluster", 1.0, 0.10, HOURLY),
            ("e2-standard-4", 3.0, 0.134_02, HOURLY),
            ("pd-balanced", 300.0, 0.10, MONTHLY),
            ("cloud-nat-per-vm(<=32)", 3.0, 0.0014, HOURLY),
        ],
        // 73.00 + 293.5038 + 30.00 + 3.066
        month: 399.5698,
    },
    Bill {
        flags: "--provider gcp --region us-central1 --pool name=gpu,cpu=4,memory=15,gpu=T4:1,count=2",
        items: &[
            ("gke-cluster", 1.0, 0.10, HOURLY),
            ("n1-standard-4", 2.0, 0.19, HOURLY),
            ("gpu-t4", 2.0, 0.35, HOURLY),
            ("pd-balanced", 100.0, 0.10, MONTHLY),
            ("cloud-nat-per-vm(<=32)", 2.0, 0.0014, HOURLY),
        ],
        // 73.00 + 277.40 + 511.00 + 10.00 + 2.044
        month: 873.444,
    },
    Bill {
        flags: "--provider azure --region eastus --node-type Standard_D4s_v5 --nodes 3 --set nodePools.default.diskGiB=128",
        items: &[
            ("aks-free", 1.0, 0.0, HOURLY),
            ("Standard_D4s_v5", 3.0, 0.192, HOURLY),
            ("disk-P10-128GiB", 3.0, 19.71, MONTHLY),
            ("nat-gateway", 1.0, 0.045, HOURLY),
            ("public-ip-standard-static", 1.0, 0.005, HOURLY),
        ],
        // 0 + 420.48 + 59.13 + 32.85 + 3.65
        month: 516.11,
    },
    Bill {
        flags: "--provider azure --region eastus --node-type Standard_DS2_v2 --set nodePools.default.diskGiB=30 --set azure.tier=standard",
        items: &[
            ("aks-standard", 1.0, 0.10, HOURLY),
            ("Standard_DS2_v2", 2.0, 0.146, HOURLY),
            ("disk-P4-32GiB", 2.0, 5.28, MONTHLY),
            ("nat-gateway", 1.0, 0.045, HOURLY),
            ("public-ip-standard-static", 1.0, 0.005, HOURLY),
        ],
        // 73.00 + 213.16 + 10.56 + 32.85 + 3.65
        month: 333.22,
    },
    Bill {
        flags: "--provider azure --region eastus --node-type Standard_D4s_v5 --nodes 3 --set nodePools.default.diskGiB=128 --nat none --set azure.tier=premium",
        items: &[
            ("aks-premium", 1.0, 0.60, HOURLY),
            ("Standard_D4s_v5", 3.0, 0.192, HOURLY),
            ("disk-P10-128GiB", 3.0, 19.71, MONTHLY),
            ("public-ip-standard-static", 1.0, 0.005, HOURLY),
        ],
        // 438.00 + 420.48 + 59.13 + 3.65
        month: 921.26,
    },
];

#[test]
fn known_clusters_cost_what_the_price_pages_say_to_the_cent() {
    let home = Home::new();
    for Bill { flags, items, month } in BILLS {
        let words: Vec<&str> = ["cost", "estimate", "-o", "json"].into_iter().chain(flags.split(' ')).collect();
        let doc = home.run(&words).expect(0).json();
        let mut billed: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
        for line in doc["lines"].as_array().unwrap() {
            let sum = billed.entry(line["component"].as_str().unwrap()).or_default();
            sum.0 += usd(&line["quantity"]);
            sum.1 = usd(&line["unitPrice"]);
            sum.2 += usd(&line["usdPerHour"]["desired"]);
            assert_eq!(line["extrapolated"], false, "{flags}: {line}");
        }
        let wanted: BTreeMap<&str, (f64, f64)> = items.iter().map(|item| (item.0, (item.1, item.2))).collect();
        let found: BTreeMap<&str, (f64, f64)> = billed.iter().map(|(name, sum)| (*name, (sum.0, sum.1))).collect();
        assert_eq!(found, wanted, "{flags}");
        let by_hand: f64 =
            items.iter().map(|(_, many, usd, hourly)| many * usd * if *hourly { HOURS } else { 1.0 }).sum();
        assert!((by_hand - month).abs() < 0.005, "{flags}: the bill itself: {by_hand}");
        let totals = &doc["totals"];
        assert!((usd(&totals["usdPerMonth"]) - month).abs() < 0.005, "{flags}: {totals}");
        assert!((usd(&totals["usdPerHour"]["desired"]) - month / HOURS).abs() < 0.000_1, "{flags}: {totals}");
        let lines: f64 = billed.values().map(|sum| sum.2 * HOURS).sum();
        assert!((lines - month).abs() < 0.005, "{flags}: {lines}");
    }
}

#[test]
fn an_attached_gpu_that_is_offered_is_what_provision_builds() {
    let home = Home::new();
    for (need, spot, machine) in [
        ("T4:1,3vcpu,10gib x2", false, "n1-standard-4"),
        ("P100:2", false, "n1-standard-2"),
        ("V100:1,15vcpu", false, "n1-highcpu-16"),
        ("P4:1,4gib", true, "n1-standard-2"),
        ("T4:1,20gib", false, "n1-highmem-4"),
    ] {
        let mut words = vec!["cost", "compare", "--need", need, "--providers", "gcp", "-o", "json", "--top", "0"];
        words.extend(spot.then_some("--spot"));
        let doc = home.run(&words).expect(0).json();
        let offers = doc["offers"].as_array().unwrap();
        let offer = offers.iter().find(|it| it["region"].as_str().unwrap().starts_with("us-")).unwrap();
        assert_eq!(offer["instanceType"], machine, "{need}: {offer}");
        let flags = offer["flags"].as_str().unwrap();
        let words: Vec<&str> = ["cost", "estimate", "-o", "json"].into_iter().chain(flags.split(' ')).collect();
        let built = home.run(&words).expect(0).json();
        let lines = built["lines"].as_array().unwrap().iter();
        let node: f64 = lines
            .filter(|line| {
                let component = line["component"].as_str().unwrap();
                component == machine || component.starts_with("gpu-")
            })
            .map(|line| usd(&line["usdPerHour"]["desired"]))
            .sum();
        let nodes = usd(&doc["need"]["nodes"]);
        let said = usd(&offer["usdPerHour"]["machine"]) * nodes;
        assert!((node - said).abs() < 1e-4, "{need}: {node} is not {said} by {flags}: {built:#}");
    }
    // Where nobody sells it nothing stands in, and no machine takes three.
    let said = home.run(&["cost", "compare", "--need", "P4:1", "--regions", "europe-north1"]).expect(4);
    assert!(said.err.contains("there is one in gcp/"), "{}", said.err);
    home.run(&["cost", "compare", "--need", "V100:16", "--providers", "gcp"]).expect(4);
    // TPUs are priced, but no pool of ours is made with them.
    let tpu = home.run(&["cost", "compare", "--need", "tpu-v5p-slice:4", "-o", "json"]).expect(0).json();
    assert_eq!(tpu["offers"][0]["flags"], Value::Null, "{tpu}");
}
