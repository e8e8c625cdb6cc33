//! What only one cloud has, and what only one cloud lacks.

use super::{fits, problems};
use crate::config::spec::*;
use crate::model::spec::{AksNetwork, AksTier, AzureSpec, GcpSpec, ReleaseChannel};
use proptest::prelude::*;

const GCP: &str = r#"apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: gcp
region: us-central1
account: my-project-42
environment: dev
network:
  zones: [us-central1-a, us-central1-b]
  nat: single
  existing: ~
nodePools:
  - { name: default, instanceType: e2-standard-2, count: 2 }
  - { name: gpu, instanceType: { cpu: 4, memoryGiB: 15, gpu: "T4:1" }, min: 0, max: 2, spot: true }
admins: ["user:ann@example.com", "serviceAccount:ci@my-project-42.iam.gserviceaccount.com"]
tags: { team: research, cost_centre: "7" }
gcp:
  regional: true
  releaseChannel: stable
  podCidr: 10.4.0.0/14
  serviceCidr: 10.8.0.0/20
  nodeServiceAccount: nodes@my-project-42.iam.gserviceaccount.com
  oauthScopes: [classic, "https://www.googleapis.com/auth/pubsub"]
  addons: [HttpLoadBalancing, HorizontalPodAutoscaling]
"#;

const AZURE: &str = r#"apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: azure
region: swedencentral
account: 5a4d0000-0000-4000-8000-000000000001
network:
  existing:
    vpc: /subscriptions/5a4d0000-0000-4000-8000-000000000001/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub
    privateSubnets: [aks]
  apiAllow: [203.0.113.0/24]
nodePools:
  - { name: default, instanceType: Standard_D2as_v5, count: 2 }
  - { name: batch, instanceType: Standard_D4as_v5, min: 0, max: 3, spot: true, taints: [{ key: batch, effect: NoSchedule }] }
admins: ["7e4a0000-0000-4000-8000-00000000000a"]
tags: { "cost centre": R&D }
azure:
  tier: standard
  network: overlay
  podCidr: 10.244.0.0/16
  serviceCidr: 10.2.0.0/16
  azureRbac: true
  adminGroups: ["7e4a0000-0000-4000-8000-00000000000b"]
  localAccounts: false
  identity: /subscriptions/5a4d0000-0000-4000-8000-000000000001/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aks
"#;

#[test]
fn sections_of_the_other_clouds_read_and_write() {
    for text in [GCP, AZURE] {
        let spec = parse(text, "c.yaml").unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(fits(text), "the schema refuses {text}");
        assert_eq!(parse(&write(&spec), "again"), Ok(spec));
    }
    let gcp = parse(GCP, "c").unwrap().gcp.unwrap();
    assert_eq!((gcp.regional, gcp.autopilot, gcp.release_channel), (Some(true), None, Some(ReleaseChannel::Stable)));
    let azure = parse(AZURE, "c").unwrap().azure.unwrap();
    assert_eq!(
        (azure.tier, azure.network, azure.local_accounts),
        (Some(AksTier::Standard), Some(AksNetwork::Overlay), Some(false))
    );
}

