//! What is decided, from facts as Azure gives them.

use super::super::instances::Size;
use super::super::skus::{Barred, Sku};
use super::*;
use crate::model::spec::{AksTier, ExistingNetwork, InstanceNeeds, Nat, NetworkSpec, Taint, TaintEffect};
use std::collections::BTreeSet;

fn now() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

fn eastus() -> Region {
    Region("eastus".to_owned())
}

fn who() -> Identity {
    let account = "11111111-2222-4333-8444-555555555555".to_owned();
    Identity { account, principal: String::new(), source: String::new(), expires_at: None }
}

fn spec() -> ClusterSpec {
    ClusterSpec { name: Some("demo".parse().unwrap()), ..ClusterSpec::default() }
}

fn sku(name: &str, zones: &[&str]) -> (String, Sku) {
    let size = instances::from_catalogue(name).unwrap_or_else(|| Size::unknown(name));
    let zones: BTreeSet<String> = zones.iter().map(|zone| (*zone).to_owned()).collect();
    (
        name.to_owned(),
        Sku { size, family: None, zones, all_zones: ["1", "2", "3"].map(str::to_owned).into(), barred: None },
    )
}

fn facts(skus: Vec<(String, Sku)>) -> Facts {
    let skus: Skus = skus.into_iter().collect();
    Facts {
        zones: Some(skus::zones(&skus)),
        skus: Some(skus),
        versions: Some(versions::embedded(now())),
        no_sizes: None,
        no_versions: None,
    }
}

fn plain() -> Facts {
    facts(vec![sku("Standard_D2as_v5", &["1", "2", "3"]), sku("Standard_NC4as_T4_v3", &["2", "3"])])
}

fn decided(spec: &ClusterSpec, facts: &Facts) -> Result<ResolvedSpec, Vec<String>> {
    let mut work = Work::default();
    let offline = Offline::of(&mut work, spec, &who());
    let made = decide(work, &eastus(), now(), spec, &who(), offline, facts, None, &unnamed());
    made.map_err(|problems| problems.into_iter().map(|it| format!("{} {}", it.message, it.hints.join(" "))).collect())
}

fn refused(spec: &ClusterSpec) -> String {
    decided(spec, &plain()).expect_err("refused").join("\n")
}

fn network(network: NetworkSpec) -> ClusterSpec {
    ClusterSpec { network: Some(network), ..spec() }
}

fn pools(pools: Vec<PoolSpec>) -> ClusterSpec {
    ClusterSpec { node_pools: Some(pools), ..spec() }
}

fn pool(name: &str) -> PoolSpec {
    PoolSpec { name: name.to_owned(), ..PoolSpec::default() }
}

#[test]
fn the_defaults_are_a_cheap_cluster_that_works() {
    let made = decided(&spec(), &plain()).unwrap();
    let azure = made.azure.clone().unwrap();
    assert_eq!((made.version.as_str(), made.network.zones.len(), made.network.nat), ("1.35", 2, Nat::Single));
    let pool = &made.node_pools[0];
    assert_eq!((pool.instance_type.as_str(), pool.count, pool.disk_gib), ("Standard_D2as_v5", 2, 50));
    assert_eq!(
        (azure.tier, azure.network, azure.outbound),
        (AksTier::Free, AksNetwork::Overlay, AksOutbound::NatGateway)
    );
    assert_eq!(
        (azure.pod_cidr.to_string(), azure.service_cidr.to_string()),
        ("10.244.0.0/16".into(), "10.245.0.0/16".into())
    );
    assert!(azure.azure_rbac && !azure.local_accounts && azure.admin.is_some());
    for path in
        ["version", "azure.tier", "azure.podCidr", "network.zoneCount", "nodePools", "nodePools.default.instanceType"]
    {
        assert!(made.defaults.iter().any(|it| it == path), "{path} in {:?}", made.defaults);
    }
    let protected = ClusterSpec { protect: Some(true), ..spec() };
    assert_eq!(decided(&protected, &plain()).unwrap().azure.unwrap().tier, AksTier::Standard);
}

#[test]
fn what_was_decided_once_is_decided_the_same_again() {
    let made = decided(&spec(), &plain()).unwrap();
    let azure = made.azure.clone().unwrap();
    let again = ClusterSpec {
        version: Some(made.version.clone()),
        network: Some(NetworkSpec {
            cidr: Some(made.network.cidr),
            zones: Some(made.network.zones.clone()),
            nat: Some(made.network.nat),
            ..NetworkSpec::default()
        }),
        azure: Some(AzureSpec {
            tier: Some(azure.tier),
            network: Some(azure.network),
            pod_cidr: Some(azure.pod_cidr),
            service_cidr: Some(azure.service_cidr),
            ..AzureSpec::default()
        }),
        ..spec()
    };
    let twice = decided(&again, &plain()).unwrap();
    assert_eq!((twice.network, twice.azure), (made.network, made.azure));
}

