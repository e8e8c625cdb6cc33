//! `cost refresh` against the pretend vendors, whose answers are full of other prices; and the user's own prices.

use crate::support::{Home, served::Served};
use serde_json::Value;

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
        if name != "gcp" {
            assert_eq!(it["changed"], 0, "the pretend vendors sell at the table's prices: {it}");
        }
    }
    assert!(vendor(&doc, "azure")["dropped"]["Windows"].as_u64().unwrap() > 1_000);
    assert!(vendor(&doc, "gcp")["dropped"]["queued and calendar capacity"].as_u64().unwrap() > 0);
    assert!(vendor(&doc, "aws")["dropped"]["local and wavelength zones"].as_u64().unwrap() > 1_000);
    // What was read is in force, with its date.
    let words = ["cost", "estimate", "--provider", "aws", "--region", "us-east-1", "-o", "json"];
    let estimate = ana.run(&words).expect(0).json();
    let line = estimate["lines"].as_array().unwrap().iter().find(|line| line["component"] == "m6a.large").unwrap();
    assert_eq!((&line["asOf"], &line["unitPrice"]), (&doc["catalogueDate"], &Value::from(0.0864)));
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
