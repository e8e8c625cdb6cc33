//! `cost refresh` against the pretend vendors, whose answers are full of other prices; and the user's own prices.

use crate::support::{
    Home, Said,
    gateway::{Answer, Gateway},
    served::Served,
};
use kubewright::cost::{Catalogue, catalogue};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::process::Stdio;

const PLACES: &str = "us-east-1,us-central1,eastus";

fn vendor<'v>(doc: &'v Value, name: &str) -> &'v Value {
    let all = doc["vendors"].as_array().unwrap();
    all.iter().find(|it| it["provider"] == name).unwrap_or_else(|| panic!("{name} in {doc}"))
}

#[test]
fn what_is_read_is_what_plain_machines_cost_and_nothing_else() {
    let served = Served::start("");
    let ana = served.machine("ana");
    let doc = ana.run(&["cost", "refresh", "--regions", PLACES, "-o", "json"]).expect(0).json();
    for (name, least) in [("aws", 1_000), ("gcp", 250), ("azure", 1_000), ("lambda", 20)] {
        let it = vendor(&doc, name);
        assert_eq!((it["outcome"].as_str(), it["doubtful"].as_array().map(Vec::len)), (Some("read"), Some(0)), "{it}");
        assert!(it["prices"].as_u64().unwrap() >= least, "{it}");
        // Google's machines are sums of parts: their last digit is another one.
        if name != "gcp" {
            assert_eq!(it["changed"], u64::from(name == "aws"), "one machine has become dearer: {it}");
        }
    }
    assert!(vendor(&doc, "azure")["dropped"]["Windows"].as_u64().unwrap() > 1_000);
    assert!(vendor(&doc, "gcp")["dropped"]["queued and calendar capacity"].as_u64().unwrap() > 0);
    assert!(vendor(&doc, "aws")["dropped"]["local and wavelength zones"].as_u64().unwrap() > 1_000);
    // What was read is in force, with its date.
    let words = ["cost", "estimate", "--provider", "aws", "--region", "us-east-1", "-o", "json"];
    let estimate = ana.run(&words).expect(0).json();
    let line = estimate["lines"].as_array().unwrap().iter().find(|line| line["component"] == "m6a.large").unwrap();
    assert_eq!((&line["asOf"], &line["unitPrice"]), (&doc["catalogueDate"], &Value::from(0.09072)));
    // What nobody read keeps the date of the table.
    let words = ["cost", "estimate", "--provider", "azure", "--region", "westeurope", "-o", "json"];
    let other = ana.run(&words).expect(0).json();
    assert!(other["lines"].as_array().unwrap().iter().all(|line| line["asOf"] != doc["catalogueDate"]), "{other:#}");
}

#[test]
fn what_one_vendor_fails_to_say_stays_and_the_others_are_kept() {
    let served = Served::start("prices:azure=error-before");
    let ana = served.machine("ana");
    let said =
        ana.run(&["cost", "refresh", "--providers", "azure,lambda", "--regions", "eastus,us-east-1", "-o", "json"]);
    let doc = said.expect(11).json();
    assert_eq!(
        (&vendor(&doc, "azure")["outcome"], &vendor(&doc, "lambda")["outcome"]),
        (&"failed".into(), &"read".into())
    );
    assert_eq!(doc["error"]["id"], "KW-PRICES");
    let words = ["cost", "estimate", "--provider", "azure", "--region", "eastus", "-o", "json"];
    let estimate = ana.run(&words).expect(0).json();
    let line = estimate["lines"].as_array().unwrap().iter().find(|line| line["sku"] == "on-demand").unwrap();
    assert_eq!(line["asOf"], "2026-06-18");
}

const PLACE: [&str; 6] = ["cost", "estimate", "--provider", "aws", "--region", "us-east-1"];

fn with_prices(text: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir_all(home.path().join(".config/kubewright")).unwrap();
    home.write(".config/kubewright/cost.yaml", text);
    home
}

