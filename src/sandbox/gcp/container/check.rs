//! What GKE takes for a cluster and a node pool, and what it fills in where nothing is said.

use super::super::{
    Cx, accounts, check_labels,
    compute::{self, NETWORK, Named, Place, SUBNETWORK},
    is_name, places,
    wire::Refused,
};
use super::store::texts;
use serde_json::{Value, json};

/// A refusal that names the field.
fn invalid(field: &str, message: impl Into<String>) -> Refused {
    let message = message.into();
    Refused::invalid(message.clone()).violating(vec![json!({"field": field, "description": message})])
}

/// Fills a field that is not there.
fn fill(value: &mut Value, key: &str, with: Value) {
    if value[key].is_null() {
        value[key] = with;
    }
}

/// The name of a cluster or a pool.
pub(super) fn name(field: &str, name: &str) -> Result<(), Refused> {
    if is_name(name, 40) {
        return Ok(());
    }
    Err(invalid(
        field,
        format!(
            "Invalid value for field \"{field}\": \"{name}\". Must be a match of regex '(?:[a-z](?:[-a-z0-9]{{0,38}}[a-z0-9])?)'."
        ),
    ))
}

/// Zones of nodes: given, or what the location comes to.
fn zones(field: &str, given: &Value, location: &str) -> Result<Vec<String>, Refused> {
    let region = places::region_of(location).unwrap_or(location);
    let given = texts(given);
    if given.is_empty() {
        return Ok(match places::region_of(location) {
            Some(_) => vec![location.to_owned()],
            None => places::zones(region).into_iter().take(3).collect(),
        });
    }
    let all = places::zones(region);
    if let Some(bad) = given.iter().find(|zone| !all.contains(zone)) {
        return Err(invalid(field, format!("Location \"{bad}\" is not a zone of region \"{region}\".")));
    }
    Ok(given)
}

/// A cluster's network: links of the network and the subnetwork.
pub(super) struct Net {
    pub(super) network: Named,
    pub(super) subnetwork: Named,
}

/// Finds network and subnetwork, by name, partial path or link.
fn network(cx: &Cx<'_, '_>, cluster: &Value, region: &str) -> Result<Net, Refused> {
    let read = |key: &str, sort, place: Place| {
        let text = cluster[key].as_str().filter(|text| !text.is_empty()).unwrap_or("default");
        let named = if text.contains('/') {
            Named::read(text, cx.project.id).filter(|named| named.sort == sort)
        } else {
            Some(Named::new(sort, cx.project.id, place, text))
        };
        named.ok_or_else(|| {
            invalid(&format!("cluster.{key}"), format!("Invalid value for field \"cluster.{key}\": \"{text}\"."))
        })
    };
    let network = read("network", NETWORK, Place::Global)?;
    let subnetwork = read("subnetwork", SUBNETWORK, Place::Region(region.to_owned()))?;
    if network.find(cx.tx).is_none() {
        return Err(invalid("cluster.network", format!("Network \"{}\" does not exist.", network.name)));
    }
    let Some(subnet) = subnetwork.find(cx.tx) else {
        return Err(invalid(
            "cluster.subnetwork",
            format!("Subnetwork \"{}\" does not exist in region \"{region}\".", subnetwork.name),
        ));
    };
    if subnetwork.place != Place::Region(region.to_owned()) {
        return Err(invalid(
            "cluster.subnetwork",
            format!("Subnetwork \"{}\" is not in region \"{region}\".", subnetwork.name),
        ));
    }
    if subnet.text("network") != network.link() {
        return Err(invalid(
            "cluster.subnetwork",
            format!("Subnetwork \"{}\" does not belong to network \"{}\".", subnetwork.name, network.name),
        ));
    }
    for named in [&network, &subnetwork] {
        let state = named.find(cx.tx).map(|object| object.state.as_str()).unwrap_or_default();
        if state != "READY" {
            return Err(Refused::invalid(format!("The resource '{}' is not ready", named.path())));
        }
    }
    Ok(Net { network, subnetwork })
}

