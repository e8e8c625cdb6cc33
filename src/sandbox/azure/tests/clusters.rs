//! Clusters: coming up, changing, going, and everything that stops them.

use super::{AKS, Bench, SUBSCRIPTION, id, net};
use crate::sandbox::{
    azure::{
        Azure, OBJECT_ID,
        compute::{DISK, MACHINE, SCALE_SET},
        containerservice::{CLUSTER, GROUP_ID, POOL},
        entra,
        network::{BALANCER, PUBLIC_IP},
        store::GROUP,
    },
    kubernetes::host::{Address, Credentials, Disk, Front, FrontKind, Host, Right, User},
    world::{Origin, Settings},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn at() -> String {
    format!("{}?api-version={AKS}", id("Microsoft.ContainerService/managedClusters/demo"))
}

fn pool_at(name: &str) -> String {
    format!("{}?api-version={AKS}", id(&format!("Microsoft.ContainerService/managedClusters/demo/agentPools/{name}")))
}

fn plain() -> Value {
    json!({
        "location": "eastus", "tags": {"kubewright-stack": "demo-1"}, "sku": {"name": "Base", "tier": "Free"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "kubernetesVersion": "1.35", "dnsPrefix": "demo",
            "agentPoolProfiles": [{"name": "default", "mode": "System", "count": 2, "vmSize": "Standard_D2as_v5", "availabilityZones": ["1", "2"]}],
            "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay", "networkDataplane": "cilium", "networkPolicy": "cilium", "podCidr": "10.244.0.0/16", "serviceCidr": "10.2.0.0/16", "dnsServiceIP": "10.2.0.10"},
        },
    })
}

/// In a subnet of one's own, with an identity of one's own.
fn own(bench: &mut Bench, granted: bool) -> Value {
    let subnet = bench.network();
    let identity = id("Microsoft.ManagedIdentity/userAssignedIdentities/demo-id");
    let made = bench.ok("PUT", &format!("{identity}?api-version=2024-11-30"), json!({"location": "eastus"}));
    if granted {
        let role = format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7"
        );
        let at = format!(
            "{subnet}/providers/Microsoft.Authorization/roleAssignments/5a4d0000-0000-4000-8000-0000000000aa?api-version=2022-04-01"
        );
        bench.ok("PUT", &at, json!({"properties": {"roleDefinitionId": role, "principalId": made["properties"]["principalId"], "principalType": "ServicePrincipal"}}));
    }
    let mut body = plain();
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {identity: {}}});
    body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    body["properties"]["networkProfile"]["outboundType"] = json!("userAssignedNATGateway");
    body["properties"]["nodeResourceGroup"] = json!("demo-nodes");
    body
}

fn up(bench: &mut Bench) -> Value {
    bench.group();
    let made = bench.call("PUT", &at(), plain()).expect("accepted");
    assert_eq!(made.http, 201);
    bench.minutes(6);
    assert_eq!(bench.operation(&made)["status"], "Succeeded");
    bench.get(&at())
}

