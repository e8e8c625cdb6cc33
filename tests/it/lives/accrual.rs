//! What a cluster is said to have cost, against what its cloud would bill: an independent sum over the pretend cloud's own
//! record of what was there from when to when.

use super::{pools::SCALED, rig::World};
use crate::support::serving::until;
use kubewright::{
    cost::catalogue,
    model::{PriceKey, Unit},
    sandbox::clock::Speed,
};
use serde_json::Value;
use std::process::{Child, Stdio};

const BUILD: [&str; 5] = ["provision", "demo", "--yes", "--wait", "cloud"];
const CENT: f64 = 0.01;

impl World {
    /// USD so far.
    fn bill(&self) -> f64 {
        let (now, spans) = self.billed();
        let of_span = |span: &kubewright::sandbox::world::Span| -> f64 {
            let hours = (span.to.unwrap_or(now).as_millisecond() - span.from.as_millisecond()) as f64 / 3_600_000.0;
            let of_usage = span.usage.iter().map(|usage| {
                let usd = match &usage.key {
                    PriceKey::Instance { cloud, region, instance_type, spot } => {
                        let price = catalogue().instance(*cloud, region, instance_type).unwrap();
                        if *spot { price.spot.unwrap() } else { price.on_demand }
                    }
                    PriceKey::Component { cloud, region, name } => {
                        catalogue().component(*cloud, region, name).unwrap().usd
                    }
                };
                let units = if usage.unit == Unit::Hour { hours } else { hours / 730.0 };
                usd * usage.desired * units
            });
            of_usage.sum()
        };
        spans.iter().map(of_span).sum()
    }

    fn cost(&self) -> Value {
        self.go(&["cost", "show", "demo", "-o", "json"]).expect(0).json()
    }

    /// What is said is the bill to the cent, and the lines are what is said.
    fn agrees(&self, when: &str) -> f64 {
        let shown = self.cost();
        let (said, bill) = (usd(&shown["accruedUsd"]), self.bill());
        let lines: f64 = shown["lines"].as_array().unwrap().iter().map(|line| usd(&line["usd"])).sum();
        assert!((lines - said).abs() < 0.001, "{when}: {lines} in lines, {said} in all");
        assert!((said - bill).abs() < CENT, "{when}: said {said}, billed {bill}: {shown:#}\n{:#?}", self.billed());
        said
    }
}

fn usd(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no money: {value}"))
}

/// A run that is killed when a call is held.
fn killed(world: &World) {
    let mut command = world.command();
    let silent = command.args(BUILD).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run: Child = silent.spawn().unwrap();
    let hold = world.home.path().join("kw/sandbox/holds/1.json");
    until("a held call", || hold.exists().then_some(()));
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn days_with_a_killed_run_and_a_failed_one_cost_what_the_cloud_bills() {
    // The second route leads through the NAT gateway: that is made, and the control plane is on its way.
    let mut world = World::with("ec2:CreateRoute=hold-after@2", Speed::Max);
    killed(&world);
    world.skip_hours(30);
    world.restart("eks:CreateNodegroup=error-before", Speed::Max);
    let failed = world.go(&BUILD);
    assert_ne!(failed.code, 0, "{}", failed.err);
    assert!(world.agrees("after a failure") > 30.0 * 0.15);
    world.skip_hours(10);
    world.restart("", Speed::Max);
    world.go(&BUILD).expect(0);
    world.agrees("whole");
    world.skip_hours(72);
    let before = world.agrees("three days later");
    assert!(before > 40.0 * 0.15 + 72.0 * 0.33, "{before}");
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    let (spent, bill) = (usd(&world.cost()["accruedUsd"]), world.bill());
    // A pool counts until it is proven gone; its machines, which nobody asks for, go some minutes before it.
    let ending = 0.1838 * 10.0 / 60.0;
    assert!(
        (-CENT..CENT + ending).contains(&(spent - bill)),
        "gone: said {spent}, billed {bill}: {:#?}",
        world.billed()
    );
    world.skip_hours(100);
    world.restart("", Speed::Max);
    assert_eq!((usd(&world.cost()["accruedUsd"]), world.bill()), (spent, bill), "what is gone costs nothing more");
}

#[test]
fn a_pool_that_scaled_by_itself_has_cost_what_lies_between_its_bounds() {
    let world = World::new();
    // Nobody needs the second node: the cluster's own autoscaler takes it away.
    world.home.write("cluster.yaml", &SCALED.replace("min: 0", "count: 1, min: 0"));
    world.go(&["provision", "--yes", "--wait", "cloud"]).expect(0);
    world.skip_hours(48);
    let (shown, bill) = (world.cost(), world.bill());
    let [least, said, most] = ["accruedMinUsd", "accruedUsd", "accruedMaxUsd"].map(|key| usd(&shown[key]));
    assert!(least - CENT < bill && bill < most + CENT, "{least} {bill} {most}");
    assert!(bill < said - 1.0, "as ordered it would have been {said}, and was {bill}");
    let told = world.go(&["cost", "show", "demo"]).expect(0).out;
    assert!(told.contains("by how pools scaled; counted as ordered here"), "{told}");
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
}