/// Deprecated fields that do not go with what replaced them.
fn combinations(cluster: &Value) -> Result<(), Refused> {
    let there = |pointer: &str| cluster.pointer(pointer).is_some_and(|value| !value.is_null());
    let pools = cluster["nodePools"].as_array().is_some_and(|pools| !pools.is_empty());
    if pools && (cluster["initialNodeCount"].as_i64().unwrap_or_default() != 0 || there("/nodeConfig")) {
        return Err(invalid(
            "cluster.initial_node_count",
            "Cluster.initial_node_count and Cluster.node_config must not be set when Cluster.node_pools is set.",
        ));
    }
    let private =
        ["enablePrivateNodes", "enablePrivateEndpoint", "privateEndpointSubnetwork", "masterGlobalAccessConfig"];
    let old = private.iter().find(|key| there(&format!("/privateClusterConfig/{key}")));
    if let Some(old) = old
        && (there("/networkConfig/defaultEnablePrivateNodes") || there("/controlPlaneEndpointsConfig"))
    {
        return Err(invalid(
            "cluster.private_cluster_config",
            format!(
                "private_cluster_config.{old} is deprecated and cannot be used together with \
                 network_config.default_enable_private_nodes or control_plane_endpoints_config."
            ),
        ));
    }
    if there("/masterAuthorizedNetworksConfig")
        && there("/controlPlaneEndpointsConfig/ipEndpointsConfig/authorizedNetworksConfig")
    {
        return Err(invalid(
            "cluster.master_authorized_networks_config",
            "master_authorized_networks_config is deprecated and cannot be used together with \
             control_plane_endpoints_config.ip_endpoints_config.authorized_networks_config.",
        ));
    }
    for (old, new) in [("loggingService", "loggingConfig"), ("monitoringService", "monitoringConfig")] {
        if there(&format!("/{old}")) && there(&format!("/{new}")) {
            return Err(invalid(&format!("cluster.{old}"), format!("{old} and {new} cannot both be set.")));
        }
    }
    Ok(())
}

/// Ranges of pods and Services.
fn ranges(cx: &Cx<'_, '_>, cluster: &mut Value, net: &Net) -> Result<(), Refused> {
    fill(cluster, "ipAllocationPolicy", json!({}));
    let policy = &mut cluster["ipAllocationPolicy"];
    if policy["useIpAliases"] == json!(false) || policy["useRoutes"] == json!(true) {
        return Err(invalid(
            "cluster.ip_allocation_policy.use_ip_aliases",
            "The sandbox makes VPC-native clusters only.",
        ));
    }
    policy["useIpAliases"] = json!(true);
    let subnet = net.subnetwork.find(cx.tx).map(|object| object.doc.clone()).unwrap_or_default();
    let of = |name: &str| {
        let all = subnet["secondaryIpRanges"].as_array().into_iter().flatten();
        let mut own = all.filter(|range| range["rangeName"] == json!(name));
        own.find_map(|range| range["ipCidrRange"].as_str().map(ToOwned::to_owned))
    };
    for (key, block, what) in [
        ("clusterSecondaryRangeName", "clusterIpv4CidrBlock", "Pod"),
        ("servicesSecondaryRangeName", "servicesIpv4CidrBlock", "Services"),
    ] {
        let Some(name) = policy[key].as_str().filter(|name| !name.is_empty()).map(ToOwned::to_owned) else { continue };
        let given = policy[block].as_str().unwrap_or_default().to_owned();
        let range = of(&name).ok_or_else(|| {
            invalid(
                &format!("cluster.ip_allocation_policy.{key}"),
                format!("{what} secondary range \"{name}\" does not exist in subnet \"{}\".", net.subnetwork.name),
            )
        })?;
        if !given.is_empty() && given != range {
            return Err(invalid(
                &format!("cluster.ip_allocation_policy.{block}"),
                format!("{block} cannot be set together with {key}."),
            ));
        }
        policy[block] = json!(range);
    }
    let named = |key: &str| policy[key].as_str().unwrap_or_default().to_owned();
    let (pods, services) = (named("clusterSecondaryRangeName"), named("servicesSecondaryRangeName"));
    if !pods.is_empty() && pods == services {
        return Err(invalid("cluster.ip_allocation_policy", "Pods and Services must have ranges of their own."));
    }
    if pods.is_empty() != services.is_empty() {
        return Err(invalid(
            "cluster.ip_allocation_policy",
            "Pod and Services secondary ranges must both be named, or none of them.",
        ));
    }
    fill(policy, "stackType", json!("IPV4"));
    Ok(())
}

