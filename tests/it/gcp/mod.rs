//! GKE by the real binary in the sandbox: what is asked before the first write, what is refused and with which words,
//! lives under exactly the permissions that `policy` prints, and whole lives seen through Google's own REST.

mod credentials;
mod faults;
mod leftovers;
mod lives;
mod policy;
mod preflight;
mod refusals;
mod rig;

use crate::lives::rig::World;
use crate::support::Said;
use kubewright::sandbox::{clock::Speed, conditions::Conditions};
use std::process::Command;

/// The binary in this world, on Google Cloud in us-central1.
fn command(world: &World) -> Command {
    let mut command = world.home.command();
    command.env("KUBEWRIGHT_PROVIDER", "gcp").env("KUBEWRIGHT_REGION", "us-central1").arg("--sandbox");
    command
}

fn go(world: &World, words: &[&str]) -> Said {
    Said::of(command(world).args(words))
}

/// A world whose limits are these: `CPUS=2`.
fn limited(quotas: &str) -> World {
    let mut conditions = Conditions::default();
    conditions.set_quotas(quotas).unwrap();
    World::under("", Speed::Max, conditions)
}

/// A world in which a cluster `warm` stands: Google's services are on in its project, as in most that are in use.
fn in_use(quotas: &str) -> World {
    let world = if quotas.is_empty() { World::new() } else { limited(quotas) };
    go(&world, &["provision", "warm", "--yes", "--wait", "cloud", "-o", "json"]).expect(0);
    world
}

/// The name of the first thing of a kind.
fn named(world: &World, kind: &str) -> String {
    let shown = world.home.rehearse(&["sandbox", "show", "-o", "json"]).expect(0).json();
    let all = shown["objects"].as_array().unwrap().clone();
    let found = all.iter().find(|it| it["cloud"] == "gcp" && it["kind"] == kind && it["createdBy"] == "api");
    found.unwrap_or_else(|| panic!("no {kind} in {all:#?}"))["name"].as_str().unwrap().to_owned()
}

/// Calls of any world that changed something.
fn mutating(world: &World) -> u64 {
    world.home.rehearse(&["sandbox", "show", "-o", "json"]).expect(0).json()["requests"]["mutating"].as_u64().unwrap()
}