#[test]
fn own_prices_and_discounts_say_which_lines_they_changed() {
    let home = with_prices(
        "discounts: { aws: 20% }\nprices:\n  - { provider: aws, region: us-east-1, component: nat-gateway, usd: 0.03 }\n",
    );
    let doc = home.run(&[&PLACE[..], &["-o", "json"]].concat()).expect(0).json();
    let line = |name: &str| doc["lines"].as_array().unwrap().iter().find(|it| it["component"] == name).unwrap().clone();
    assert_eq!(
        (line("m6a.large")["unitPrice"].as_f64(), line("nat-gateway")["unitPrice"].as_f64()),
        (Some(0.06912), Some(0.03))
    );
    assert_eq!(line("nat-gateway")["adjusted"], "cost.yaml:3: instead of 0.045");
    let shown = home.run(&PLACE).expect(0).out;
    assert!(shown.contains("cost.yaml:1: 20 % off 0.0864"), "{shown}");
}

#[test]
fn a_broken_file_of_prices_stops_what_prices_and_says_all_at_once() {
    let home =
        with_prices("discounts: { aws: 120% }\nprices:\n  - { provider: aws, component: nat-gateway, usd: none }\n");
    let said = home.run(&PLACE).expect(2);
    assert!(said.err.contains("cost.yaml:1:") && said.err.contains("cost.yaml:3:"), "{}", said.err);
    let home = with_prices("prices:\n  - { provider: aws, instanceType: m6a.lrge, region: us-esat-1, usd: 1 }\n");
    let said = home.run(&PLACE).expect(2);
    assert!(said.err.contains("`m6a.large`?") && said.err.contains("`us-east-1`?"), "{}", said.err);
}

#[test]
fn a_price_of_what_is_not_sold_there_would_stand_for_nothing_and_is_refused() {
    let home =
        with_prices("prices:\n  - { provider: gcp, region: africa-south1, instanceType: a2-highgpu-1g, usd: 1 }\n");
    let said = home.run(&PLACE).expect(2);
    assert!(said.err.contains("cost.yaml:2: `a2-highgpu-1g` is not sold in africa-south1"), "{}", said.err);
    with_prices("prices:\n  - { provider: gcp, region: us-central1, instanceType: a2-highgpu-1g, usd: 1 }\n")
        .run(&PLACE)
        .expect(0);
}

/// The packed table of a file, which has its sum behind it.
fn packed(file: &std::path::Path) -> Catalogue {
    let bytes = std::fs::read(file).unwrap();
    Catalogue::read(bytes[..bytes.len() - 32].to_vec()).unwrap()
}

#[test]
fn what_was_read_under_an_older_binary_is_laid_over_the_new_table_once() {
    let served = Served::start("");
    let ana = served.machine("ana");
    // A refresh reads the vendors' prices alone: the user's own are no matter of it.
    std::fs::create_dir_all(ana.path().join(".config/kubewright")).unwrap();
    let own = ana.path().join(".config/kubewright/cost.yaml");
    std::fs::write(&own, "discounts: { aws: 120% }\n").unwrap();
    ana.run(&["cost", "refresh", "--providers", "aws", "--regions", "us-east-1"]).expect(0);
    ana.run(&PLACE).expect(2);
    std::fs::remove_file(&own).unwrap();
    let file = ana.path().join(".cache/kubewright/prices.bin");
    let mut table = packed(&file).unpack();
    assert_eq!(table.base, catalogue().fingerprint());
    table.base = "of another binary".to_owned();
    let mut older = table.pack().unwrap();
    let sum = Sha256::digest(&older);
    older.extend(sum);
    std::fs::write(&file, &older).unwrap();
    let doc = ana.run(&[&PLACE[..], &["-o", "json"]].concat()).expect(0).json();
    let line = doc["lines"].as_array().unwrap().iter().find(|line| line["component"] == "m6a.large").unwrap();
    assert_eq!(line["unitPrice"], 0.09072, "what was read counts");
    assert_eq!(packed(&file).base(), catalogue().fingerprint(), "the next start finds it done");
    let kept = std::fs::read(&file).unwrap();
    ana.run(&PLACE).expect(0);
    assert_eq!(std::fs::read(&file).unwrap(), kept);
}