#[test]
fn one_value_of_another_clouds_section_is_judged_by_itself() {
    insta::assert_snapshot!(problems("\
gcp: { regoinal: true, releaseChannel: Stable, podCidr: 10.4.0.1/14, nodeServiceAccount: me, oauthScopes: [pubsub], addons: [HttpLoadbalancing] }
azure: { tier: gold, network: kubnet, adminGroups: [admins], identity: aks, adminsGroups: [] }
network: { existing: { vpc: n, privateSubnets: [s], podsRange: pods } }
"), @r#"
c.yaml:3:8: gcp.regoinal: unknown key; did you mean `regional`?
c.yaml:3:40: gcp.releaseChannel: `Stable` is not one of rapid, regular, stable, extended, none; did you mean `stable`?
c.yaml:3:57: gcp.podCidr: `10.4.0.1/14` has bits set after the prefix; write `10.4.0.0/14`
c.yaml:3:90: gcp.nodeServiceAccount: `me` is not the mail address of a service account; write it as in `nodes@my-project.iam.gserviceaccount.com`
c.yaml:3:108: gcp.oauthScopes[0]: `pubsub` is not a scope; write cloud-platform, classic, or a whole scope: `https://www.googleapis.com/auth/…`
c.yaml:3:126: gcp.addons[0]: GKE has no add-on `HttpLoadbalancing`; did you mean `HttpLoadBalancing`?
c.yaml:4:16: azure.tier: `gold` is not one of free, standard, premium
c.yaml:4:31: azure.network: `kubnet` is not one of overlay, kubenet; did you mean `kubenet`?
c.yaml:4:53: azure.adminGroups[0]: `admins` is not the object id of an Entra group; write it as in `11111111-2222-3333-4444-555555555555`
c.yaml:4:72: azure.identity: is not the resource id of a user-assigned identity; write `/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME`
c.yaml:4:77: azure.adminsGroups: unknown key; did you mean `adminGroups`?
c.yaml:5:53: network.existing.podsRange: unknown key; did you mean `podRange`?
"#);
    for body in [
        "gcp: { regoinal: true }",
        "gcp: { releaseChannel: fast }",
        "gcp: { podCidr: 10.4.0.0 }",
        "gcp: { nodeServiceAccount: me }",
        "gcp: { oauthScopes: [pubsub] }",
        "gcp: { addons: [Istio] }",
        "azure: { tier: gold }",
        "azure: { network: flannel }",
        "azure: { adminGroups: [admins] }",
        "azure: { identity: aks }",
        "azure: { localAccounts: maybe }",
    ] {
        let text = format!("apiVersion: kubewright/v1\nkind: Cluster\n{body}\n");
        assert!(parse(&text, "c.yaml").is_err() && !fits(&text), "{body}");
    }
}

#[test]
fn gcp_has_limits_of_its_own() {
    insta::assert_snapshot!(problems("\
provider: gcp
region: us-central1-a
account: 123456789012
environment: Dev.1
network: { zones: [us-central1-a, europe-west1, b], zoneCount: 3, nat: per-zone }
nodePools: [{ name: a, instanceType: m6a.large, labels: { cloud.google.com/gke-spot: x } }, { name: b, instanceTypes: [e2-medium, e2-small] }]
admins: [ann@example.com, ci@p.iam.gserviceaccount.com, me]
tags: { Team: research, team2: R&D, goog-x: y }
aws: {}
azure: {}
gcp: { podCidr: 10.0.0.0/14, serviceCidr: 10.1.0.0/20, autopilot: true, regional: false }
"), @r#"
c.yaml:4:9: region: `us-central1-a` is not a Google Cloud region; that is a zone; write `us-central1` here and zones under `network.zones`
c.yaml:5:10: account: `123456789012` is the number of a project, or no project; write the project's id, as in `my-project-42`
c.yaml:6:14: environment: `Dev.1` becomes a label, which has only lower-case letters, digits, `_` and `-`; write `dev-1`
c.yaml:7:35: network.zones[1]: `europe-west1` is not a zone; write it as in `us-central1-a`
c.yaml:7:49: network.zones[2]: `b` is not a zone; write it as in `us-central1-a`
c.yaml:7:72: network.nat: has no counterpart on gcp: one Cloud NAT serves all zones of its region; write `single`
c.yaml:8:12: nodePools: Autopilot clusters have no node pools: Google makes nodes for pods; remove it, or write `autopilot: false`
c.yaml:8:38: nodePools[0].instanceType: `m6a.large` is not a Compute Engine machine type; write it as in `e2-standard-2`
c.yaml:8:86: nodePools[0].labels.cloud.google.com/gke-spot: labels such as `cloud.google.com/gke-spot` are set by GKE itself
c.yaml:8:119: nodePools[1].instanceTypes: GKE pools have one machine type; write `instanceType: e2-medium`, and a second pool for other types
c.yaml:9:57: admins[2]: `me` is not the mail address of a user, group or service account; write `ann@example.com`, `group:team@example.com` or a service account's address
c.yaml:10:15: tags.Team: becomes a label, whose key begins with a lower-case letter and has lower-case letters, digits, `_` and `-`, at most 63; write `team`
c.yaml:10:32: tags.team2: `R&D` becomes a label's value, which has only lower-case letters, digits, `_` and `-`, at most 63; write `r-d`
c.yaml:10:45: tags.goog-x: labels that begin with `goog` belong to Google
c.yaml:11:6: aws: has no counterpart on gcp; remove it, or write `provider: aws`
c.yaml:12:8: azure: has no counterpart on gcp; remove it, or write `provider: azure`
c.yaml:13:43: gcp.serviceCidr: 10.1.0.0/20 meets gcp.podCidr, 10.0.0.0/14; choose ranges that keep apart
c.yaml:13:83: gcp.regional: Autopilot clusters are regional; remove it
"#);
    insta::assert_snapshot!(problems("\
provider: gcp
region: eastus
network: { existing: { vpc: My_Net, privateSubnets: [a, b], publicSubnets: [c], podRange: pods } }
gcp: { podCidr: 10.0.0.0/14 }
"), @r#"
c.yaml:4:9: region: `eastus` is not a Google Cloud region; write it as in `us-central1`
c.yaml:5:29: network.existing.vpc: `My_Net` is neither the name nor the link of a network; write it as in `my-network` or `projects/P/global/networks/N`
c.yaml:5:53: network.existing.privateSubnets: GKE nodes live in one subnet, not 2; name exactly one subnet
c.yaml:5:76: network.existing.publicSubnets: has no counterpart on gcp: a subnet is neither public nor private there; remove it
c.yaml:6:17: gcp.podCidr: cannot be combined with `network.existing`, whose subnet's secondary ranges decide it; name the range: `network.existing.podRange`
"#);
}

#[test]
fn azure_has_limits_of_its_own() {
    insta::assert_snapshot!(problems("\
provider: azure
region: us-east-1
account: my-subscription
network: { cidr: 172.30.0.0/16, zones: [eastus-1, \"2\"], zoneCount: 2, nat: per-zone, apiAllow: [10.0.0.0/8] }
nodePools: [{ name: a, instanceType: D2as_v5, spot: true, labels: { kubernetes.azure.com/x: y } }, { name: b, min: 0, max: 2 }]
admins: [ann@example.com]
tags: { azure-x: y, 'a/b': c }
gcp: {}
azure: { podCidr: 10.0.0.0/16, serviceCidr: 10.0.1.0/29, azureRbac: false, adminGroups: [] }
"), @r#"
c.yaml:4:9: region: `us-east-1` is not an Azure region; write it as in `eastus`
c.yaml:5:10: account: `my-subscription` is not the id of a subscription; write it as in `11111111-2222-3333-4444-555555555555`
c.yaml:6:18: network.cidr: 172.30.0.0/16 meets 172.30.0.0/16, which AKS keeps for itself; choose another range
c.yaml:6:41: network.zones[0]: `eastus-1` is not a zone of Azure: a subscription's are 1, 2 and 3 in every region; write `"1"`
c.yaml:6:76: network.nat: has no counterpart on azure: a subnet has one NAT gateway, and AKS nodes live in one subnet; write `single`
c.yaml:6:97: network.apiAllow[0]: `10.0.0.0/8` is a private range; only public addresses can be let through; remove it
c.yaml:7:12: nodePools: AKS needs a pool for its own pods: every pool is spot, may be empty, or has a taint that keeps them off; give one pool without taints and spot `min: 1` or a fixed `count`
c.yaml:7:38: nodePools[0].instanceType: `D2as_v5` is not a size of virtual machines; write it as in `Standard_D2as_v5`
c.yaml:7:93: nodePools[0].labels.kubernetes.azure.com/x: labels such as `kubernetes.azure.com/x` are set by AKS itself
c.yaml:8:10: admins[0]: `ann@example.com` is not the object id of an Entra identity; write it as in `11111111-2222-3333-4444-555555555555`
c.yaml:9:18: tags.azure-x: keys that begin with microsoft, azure or windows belong to Azure
c.yaml:9:28: tags.a/b: Azure takes no `<>%&\?/` in keys of tags, and this has '/'
c.yaml:10:6: gcp: has no counterpart on azure; remove it, or write `provider: gcp`
c.yaml:11:45: azure.serviceCidr: 10.0.1.0/29 meets azure.podCidr, 10.0.0.0/16; choose ranges that keep apart
c.yaml:11:69: azure.azureRbac: nobody could get in: without Azure roles it takes a group of admins or local accounts; name `adminGroups`, or write `localAccounts: true`
"#);
    insta::assert_snapshot!(problems("\
provider: azure
network: { existing: { vpc: hub, privateSubnets: [], serviceRange: s } }
azure: { network: kubenet }
"), @r#"
c.yaml:4:29: network.existing.vpc: `hub` is not the resource id of a virtual network; write `/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Network/virtualNetworks/NAME`
c.yaml:4:50: network.existing.privateSubnets: AKS nodes live in one subnet, not 0; name exactly one subnet
c.yaml:4:68: network.existing.serviceRange: has no counterpart on azure: subnets have secondary ranges on gcp only; remove it
c.yaml:5:19: azure.network: kubenet writes routes into the subnet's table, and what was brought along is never changed; write `overlay`
"#);
}

#[test]
fn kubenet_is_built_and_its_end_is_said() {
    let spec = load(None, &[Overlay::set("azure.network=kubenet")], Some(Cloud::Azure)).unwrap();
    assert!(advice(&spec)[0].contains("31 March 2028"), "{:?}", advice(&spec));
    let spec = load(None, &[Overlay::set("azure.network=overlay")], Some(Cloud::Azure)).unwrap();
    assert!(advice(&spec).is_empty());
    let spec = load(None, &[Overlay::set("network.cidr=172.20.0.0/16")], Some(Cloud::Gcp)).unwrap();
    assert!(advice(&spec).is_empty(), "where EKS puts Services is of no matter elsewhere");
}

#[test]
fn the_portable_file_is_good_on_every_cloud() {
    let text = "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nnodePools:\n\
        - { name: default, instanceType: { cpu: 2, memoryGiB: 8 }, count: 3, diskGiB: 80 }\n\
        - { name: gpu, instanceType: { cpu: 4, memoryGiB: 16, gpu: 'T4:1' }, min: 0, max: 2, spot: true }\n\
        tags: { team: research }\n";
    for cloud in Cloud::ALL {
        assert!(load(Some((text, "c.yaml")), &[], Some(cloud)).is_ok(), "{cloud}");
    }
}

prop_compose! {
    pub(super) fn gcps()(
        truths in (prop::option::of(any::<bool>()), prop::option::of(any::<bool>())),
        channel in prop::option::of(0usize..5),
        ranges in (prop::option::of(8u8..=24), prop::option::of(16u8..=27)),
        account in prop::option::of("[a-z]{6,12}"),
        scopes in prop::option::of(prop::collection::btree_set("[a-z.]{1,12}", 0..3)),
        addons in prop::option::of(prop::sample::subsequence(clouds::GKE_ADDONS, 0..4)),
    ) -> GcpSpec {
        GcpSpec {
            regional: truths.0,
            autopilot: truths.1,
            release_channel: channel.map(|at| clouds::CHANNELS[at]),
            pod_cidr: ranges.0.map(|prefix| format!("10.0.0.0/{prefix}").parse().unwrap()),
            service_cidr: ranges.1.map(|prefix| format!("10.0.0.0/{prefix}").parse().unwrap()),
            node_service_account: account.map(|name| format!("{name}@p.iam.gserviceaccount.com")),
            oauth_scopes: scopes.map(|all| all.iter().map(|scope| format!("{}{scope}", clouds::SCOPE)).collect()),
            addons: addons.map(|all| all.into_iter().map(str::to_owned).collect()),
        }
    }
}

prop_compose! {
    pub(super) fn azures()(
        choices in (prop::option::of(0usize..3), prop::option::of(0usize..2)),
        ranges in (prop::option::of(8u8..=24), prop::option::of(12u8..=28)),
        truths in (prop::option::of(any::<bool>()), prop::option::of(any::<bool>())),
        groups in prop::option::of(prop::collection::btree_set("[0-9a-f]{12}", 0..3)),
        identity in prop::option::of("[a-z0-9-]{3,20}"),
    ) -> AzureSpec {
        let guid = |end: &str| format!("11111111-2222-3333-4444-{end}");
        AzureSpec {
            tier: choices.0.map(|at| clouds::TIERS[at]),
            network: choices.1.map(|at| clouds::NETWORKS[at]),
            pod_cidr: ranges.0.map(|prefix| format!("10.0.0.0/{prefix}").parse().unwrap()),
            service_cidr: ranges.1.map(|prefix| format!("10.0.0.0/{prefix}").parse().unwrap()),
            azure_rbac: truths.0,
            admin_groups: groups.map(|all| all.iter().map(|end| guid(end)).collect()),
            local_accounts: truths.1,
            identity: identity.map(|name| format!(
                "/subscriptions/{}/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
                guid("555555555555")
            )),
        }
    }
}