/// A cluster's body, complete.
///
/// # Errors
/// What GKE would not take.
pub(super) fn cluster(cx: &mut Cx<'_, '_>, location: &str, body: &Value) -> Result<(Value, Net), Refused> {
    let mut cluster = body.clone();
    let region = places::region_of(location).unwrap_or(location).to_owned();
    let zonal = places::region_of(location).is_some();
    combinations(&cluster)?;
    check_labels(&cluster["resourceLabels"]).map_err(|why| invalid("cluster.resource_labels", why))?;
    let autopilot = cluster["autopilot"]["enabled"] == json!(true);
    let has_pools = cluster["nodePools"].as_array().is_some_and(|pools| !pools.is_empty());
    if autopilot {
        if zonal {
            return Err(invalid("cluster.location", "Autopilot clusters must be regional clusters."));
        }
        if has_pools || !cluster["initialNodeCount"].is_null() || !cluster["nodeConfig"].is_null() {
            return Err(invalid("cluster.node_pools", "Node pools cannot be set on Autopilot clusters."));
        }
        let forbidden =
            [("addonsConfig", "addons_config"), ("locations", "locations"), ("shieldedNodes", "shielded_nodes")];
        if let Some((_, field)) = forbidden.iter().find(|(key, _)| !cluster[*key].is_null()) {
            return Err(invalid(
                &format!("cluster.{field}"),
                format!("Setting {field} is not supported on Autopilot clusters."),
            ));
        }
    } else if !has_pools && cluster["initialNodeCount"].as_i64().unwrap_or_default() < 1 {
        return Err(invalid("cluster.initial_node_count", "Cluster.initial_node_count must be greater than zero."));
    }
    let channel = cluster["releaseChannel"]["channel"]
        .as_str()
        .unwrap_or(if autopilot { "REGULAR" } else { "UNSPECIFIED" })
        .to_owned();
    if autopilot && channel == "UNSPECIFIED" {
        return Err(invalid("cluster.release_channel", "Autopilot clusters must be enrolled in a release channel."));
    }
    cluster["releaseChannel"] = json!({"channel": channel});
    let asked = cluster["initialClusterVersion"].as_str().unwrap_or_default().to_owned();
    let version = super::versions::resolve(&asked, &channel)?;
    cluster["initialClusterVersion"] = json!(version);
    cluster["currentMasterVersion"] = json!(version);
    let zones = zones("cluster.locations", &cluster["locations"], location)?;
    if zonal && !zones.iter().any(|zone| zone == location) {
        return Err(invalid(
            "cluster.locations",
            format!("Cluster.locations must contain the cluster's zone \"{location}\"."),
        ));
    }
    cluster["locations"] = json!(zones);
    let net = network(cx, &cluster, &region)?;
    cluster["network"] = json!(net.network.name);
    cluster["subnetwork"] = json!(net.subnetwork.name);
    fill(&mut cluster, "networkConfig", json!({}));
    cluster["networkConfig"]["network"] = json!(net.network.path());
    cluster["networkConfig"]["subnetwork"] = json!(net.subnetwork.path());
    ranges(cx, &mut cluster, &net)?;
    if let Some(pool) = cluster["workloadIdentityConfig"]["workloadPool"].as_str()
        && pool != format!("{}.svc.id.goog", cx.project.id)
    {
        let why = format!(
            "Invalid value for field \"cluster.workload_identity_config.workload_pool\": \"{pool}\". Only \"{}.svc.id.goog\" is currently supported.",
            cx.project.id
        );
        return Err(invalid("cluster.workload_identity_config.workload_pool", why));
    }
    if let Some(days) = cluster
        .pointer("/masterAuthorizedNetworksConfig/cidrBlocks")
        .or(cluster.pointer("/controlPlaneEndpointsConfig/ipEndpointsConfig/authorizedNetworksConfig/cidrBlocks"))
    {
        for block in days.as_array().into_iter().flatten() {
            let text = block["cidrBlock"].as_str().unwrap_or_default();
            if text.parse::<ipnet::IpNet>().is_err() {
                return Err(invalid(
                    "cluster.master_authorized_networks_config",
                    format!("Invalid CIDR block \"{text}\"."),
                ));
            }
        }
    }
    defaults(cx, &mut cluster, autopilot);
    Ok((cluster, net))
}