#[test]
fn wishes_find_machines_and_zones_that_have_them() {
    let gpu = InstanceNeeds { gpu: Some("T4:1".to_owned()), ..InstanceNeeds::default() };
    let wish = PoolSpec { instance_type: Some(InstanceWish::Needs(gpu)), count: Some(1), ..pool("gpu") };
    let made = decided(&pools(vec![pool("default"), wish.clone()]), &plain()).unwrap();
    assert_eq!(made.node_pools[1].instance_type, "Standard_NC4as_T4_v3");
    assert_eq!(made.network.zones, ["2", "3"], "where both can be had");
    let three = ClusterSpec {
        network: Some(NetworkSpec { zone_count: Some(3), ..NetworkSpec::default() }),
        ..pools(vec![pool("default"), wish])
    };
    assert!(refused(&three).contains("Standard_NC4as_T4_v3 is offered to this subscription in zone 2, 3 only"));
}

#[test]
fn a_barred_size_gives_way_to_the_next_and_a_named_one_is_refused() {
    let (name, barred) = sku("Standard_D2as_v5", &["1", "2", "3"]);
    let barred = (name, Sku { barred: Some(Barred::Subscription), ..barred });
    let facts = facts(vec![barred, sku("Standard_D2s_v5", &["1", "2", "3"])]);
    assert_eq!(decided(&spec(), &facts).unwrap().node_pools[0].instance_type, "Standard_D2s_v5");
    let named = PoolSpec { instance_type: Some(InstanceWish::Named("Standard_D2as_v5".to_owned())), ..pool("default") };
    let words = decided(&pools(vec![named]), &facts).unwrap_err().join(" ");
    assert!(words.contains("not available to this subscription"), "{words}");
}

#[test]
fn regions_without_zones_get_none_and_say_so_when_asked() {
    let mut bare = plain();
    bare.zones = Some(Vec::new());
    bare.skus = None;
    assert!(decided(&spec(), &bare).unwrap().network.zones.is_empty());
    let asked = network(NetworkSpec { zones: Some(vec!["1".to_owned()]), ..NetworkSpec::default() });
    assert!(decided(&asked, &bare).unwrap_err()[0].contains("eastus has no availability zones"));
    let recorded = network(NetworkSpec { zones: Some(Vec::new()), ..NetworkSpec::default() });
    assert!(decided(&recorded, &bare).is_ok());
}

#[test]
fn zones_of_another_cloud_are_met_with_those_there_are() {
    let zones = |names: &[&str]| {
        network(NetworkSpec {
            zones: Some(names.iter().map(|it| (*it).to_owned()).collect()),
            ..NetworkSpec::default()
        })
    };
    let words = refused(&zones(&["us-east-1a", "us-east-1b"]));
    assert!(words.contains("no zone us-east-1a in eastus") && words.contains("there are 1, 2, 3"), "{words}");
    assert_eq!(decided(&zones(&["eastus-2", "3"]), &plain()).unwrap().network.zones, ["2", "3"]);
    assert!(refused(&zones(&["1", "1"])).contains("named twice"));
}

#[test]
fn ranges_that_collide_are_refused_with_one_that_does_not() {
    let aks = |pods: Option<&str>, services: Option<&str>| ClusterSpec {
        azure: Some(AzureSpec {
            pod_cidr: pods.map(|it| it.parse().unwrap()),
            service_cidr: services.map(|it| it.parse().unwrap()),
            ..AzureSpec::default()
        }),
        ..spec()
    };
    let words = refused(&aks(Some("10.0.128.0/17"), None));
    assert!(words.contains("azure.podCidr 10.0.128.0/17 overlaps network.cidr 10.0.0.0/16"), "{words}");
    assert!(words.contains("azure.podCidr: 10.244.0.0/16"), "{words}");
    assert!(refused(&aks(Some("10.244.0.0/16"), Some("10.244.8.0/24"))).contains("overlaps azure.podCidr"));
    assert!(refused(&aks(Some("172.31.0.0/16"), None)).contains("AKS keeps for itself"));
    assert!(refused(&aks(None, Some("10.240.0.0/12"))).contains("smaller than /12"));
    let own = network(NetworkSpec { cidr: Some("172.16.0.0/12".parse().unwrap()), ..NetworkSpec::default() });
    assert!(refused(&own).contains("172.30.0.0/16, which AKS keeps"));
    let small = ClusterSpec { azure: aks(Some("10.244.0.0/24"), None).azure, ..spec() };
    assert!(refused(&small).contains("room for 1 nodes, 3 are needed"));
}

