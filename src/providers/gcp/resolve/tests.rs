//! Choices by what zones tell, and everything wrong at once.

use super::*;
use crate::model::spec::{GcpSpec, InstanceNeeds, NetworkSpec};
use crate::providers::gcp::zones::Listed;
use crate::providers::testing::Stands;

fn clock() -> Stands {
    Stands
}

fn who() -> Identity {
    Identity { account: "acme-prod".to_owned(), principal: String::new(), source: String::new(), expires_at: None }
}

fn region() -> Region {
    Region("us-central1".to_owned())
}

fn spec() -> ClusterSpec {
    ClusterSpec { name: "demo".parse().ok(), ..ClusterSpec::default() }
}

fn needs(gpu: &str) -> PoolSpec {
    let needs = InstanceNeeds { cpu: Some(4.0), memory_gib: Some(15.0), gpu: Some(gpu.to_owned()) };
    PoolSpec {
        name: "gpu".to_owned(),
        instance_type: Some(InstanceWish::Needs(needs)),
        min: Some(0),
        max: Some(2),
        ..PoolSpec::default()
    }
}

/// Decides with these zones having these machines and accelerators.
fn decided(spec: &ClusterSpec, zones: &[(&str, &[&str], &[&str])]) -> Result<ResolvedSpec, Vec<StepError>> {
    let mut work = Work::default();
    let offline = Offline::of(&mut work, spec, &who());
    let mut stock = Stock::default();
    for (zone, machines, accelerators) in zones {
        for name in *machines {
            stock.machines.insert((*name).to_owned(), Listed { name: (*name).to_owned(), ..Listed::default() });
            stock.in_zones.entry((*name).to_owned()).or_default().insert((*zone).to_owned());
        }
        for name in *accelerators {
            stock.accelerators.entry((*name).to_owned()).or_default().insert((*zone).to_owned());
        }
    }
    let named = zones.iter().map(|(zone, ..)| Zone::named((*zone).to_owned())).collect();
    let facts = Facts {
        zones: Some(named),
        stock: Some(stock),
        versions: Some(versions::embedded(clock().now())),
        no_zones: None,
        no_versions: None,
    };
    let found = Found { number: "123456789012".to_owned(), ..Found::default() };
    decide(work, &region(), &clock(), spec, &who(), offline, &facts, found)
}