#[test]
fn a_broken_file_of_prices_keeps_no_cluster_up() {
    let served = Served::start("");
    let ana = served.aws_machine("ana");
    let words = ["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--wait", "cloud", "--yes"];
    ana.run(&words).expect(0);
    std::fs::create_dir_all(ana.path().join(".config/kubewright")).unwrap();
    std::fs::write(ana.path().join(".config/kubewright/cost.yaml"), "discounts: { aws: 120% }\n").unwrap();
    ana.run(&words).expect(2);
    let gone = ana.run(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    assert!(gone.err.contains("cost.yaml:1:") && gone.err.contains("list prices are shown"), "{}", gone.err);
    assert_eq!(served.show()["totals"]["objects"], 0);
}

#[test]
fn a_cache_that_is_damaged_is_said_and_not_believed() {
    let served = Served::start("");
    let ana = served.machine("ana");
    let place = ["cost", "estimate", "--provider", "aws", "--region", "us-east-1", "-o", "json"];
    let usd = |doc: &Value| {
        let lines = doc["lines"].as_array().unwrap();
        lines.iter().find(|line| line["component"] == "m6a.large").unwrap()["unitPrice"].as_f64().unwrap()
    };
    ana.run(&["cost", "refresh", "--providers", "aws", "--regions", "us-east-1"]).expect(0);
    assert_eq!(usd(&ana.run(&place).expect(0).json()), 0.09072);
    let file = ana.path().join(".cache/kubewright/prices.bin");
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 1;
    for bytes in [flipped, whole[..whole.len() - 1].to_vec(), b"<html>".to_vec(), Vec::new()] {
        std::fs::write(&file, bytes).unwrap();
        let said = ana.run(&place).expect(0);
        assert!(said.err.contains("prices.bin is damaged"), "{}", said.err);
        assert_eq!(usd(&said.json()), 0.0864, "the embedded table is in force");
    }
}

#[test]
fn two_refreshes_at_once_keep_what_both_have_read() {
    let served = Served::start("");
    let ana = served.machine("ana");
    let regions = ["eastus", "westus3"];
    let both = regions.map(|region| {
        let words = ["cost", "refresh", "--providers", "azure", "--regions", region];
        ana.command().args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    for mut one in both {
        assert!(one.wait().unwrap().success());
    }
    for region in regions {
        let words = ["cost", "estimate", "--provider", "azure", "--region", region, "-o", "json"];
        let doc = ana.run(&words).expect(0).json();
        let line = doc["lines"].as_array().unwrap().iter().find(|line| line["sku"] == "on-demand").unwrap();
        assert_eq!(line["asOf"], doc["catalogueDate"], "{region}");
    }
}

#[test]
fn a_page_for_people_is_told_at_once_and_changes_nothing() {
    let page = Gateway::start(None, |_| {
        let body = "<html><body>Please sign in to the guest network</body></html>".to_owned();
        Some(Answer { status: 200, headers: "content-type: text/html\r\n".to_owned(), body })
    });
    let home = Home::new();
    let words = ["cost", "refresh", "--providers", "azure", "--regions", "eastus", "-o", "json"];
    let said = Said::of(home.command().env("KUBEWRIGHT_PRICE_AZURE_ENDPOINT", page.url()).args(words));
    assert_ne!(said.code, 0);
    assert!(said.err.contains("cost refresh --providers azure"), "{}", said.err);
    assert_eq!((page.asked(), said.json()["vendors"][0]["outcome"].as_str()), (1, Some("failed")));
    assert!(!home.path().join(".cache/kubewright/prices.bin").exists());
}