#[test]
fn what_has_no_counterpart_says_so() {
    let per_zone = network(NetworkSpec { nat: Some(Nat::PerZone), ..NetworkSpec::default() });
    assert!(refused(&per_zone).contains("per-zone has no counterpart on AKS"));
    let several = PoolSpec {
        instance_types: vec!["Standard_D2as_v5".to_owned(), "Standard_D2s_v5".to_owned()],
        ..pool("default")
    };
    assert!(refused(&pools(vec![several])).contains("several instance types in one pool"));
    let none = network(NetworkSpec { nat: Some(Nat::None), ..NetworkSpec::default() });
    assert_eq!(decided(&none, &plain()).unwrap().azure.unwrap().outbound, AksOutbound::LoadBalancer);
}

#[test]
fn a_pool_for_aks_itself_must_be_there() {
    let spot = PoolSpec { spot: Some(true), ..pool("default") };
    assert!(refused(&pools(vec![spot])).contains("AKS's own pods would have no node"));
    let taint = Taint { key: "a".to_owned(), value: None, effect: TaintEffect::NoSchedule };
    assert!(refused(&pools(vec![PoolSpec { taints: vec![taint], ..pool("default") }])).contains("no node to run on"));
    let small = facts(vec![sku("Standard_A1_v2", &["1", "2", "3"])]);
    let named = PoolSpec { instance_type: Some(InstanceWish::Named("Standard_A1_v2".to_owned())), ..pool("default") };
    assert!(
        decided(&pools(vec![named]), &small).unwrap_err()[0].contains("AKS's own pods cannot run on Standard_A1_v2")
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let bad = ClusterSpec {
        version: Some("1.99".to_owned()),
        admins: vec!["ana@example.com".to_owned()],
        tags: [("azure-team".to_owned(), "x".to_owned()), ("a?b".to_owned(), "x".to_owned())].into(),
        account: Some("99999999-2222-4333-8444-555555555555".to_owned()),
        node_pools: Some(vec![PoolSpec { disk_gib: Some(8), ..pool("default") }]),
        azure: Some(AzureSpec { azure_rbac: Some(false), identity: Some("mine".to_owned()), ..AzureSpec::default() }),
        ..spec()
    };
    let words = refused(&bad);
    for part in [
        "1.99",
        "ana@example.com",
        "`azure-team` is reserved",
        "a?b",
        "pinned to subscription",
        "30 to 2048",
        "nobody could get into",
        "azure.identity `mine`",
    ] {
        assert!(words.contains(part), "{part} in\n{words}");
    }
}

#[test]
fn long_term_support_needs_its_tier() {
    let old = ClusterSpec { version: Some("1.33".to_owned()), ..spec() };
    assert!(refused(&old).contains("out of community support since 2026-06-30"));
    let premium = AzureSpec { tier: Some(AksTier::Premium), ..AzureSpec::default() };
    assert!(decided(&ClusterSpec { azure: Some(premium), ..old }, &plain()).is_ok());
}

#[test]
fn an_existing_network_is_named_by_one_subnet() {
    let vpc = "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/corp";
    let existing = |vpc: &str, subnets: &[&str]| {
        network(NetworkSpec {
            existing: Some(ExistingNetwork {
                vpc: vpc.to_owned(),
                private_subnets: subnets.iter().map(|it| (*it).to_owned()).collect(),
                pod_range: Some("pods".to_owned()),
                ..ExistingNetwork::default()
            }),
            cidr: Some("10.0.0.0/16".parse().unwrap()),
            ..NetworkSpec::default()
        })
    };
    let words = refused(&existing(vpc, &["a", "b"]));
    for part in ["names 2 subnets", "podRange has no counterpart", "network.cidr and network.existing exclude"] {
        assert!(words.contains(part), "{part} in\n{words}");
    }
    assert!(refused(&existing("vpc-1", &["a"])).contains("is not the id of a virtual network"));
}

#[test]
fn without_credentials_the_price_table_decides() {
    let made = guess(&Region("westeurope".to_owned()), now(), &spec(), &who()).unwrap();
    assert_eq!((made.network.zones.len(), made.node_pools[0].instance_type.as_str()), (2, "Standard_D2as_v5"));
    let region = Region("westus".to_owned());
    assert!(guess(&region, now(), &spec(), &who()).unwrap().network.zones.is_empty());
    assert_eq!(offline(&spec(), &region).unwrap().name.as_str(), "demo");
}