#[test]
fn a_cluster_comes_up_with_its_node_group() {
    let mut bench = Bench::new();
    bench.group();
    let made = bench.call("PUT", &at(), plain()).expect("accepted");
    let url = Bench::header(&made, "azure-asyncoperation");
    assert!(
        url.contains("/providers/Microsoft.ContainerService/locations/eastus/operations/")
            && url.contains("api-version=2016-03-30")
    );
    let begun = bench.operation(&made);
    assert_eq!((begun["status"].as_str(), begun["startTime"].is_string()), (Some("InProgress"), true));
    assert_eq!(bench.get(&at())["properties"]["provisioningState"], "Creating");
    assert_eq!(bench.refused("PUT", &at(), plain()).code, "OperationNotAllowed");
    bench.minutes(6);
    assert_eq!(bench.operation(&made)["status"], "Succeeded");
    let cluster = bench.get(&at());
    let properties = &cluster["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(
        (&properties["kubernetesVersion"], &properties["currentKubernetesVersion"]),
        (&json!("1.35"), &json!("1.35.4"))
    );
    assert_eq!(properties["nodeResourceGroup"], "MC_g_demo_eastus");
    assert!(properties["fqdn"].as_str().expect("a name").ends_with(".hcp.eastus.azmk8s.io"));
    assert!(cluster["identity"]["principalId"].is_string() && cluster["eTag"].is_string());
    let pool = &properties["agentPoolProfiles"][0];
    assert_eq!(
        (&pool["provisioningState"], &pool["maxPods"], &pool["osSKU"]),
        (&json!("Succeeded"), &json!(250), &json!("Ubuntu"))
    );
    assert_eq!(
        properties["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"].as_array().map(Vec::len),
        Some(1)
    );
    let group = bench.get("/resourceGroups/mc_g_demo_eastus?api-version=2024-11-01");
    assert_eq!(group["managedBy"], cluster["id"]);
    assert_eq!(
        (bench.objects(SCALE_SET).len(), bench.objects(MACHINE).len(), bench.objects(BALANCER).len()),
        (1, 2, 1)
    );
    for kind in [SCALE_SET, MACHINE, BALANCER, PUBLIC_IP] {
        assert!(bench.objects(kind).iter().all(|object| object.created_by == Origin::Controller));
    }
    let zones: Vec<Value> = bench.objects(MACHINE).iter().map(|machine| machine.doc["zones"][0].clone()).collect();
    assert_eq!(zones, [json!("1"), json!("2")]);
}

#[test]
fn nodes_are_named_and_labelled_as_aks_does() {
    let mut bench = Bench::new();
    up(&mut bench);
    let now = bench.world.now();
    let tx = bench.world.begin(now);
    let owner = tx.all().find(|object| object.is(CLUSTER)).expect("stands").clone();
    let cluster = Azure::BARE.living(&tx, &owner.scope(), &owner.id).expect("lives");
    let nodes = Azure::BARE.nodes(&tx, &cluster);
    assert_eq!(nodes.len(), 2);
    assert!(nodes[0].name.starts_with("aks-default-") && nodes[0].name.ends_with("-vmss000000"), "{}", nodes[0].name);
    assert!(
        nodes[0].provider_id.starts_with("azure:///subscriptions/")
            && nodes[0].provider_id.contains("/resourceGroups/mc_g_demo_eastus/")
    );
    assert_eq!((nodes[0].labels["kubernetes.azure.com/mode"].as_str(), nodes[0].zone.as_str()), ("system", "eastus-1"));
    assert!(nodes.iter().all(|node| node.ready));
    assert_eq!(cluster.git_version, "v1.35.4");
}

#[test]
fn an_identity_needs_its_right_on_the_subnet_and_time() {
    let mut bench = Bench::new();
    let body = own(&mut bench, true);
    let error = bench.refused("PUT", &at(), body.clone());
    assert_eq!((error.http, error.code.as_str()), (403, "LinkedAuthorizationFailed"));
    assert!(error.message.contains("subnets/join/action"));
    bench.minutes(1);
    bench.ok("PUT", &at(), body);
    bench.minutes(6);
    let cluster = bench.get(&at());
    assert_eq!(cluster["properties"]["provisioningState"], "Succeeded");
    assert!(bench.objects(BALANCER).is_empty(), "machines go out through the NAT gateway");
    let error = bench.refused("DELETE", &net("virtualNetworks/v"), Value::Null);
    assert_eq!(error.code, "InUseSubnetCannotBeDeleted");
    let mut without = Bench::new();
    let body = own(&mut without, false);
    without.minutes(2);
    assert_eq!(without.refused("PUT", &at(), body).code, "LinkedAuthorizationFailed");
}