fn words(problems: &[StepError]) -> String {
    problems.iter().map(|it| format!("{} ({})", it.message, it.hints.join(", "))).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_bare_name_gives_the_default_cluster() {
    let found = guess(&region(), &clock(), &spec(), &who()).unwrap();
    let pool = &found.node_pools[0];
    assert_eq!((pool.instance_type.as_str(), pool.count, pool.disk_gib), ("e2-standard-2", 2, 50));
    assert_eq!(found.network.zones, ["us-central1-a", "us-central1-b"]);
    let gcp = found.gcp.unwrap();
    assert_eq!((gcp.location.as_str(), gcp.autopilot), ("us-central1-a", false));
    assert_eq!((found.version.as_str(), gcp.initial_version.as_str()), ("1.35", "1.35"));
    assert_eq!(gcp.pod_cidr, "10.0.128.0/17".parse().ok());
    assert_eq!(gcp.oauth_scopes, ["https://www.googleapis.com/auth/cloud-platform"]);
    for path in ["version", "network.nat", "network.zoneCount", "gcp.regional", "gcp.releaseChannel", "nodePools"] {
        assert!(found.defaults.iter().any(|it| it == path), "{path} in {:?}", found.defaults);
    }
}

#[test]
fn a_regional_control_plane_is_asked_for() {
    let spec = ClusterSpec { gcp: Some(GcpSpec { regional: Some(true), ..GcpSpec::default() }), ..spec() };
    assert_eq!(guess(&region(), &clock(), &spec, &who()).unwrap().gcp.unwrap().location, "us-central1");
}

#[test]
fn zones_are_those_that_have_machine_and_accelerator() {
    let spec = ClusterSpec {
        node_pools: Some(vec![PoolSpec { name: "default".to_owned(), ..PoolSpec::default() }, needs("T4:1")]),
        ..spec()
    };
    let all = ["e2-standard-2", "n1-standard-4"];
    let found = decided(
        &spec,
        &[
            ("us-central1-a", &all, &["nvidia-tesla-t4"]),
            ("us-central1-b", &all, &[]),
            ("us-central1-c", &all, &["nvidia-tesla-t4"]),
        ],
    );
    let found = found.unwrap_or_else(|problems| panic!("{}", words(&problems)));
    assert_eq!(found.network.zones, ["us-central1-a", "us-central1-c"]);
    assert_eq!(found.node_pools[1].gpu, Some(("T4".to_owned(), 1)));
    assert_eq!(found.node_pools[1].instance_type, "n1-standard-4");
}

#[test]
fn too_few_zones_with_the_machine_are_named() {
    let spec =
        ClusterSpec { node_pools: Some(vec![PoolSpec { name: "a".to_owned(), ..PoolSpec::default() }]), ..spec() };
    let zones: [(&str, &[&str], &[&str]); 2] =
        [("us-central1-a", &["e2-standard-2"], &[]), ("us-central1-b", &["f1-micro"], &[])];
    let problems = decided(&spec, &zones).unwrap_err();
    assert!(words(&problems).contains("offered in us-central1-a only; 2 zones are needed"), "{}", words(&problems));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let network = NetworkSpec {
        zones: Some(vec!["us-east-1a".to_owned(), "europe-west4-a".to_owned()]),
        cidr: "172.17.0.0/16".parse().ok(),
        ..NetworkSpec::default()
    };
    let named = |name: &str| PoolSpec {
        name: format!("p{}", name.len()),
        instance_type: Some(InstanceWish::Named(name.to_owned())),
        ..PoolSpec::default()
    };
    let spec = ClusterSpec {
        account: Some("other-project".to_owned()),
        version: Some("1.35.2".to_owned()),
        network: Some(network),
        node_pools: Some(vec![named("m6a.large"), named("Standard_D2as_v5"), named("e2-standart-2")]),
        ..spec()
    };
    let problems = guess(&region(), &clock(), &spec, &who()).unwrap_err();
    let said = words(&problems);
    for part in [
        "pinned to project other-project",
        "container bridge",
        "`1.35.2` is not a Kubernetes minor version",
        "EC2's",
        "Azure's",
        "did you mean e2-standard-2?",
        "`us-east-1a` is not a zone of us-central1",
        "--region europe-west4",
    ] {
        let part = part.replace("`1.35.2` is not a Kubernetes minor version", "`1.35.2` is a patch version");
        assert!(said.contains(&part), "{part} in {said}");
    }
}

#[test]
fn an_old_version_is_refused_but_on_the_extended_channel() {
    let mut spec = ClusterSpec { version: Some("1.34".to_owned()), ..spec() };
    let problems = guess(&region(), &clock(), &spec, &who()).unwrap_err();
    assert!(words(&problems).contains("out of standard support since 2026-10-01"), "{}", words(&problems));
    spec.gcp =
        Some(GcpSpec { release_channel: Some(crate::model::spec::ReleaseChannel::Extended), ..GcpSpec::default() });
    assert_eq!(guess(&region(), &clock(), &spec, &who()).unwrap().version, "1.34");
}

#[test]
fn without_a_cloud_the_plans_shape_is_known() {
    let spec = ClusterSpec {
        node_pools: Some(vec![PoolSpec { name: "default".to_owned(), ..PoolSpec::default() }, needs("L4:1")]),
        ..spec()
    };
    let found = offline(&spec, &region()).unwrap();
    assert_eq!(found.account, "PROJECT");
    assert_eq!(found.node_pools[1].instance_type, "g2-standard-4");
    assert_eq!(found.network.zones.len(), 2);
}