fn defaults(cx: &Cx<'_, '_>, cluster: &mut Value, autopilot: bool) {
    for (key, value) in [
        ("addonsConfig", json!({})),
        ("shieldedNodes", json!({"enabled": true})),
        ("loggingConfig", json!({"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]}})),
        ("monitoringConfig", json!({"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}})),
        ("loggingService", json!("logging.googleapis.com/kubernetes")),
        ("monitoringService", json!("monitoring.googleapis.com/kubernetes")),
        ("databaseEncryption", json!({"state": "DECRYPTED"})),
        ("defaultMaxPodsConstraint", json!({"maxPodsPerNode": "110"})),
        ("controlPlaneEndpointsConfig", json!({})),
    ] {
        fill(cluster, key, value);
    }
    if autopilot {
        cluster["workloadIdentityConfig"] = json!({"workloadPool": format!("{}.svc.id.goog", cx.project.id)});
        cluster["networkConfig"]["datapathProvider"] = json!("ADVANCED_DATAPATH");
        cluster["verticalPodAutoscaling"] = json!({"enabled": true});
    }
    let endpoints = &mut cluster["controlPlaneEndpointsConfig"];
    fill(endpoints, "ipEndpointsConfig", json!({}));
    fill(&mut endpoints["ipEndpointsConfig"], "enabled", json!(true));
    fill(&mut endpoints["ipEndpointsConfig"], "enablePublicEndpoint", json!(true));
    fill(endpoints, "dnsEndpointConfig", json!({"allowExternalTraffic": false}));
    fill(&mut cluster["addonsConfig"], "gcePersistentDiskCsiDriverConfig", json!({"enabled": true}));
    fill(&mut cluster["addonsConfig"], "httpLoadBalancing", json!({}));
    fill(&mut cluster["addonsConfig"], "horizontalPodAutoscaling", json!({}));
}

/// What a pool is checked against.
pub(super) struct Around<'a> {
    pub(super) location: &'a str,
    /// The cluster's zones.
    pub(super) zones: &'a [String],
    pub(super) channel: &'a str,
    pub(super) version: &'a str,
    /// Whether nodes have no public addresses unless they say otherwise.
    pub(super) private: bool,
    /// The cluster has a workload pool.
    pub(super) identities: bool,
}

/// A pool's body, complete.
///
/// # Errors
/// What GKE would not take.
pub(super) fn pool(cx: &mut Cx<'_, '_>, body: &Value, around: &Around<'_>) -> Result<Value, Refused> {
    let mut pool = body.clone();
    name("node_pool.name", pool["name"].as_str().unwrap_or_default())?;
    let zones = zones("node_pool.locations", &pool["locations"], around.location)?;
    let zones =
        if pool["locations"].as_array().is_some_and(|list| !list.is_empty()) { zones } else { around.zones.to_vec() };
    pool["locations"] = json!(zones);
    let count = pool["initialNodeCount"].as_i64().unwrap_or_default();
    if !(0..=1_000).contains(&count) {
        return Err(invalid(
            "node_pool.initial_node_count",
            "Node_pool.initial_node_count must be between 0 and 1000.",
        ));
    }
    autoscaling(&pool["autoscaling"])?;
    let auto = pool["autoscaling"]["enabled"] == json!(true);
    if count == 0 && !auto && pool.get("initialNodeCount").is_none() {
        return Err(invalid("node_pool.initial_node_count", "Node_pool.initial_node_count must be greater than zero."));
    }
    pool["initialNodeCount"] = json!(count);
    management(&mut pool, around)?;
    let version = super::versions::of_nodes(pool["version"].as_str().unwrap_or_default(), around.version)
        .map_err(|refused| invalid("node_pool.version", refused.message))?;
    pool["version"] = json!(version);
    config(cx, &mut pool["config"], &zones, around)?;
    fill(&mut pool, "networkConfig", json!({}));
    fill(&mut pool["networkConfig"], "enablePrivateNodes", json!(around.private));
    fill(&mut pool, "maxPodsConstraint", json!({"maxPodsPerNode": "110"}));
    let most = match &pool["maxPodsConstraint"]["maxPodsPerNode"] {
        Value::String(text) => text.parse().unwrap_or_default(),
        value => value.as_i64().unwrap_or_default(),
    };
    if !(8..=256).contains(&most) {
        return Err(invalid("node_pool.max_pods_constraint", "MaxPodsPerNode must be between 8 and 256."));
    }
    pool["maxPodsConstraint"] = json!({"maxPodsPerNode": most.to_string()});
    pool["podIpv4CidrSize"] = json!(32 - (u32::try_from(most * 2 - 1).unwrap_or(1).ilog2() + 1));
    fill(&mut pool, "upgradeSettings", json!({"strategy": "SURGE", "maxSurge": 1}));
    Ok(pool)
}

/// Bounds of a pool: in each zone or in all, and not upside down.
pub(super) fn autoscaling(said: &Value) -> Result<(), Refused> {
    let number = |key: &str| said[key].as_i64().unwrap_or_default();
    let total = number("totalMinNodeCount") != 0 || number("totalMaxNodeCount") != 0;
    let each = number("minNodeCount") != 0 || number("maxNodeCount") != 0;
    if total && each {
        return Err(invalid(
            "node_pool.autoscaling",
            "Only one of (min_node_count, max_node_count) and (total_min_node_count, total_max_node_count) can be set.",
        ));
    }
    let (least, most) = if total {
        (number("totalMinNodeCount"), number("totalMaxNodeCount"))
    } else {
        (number("minNodeCount"), number("maxNodeCount"))
    };
    if said["enabled"] == json!(true) && (most < 1 || least > most || least < 0) {
        return Err(invalid(
            "node_pool.autoscaling",
            "Autoscaling limits are invalid: max must be at least 1 and at least min.",
        ));
    }
    Ok(())
}

/// On a channel, pools upgrade and repair themselves.
pub(super) fn management(pool: &mut Value, around: &Around<'_>) -> Result<(), Refused> {
    fill(pool, "management", json!({}));
    let on_channel = !matches!(around.channel, "" | "UNSPECIFIED");
    for (key, word) in [("autoRepair", "Auto_repair"), ("autoUpgrade", "Auto_upgrade")] {
        if on_channel && pool["management"][key] == json!(false) {
            return Err(invalid(
                "node_pool.management",
                format!("{word} must be true when release_channel {} is set.", around.channel),
            ));
        }
        fill(&mut pool["management"], key, json!(true));
    }
    Ok(())
}

fn config(cx: &mut Cx<'_, '_>, config: &mut Value, zones: &[String], around: &Around<'_>) -> Result<(), Refused> {
    if config.is_null() {
        *config = json!({});
    }
    for (key, value) in [
        ("machineType", json!("e2-medium")),
        ("diskType", json!("pd-balanced")),
        ("diskSizeGb", json!(100)),
        ("imageType", json!("COS_CONTAINERD")),
        ("serviceAccount", json!("default")),
        ("oauthScopes", json!([])),
        ("metadata", json!({"disable-legacy-endpoints": "true"})),
        ("shieldedInstanceConfig", json!({"enableIntegrityMonitoring": true})),
        ("resourceLabels", json!({})),
    ] {
        fill(config, key, value);
    }
    let machine = config["machineType"].as_str().unwrap_or_default().to_owned();
    for zone in zones {
        if compute::machine_in(zone, &machine).is_none() {
            return Err(invalid(
                "node_pool.config.machine_type",
                format!("Machine type \"{machine}\" does not exist in zone \"{zone}\"."),
            ));
        }
    }
    let disk = config["diskType"].as_str().unwrap_or_default();
    if !["pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced"].contains(&disk) {
        return Err(invalid("node_pool.config.disk_type", format!("Disk type \"{disk}\" is not supported.")));
    }
    if !(10..=65_536).contains(&config["diskSizeGb"].as_i64().unwrap_or_default()) {
        return Err(invalid("node_pool.config.disk_size_gb", "Boot disk size must be between 10 and 65536 GB."));
    }
    let image = config["imageType"].as_str().unwrap_or_default().to_uppercase();
    if !["COS_CONTAINERD", "UBUNTU_CONTAINERD"].contains(&image.as_str()) {
        return Err(invalid("node_pool.config.image_type", format!("Image type \"{image}\" is not supported.")));
    }
    if config["spot"] == json!(true) && config["preemptible"] == json!(true) {
        return Err(invalid("node_pool.config", "Spot and preemptible cannot both be set."));
    }
    for taint in config["taints"].as_array().into_iter().flatten() {
        if taint["key"].as_str().is_none_or(str::is_empty)
            || matches!(taint["effect"].as_str(), None | Some("EFFECT_UNSPECIFIED"))
        {
            return Err(invalid("node_pool.config.taints", "A taint needs a key and an effect."));
        }
    }
    check_labels(&config["resourceLabels"]).map_err(|why| invalid("node_pool.config.resource_labels", why))?;
    for key in config["labels"].as_object().into_iter().flatten().map(|(key, _)| key) {
        let reserved = key.split('/').next().is_some_and(|head| {
            key.contains('/')
                && (head.ends_with("kubernetes.io") && head != "node.kubernetes.io" || head.ends_with("k8s.io"))
        });
        if reserved {
            return Err(invalid("node_pool.config.labels", format!("Node label \"{key}\" is reserved.")));
        }
    }
    if config["workloadMetadataConfig"]["mode"] == json!("GKE_METADATA") && !around.identities {
        return Err(invalid(
            "node_pool.config.workload_metadata_config",
            "Workload metadata mode GKE_METADATA needs a cluster with workload identity.",
        ));
    }
    accelerators(config, &machine, zones)?;
    let account = config["serviceAccount"].as_str().unwrap_or_default();
    let email = if account == "default" { accounts::default_of(cx.project) } else { account.to_owned() };
    accounts::check_act_as(cx, &email)
}

fn accelerators(config: &mut Value, machine: &str, zones: &[String]) -> Result<(), Refused> {
    let built_in = compute::accelerators(machine);
    let said = config["accelerators"].as_array().cloned().unwrap_or_default();
    let field = "node_pool.config.accelerators";
    for one in &said {
        let kind = one["acceleratorType"].as_str().unwrap_or_default();
        let count = match &one["acceleratorCount"] {
            Value::String(text) => text.parse().unwrap_or_default(),
            value => value.as_i64().unwrap_or_default(),
        };
        if count < 1 {
            return Err(invalid(field, "Accelerator count must be at least 1."));
        }
        if let Some(zone) = zones.iter().find(|zone| !compute::has_accelerator(zone, kind)) {
            return Err(invalid(field, format!("Accelerator type \"{kind}\" does not exist in zone {zone}.")));
        }
        match built_in {
            Some((own, _)) if own != kind => {
                return Err(invalid(field, format!("Machine type {machine} comes with accelerators of type {own}.")));
            }
            None if !machine.starts_with("n1-") => {
                return Err(invalid(
                    field,
                    format!("Machine type {machine} does not support accelerators of type {kind}."),
                ));
            }
            _ => {}
        }
    }
    if said.is_empty()
        && let Some((kind, count)) = built_in
    {
        config["accelerators"] = json!([{"acceleratorType": kind, "acceleratorCount": format!("{}", count.ceil())}]);
    }
    Ok(())
}