#[test]
fn machines_that_reach_nothing_fail_the_cluster_and_a_second_put_mends_it() {
    let mut bench = Bench::new();
    let body = own(&mut bench, true);
    bench.minutes(1);
    let made = bench.call("PUT", &at(), body.clone()).expect("accepted");
    // Somebody takes the gateway off while it builds.
    bench.ok("PUT", &net("virtualNetworks/v"), super::vnet(false));
    bench.minutes(12);
    let ended = bench.operation(&made);
    assert_eq!(
        (ended["status"].as_str(), ended["error"]["code"].as_str()),
        (Some("Failed"), Some("VMExtensionProvisioningError"))
    );
    assert!(ended["error"]["message"].as_str().expect("words").contains("exit status=50"));
    assert_eq!(bench.get(&at())["properties"]["provisioningState"], "Failed");
    bench.ok("PUT", &net("virtualNetworks/v"), super::vnet(true));
    bench.minutes(1);
    let again = bench.call("PUT", &at(), body).expect("accepted");
    assert_eq!(again.http, 200);
    bench.minutes(6);
    assert_eq!(bench.get(&at())["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn requests_are_judged_as_aks_judges_them() {
    let mut bench = Bench::new();
    bench.group();
    let mut code = |path: &str, value: Value| {
        let mut body = plain();
        let (parent, key) = path.rsplit_once('/').expect("a path");
        body.pointer_mut(parent).expect("a parent")[key] = value;
        bench.refused("PUT", &at(), body).code
    };
    let pool = "/properties/agentPoolProfiles/0";
    assert_eq!(code("/properties/dnsPrefixx", json!("a")), "InvalidRequestContent");
    assert_eq!(code("/properties/kubernetesVersion", json!("1.30")), "K8sVersionNotSupported");
    assert_eq!(code(&format!("{pool}/mode"), json!("User")), "InvalidParameter");
    assert_eq!(code(&format!("{pool}/name"), json!("Bad-Name")), "InvalidParameter");
    assert_eq!(code(&format!("{pool}/vmSize"), json!("Standard_Nothing")), "BadRequest");
    assert_eq!(code(&format!("{pool}/vmSize"), json!("Standard_A1_v2")), "InvalidSystemPoolSKU");
    assert_eq!(code(&format!("{pool}/scaleSetPriority"), json!("Spot")), "InvalidParameter");
    assert_eq!(code(&format!("{pool}/minCount"), json!(1)), "InvalidParameter");
    assert_eq!(code(&format!("{pool}/count"), json!(0)), "InvalidParameter");
    assert_eq!(code(&format!("{pool}/nodeLabels"), json!({"kubernetes.azure.com/x": "y"})), "InvalidParameter");
    assert_eq!(code(&format!("{pool}/availabilityZones"), json!(["7"])), "AvailabilityZoneNotSupported");
    assert_eq!(code("/properties/networkProfile/dnsServiceIP", json!("10.9.0.10")), "DnsServiceIpOutOfServiceCidr");
    assert_eq!(code("/properties/networkProfile/podCidr", json!("10.2.0.0/16")), "ServiceCidrOverlapExistingPodCidr");
    assert_eq!(code("/properties/networkProfile/serviceCidr", json!("172.31.0.0/16")), "InvalidParameter");
    assert_eq!(code("/properties/networkProfile/outboundType", json!("userAssignedNATGateway")), "InvalidOutboundType");
    assert_eq!(code("/properties/disableLocalAccounts", json!(true)), "BadRequest");
    assert_eq!(code("/properties/nodeResourceGroup", json!("x".repeat(81))), "InvalidParameter");
    assert_eq!(code("/properties/nodeResourceGroup", json!("g")), "InvalidParameter");
    assert_eq!(code("/identity", json!({"type": "None"})), "InvalidParameter");
}

#[test]
fn quotas_are_counted_and_sizes_sell_out() {
    let quotas = BTreeMap::from([("compute/standardDASv5Family".to_owned(), 3.0)]);
    let mut bench = Bench::fresh(Settings { quotas, ..Settings::default() });
    for namespace in ["Microsoft.ContainerService", "Microsoft.Network"] {
        bench.ok("POST", &format!("/providers/{namespace}/register?api-version=2024-11-01"), Value::Null);
    }
    bench.minutes(4);
    bench.group();
    let error = bench.refused("PUT", &at(), plain());
    assert_eq!(error.code, "ErrCode_InsufficientVCPUQuota");
    assert!(error.message.contains("Current Limit: 3, Current Usage: 0, Additional Required: 4"));
    let quotas = BTreeMap::from([("capacity/eastus-2/Standard_D2as_v5".to_owned(), 0.0)]);
    let mut bench = Bench::fresh(Settings { quotas, ..Settings::default() });
    for namespace in ["Microsoft.ContainerService", "Microsoft.Network"] {
        bench.ok("POST", &format!("/providers/{namespace}/register?api-version=2024-11-01"), Value::Null);
    }
    bench.minutes(4);
    bench.group();
    let made = bench.call("PUT", &at(), plain()).expect("accepted");
    bench.minutes(4);
    assert_eq!(bench.operation(&made)["error"]["code"], "ZonalAllocationFailed");
    assert_eq!(bench.get(&at())["properties"]["provisioningState"], "Failed");
}

#[test]
fn pools_come_change_and_go_one_at_a_time() {
    let mut bench = Bench::new();
    up(&mut bench);
    let gpu = json!({"properties": {"count": 1, "vmSize": "Standard_NC4as_T4_v3", "scaleSetPriority": "Spot"}});
    let made = bench.call("PUT", &pool_at("gpu"), gpu.clone()).expect("accepted");
    assert_eq!(made.http, 201);
    assert_eq!(bench.refused("PUT", &pool_at("more"), gpu).code, "OperationNotAllowed");
    bench.minutes(4);
    assert_eq!(bench.operation(&made)["status"], "Succeeded");
    let pool = bench.get(&pool_at("gpu"));
    assert_eq!(pool["properties"]["nodeTaints"], json!(["kubernetes.azure.com/scalesetpriority=spot:NoSchedule"]));
    assert_eq!(pool["properties"]["mode"], "User");
    let mut surge = json!({"properties": {"count": 1, "vmSize": "Standard_D2as_v5", "scaleSetPriority": "Spot"}});
    surge["properties"]["upgradeSettings"] = json!({"maxSurge": "10%"});
    assert_eq!(bench.refused("PUT", &pool_at("spot"), surge).code, "InvalidParameter");
    let other = json!({"properties": {"count": 1, "vmSize": "Standard_D2as_v5"}});
    let error = bench.refused("PUT", &pool_at("gpu"), other);
    assert_eq!((error.code.as_str(), error.target.as_deref()), ("PropertyChangeNotAllowed", Some("properties.vmSize")));
    // Read, change one thing, send it all back.
    let mut whole = bench.get(&pool_at("default"));
    whole["properties"]["count"] = json!(3);
    bench.ok("PUT", &pool_at("default"), whole);
    bench.minutes(4);
    assert_eq!(bench.objects(MACHINE).len(), 4);
    let scaled = json!({"properties": {"count": 3, "vmSize": "Standard_D2as_v5", "mode": "System", "enableAutoScaling": true, "minCount": 1, "maxCount": 5}});
    bench.ok("PUT", &pool_at("default"), scaled);
    bench.minutes(4);
    let error = bench.refused(
        "PUT",
        &pool_at("default"),
        json!({"properties": {"count": 2, "enableAutoScaling": true, "minCount": 1, "maxCount": 5}}),
    );
    assert_eq!(error.code, "CannotScaleClusterAutoscalerEnabledNodePool");
    assert_eq!(bench.refused("DELETE", &pool_at("default"), Value::Null).code, "OperationNotAllowed");
    bench.ok("DELETE", &pool_at("gpu"), Value::Null);
    bench.minutes(4);
    assert_eq!(bench.objects(POOL).len(), 1);
    assert_eq!(bench.call("DELETE", &pool_at("gpu"), Value::Null).expect("gone").http, 204);
}

#[test]
fn updates_keep_what_cannot_change_and_move_versions_by_one() {
    let mut bench = Bench::new();
    let cluster = up(&mut bench);
    let mut same = cluster.clone();
    same["tags"]["more"] = json!("yes");
    let etag = cluster["eTag"].as_str().expect("an etag").to_owned();
    bench.with("PUT", &at(), same, Some(&etag), None).expect("accepted");
    bench.minutes(2);
    assert_eq!(bench.get(&at())["tags"]["more"], "yes");
    let mut moved = bench.get(&at());
    assert_eq!(bench.with("PUT", &at(), moved.clone(), Some(&etag), None).expect_err("changed").code, "EtagMismatch");
    moved["properties"]["kubernetesVersion"] = json!("1.36");
    let begun = bench.ok("PUT", &at(), moved);
    assert_eq!(begun["properties"]["provisioningState"], "Upgrading");
    bench.minutes(7);
    assert_eq!(bench.get(&at())["properties"]["currentKubernetesVersion"], "1.36.1");
    let mut other = bench.get(&at());
    other["properties"]["dnsPrefix"] = json!("other");
    assert_eq!(bench.refused("PUT", &at(), other).code, "PropertyChangeNotAllowed");
    let mut fewer = bench.get(&at());
    fewer["properties"]["agentPoolProfiles"][0]["name"] = json!("second");
    assert_eq!(
        bench.refused("PUT", &at(), fewer).code,
        "InvalidRequestContent",
        "a new pool cannot say what is read-only"
    );
    let tags = bench.ok("PATCH", &at(), json!({"tags": {"only": "this"}}));
    assert_eq!(tags["tags"], json!({"only": "this"}));
}

#[test]
fn kubeconfigs_are_for_those_who_may_have_them() {
    let mut bench = Bench::new();
    up(&mut bench);
    let list = |what: &str| at().replace("demo?", &format!("demo/{what}?"));
    let user = bench.ok("POST", &list("listClusterUserCredential"), Value::Null);
    assert_eq!(user["kubeconfigs"][0]["name"], "clusterUser");
    let admin = bench.ok("POST", &list("listClusterAdminCredential"), Value::Null);
    assert_eq!(admin["kubeconfigs"][0]["name"], "clusterAdmin");
    let mut entra = Bench::new();
    entra.group();
    let mut body = plain();
    body["properties"]["disableLocalAccounts"] = json!(true);
    body["properties"]["aadProfile"] = json!({"managed": true, "enableAzureRBAC": true});
    entra.ok("PUT", &at(), body);
    assert_eq!(entra.refused("POST", &list("listClusterUserCredential"), Value::Null).code, "ClusterNotReady");
    entra.minutes(6);
    let error = entra.refused("POST", &list("listClusterAdminCredential"), Value::Null);
    assert!(error.message.starts_with("Getting static credential is not allowed"));
    entra.ok("POST", &format!("{}&format=exec", list("listClusterUserCredential")), Value::Null);
}

#[test]
fn a_deletion_takes_the_node_group_and_waits_for_what_is_foreign() {
    let mut bench = Bench::new();
    up(&mut bench);
    let foreign =
        "/resourceGroups/MC_g_demo_eastus/providers/Microsoft.Network/publicIPAddresses/theirs?api-version=2025-03-01";
    bench.ok("PUT", foreign, super::address());
    bench.seconds(10);
    let gone = bench.call("DELETE", &at(), Value::Null).expect("accepted");
    assert_eq!(gone.http, 202);
    bench.minutes(20);
    assert_eq!(bench.operation(&gone)["status"], "InProgress");
    assert_eq!(bench.get(&at())["properties"]["provisioningState"], "Deleting");
    let left = bench.get("/resourceGroups/MC_g_demo_eastus/resources?api-version=2024-11-01");
    assert!(left["value"].as_array().expect("a list").iter().any(|one| one["name"] == "theirs"));
    bench.ok("DELETE", foreign, Value::Null);
    bench.minutes(2);
    assert_eq!(bench.operation(&gone)["status"], "Succeeded");
    assert_eq!(bench.refused("GET", &at(), Value::Null).code, "ResourceNotFound");
    let groups: Vec<String> = bench.objects(GROUP).into_iter().map(|group| group.id).collect();
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert!(
        bench.objects(PUBLIC_IP).is_empty() && bench.objects(SCALE_SET).is_empty() && bench.objects(MACHINE).is_empty()
    );
    let location = Bench::header(&gone, "location").replace("https://localhost:1", "");
    assert_eq!(bench.call("GET", &location, Value::Null).expect("done").http, 204);
    assert_eq!(bench.call("DELETE", &at(), Value::Null).expect("gone").http, 204);
}

#[test]
fn a_group_with_a_cluster_goes_whole() {
    let mut bench = Bench::new();
    up(&mut bench);
    bench.ok("DELETE", "/resourceGroups/g?api-version=2024-11-01", Value::Null);
    bench.minutes(10);
    assert!(bench.objects(GROUP).is_empty() && bench.objects(CLUSTER).is_empty() && bench.objects(POOL).is_empty());
}

#[test]
fn a_locked_node_group_takes_nothing_by_hand() {
    let mut bench = Bench::new();
    bench.group();
    let mut body = plain();
    body["properties"]["nodeResourceGroupProfile"] = json!({"restrictionLevel": "ReadOnly"});
    bench.ok("PUT", &at(), body);
    bench.minutes(6);
    let theirs =
        "/resourceGroups/MC_g_demo_eastus/providers/Microsoft.Network/publicIPAddresses/theirs?api-version=2025-03-01";
    let error = bench.refused("PUT", theirs, super::address());
    assert_eq!((error.http, error.code.as_str()), (403, "DenyAssignmentAuthorizationFailed"));
    assert_eq!(
        bench.refused("DELETE", "/resourceGroups/MC_g_demo_eastus?api-version=2024-11-01", Value::Null).http,
        403
    );
    bench.ok("DELETE", &at(), Value::Null);
    bench.minutes(5);
    assert!(bench.objects(CLUSTER).is_empty());
}

#[test]
fn services_and_claims_leave_their_things_in_the_node_group() {
    let mut bench = Bench::new();
    up(&mut bench);
    let now = bench.world.now();
    let mut tx = bench.world.begin(now);
    let owner = tx.all().find(|object| object.is(CLUSTER)).expect("stands").clone();
    let cluster = Azure::BARE.living(&tx, &owner.scope(), &owner.id).expect("lives");
    let (annotations, spec) =
        (Value::Null, json!({"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]}));
    let front = Front {
        kind: FrontKind::Service,
        uid: "11111111-2222-4333-8444-555555555555",
        namespace: "default",
        name: "web",
        annotations: &annotations,
        spec: &spec,
    };
    assert!(Azure::BARE.serves(&tx, &cluster, &front));
    let Some(Address::Ip(ip)) = Azure::BARE.make_balancer(&mut tx, &cluster, &front) else { panic!("no address") };
    assert!(ip.starts_with("203.0.113."));
    let parameters = json!({"skuname": "Premium_LRS"});
    let disk = Disk { name: "pvc-1", zone: "eastus-1", gib: 10, parameters: &parameters, claim: ("default", "data") };
    let handle = Azure::BARE.make_disk(&mut tx, &cluster, &disk).expect("a disk");
    assert!(handle.ends_with("/resourceGroups/MC_g_demo_eastus/providers/Microsoft.Compute/disks/pvc-1"));
    tx.commit().expect("committed");
    let tags = bench.objects(DISK)[0].tags.clone();
    assert_eq!(tags["kubernetes.io-created-for-pvc-name"], "data");
    let address =
        bench.objects(PUBLIC_IP).into_iter().find(|ip| ip.tags.contains_key("k8s-azure-service")).expect("an address");
    assert_eq!((address.tags["k8s-azure-service"].as_str(), address.created_by), ("default/web", Origin::Controller));
    let rules = bench.objects(BALANCER)[0].doc["properties"]["loadBalancingRules"].clone();
    assert_eq!(rules[0]["properties"]["frontendPort"], 80);
    assert_eq!(
        bench.objects(BALANCER)[0].doc["properties"]["frontendIPConfigurations"].as_array().map(Vec::len),
        Some(2)
    );
    let now = bench.world.now();
    let mut tx = bench.world.begin(now);
    assert!(Azure::BARE.remove_balancer(&mut tx, &cluster, &front));
    tx.commit().expect("committed");
    assert!(bench.objects(PUBLIC_IP).iter().all(|ip| !ip.tags.contains_key("k8s-azure-service")));
    assert_eq!(bench.objects(BALANCER).len(), 1, "machines go out through it");
    // The disk goes with the group, data and all.
    bench.ok("DELETE", &at(), Value::Null);
    bench.minutes(5);
    assert!(bench.objects(DISK).is_empty());
}

#[test]
fn pools_are_scaled_by_the_cloud() {
    let mut bench = Bench::new();
    bench.group();
    let mut body = plain();
    let pool = &mut body["properties"]["agentPoolProfiles"][0];
    for (key, value) in [("enableAutoScaling", json!(true)), ("minCount", json!(1)), ("maxCount", json!(4))] {
        pool[key] = value;
    }
    bench.ok("PUT", &at(), body);
    bench.minutes(6);
    let now = bench.world.now();
    let mut tx = bench.world.begin(now);
    let owner = tx.all().find(|object| object.is(CLUSTER)).expect("stands").clone();
    let cluster = Azure::BARE.living(&tx, &owner.scope(), &owner.id).expect("lives");
    let pools = Azure::BARE.pools(&tx, &cluster);
    assert_eq!(
        (pools[0].scales, pools[0].min, pools[0].desired, pools[0].max, pools[0].settled),
        (true, 1, 2, 4, true)
    );
    assert!(Azure::BARE.resize(&mut tx, &cluster, "default", 3, &[]));
    assert!(!Azure::BARE.resize(&mut tx, &cluster, "default", 4, &[]), "one thing at a time");
    tx.commit().expect("committed");
    bench.minutes(3);
    assert_eq!(
        (bench.objects(MACHINE).len(), bench.get(&pool_at("default"))["properties"]["count"].clone()),
        (3, json!(3))
    );
    let gone = bench.objects(MACHINE)[0].id.clone();
    let now = bench.world.now();
    let mut tx = bench.world.begin(now);
    assert!(Azure::BARE.resize(&mut tx, &cluster, "default", 2, std::slice::from_ref(&gone)));
    tx.commit().expect("committed");
    assert!(bench.objects(MACHINE).iter().all(|machine| machine.id != gone));
}

#[test]
fn callers_are_known_by_entra_and_by_the_admins_certificate() {
    let mut bench = Bench::new();
    bench.group();
    let mut body = plain();
    body["properties"]["aadProfile"] = json!({"managed": true, "enableAzureRBAC": true});
    bench.ok("PUT", &at(), body);
    bench.minutes(6);
    let wall = bench.world.now();
    let token = entra::token(entra::AKS_SERVER, wall);
    let arm = entra::token("https://management.azure.com", wall);
    let who = |bench: &mut Bench, token: &str| {
        let now = bench.world.now();
        let tx = bench.world.begin(now);
        let owner = tx.all().find(|object| object.is(CLUSTER)).expect("stands").clone();
        let cluster = Azure::BARE.living(&tx, &owner.scope(), &owner.id).expect("lives");
        Azure::BARE.identify(&tx, &cluster, Credentials { token: Some(token), certificate: None }, wall)
    };
    let nobody = User::new(OBJECT_ID, vec![GROUP_ID.to_owned()], vec![]);
    assert_eq!(who(&mut bench, &token), Ok(nobody), "an owner of the subscription has no say inside");
    assert!(who(&mut bench, &arm).is_err_and(|why| why.contains("wrong audience")));
    let role = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
    );
    let grant = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/5a4d0000-0000-4000-8000-0000000000cc?api-version=2022-04-01",
        id("Microsoft.ContainerService/managedClusters/demo")
    );
    bench.ok("PUT", &grant, json!({"properties": {"roleDefinitionId": role, "principalId": OBJECT_ID, "principalType": "ServicePrincipal"}}));
    bench.minutes(1);
    let admin = User::new(OBJECT_ID, vec![GROUP_ID.to_owned()], vec![(Right::Everything, None)]);
    assert_eq!(who(&mut bench, &token), Ok(admin));
    // Local accounts are on: the admin's certificate opens it, another does not.
    let now = bench.world.now();
    let tx = bench.world.begin(now);
    let owner = tx.all().find(|object| object.is(CLUSTER)).expect("stands").clone();
    let cluster = Azure::BARE.living(&tx, &owner.scope(), &owner.id).expect("lives");
    let stranger = Azure::BARE.identify(&tx, &cluster, Credentials { token: None, certificate: Some(b"other") }, wall);
    assert!(stranger.is_err());
}
